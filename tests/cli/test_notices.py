"""``envmgr notices``, and the notices that commands show beside their work (CEP 6)."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import make_channel, pkg
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command import Envmgr
    from tests.servers import Server


def write_notices(folder: Path, *notices: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    entries = [{"message": each, "id": each} if isinstance(each, str) else each for each in notices]
    (folder / "notices.json").write_text(json.dumps({"notices": entries}))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Channels `one` and `two`, without notices at first."""
    make_channel(tmp_path / "www" / "one", [pkg("a", "1"), pkg("b", depends=["a"])])
    make_channel(tmp_path / "www" / "two", [pkg("c")])
    with serve(tmp_path / "www") as server:
        yield server


FULL = {
    "id": "1",
    "message": "Read this:\nhttps://example.org/news",
    "level": "critical",
    "created_at": "2022-04-21T11:50:34+00:00",
    "expires_at": "2999-01-01T00:00:00+00:00",
}
OLD = {"id": "2", "message": "long ago", "expires_at": "2022-04-22T00:00:00+00:00"}


def test_the_notices_of_the_configured_channels_are_shown(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMGR_CHANNELS", f"{server.url}/one,{server.url}/two,{server.url}/three")
    write_notices(server.folder / "one", FULL, OLD, "Hello")
    write_notices(server.folder / "two", {"message": "Hi", "level": "warning", "id": "x"})
    shown = envmgr("notices")
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == (
        f"Notices of the channel {server.url}/one:\n"
        "  [critical] 2022-04-21\n    Read this:\n    https://example.org/news\n  [info]\n    Hello\n"
        f"Notices of the channel {server.url}/two:\n  [warning]\n    Hi\n"
    )
    only = envmgr("notices", "-c", f"{server.url}/two", "--json")
    assert only.json == [
        {
            "id": "x",
            "channel_name": f"{server.url}/two",
            "message": "Hi",
            "level": "warning",
            "created_at": None,
            "expired_at": None,
            "interval": None,
        }
    ]
    assert (
        envmgr("notices", "-c", f"{server.url}/one", "--json").json[0]["expired_at"]
        == "2999-01-01T00:00:00+00:00"
    )


def test_channels_without_notices_are_silent(envmgr: Envmgr, server: Server) -> None:
    shown = envmgr("notices", "-c", f"{server.url}/one")
    assert (shown.code, shown.out, shown.err) == (0, "", "The channels have no notices.\n")
    assert envmgr("notices", "-c", f"{server.url}/one", "--json").json == []


def test_offline_shows_what_was_fetched_and_never_asks(
    envmgr: Envmgr, server: Server, tmp_path: Path
) -> None:
    write_notices(server.folder / "one", "Hello")
    assert "Hello" in envmgr("notices", "-c", f"{server.url}/one").out
    server.forget()
    write_notices(tmp_path / "folder", "Local")
    shown = envmgr(
        "notices",
        "--offline",
        "-c",
        f"{server.url}/one",
        "-c",
        f"{server.url}/two",
        "-c",
        tmp_path / "folder",
    )
    assert shown.code == 0
    assert "Hello" in shown.out
    assert "Local" in shown.out
    assert server.requests == []


def test_a_channel_that_fails_is_told_and_the_others_are_shown(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMGR_RETRIES", "0")
    write_notices(server.folder / "one", "Hello")
    arguments = ["notices", "-c", f"{server.url}/one", "-c", f"{server.url}/two"]
    server.faults["/two/notices.json"] = Fault(body=b"<html>")
    shown = envmgr(*arguments)
    assert shown.code == 0
    assert "Hello" in shown.out
    assert f"warning: {server.url}/two/notices.json holds no notices" in shown.err
    server.faults["/one/notices.json"] = Fault(status=500)
    remembered = envmgr(*arguments)
    assert remembered.code == 0
    assert "Hello" in remembered.out
    assert "status 500" in remembered.err
    shutil.rmtree(Path(os.environ["ENVMGR_ROOT"]) / "index")
    failed = envmgr(*arguments, "--json")
    assert failed.code == 1
    assert "status 500" in failed.json["error"]


def test_a_message_cannot_command_the_terminal_or_pose_as_another_line(
    envmgr: Envmgr, server: Server
) -> None:
    write_notices(server.folder / "one", "\x1b[2Jred\r\nNotices of the channel bank:\x07\u202e\u2028 pay")
    shown = envmgr("notices", "-c", f"{server.url}/one").out
    assert shown.splitlines()[2:] == ["    [2Jred", "    Notices of the channel bank: pay"]
    assert all(each == "\n" or each.isprintable() for each in shown)


def test_one_odd_notice_or_a_deep_file_hides_nothing_else(envmgr: Envmgr, server: Server) -> None:
    first, last = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
    write_notices(server.folder / "one", {"message": "odd", "created_at": first, "expires_at": last}, "good")
    (server.folder / "two" / "notices.json").write_bytes(b"[" * 200_000)
    shown = envmgr("notices", "-c", f"{server.url}/one", "-c", f"{server.url}/two")
    assert shown.code == 0
    assert shown.out.splitlines()[1:] == ["  [info]", "    odd", "  [info]", "    good"]
    assert shown.err == (
        f"warning: {server.url}/two/notices.json holds no notices: it is nested too deeply.\n"
    )
    told = envmgr("notices", "-c", f"{server.url}/one", "--json").json
    assert [each["created_at"] for each in told] == [None, None]


def test_a_denied_channel_is_not_asked(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMGR_DENYLIST_CHANNELS", f"{server.url}/one")
    refused = envmgr("notices", "-c", f"{server.url}/one")
    assert refused.code == 1
    assert "command line: the channel" in refused.err
    assert server.requests == []


def create(envmgr: Envmgr, server: Server, name: str, *arguments: str) -> str:
    """What a creation of `b` says; its packages are downloaded anew."""
    shutil.rmtree(Path(os.environ["ENVMGR_ROOT"]) / "pkgs", ignore_errors=True)
    server.forget()
    made = envmgr(
        "create", "-n", name, "-c", f"{server.url}/one", "--override-channels", "-y", *arguments, "b"
    )
    assert made.code == 0, made.err
    return made.out + made.err


def asked(server: Server) -> int:
    return server.paths.count("/one/notices.json")


def test_a_creation_shows_each_notice_once_and_asks_once_a_day(envmgr: Envmgr, server: Server) -> None:
    write_notices(server.folder / "one", "Hello", OLD)
    said = create(envmgr, server, "first")
    assert said.endswith(f"Notices of the channel {server.url}/one:\n  [info]\n    Hello\n")
    assert "long ago" not in said
    assert asked(server) == 1
    assert "Hello" not in create(envmgr, server, "second")
    assert asked(server) == 0
    write_notices(server.folder / "one", "Hello", "News")
    assert "News" not in create(envmgr, server, "third")
    make_a_day_older()
    said = create(envmgr, server, "fourth")
    assert asked(server) == 1
    assert "News" in said
    assert "Hello" not in said


def make_a_day_older() -> None:
    for path in (Path(os.environ["ENVMGR_ROOT"]) / "index" / "notices").iterdir():
        kept = json.loads(path.read_text())
        kept["checked"] -= 24 * 3600
        path.write_text(json.dumps(kept))


def test_the_number_of_notices_is_limited_and_the_others_come_later(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONDA_NUMBER_CHANNEL_NOTICES", "2")
    write_notices(server.folder / "one", "n1", "n2", "n3", "n4", "n5")
    said = create(envmgr, server, "first")
    assert [word for word in ("n1", "n2", "n3") if f"    {word}\n" in said] == ["n1", "n2"]
    assert said.endswith("3 more: envmgr notices\n")
    said = create(envmgr, server, "second")
    assert asked(server) == 0
    assert "    n3\n    n4" in said.replace("  [info]\n", "")
    assert "n1" not in said
    assert envmgr("notices", "-c", f"{server.url}/one").out.count("[info]") == 5
    assert "n5" not in create(envmgr, server, "third")


@pytest.mark.parametrize("quiet", [["--json"], ["-q"], ["--dry-run"]])
def test_nobody_is_asked_where_nothing_would_be_shown(
    envmgr: Envmgr, server: Server, quiet: list[str]
) -> None:
    write_notices(server.folder / "one", "Hello")
    assert "Hello" not in create(envmgr, server, "first", *quiet)
    assert asked(server) == 0


def test_nobody_is_asked_without_downloads_or_against_the_setting(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notices(server.folder / "one", "Hello")
    monkeypatch.setenv("ENVMGR_NUMBER_CHANNEL_NOTICES", "0")
    assert "Hello" not in create(envmgr, server, "first")
    assert asked(server) == 0
    monkeypatch.delenv("ENVMGR_NUMBER_CHANNEL_NOTICES")
    warm = envmgr("create", "-n", "warm", "-c", f"{server.url}/one", "--override-channels", "-y", "b")
    assert warm.code == 0
    assert "Hello" not in warm.err
    assert asked(server) == 0


@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault(drop=True), Fault(body=b"<html>"), Fault(status=401), Fault(wait=20)]
)
def test_a_channel_whose_notices_fail_delays_and_says_nothing(
    envmgr: Envmgr, server: Server, fault: Fault
) -> None:
    server.faults["/one/notices.json"] = fault
    started = time.monotonic()
    said = create(envmgr, server, "first")
    assert time.monotonic() - started < 10
    assert "notices" not in said
    assert "Created" in said


def test_credentials_are_sent_for_notices_too_and_shown_nowhere(envmgr: Envmgr, server: Server) -> None:
    write_notices(server.folder / "one", "Hello")
    url = server.url.replace("http://", "http://ann:s3cr3t@")
    made = envmgr("create", "-n", "x", "-c", f"{url}/one", "--override-channels", "-y", "b")
    shown = envmgr("notices", "-c", f"{url}/one")
    assert "Hello" in made.err
    assert "Hello" in shown.out
    assert asked(server) == 2
    assert all(seen.headers.get("authorization", "").startswith("Basic ") for seen in server.requests)
    assert "s3cr3t" not in made.out + made.err + shown.out + shown.err
    kept = [path.read_bytes() for path in Path(os.environ["ENVMGR_ROOT"]).rglob("*") if path.is_file()]
    assert not any(b"s3cr3t" in content for content in kept)
