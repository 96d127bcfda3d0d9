"""The client against real servers and folders: what is asked, what is believed, and what is said about faults."""

from __future__ import annotations

import base64
import bz2
import json
import shutil
import tempfile
import threading
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from envmgr.channels.client import ChannelClient, SyncOptions
from envmgr.channels.store import IndexStore
from envmgr.channels.urls import Source
from envmgr.errors import ChannelError
from envmgr.models.channel import Channel
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.transport import AnyTransport
from envmgr.ports import Phase, RecordingReporter
from tests.builders import make_channel, pkg
from tests.servers import Fault, serve
from tests.shards import write_shards
from tests.shared_data import shared_path

if TYPE_CHECKING:
    from pathlib import Path

SUBDIRS = ["linux-64", "noarch"]
SHARDS = "/linux-64/repodata_shards.msgpack.zst"
ZST = "/linux-64/repodata.json.zst"
JSON = "/linux-64/repodata.json"


class ManualClock:
    def __init__(self) -> None:
        self.time = 1_700_000_000.0

    def now(self) -> float:
        return self.time


class Scene:
    """A client with a store, a clock and a reporter of its own; `sync` takes URLs or paths."""

    def __init__(self, folder: Path) -> None:
        self.store = IndexStore(folder / "index")
        self.clock = ManualClock()
        self.reporter = RecordingReporter()

    def client(
        self, *, offline: bool = False, max_age: float | None = 0, retries: int = 0, **more: Any
    ) -> ChannelClient:
        transport = AnyTransport(
            lambda: HttpTransport(HttpOptions(retries=retries, backoff_seconds=0, read_timeout_seconds=5)),
            offline=offline,
        )
        options = SyncOptions(max_age_seconds=max_age, offline=offline, **more)
        return ChannelClient(transport, self.store, self.clock, self.reporter, options)

    def sync(self, *channels: str, subdirs=SUBDIRS, **options):
        return self.client(**options).sync([Channel.parse(channel) for channel in channels], subdirs)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def folder(tmp_path):
    packages = [
        pkg("a", "1.0", depends=["b"]),
        pkg("a", "2.0"),
        pkg("b", "1.0", noarch="generic", purls=["x"]),
    ]
    return make_channel(tmp_path / "channel", packages, zst=True)


def versions(index, name):
    return [record.version for record in index.records(name)]


def statuses(server, path):
    return [seen.status for seen in server.requests if seen.path == path]


@pytest.mark.parametrize("written", ["path", "url"])
def test_a_folder_is_a_channel_by_path_and_by_url(scene, folder, written):
    index = scene.sync(str(folder) if written == "path" else folder.as_uri())
    assert versions(index, "a") == ["2.0", "1.0"]
    assert index.records("b")[0].url == f"{folder.as_uri()}/noarch/b-1.0-0.conda"
    assert list(index.names()) == ["a", "b"]
    assert index.records("b")[0].extra == {"purls": ["x"]}
    assert [channel.url for channel in index.channels] == [folder.as_uri()]


def test_a_channel_without_shards_is_read_over_http_compressed_file_first(scene, folder):
    with serve(folder) as server:
        index = scene.sync(server.url)
        assert versions(index, "a") == ["2.0", "1.0"]
        assert index.records("a")[-1].url == f"{server.url}/linux-64/a-1.0-0.conda"
        assert sorted(server.paths) == sorted(
            [SHARDS, ZST, "/noarch/repodata_shards.msgpack.zst", "/noarch/repodata.json.zst"]
        )
        assert scene.reporter.advanced[Phase.INDEX] == sum(
            path.stat().st_size for path in folder.glob("*/*.zst")
        )


def test_the_plain_file_is_used_and_remembered_where_there_is_no_compressed_one(scene, tmp_path):
    with serve(make_channel(tmp_path / "plain", [pkg("a")])) as server:
        scene.sync(server.url)
        assert [statuses(server, ZST), statuses(server, JSON)] == [[404], [200]]
        server.forget()
        scene.sync(server.url)
        assert [statuses(server, ZST), statuses(server, JSON)] == [[], [304]]
        scene.clock.time += 8 * 24 * 3600
        server.forget()
        scene.sync(server.url)
        assert [statuses(server, ZST), statuses(server, JSON)] == [[404], [304]]


def test_a_channel_that_drops_the_form_that_was_remembered_is_still_found(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
        for path in folder.glob("*/*.zst"):
            path.unlink()
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        for path in folder.glob("*/repodata.json"):
            path.with_name("repodata.json.zst").write_bytes(zstandard.compress(path.read_bytes()))
            path.unlink()
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]


def test_an_unchanged_index_is_not_sent_again(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
        assert statuses(server, ZST) == [200]
        server.forget()
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        assert statuses(server, ZST) == [304]
        assert server.bytes_sent == 0
        assert "if-none-match" in server.requests[-1].headers


def test_last_modified_is_enough_for_a_conditional_request(scene, folder):
    with serve(folder, faults={"*": Fault(headers={"ETag": None})}) as server:
        scene.sync(server.url)
        scene.sync(server.url)
        assert statuses(server, ZST) == [200, 304]
        assert "if-none-match" not in server.requests[-1].headers


def test_a_changed_index_replaces_the_old_one(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
        make_channel(folder, [pkg("a", "3.0")], zst=True)
        assert versions(scene.sync(server.url), "a") == ["3.0"]


def test_a_changed_local_index_is_seen_at_once(scene, folder):
    scene.sync(str(folder), max_age=3600)
    make_channel(folder, [pkg("a", "3.0")], zst=True)
    assert versions(scene.sync(str(folder), max_age=3600), "a") == ["3.0"]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Cache-Control": "public, max-age=100"}, 100),
        ({"Cache-Control": "max-age=150", "Age": "50"}, 100),
        ({"Expires": "in 100 seconds"}, 100),
        ({}, 300),
    ],
)
def test_a_fresh_index_is_used_without_a_request_until_its_age_is_reached(scene, folder, headers, seconds):
    """RFC 9111, 4.2: max-age counts from when the origin answered; Expires where there is none."""
    if "Expires" in headers:
        headers = {"Expires": formatdate(time.time() + 100, usegmt=True)}
    with serve(folder, faults={"*": Fault(headers=headers)}) as server:
        scene.sync(server.url, max_age=None)
        server.forget()
        scene.clock.time += seconds - 3
        scene.sync(server.url, max_age=None)
        assert server.paths == []
        scene.clock.time += 5
        scene.sync(server.url, max_age=None)
        assert statuses(server, ZST) == [304]
        server.forget()
        scene.sync(server.url, max_age=0)
        assert statuses(server, ZST) == [304]
        scene.clock.time += 5000
        server.forget()
        scene.sync(server.url, max_age=6000)
        assert server.paths == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Cache-Control": "no-cache, max-age=100"},
        {"Cache-Control": "no-store"},
        {"Cache-Control": "max-age=50", "Age": "50"},
        {"Expires": "0"},
        {"Expires": "Wed, 01 Jan 2025 00:00:00 GMT"},
    ],
)
def test_what_a_server_calls_stale_is_asked_for_again(scene, folder, headers):
    with serve(folder, faults={"*": Fault(headers=headers)}) as server:
        scene.sync(server.url, max_age=None)
        server.forget()
        scene.sync(server.url, max_age=None)
        assert statuses(server, ZST) == [304]


def test_a_clock_that_went_back_does_not_keep_an_index_fresh(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url, max_age=100)
        scene.clock.time -= 10_000
        server.forget()
        scene.sync(server.url, max_age=100)
        assert statuses(server, ZST) == [304]


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_subdir_that_is_gone_is_an_outage_for_a_week(scene, folder, status):
    gone = Fault(status=status)
    with serve(folder) as server:
        scene.sync(server.url)
        scene.clock.time += 7_300
        server.faults |= dict.fromkeys((SHARDS, ZST, JSON, "/linux-64/repodata.json.bz2"), gone)
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        (warning,) = scene.reporter.warnings
        assert warning == (
            f"{server.url}/linux-64 has no repodata that may be read any more; "
            "its index that was brought up to date 2 hours ago is used."
        )
        assert versions(scene.sync(server.url, offline=True), "a") == ["2.0", "1.0"]
        server.forget()
        scene.sync(server.url, max_age=300)
        assert ZST in server.paths, "it is asked again each time"
        server.faults.clear()
        make_channel(folder, [pkg("a", "3.0")], zst=True)
        assert versions(scene.sync(server.url, max_age=300), "a") == ["3.0"]
        server.faults["*"] = gone
        assert versions(scene.sync(server.url), "a") == ["3.0"], "the whole channel is away"
        scene.clock.time += 8 * 86_400
        with pytest.raises(ChannelError, match="is not a channel"):
            scene.sync(server.url)


def test_a_folder_that_lost_a_subdir_has_none(scene, folder):
    assert list(scene.sync(str(folder)).names()) == ["a", "b"]
    shutil.rmtree(folder / "noarch")
    assert list(scene.sync(str(folder)).names()) == ["a"]


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(status=400), "answered with HTTP status 400"),
        (Fault(status=405), "answered with HTTP status 405"),
        (Fault(status=500), "answered with HTTP status 500"),
        (Fault(body=b"<html>Please log in</html>"), "is broken: it is not valid zstandard data"),
    ],
)
def test_a_form_that_is_broken_is_passed_over_with_a_warning_and_asked_for_again(scene, folder, fault, told):
    with serve(folder, faults={SHARDS: fault, ZST: fault}) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        shards, zst = scene.reporter.warnings
        assert told in shards
        assert shards.endswith(f"; {server.url}{JSON} is used instead.")
        assert f"{server.url}{ZST}" in zst
        server.forget()
        scene.sync(server.url)
        assert [statuses(server, path) for path in (ZST, JSON)] == [[fault.status or 200], [304]]
        server.faults.clear()
        scene.reporter.warnings.clear()
        server.forget()
        scene.sync(server.url)
        assert [statuses(server, path) for path in (ZST, JSON)] == [[200], []]
        assert scene.reporter.warnings == []


@pytest.mark.parametrize("status", [401, 429, 502, 503, 504])
def test_a_server_that_is_not_well_or_wants_a_login_is_not_asked_for_other_forms(scene, folder, status):
    with serve(folder, faults={SHARDS: Fault(status=status)}) as server:
        with pytest.raises(ChannelError, match=f"HTTP status {status}"):
            scene.sync(server.url, subdirs=["linux-64"])
        assert server.paths == [SHARDS]


def test_trouble_with_the_form_that_is_stored_is_an_outage(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
        server.faults[ZST] = Fault(status=500)
        server.forget()
        with pytest.raises(ChannelError, match="HTTP status 500") as caught:
            scene.sync(server.url)
        assert "--offline" in caught.value.hint
        assert JSON not in server.paths
        server.faults[ZST] = Fault(status=405)
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]


def test_a_missing_subdir_is_empty_and_remembered(scene, folder):
    with serve(folder) as server:
        index = scene.sync(server.url, subdirs=["osx-arm64", "noarch"])
        assert list(index.names()) == ["b"]
        server.forget()
        scene.sync(server.url, subdirs=["osx-arm64", "noarch"], max_age=100)
        assert server.paths == []
        assert list(scene.sync(server.url, subdirs=["osx-arm64", "noarch"], offline=True).names()) == ["b"]


def test_a_channel_without_noarch_is_used(scene, folder):
    shutil.rmtree(folder / "noarch")
    assert list(scene.sync(str(folder)).names()) == ["a"]


def test_a_subdir_that_may_not_be_read_counts_as_missing_with_a_warning(scene, folder):
    with serve(folder, faults={ZST: Fault(status=403), JSON: Fault(status=403)}) as server:
        assert list(scene.sync(server.url).names()) == ["b"]
        (warning,) = scene.reporter.warnings
        assert warning.startswith(f"{server.url}{JSON} may not be read (HTTP status 403)")


def test_a_server_that_refuses_what_it_does_not_have_is_no_reason_to_warn(scene, tmp_path):
    with serve(make_channel(tmp_path / "plain", [pkg("a")]), faults={ZST: Fault(status=403)}) as server:
        assert versions(scene.sync(server.url), "a") == ["1.0"]
    assert scene.reporter.warnings == []


def test_a_store_that_cannot_be_written_serves_this_process_with_one_warning(scene, folder, tmp_path):
    (tmp_path / "index").write_text("in the way")
    with serve(folder) as server:
        for _ in range(2):
            index = scene.sync(server.url, max_age=100)
            assert versions(index, "a") == ["2.0", "1.0"]
        assert sorted(server.paths) == sorted(
            [SHARDS, ZST, "/noarch/repodata_shards.msgpack.zst", "/noarch/repodata.json.zst"]
        )
        (warning,) = scene.reporter.warnings
        assert warning == (
            f"the index folder {tmp_path / 'index'} cannot be written (file exists); "
            "what is fetched is kept for this command only."
        )
    assert (tmp_path / "index").read_text() == "in the way"


def test_a_read_only_folder_with_a_fresh_index_is_used_without_a_word(scene, folder, ordinary_user):
    with serve(folder) as server:
        scene.sync(server.url).close()
        server.forget()
        scene.store.folder.chmod(0o555)
        assert versions(scene.sync(server.url, max_age=100), "a") == ["2.0", "1.0"]
        assert server.paths == []
        assert versions(scene.sync(server.url, max_age=0), "a") == ["2.0", "1.0"]
        assert statuses(server, ZST) == [304]
        assert scene.reporter.warnings == []


def test_a_read_only_folder_whose_index_is_old_serves_the_new_one_all_the_same(scene, folder, ordinary_user):
    with serve(folder) as server:
        scene.sync(server.url).close()
        scene.store.folder.chmod(0o555)
        make_channel(folder, [pkg("a", "3.0")], zst=True)
        assert versions(scene.sync(server.url), "a") == ["3.0"]
        (warning,) = scene.reporter.warnings
        assert warning.startswith(
            f"the index folder {scene.store.folder} cannot be written (permission denied)"
        )


def test_an_index_that_may_not_be_read_is_fetched_again_and_offline_is_an_error(scene, folder, ordinary_user):
    with serve(folder) as server:
        scene.sync(server.url).close()
        path = scene.store.path_of(Source(Channel.parse(server.url), "linux-64"))
        path.chmod(0)
        with pytest.raises(ChannelError) as caught:
            scene.sync(server.url, offline=True)
        assert str(caught.value) == f"the stored index {path} cannot be read: permission denied."
        assert caught.value.hint
        server.forget()
        assert versions(scene.sync(server.url, max_age=100), "a") == ["2.0", "1.0"]
        assert server.paths == [SHARDS, ZST]
        assert scene.reporter.warnings == [
            f"the stored index {path} cannot be read: permission denied; the channel is asked again."
        ]
        assert versions(scene.sync(server.url, offline=True), "a") == ["2.0", "1.0"]


def test_a_store_without_any_place_is_an_error_without_further_downloads(
    scene, folder, tmp_path, monkeypatch
):
    (tmp_path / "index").write_text("in the way")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    with serve(folder) as server, pytest.raises(ChannelError, match="/index cannot be written"):
        scene.sync(server.url, subdirs=["linux-64"])
    assert server.paths == [SHARDS, ZST]


def test_what_has_no_index_at_all_is_no_channel(scene, tmp_path):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(ChannelError) as caught:
            scene.sync(str(place))
        assert str(caught.value) == (
            f"{place.as_uri()} is not a channel: it has no repodata for linux-64 and noarch."
        )
        assert caught.value.hint
    with (
        serve(tmp_path / "empty") as server,
        pytest.raises(ChannelError, match=f"{server.url} is not a channel"),
    ):
        scene.sync(server.url)


def test_a_channel_that_appears_later_is_found(scene, tmp_path):
    with serve(tmp_path / "later") as server:
        with pytest.raises(ChannelError):
            scene.sync(server.url, max_age=3600)
        make_channel(tmp_path / "later", [pkg("a")], zst=True)
        assert versions(scene.sync(server.url, max_age=3600), "a") == ["1.0"]


def test_records_come_in_the_order_of_the_channels(scene, folder, tmp_path):
    other = make_channel(tmp_path / "other", [pkg("a", "9.0"), pkg("c")])
    index = scene.sync(str(other), str(folder), str(other))
    assert versions(index, "a") == ["9.0", "2.0", "1.0"]
    assert [channel.url for channel in index.channels] == [other.as_uri(), folder.as_uri()]
    assert versions(scene.sync(str(folder), str(other)), "a") == ["2.0", "1.0", "9.0"]


PLAIN = b'{"packages.conda": {"a-7.0-0.conda": {"name": "a", "version": "7.0", "build": "0"}}}'


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (Fault(body=b"<html>Please log in</html>"), "not valid zstandard data"),
        (Fault(body=zstandard.compress(b"<html>Please log in</html>")), "a page of HTML"),
        (Fault(body=zstandard.compress(PLAIN[:-1])), "it ends too early"),
        (Fault(body=zstandard.compress(PLAIN)[:-3]), "zstandard data ends too early"),
        (Fault(body=zstandard.compress(b'{"packages": 1}')), "section 'packages'"),
        (Fault(body=zstandard.compress(b'{"repodata_version": 9}')), "repodata_version is 9"),
    ],
)
def test_broken_data_is_an_error_that_names_the_url_and_keeps_the_old_index(scene, folder, fault, complaint):
    (folder / "linux-64/repodata.json").unlink()
    with serve(folder) as server:
        scene.sync(server.url)
        server.faults[ZST] = fault
        with pytest.raises(ChannelError, match=complaint) as caught:
            scene.sync(server.url)
        assert str(caught.value).startswith(f"the index {server.url}{ZST} is broken: ")
        assert "--offline" in caught.value.hint
        assert versions(scene.sync(server.url, offline=True), "a") == ["2.0", "1.0"]
        assert len(list(scene.store.folder.glob("*.sqlite"))) == 2


@pytest.mark.parametrize(
    "fault", [Fault(cut_after=50), Fault(content_length=10**6), Fault(cut_after=50, chunked=True)]
)
def test_a_body_that_breaks_off_is_asked_for_again(scene, folder, fault):
    once = Fault(
        cut_after=fault.cut_after, content_length=fault.content_length, chunked=fault.chunked, times=1
    )
    with serve(folder, faults={ZST: [once]}) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        assert statuses(server, ZST) == [200, 200]
        server.faults[ZST] = Fault(
            cut_after=fault.cut_after,
            content_length=fault.content_length,
            chunked=fault.chunked,
            validators=False,
        )
        server.forget()
        with pytest.raises(ChannelError, match=f"the answer from {server.url}{ZST} broke off after"):
            scene.sync(server.url)
        assert statuses(server, ZST) == [200, 200, 200]
        assert versions(scene.sync(server.url, offline=True), "a") == ["2.0", "1.0"]


def test_a_body_that_claims_to_be_shorter_is_refused(scene, folder):
    (folder / "linux-64/repodata.json").unlink()
    expected = pytest.raises(ChannelError, match="is broken: its zstandard data ends too early")
    with serve(folder, faults={ZST: Fault(content_length=60)}) as server, expected:
        scene.sync(server.url)


@pytest.mark.parametrize(
    ("status", "text"),
    [(500, "answered with HTTP status 500"), (401, "asks for a login"), (400, "HTTP status 400")],
)
def test_a_status_of_failure_is_an_error_that_names_url_and_status(scene, folder, status, text):
    (folder / "linux-64/repodata.json").unlink()
    with serve(folder, faults={ZST: Fault(status=status)}) as server:
        with pytest.raises(ChannelError, match=text) as caught:
            scene.sync(server.url)
        assert f"{server.url}{ZST}" in str(caught.value)
        assert caught.value.facts["status"] == status


def test_redirects_are_followed_and_packages_stay_with_the_channel(scene, folder, tmp_path):
    with serve(folder) as mirror:
        faults = {
            f"/{sub}/repodata.json.zst": Fault(redirect=f"{mirror.url}/{sub}/repodata.json.zst")
            for sub in SUBDIRS
        }
        with serve(tmp_path, faults=faults) as server:
            assert scene.sync(server.url).records("a")[-1].url == f"{server.url}/linux-64/a-1.0-0.conda"


def test_the_plain_file_may_come_compressed_by_the_server(scene, tmp_path):
    with serve(make_channel(tmp_path / "plain", [pkg("a")]), faults={JSON: Fault(gzipped=True)}) as server:
        assert versions(scene.sync(server.url), "a") == ["1.0"]


def test_an_unreachable_channel_is_an_error_that_names_it(scene, folder):
    with serve(folder) as server:
        url = server.url
    with pytest.raises(ChannelError, match=f"{url}/.* cannot be reached: connection refused"):
        scene.sync(url)


def test_offline_uses_what_is_stored_however_old(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
        url = server.url
    scene.clock.time += 10**8
    assert versions(scene.sync(url, offline=True), "a") == ["2.0", "1.0"]


def test_offline_without_a_stored_index_says_so(scene):
    with pytest.raises(
        ChannelError, match=r"https://example.org/ch/linux-64 is not on this machine"
    ) as caught:
        scene.sync("https://example.org/ch", offline=True)
    assert caught.value.hint == "Run the command once without --offline."


def test_offline_still_reads_local_channels(scene, folder):
    assert versions(scene.sync(str(folder), offline=True), "a") == ["2.0", "1.0"]


def damage(scene, url):
    """Change bytes inside every block of the stored linux-64 index; returns the file."""
    path = scene.store.path_of(Source(Channel.parse(url), "linux-64"))
    content = bytearray(path.read_bytes())
    position = content.find(b"\x28\xb5\x2f\xfd")
    while position >= 0:
        content[position + 15] ^= 0xFF
        position = content.find(b"\x28\xb5\x2f\xfd", position + 16)
    path.write_bytes(content)
    return path


def test_damage_found_while_reading_is_repaired_by_fetching_again(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
        damage(scene, server.url)
        index = scene.sync(server.url)
        assert statuses(server, ZST) == [200, 304]
        assert versions(index, "a") == ["2.0", "1.0"]
        assert statuses(server, ZST) == [200, 304, 200]
        assert "is damaged and is made anew" in scene.reporter.warnings[-1]
        assert versions(scene.sync(server.url, offline=True), "a") == ["2.0", "1.0"]


def test_damage_found_offline_is_an_error_and_not_an_empty_index(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
        path = damage(scene, server.url)
        with pytest.raises(ChannelError, match="not on this machine"):
            scene.sync(server.url, offline=True).records("a")
        path.write_bytes(path.read_bytes()[:5000])
        with pytest.raises(ChannelError, match="not on this machine"):
            scene.sync(server.url, offline=True)
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]


def test_records_that_are_not_valid_are_named_in_one_warning_each(scene, tmp_path):
    channel = tmp_path / "channel"
    (channel / "noarch").mkdir(parents=True)
    good = {"name": "a", "version": "1.0", "build": "0"}
    files = {"a-1.0-0.conda": good, "a-2.0-0.conda": {**good, "version": "2.0", "depends": 7}, "x.conda": {}}
    (channel / "noarch" / "repodata.json").write_text(json.dumps({"packages.conda": files}))
    index = scene.sync(str(channel))
    assert versions(index, "a") == versions(index, "a") == ["1.0"]
    first, second = scene.reporter.warnings
    assert first == f"{channel.as_uri()}/noarch lists 1 file whose record is not valid; it is left out."
    assert second.startswith(f"{channel.as_uri()}/noarch/a-2.0-0.conda is left out: ")


def test_a_failure_does_not_wait_for_another_server_that_dawdles(scene, folder):
    faults = {"/noarch/repodata.json.zst": Fault(wait=30)}
    with serve(folder, faults={**faults, ZST: Fault(status=503)}) as server:
        began = time.monotonic()
        with pytest.raises(ChannelError, match="HTTP status 503"):
            scene.sync(server.url)
        assert time.monotonic() - began < 10


def test_clients_that_sync_at_once_share_one_store(scene, folder):
    with serve(folder, faults={"*": Fault(drip=0.002, drip_size=100)}) as server:
        found: list[list[str]] = []
        threads = [
            threading.Thread(target=lambda: found.append(versions(scene.sync(server.url), "a")))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert found == [["2.0", "1.0"]] * 4
    assert len(list(scene.store.folder.glob("*.sqlite"))) == 2


class WithCredentials:
    """Asks for every URL as its user wrote it, with a name, a password and a token."""

    def __init__(self, host: str) -> None:
        self.inner = HttpTransport(HttpOptions(retries=0))
        self.host = host

    def open(self, url: str, headers=None):
        written = self.host.replace("://", "://user:secret@") + "/t/tk-secret"
        return self.inner.open(url.replace(self.host, written, 1), headers)


def test_credentials_reach_their_host_only_and_are_nowhere_in_the_store_or_the_records(scene, tmp_path):
    packages = [pkg("a", "1.0"), pkg("b", "1.0", noarch="generic")]
    inside = make_channel(tmp_path / "root/t/tk-secret/channel", packages, zst=True)
    repodata = inside / "noarch/repodata.json"
    document = json.loads(repodata.read_bytes())
    document["info"] = {"base_url": "//user:secret@files.example.org/t/tk-secret/b"}
    (inside / "noarch/repodata.json.zst").write_bytes(zstandard.compress(json.dumps(document).encode()))
    path = "/t/tk-secret/channel/linux-64/repodata.json.zst"
    with serve(tmp_path / "root") as other:
        away = Fault(redirect=f"http://localhost:{other.port}{path}")
        with serve(tmp_path / "root", faults={path: away}) as server:
            transport = WithCredentials(server.url)
            client = ChannelClient(transport, scene.store, scene.clock, scene.reporter)
            written = server.url.replace("://", "://user:secret@") + "/t/tk-secret/channel"
            index = client.sync([Channel.parse(written)], SUBDIRS)
            records = [record for name in "ab" for record in index.records(name)]
            basic = "Basic " + base64.b64encode(b"user:secret").decode()
            assert [seen.headers.get("authorization") for seen in server.requests] == [basic] * 4
            assert [seen.headers.get("authorization") for seen in other.requests] == [None]
    assert [record.url for record in records] == [
        f"{server.url}/channel/linux-64/a-1.0-0.conda",
        "http://files.example.org/b/b-1.0-0.conda",
    ]
    assert "secret" not in repr((records, index.channels))
    stored = list(scene.store.folder.glob("*.sqlite"))
    assert len(stored) == 2
    for each in stored:
        assert b"secret" not in each.read_bytes()
        assert "secret" not in each.name


def test_a_channel_knows_no_credentials_so_that_only_a_transport_can_send_them(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url.replace("http://", "http://user:secret@"))
        assert [seen.headers.get("authorization") for seen in server.requests] == [None] * 4


def test_real_records_of_a_large_channel_arrive_whole(scene):
    channel = shared_path("corpus/conda-forge")
    index = scene.sync(str(channel), subdirs=["linux-64"])
    assert scene.reporter.warnings == []
    python = {record.fn for record in index.records("python")}
    document = json.loads(
        zstandard.ZstdDecompressor()
        .stream_reader((channel / "linux-64" / "repodata.json.zst").open("rb"))
        .read()
    )
    files = {**document["packages"], **document["packages.conda"]}
    expected = {fn for fn, record in files.items() if record["name"] == "python"}
    assert python == {
        fn for fn in expected if fn.replace(".tar.bz2", ".conda") not in expected or fn.endswith(".conda")
    }
    assert {record["name"] for record in files.values()} <= set(index.names())
    for record in index.records("numpy")[:50]:
        published = files[record.fn]
        completed = record.to_dict()
        assert {key: completed[key] for key in published} == published


def test_a_fetched_index_serves_where_the_server_does_not_answer_if_the_user_allows_it(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
    scene.clock.time += 3 * 86_400
    with pytest.raises(ChannelError, match="cannot be reached") as caught:
        scene.sync(server.url)
    assert "brought up to date 3 days ago" in caught.value.hint
    assert "use_stale_index" in caught.value.hint
    assert versions(scene.sync(server.url, use_stale=True), "a") == ["2.0", "1.0"]
    assert "its index that was brought up to date 3 days ago is used" in scene.reporter.warnings[-1]


@pytest.mark.parametrize(
    ("status", "serves"), [(500, True), (503, True), (429, True), (400, False), (401, False)]
)
def test_a_stale_index_serves_only_where_the_trouble_may_pass(scene, folder, status, serves):
    with serve(folder) as server:
        scene.sync(server.url)
        server.faults["*"] = Fault(status=status)
        if serves:
            assert versions(scene.sync(server.url, use_stale=True), "a") == ["2.0", "1.0"]
        else:
            with pytest.raises(ChannelError, match=f"HTTP status {status}"):
                scene.sync(server.url, use_stale=True)


def test_offline_tells_how_old_the_index_is(scene, folder):
    with serve(folder) as server:
        scene.sync(server.url)
    scene.clock.time += 7_300
    scene.sync(server.url, offline=True)
    assert scene.reporter.warnings == [
        f"offline: the index of {server.url} was brought up to date 2 hours ago."
    ]


def test_a_bz2_file_is_used_where_there_is_nothing_better(scene, folder):
    for path in folder.glob("*/repodata.json"):
        path.with_name("repodata.json.bz2").write_bytes(bz2.compress(path.read_bytes()))
        path.unlink()
        path.with_name("repodata.json.zst").unlink()
    with serve(folder) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        server.forget()
        scene.sync(server.url)
        assert sorted(server.paths) == ["/linux-64/repodata.json.bz2", "/noarch/repodata.json.bz2"]
        (folder / "linux-64/repodata.json.bz2").write_bytes(bz2.compress(b"{}")[:-4])
        with pytest.raises(ChannelError, match="bzip2 data ends too early"):
            scene.sync(server.url)


def related(folder: Path, name: str, packages: list[Any], **relations: str) -> None:
    make_channel(folder / name, packages)
    for path in (folder / name).glob("*/repodata.json"):
        document = json.loads(path.read_bytes())
        document["info"]["channel_relations"] = relations
        path.write_text(json.dumps(document))


def test_channels_that_a_channel_is_related_to_are_read_in_their_order(scene, tmp_path):
    """CEP 42, "Examples": a base has the higher priority, what is overridden the lower."""
    related(tmp_path / "c", "forge", [pkg("a", "1.0")])
    related(tmp_path / "c", "bio", [pkg("a", "2.0"), pkg("b")], base="../forge", overrides="../old")
    related(tmp_path / "c", "old", [pkg("c")])
    with serve(tmp_path / "c") as server:
        index = scene.sync(f"{server.url}/bio", relations_max_depth=10)
        assert [channel.url.rpartition("/")[2] for channel in index.channels] == ["forge", "bio", "old"]
        assert versions(index, "a") == ["1.0", "2.0"]
        assert versions(index, "c") == ["1.0"]
        index = scene.sync(f"{server.url}/bio", f"{server.url}/forge", relations_max_depth=10)
        assert [channel.url.rpartition("/")[2] for channel in index.channels] == ["bio", "old", "forge"]
        assert "the order of your channels stands against a relation" in scene.reporter.warnings[-1]
        index = scene.sync(f"{server.url}/bio")
        assert len(index.channels) == 1, "a depth of 0 disables relations"


@pytest.mark.parametrize("form", ["json", "shards"])
def test_relations_that_are_no_object_are_an_error_where_relations_are_followed(scene, tmp_path, form):
    channel = make_channel(tmp_path / "c", [pkg("a")])
    for path in channel.glob("*/repodata.json"):
        path.write_text(json.dumps(json.loads(path.read_bytes()) | {"info": {"channel_relations": "../x"}}))
    if form == "shards":
        write_shards(channel)
    with serve(channel) as server:
        for _ in range(2):
            with pytest.raises(ChannelError, match="its channel_relations are not an object"):
                scene.sync(server.url, relations_max_depth=1, max_age=100)
        assert versions(scene.sync(server.url, max_age=100), "a") == ["1.0"]


def test_a_related_channel_that_may_not_be_used_is_refused_before_it_is_asked_for(scene, tmp_path):
    related(tmp_path / "c", "bio", [pkg("b")], base="../forge")

    def check(channels, place):
        raise ChannelError(f"{place} must not lead to {channels[0].url}")

    with serve(tmp_path / "c") as server, pytest.raises(ChannelError, match=r"must not lead to .*/forge"):
        scene.sync(f"{server.url}/bio", relations_max_depth=10, check=check)
    assert not [path for path in server.paths if path.startswith("/forge")]
