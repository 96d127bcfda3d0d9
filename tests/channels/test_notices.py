"""What `notices.json` says, made harmless, and how it is fetched and remembered (CEP 6)."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.channels.notice_store import LARGEST_BYTES, KeptNotices, NoticeStore, fetch_notices
from envmgr.channels.notices import (
    LONGEST_MESSAGE,
    MOST_NOTICES,
    Notice,
    clean_text,
    current,
    moment_text,
    parse_notices,
)
from envmgr.errors import ChannelError, DataError
from envmgr.models.channel import Channel
from envmgr.net.http import HttpOptions, HttpTransport
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from pathlib import Path

STANDARD = {
    "notices": [
        {
            "id": "1cd1d8e5-d96c-42d1-9c29-e8120ad80823",
            "message": "Here is an example message that will be displayed to users",
            "level": "info",
            "created_at": "2022-04-21T11:50:34+00:00",
            "expires_at": "2022-04-22T00:00:00+00:00",
        }
    ]
}


def parse(*entries: Any) -> tuple[Notice, ...]:
    return parse_notices(json.dumps({"notices": entries}).encode(), "c")


def test_the_standards_example() -> None:
    [notice] = parse_notices(json.dumps(STANDARD).encode(), "conda-forge")
    assert notice.id == "1cd1d8e5-d96c-42d1-9c29-e8120ad80823"
    assert (notice.channel, notice.level) == ("conda-forge", "info")
    assert notice.message == "Here is an example message that will be displayed to users"
    assert moment_text(notice.created_at) == "2022-04-21T11:50:34+00:00"
    assert notice.expires_at == 1650585600.0
    assert notice.is_expired(1650585600.0)
    assert current([notice], 1650585599.0) == [notice]
    assert current([notice], 1650585601.0) == []


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("2022-04-21T11:50:34Z", "2022-04-21T11:50:34+00:00"),
        ("2022-04-21 11:50:34.5+02:00", "2022-04-21T09:50:34.500000+00:00"),
        ("2022-04-21T11:50:34", "2022-04-21T11:50:34+00:00"),
        ("2022-04-21", "2022-04-21T00:00:00+00:00"),
        ("soon", None),
        (None, None),
        (7, None),
    ],
)
def test_moments_are_read_in_utc_and_odd_ones_are_unknown(written: object, text: str | None) -> None:
    [notice] = parse({"message": "m", "created_at": written, "expired_at": written})
    assert moment_text(notice.created_at) == moment_text(notice.expires_at) == text


@pytest.mark.parametrize(
    "written",
    ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01", "9999-12-31T23:59:59.999999Z"],
)
def test_moments_at_the_ends_of_the_calendar_hide_no_notice(tmp_path: Path, written: str) -> None:
    odd, good = parse({"message": "odd", "created_at": written, "expires_at": written}, {"message": "good"})
    assert odd.created_at is None or abs(odd.created_at) > 6e10
    assert moment_text(odd.created_at) is None or written[:10] in str(moment_text(odd.created_at))
    assert good in current([odd, good], 1.0)
    kept = KeptNotices("https://example.org/c/notices.json", 1.0, notices=(odd, good))
    NoticeStore(tmp_path).save(kept)
    assert NoticeStore(tmp_path).load(Channel.parse("https://example.org/c")) == kept
    assert moment_text(-1e11) is moment_text(1e300) is None


def test_an_id_that_is_none_is_made_from_the_message() -> None:
    [odd, plain] = parse({"message": "m", "id": {"deep": []}}, {"message": "m"})
    assert odd.id == plain.id


def test_missing_and_odd_keys_get_a_meaning() -> None:
    first, second, third = parse(
        {"message": " m "}, {"message": "m", "id": 7, "level": "loud", "interval": 5},
        {"message": "n", "interval": "x"}, {"message": ""}, {"message": 3}, {}, "text", None,
    )  # fmt: skip
    assert (first.message, first.level, first.interval, first.is_expired(9e12)) == ("m", "info", None, False)
    assert (second.id, second.level, second.interval) == ("7", "info", 5)
    assert third.interval is None
    assert len({first.id, third.id}) == 2
    assert first.id == parse({"message": "m"})[0].id


def test_a_document_without_notices_has_none_and_many_are_cut() -> None:
    assert parse_notices(b"{}", "c") == ()
    assert len(parse(*({"message": str(number)} for number in range(MOST_NOTICES + 5)))) == MOST_NOTICES


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"[]",
        b"7",
        b'{"notices": {}}',
        b'{"notices": "x"}',
        b"\xff",
        b"[" * 200_000,
        b'{"a":' * 200_000,
    ],
)
def test_what_is_no_notices_file_is_refused(content: bytes) -> None:
    with pytest.raises(DataError):
        parse_notices(content, "c")


@given(st.text(st.characters(codec=None, categories=["Cc", "Cf", "Cs", "Co", "Zl", "Zp", "L", "Zs", "P"])))
def test_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    cleaned = clean_text(text)
    assert all(
        each == "\n" or unicodedata.category(each) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
        for each in cleaned
    )
    assert len(cleaned) <= LONGEST_MESSAGE
    cleaned.encode()


CHANNEL_NOW = 1_000_000.0


def write(folder: Path, *messages: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    notices = [{"id": message, "message": message} for message in messages]
    (folder / "notices.json").write_text(json.dumps({"notices": notices}))


def messages(kept: Any) -> list[str]:
    return [notice.message for notice in kept.notices]


def test_notices_are_fetched_remembered_and_not_sent_again_unchanged(tmp_path: Path) -> None:
    write(tmp_path / "www" / "c", "one", "two")
    store = NoticeStore(tmp_path / "index")
    with serve(tmp_path / "www") as server:
        channel, transport = Channel.parse(f"{server.url}/c"), HttpTransport(HttpOptions(retries=0))
        assert store.load(channel) is None
        first = fetch_notices(channel, None, transport, 1.0)
        store.save(first)
        assert messages(first) == ["one", "two"]
        store.mark_shown(channel, ["two", "gone"])
        kept = store.load(channel)
        assert kept is not None
        assert (kept.checked, kept.shown) == (1.0, ("two",))
        again = fetch_notices(channel, kept, transport, 5.0)
        assert (again.checked, messages(again), again.shown) == (5.0, ["one", "two"], ("two",))
        write(tmp_path / "www" / "c", "three", "two")
        changed = fetch_notices(channel, again, transport, 6.0)
        assert (messages(changed), changed.shown) == (["three", "two"], ("two",))
        assert [seen.status for seen in server.requests] == [200, 304, 200]
        (tmp_path / "www" / "c" / "notices.json").unlink()
        assert messages(fetch_notices(channel, changed, transport, 7.0)) == []
        transport.close()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(status=500), "answered with HTTP status 500"),
        (Fault(body=b"<html>hello</html>"), "holds no notices: it is not JSON"),
        (Fault(body=b" " * (LARGEST_BYTES + 1)), "is larger than 1 MB"),
        (Fault(cut_after=5), "broke off after"),
        (Fault(drop=True), "cannot be reached"),
    ],
)
def test_an_answer_that_is_none_is_a_channel_error(tmp_path: Path, fault: Fault, said: str) -> None:
    write(tmp_path / "c", "one")
    with serve(tmp_path, faults={"/c/notices.json": fault}) as server:
        transport = HttpTransport(HttpOptions(retries=0))
        with pytest.raises(ChannelError, match=said):
            fetch_notices(Channel.parse(f"{server.url}/c"), None, transport, 1.0)
        transport.close()


def test_a_damaged_or_foreign_memory_counts_as_none_and_none_is_needed(tmp_path: Path) -> None:
    channel, other = Channel.parse("https://example.org/a"), Channel.parse("https://example.org/b")
    store = NoticeStore(tmp_path / "index")
    kept = fetch_from_folder(tmp_path, channel)
    store.save(kept)
    [path] = (tmp_path / "index" / "notices").iterdir()
    assert store.load(channel) == kept
    path.write_bytes(path.read_bytes()[:-5])
    assert store.load(channel) is None
    store.save(kept)
    path.write_bytes(path.read_bytes().replace(b"/a/", b"/z/"))
    assert store.load(channel) is None
    assert store.load(other) is None
    (tmp_path / "file").write_text("")
    blocked = NoticeStore(tmp_path / "file")
    blocked.save(kept)
    blocked.mark_shown(channel, ["one"])
    assert blocked.load(channel) is None


def fetch_from_folder(tmp_path: Path, channel: Channel) -> Any:
    from msgspec.structs import replace

    from envmgr.net.files import FileTransport

    write(tmp_path / "local", "one")
    local = Channel.parse((tmp_path / "local").as_uri())
    return replace(fetch_notices(local, None, FileTransport(), 3.0), url=f"{channel.url}/notices.json")
