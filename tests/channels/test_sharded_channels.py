"""Sharded repodata (CEP 16) over a real server: what is fetched, what is believed, what is said about faults."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
import time

import msgspec
import pytest
import zstandard

from envmgr.channels.client import ChannelClient, SyncOptions
from envmgr.channels.store import IndexStore
from envmgr.errors import ChannelError
from envmgr.models.channel import Channel
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.transport import AnyTransport
from envmgr.ports import FixedClock, RecordingReporter
from tests.builders import make_channel, pkg
from tests.servers import Fault, serve
from tests.shards import INDEX, packed, write_shards

SUBDIRS = ["linux-64", "noarch"]
LINUX_INDEX = f"/linux-64/{INDEX}"


class Scene:
    """A store of its own; `sync` makes a client as a new process would."""

    def __init__(self, folder):
        self.store = IndexStore(folder / "index")
        self.reporter = RecordingReporter()
        self.now = 1_700_000_000.0

    def sync(self, *channels, offline=False, max_age=0, subdirs=SUBDIRS, use_stale=False):
        options = HttpOptions(retries=0, backoff_seconds=0, read_timeout_seconds=5)
        transport = AnyTransport(lambda: HttpTransport(options), offline=offline)
        client = ChannelClient(
            transport,
            IndexStore(self.store.folder),
            FixedClock(self.now),
            self.reporter,
            SyncOptions(max_age_seconds=max_age, offline=offline, use_stale=use_stale),
        )
        return client.sync([Channel.parse(str(channel)) for channel in channels], subdirs)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


@pytest.fixture
def folder(tmp_path):
    packages = [
        pkg("a", "1.0", depends=["b >=1"], constrains=["z <2"]),
        pkg("a", "2.0", depends=["b >=2", "c"]),
        pkg("b", "2.0", depends=["d"], timestamp=1_600_000_000_000),
        pkg("c", "1.0", noarch="generic", purls=["pkg:pypi/c"]),
        pkg("d", "1.0", track_features="slow"),
        pkg("lonely", "1.0"),
    ]
    return make_channel(tmp_path / "channel", packages)


def versions(index, name):
    return [record.version for record in index.records(name)]


def test_shards_say_the_same_as_the_whole_file(scene, folder, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole)
    write_shards(folder)
    with serve(folder) as sharded:
        found, expected = scene.sync(sharded.url), scene.sync(whole)
        assert found.names() == expected.names() == ["a", "b", "c", "d", "lonely"]
        for name in expected.names():
            ours, theirs = found.records(name), expected.records(name)
            assert [each.to_dict() for each in ours] == [each.to_dict() for each in theirs]
            assert [each.fn for each in ours] == [each.fn for each in theirs]
        assert found.records("c")[0].extra["purls"] == ["pkg:pypi/c"]
        assert found.records("a")[0].url == f"{sharded.url}/linux-64/a-2.0-0.conda"
        assert len(found.records("a")[0].sha256) == 64


def test_only_what_is_asked_for_and_what_it_needs_is_fetched(scene, folder):
    paths = write_shards(folder)
    with serve(folder) as server:
        index = scene.sync(server.url)
        assert sorted(server.paths) == sorted([LINUX_INDEX, f"/noarch/{INDEX}"])
        index.expect(["A", "__glibc", "unknown"])
        wanted = {paths[each] for each in ("linux-64/a", "linux-64/b", "noarch/c", "linux-64/d")}
        wait_until(lambda: set(server.paths[2:]) == wanted)
        index.rest()
        assert [versions(index, name) for name in "abcd"] == [["2.0", "1.0"], ["2.0"], ["1.0"], ["1.0"]]
        assert set(server.paths[2:]) == wanted
        assert len(server.paths) == 6, "nothing is fetched twice"
        index.close()


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    assert condition()


def test_where_nothing_is_expected_only_what_is_asked_for_is_fetched(scene, folder):
    paths = write_shards(folder)
    with serve(folder) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        assert server.paths[2:] == [paths["linux-64/a"]]


def test_what_was_fetched_is_not_fetched_again(scene, folder):
    write_shards(folder)
    with serve(folder) as server:
        versions(scene.sync(server.url), "a")
        before = len(server.paths)
        index = scene.sync(server.url, max_age=100)
        assert versions(index, "a") == ["2.0", "1.0"]
        assert len(server.paths) == before
        offline = scene.sync(server.url, offline=True)
        assert versions(offline, "a") == ["2.0", "1.0"]
        with pytest.raises(ChannelError, match="was never fetched to this machine"):
            offline.records("lonely")


def test_an_update_fetches_only_what_changed(scene, folder):
    write_shards(folder, remove_others=False)
    with serve(folder) as server:
        index = scene.sync(server.url)
        for name in index.names():
            versions(index, name)
        index.close()
        make_channel(folder, [pkg("d", "1.1"), pkg("new", "1.0")])
        document = json.loads((folder / "linux-64/repodata.json").read_bytes())
        assert "d-1.1-0.conda" in document["packages.conda"]
        paths = write_shards(folder)
        server.forget()
        index = scene.sync(server.url)
        assert versions(index, "d") == ["1.1"]
        assert [path for path in server.paths if "shards/" in path] == [paths["linux-64/d"]]


def renew(folder, *packages):
    make_channel(folder, [*packages])
    return write_shards(folder)


def test_what_was_fetched_serves_offline_though_the_index_is_newer(scene, folder):
    write_shards(folder)
    with serve(folder) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        for version in ("3.0", "4.0"):  # The former shard stays known, update after update.
            renew(folder, pkg("a", version), pkg("lonely", version))
            scene.sync(server.url).close()
        offline = scene.sync(server.url, offline=True)
        scene.reporter.warnings.clear()
        assert versions(offline, "a") == ["2.0", "1.0"]
        assert offline.records("a")[0].url == f"{server.url}/linux-64/a-2.0-0.conda"
        assert offline.may_mention("a", "a-2.0-0") is True
        (warning,) = scene.reporter.warnings
        assert warning == (
            f"the newest records of 'a' in {server.url}/linux-64 were never fetched, so older ones are used "
            "(perhaps of other names, too)."
        )
        with pytest.raises(ChannelError, match="was never fetched"):
            offline.records("lonely")
        assert versions(scene.sync(server.url, max_age=100), "a") == ["4.0"], (
            "online there is nothing but the new"
        )
        assert versions(scene.sync(server.url, offline=True), "a") == ["4.0"]


def test_former_shards_serve_where_the_server_does_not_answer_if_the_user_allows_it(scene, folder):
    write_shards(folder)
    with serve(folder) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        path = renew(folder, pkg("a", "3.0", depends=["b"]))["linux-64/a"]
        server.faults[path] = Fault(status=503)
        with pytest.raises(ChannelError, match="HTTP status 503"):
            scene.sync(server.url).records("a")
        index = scene.sync(server.url, use_stale=True)
        assert versions(index, "a") == ["2.0", "1.0"]
        assert [record.fn for record in index.records("a")] == ["a-2.0-0.conda", "a-1.0-0.conda"]
        (warning,) = scene.reporter.warnings
        assert "the newest records of 'a'" in warning
        server.faults[path] = Fault(status=401)
        with pytest.raises(ChannelError, match="HTTP status 401"):
            scene.sync(server.url, use_stale=True).records("a")
        server.faults.clear()
        assert versions(scene.sync(server.url, use_stale=True), "a") == ["3.0"]


def test_channels_share_their_shards(scene, folder, tmp_path):
    write_shards(folder)
    shutil.copytree(folder, tmp_path / "copy")
    with serve(folder) as one, serve(tmp_path / "copy") as other:
        versions(scene.sync(one.url), "a")
        index = scene.sync(other.url)
        (record, _) = index.records("a")
        assert record.url == f"{other.url}/linux-64/a-2.0-0.conda"
        assert [path for path in other.paths if "shards/" in path] == []


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("./shards/", "/linux-64/shards/"),
        ("shards", "/linux-64/shards/"),
        ("../linux-64/shards", "/linux-64/shards/"),
        ("", "/linux-64/"),
    ],
)
def test_the_base_url_of_shards_may_be_relative(scene, folder, written, expected):
    """CEP 16: "The urls are relative to the shard index."."""
    paths = write_shards(folder, shards_base_url=written)
    if not written:
        shutil.copytree(folder / "linux-64/shards", folder / "linux-64", dirs_exist_ok=True)
    with serve(folder) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        name = paths["linux-64/a"].rpartition("/")[2]
        assert f"{expected}{name}" in server.paths


def test_base_url_moves_the_packages_and_not_the_shards(scene, folder):
    """CEP 15 and CEP 16: the two base URLs are independent of each other."""
    write_shards(folder, info={"base_url": "https://files.example.org/x"})
    with serve(folder) as server:
        assert scene.sync(server.url).records("a")[0].url == "https://files.example.org/x/a-2.0-0.conda"


def test_shards_are_preferred_and_remembered_and_whole_files_are_used_where_there_are_none(scene, folder):
    write_shards(folder, remove_others=False)
    with serve(folder) as server:
        scene.sync(server.url)
        assert [path for path in server.paths if "shards" not in path] == []
        for path in folder.glob(f"*/{INDEX}"):
            path.unlink()
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        assert "/linux-64/repodata.json" in server.paths
        server.forget()
        scene.sync(server.url)
        assert LINUX_INDEX not in server.paths, "what was missing a moment ago is not asked for"
        write_shards(folder, remove_others=False)
        scene.now += 90_000
        scene.sync(server.url)
        assert LINUX_INDEX in server.paths, "a channel that had shards is asked again after a day"
        server.forget()
        scene.sync(server.url)
        assert [path for path in server.paths if "shards" not in path] == []


def test_a_folder_with_shards_is_read_without_a_server(scene, folder):
    write_shards(folder)
    assert versions(scene.sync(folder), "a") == ["2.0", "1.0"]
    assert versions(scene.sync(folder, offline=True), "lonely") == ["1.0"]


def test_removed_files_are_left_out(scene, folder):
    """CEP 36: ``removed`` files are no longer to be offered, even if a section still lists them."""
    write_shards(folder)
    name = "a-2.0-0.conda"
    change_shard(folder, "a", lambda shard: shard["removed"].append(name))
    with serve(folder) as server:
        assert versions(scene.sync(server.url), "a") == ["1.0"]


def test_records_of_revision_3_are_read(scene, folder):
    """CEP 48: the keys of ``v3`` lack the extension that names their section."""
    write_shards(folder)

    def revise(shard):
        record = {
            **shard["packages.conda"]["a-2.0-0.conda"],
            "version": "3.0",
            "indexed_timestamp": 1_700_000_000_000,
        }
        shard["v3"] = {"conda": {"a-3.0-0": {**record, "depends": ["b[version='>=2',when=__unix]"]}}}

    change_shard(folder, "a", revise)
    with serve(folder) as server:
        newest = scene.sync(server.url).records("a")
        assert {record.fn for record in newest} == {"a-3.0-0.conda", "a-2.0-0.conda", "a-1.0-0.conda"}
        assert [record.indexed_timestamp for record in newest if record.version == "3.0"] == [
            1_700_000_000_000
        ]


def change_shard(folder, name, change):
    """Change a shard of linux-64, and the index accordingly."""
    index_path = folder / "linux-64" / INDEX
    index = msgspec.msgpack.decode(zstandard.decompress(index_path.read_bytes()))
    old = folder / f"linux-64/shards/{index['shards'][name].hex()}.msgpack.zst"
    shard = msgspec.msgpack.decode(zstandard.decompress(old.read_bytes()))
    changed = change(shard)
    data = changed if isinstance(changed, bytes) else packed(shard)
    index["shards"][name] = hashlib.sha256(data).digest()
    path = old.with_name(f"{index['shards'][name].hex()}.msgpack.zst")
    path.write_bytes(data)
    index_path.write_bytes(packed(index))
    return f"/linux-64/shards/{path.name}"


def test_records_that_are_not_valid_are_named_and_the_others_are_used(scene, folder):
    write_shards(folder)

    def spoil(shard):
        good = shard["packages.conda"]["a-1.0-0.conda"]
        shard["packages.conda"] |= {
            "a-4.0-0.conda": {**good, "version": "4.0", "depends": 7},
            "a-5.0-0.conda": {key: value for key, value in good.items() if key != "version"},
            "a-6.0-0.conda": {**good, "version": "6.0", "sha256": b"short"},
            "a-7.0-0.conda": {**good, "version": "7.0", "name": "b"},
            "../../a-8.0-0.conda": {**good, "version": "8.0"},
            "a-9.0-0.conda": [],
        }

    change_shard(folder, "a", spoil)
    with serve(folder) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        *named, counted = scene.reporter.warnings
        told = {warning.partition(" is left out")[0].rpartition("linux-64/")[2] for warning in named}
        assert len(told) == 3
        assert told < {"../../a-8.0-0.conda", *(f"a-{n}.0-0.conda" for n in (4, 5, 6, 7, 9))}
        assert counted == f"{server.url}/linux-64: 3 more files of 'a' are left out."


def test_of_many_records_that_are_not_valid_three_are_named_and_the_rest_is_counted(scene, folder):
    write_shards(folder)

    def spoil(shard):
        (good,) = shard["packages.conda"].values()
        shard["packages.conda"] |= {
            f"{good['name']}-{number}-0.conda": {**good, "version": str(number), "depends": 7}
            for number in range(100)
        }

    change_shard(folder, "b", spoil)
    change_shard(folder, "d", spoil)
    with serve(folder) as server:
        source = f"{server.url}/linux-64"
        index = scene.sync(server.url)
        index.names()
        assert scene.reporter.warnings == [], "nothing is said of names that nobody asked for"
        for name in ("b", "d", "b"):
            assert len(versions(index, name)) == 1
        assert [warning.partition(" is ")[0] for warning in scene.reporter.warnings[:3]] == [
            f"{source}/b-{number}-0.conda" for number in range(3)
        ]
        assert scene.reporter.warnings[3:] == [f"{source}: 97 more files of 'b' are left out."]
        index.rest()
        index.close()
        assert scene.reporter.warnings[4:] == [f"{source}: 100 more files are left out."]


@pytest.mark.parametrize(
    ("fault", "complaint"),
    [
        (Fault(body=b"<html>hello</html>"), "SHA-256 differs"),
        (Fault(body=b""), "SHA-256 differs"),
        (Fault(cut_after=20), "broke off"),
        (Fault(content_length=10), "SHA-256 differs"),
        (Fault(status=500), "HTTP status 500"),
        (Fault(status=429), "HTTP status 429"),
        (Fault(status=404), "HTTP status 404"),
        (Fault(drop=True), "cannot be reached"),
        (Fault(redirect="/elsewhere"), "HTTP status 404"),
    ],
)
def test_a_shard_that_cannot_be_had_is_an_error_that_names_it_and_nothing_is_stored(
    scene, folder, fault, complaint
):
    path = write_shards(folder)["linux-64/a"]
    with serve(folder, faults={path: fault}) as server:
        with pytest.raises(ChannelError, match=complaint) as caught:
            scene.sync(server.url).records("a")
        assert path.rpartition("/")[2] in str(caught.value)
        digest = path.rpartition("/")[2].partition(".")[0]
        assert not (scene.store.folder / "shards" / digest).exists()
        server.faults.clear()
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]


def test_a_shard_that_fails_once_is_asked_for_again(scene, folder):
    path = write_shards(folder)["linux-64/a"]
    with serve(folder, faults={path: Fault(cut_after=20, times=1)}) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]


def test_a_shard_that_the_channel_has_replaced_meanwhile_is_found_by_a_new_index(scene, folder):
    write_shards(folder, remove_others=False)
    with serve(folder) as server:
        index = scene.sync(server.url)
        shutil.rmtree(folder / "linux-64/shards")
        make_channel(folder, [pkg("a", "9.0")])
        write_shards(folder)
        assert versions(index, "a") == ["9.0"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "not valid zstandard"),
        (b"<html></html>", "not valid zstandard"),
        (zstandard.compress(b"<html></html>"), "no index of shards"),
        (packed({"info": {}}), "no index of shards"),
        (packed([1, 2]), "no index of shards"),
        (packed({"version": 2, "info": {}, "shards": {}}), "its version is 2"),
        (
            packed({"version": 1, "info": {"shards_base_url": "file:///etc"}, "shards": {}}),
            "leads away from the web",
        ),
        (packed({"version": 1, "info": {"base_url": 7}, "shards": {}}), "base_url is not a text"),
        (packed({"version": 1, "info": {}, "shards": {"x": b"1"}})[:-3], "zstandard"),
    ],
)
def test_an_index_of_shards_that_is_none_is_an_error_and_the_old_one_stays(scene, folder, content, complaint):
    write_shards(folder)
    with serve(folder) as server:
        versions(scene.sync(server.url), "a")
        (folder / "linux-64" / INDEX).write_bytes(content)
        with pytest.raises(ChannelError, match=complaint) as caught:
            scene.sync(server.url)
        assert LINUX_INDEX in str(caught.value)
        assert versions(scene.sync(server.url, offline=True), "a") == ["2.0", "1.0"]


def test_entries_of_the_index_that_are_no_digests_are_counted_and_left_out(scene, folder):
    write_shards(folder)
    path = folder / "linux-64" / INDEX
    index = msgspec.msgpack.decode(zstandard.decompress(path.read_bytes()))
    index["shards"] |= {"short": b"123", "text": "00" * 32, "none": None}
    path.write_bytes(packed(index))
    with serve(folder) as server:
        found = scene.sync(server.url)
        assert "short" not in found.names()
        assert versions(found, "a") == ["2.0", "1.0"]
        (warning,) = scene.reporter.warnings
        assert "lists 3 names whose shards are not valid" in warning


def test_a_shard_that_unpacks_without_bound_is_refused(scene, folder):
    bomb = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(200 << 20))
    assert len(bomb) < 100_000
    write_shards(folder)
    change_shard(folder, "a", lambda _: bomb)
    with serve(folder) as server, pytest.raises(ChannelError, match="would unpack to more than 128 MiB"):
        scene.sync(server.url).records("a")


def test_a_shard_that_is_no_shard_is_an_error_that_names_the_package(scene, folder):
    write_shards(folder)
    change_shard(folder, "a", lambda _: packed(["not", "a", "shard"]))
    with (
        serve(folder) as server,
        pytest.raises(ChannelError, match=r"the records of 'a' in .*linux-64 are broken"),
    ):
        scene.sync(server.url).records("a")


def test_a_stored_shard_that_is_damaged_is_fetched_again(scene, folder):
    path = write_shards(folder)["linux-64/a"]
    with serve(folder) as server:
        index = scene.sync(server.url)
        versions(index, "a")
        index.close()
        digest = path.rpartition("/")[2].partition(".")[0]
        stored = scene.store.folder / "shards" / digest
        data = bytearray(stored.read_bytes())
        data[len(data) // 2] ^= 0xFF
        stored.write_bytes(data)
        shutil.rmtree(scene.store.folder / "tables")
        server.forget()
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        assert server.paths.count(path) == 1


def test_names_that_would_leave_the_folder_do_not(scene, folder, tmp_path):
    path = folder / "linux-64" / INDEX
    write_shards(folder)
    index = msgspec.msgpack.decode(zstandard.decompress(path.read_bytes()))
    index["shards"]["../../evil"] = index["shards"]["a"]
    path.write_bytes(packed(index))
    before = {each for each in tmp_path.rglob("*") if scene.store.folder not in each.parents}
    with serve(folder) as server:
        assert scene.sync(server.url).records("../../evil") == []
        assert "../../a" not in str(scene.reporter.warnings)
    assert {each for each in tmp_path.rglob("*") if scene.store.folder not in each.parents} - before <= {
        scene.store.folder
    }


def test_a_store_that_takes_no_shards_still_answers(scene, folder):
    write_shards(folder)
    with serve(folder) as server:
        scene.sync(server.url).close()
        (scene.store.folder / "shards").write_text("in the way")
        (scene.store.folder / "tables").write_text("in the way")
        index = scene.sync(server.url, max_age=100)
        assert versions(index, "a") == versions(index, "a") == ["2.0", "1.0"]


def test_shards_and_tables_of_another_user_are_read_and_ones_own_lie_beside(scene, folder, ordinary_user):
    """A folder that another user made with the umask 022 takes nothing from this one."""
    paths = write_shards(folder)
    with serve(folder) as server:
        index = scene.sync(server.url)
        assert versions(index, "a") == ["2.0", "1.0"]
        index.close()
        for kind in ("shards", "tables"):
            (scene.store.folder / kind).chmod(0o555)
        for _ in range(2):
            index = scene.sync(server.url, max_age=100)
            assert versions(index, "a") == ["2.0", "1.0"]
            assert versions(index, "b") == ["2.0"]
            index.close()
        assert versions(scene.sync(server.url, offline=True), "b") == ["2.0"]
        assert sorted(server.paths[2:]) == sorted([paths["linux-64/a"], paths["linux-64/b"]])
        own = [
            path for path in scene.store.folder.glob("*-*/*") if path.parent.name[:6] in ("shards", "tables")
        ]
        assert sorted(path.parent.name.partition("-")[0] for path in own) == ["shards", "tables"]
        (stored, *_) = (scene.store.folder / "shards").iterdir()
        stored.write_bytes(b"damaged, and not to be removed")
        shutil.rmtree(next(scene.store.folder.glob("tables-*")))
        (scene.store.folder / "tables").chmod(0o755)
        shutil.rmtree(scene.store.folder / "tables")
        assert versions(scene.sync(server.url, max_age=100), "a") == ["2.0", "1.0"]
        assert versions(scene.sync(server.url, offline=True), "a") == ["2.0", "1.0"]
    assert not [warning for warning in scene.reporter.warnings if not warning.startswith("offline:")]


def test_where_shards_cannot_be_kept_at_all_one_warning_says_so(scene, folder, ordinary_user):
    write_shards(folder)
    with serve(folder) as server:
        assert versions(scene.sync(server.url), "a") == ["2.0", "1.0"]
        for path in (scene.store.folder / "shards", scene.store.folder):
            path.chmod(0o555)
        index = scene.sync(server.url, max_age=100)
        assert [versions(index, name) for name in "abd"] == [["2.0", "1.0"], ["2.0"], ["1.0"]]
        (warning,) = scene.reporter.warnings
        assert warning == (
            f"the index folder {scene.store.folder} cannot be written (permission denied); "
            "what is fetched is kept for this command only."
        )
        write_shards(folder, info={"base_url": "https://files.example.org/"})
        server.forget()
        renewed = scene.sync(server.url)
        assert versions(renewed, "a") == ["2.0", "1.0"]
        assert [path for path in server.paths if "shards/" in path] == [], (
            "what is there is read all the same"
        )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_pipes_in_the_index_folder_are_not_waited_for(scene, folder):
    write_shards(folder)
    with serve(folder) as server:
        index = scene.sync(server.url)
        index.records("a")
        index.close()
        made = [
            path for path in scene.store.folder.rglob("*") if path.is_file() and path.name != ".collected"
        ]
        assert {path.parent.name for path in made} == {"index", "shards", "tables"}
        for path in made:
            path.unlink()
            os.mkfifo(path)
        index = in_time(lambda: scene.sync(server.url, max_age=100))
        assert in_time(lambda: versions(index, "a")) == ["2.0", "1.0"]
        index.close()
        assert all(path.is_file() for path in made)


def in_time(work, seconds=20.0):
    """What *work* returns, if it does so in time."""
    found = []
    thread = threading.Thread(target=lambda: found.append(work()), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0]


def test_clients_that_fetch_at_once_do_not_disturb_each_other(scene, folder):
    write_shards(folder)
    found, failed = [], []

    def work(server_url):
        try:
            index = scene.sync(server_url)
            found.append([versions(index, name) for name in index.names()])
            index.close()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)

    with serve(folder) as server:
        threads = [threading.Thread(target=work, args=(server.url,)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert not failed
    assert found == [found[0]] * 6
    assert not [path for path in scene.store.folder.rglob("*.new") if os.path.isfile(path)]
