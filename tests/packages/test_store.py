"""The package cache: what is fetched, what is reused, what is refused, and what stays behind after a failure."""

from __future__ import annotations

import base64
import hashlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import tarfile
import textwrap
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
import zstandard

from envmgr.errors import ChannelError, DataError, PrefixError
from envmgr.models.record import Origin, PackageRecord
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.transport import AnyTransport
from envmgr.packages.identity import BY_HASH
from envmgr.packages.link_plan import PLAN_JSON, parse_plan
from envmgr.packages.store import PackageCache
from envmgr.packages.unpacked import CachedPackage, ObtainOptions
from envmgr.packages.work_area import PREFIX
from envmgr.ports import Phase, RecordingReporter
from envmgr.prefix.check import verify_prefix
from envmgr.prefix.plan import PackageToLink
from tests.builders import File, Pkg, archive_bytes, link, make_channel, paths_entries, pkg, script
from tests.prefixes import create
from tests.servers import Fault, serve
from tests.shared_data import shared_path

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]


def transport(*, offline: bool = False) -> AnyTransport:
    return AnyTransport(lambda: HttpTransport(HttpOptions(retries=1, backoff_seconds=0.01)), offline=offline)


def records_of(channel: str, folder: Path, subdir: str = "linux-64") -> dict[str, PackageRecord]:
    """The records of one subdir, by file name."""
    repodata = json.loads((folder / subdir / "repodata.json").read_bytes())
    origin = Origin(channel, subdir, f"{channel}/{subdir}/")
    found = {**repodata.get("packages", {}), **repodata.get("packages.conda", {})}
    return {fn: PackageRecord.parse(record, fn=fn, origin=origin) for fn, record in found.items()}


def channel_of(folder: Path, *packages: Pkg) -> list[PackageRecord]:
    make_channel(folder, list(packages))
    records = records_of(folder.as_uri(), folder)
    return [records[package.file_name] for package in packages]


def obtain(
    cache: PackageCache, records: Sequence[PackageRecord], **options: object
) -> dict[PackageRecord, CachedPackage]:
    reporter = options.pop("reporter", RecordingReporter())
    return cache.obtain(records, transport(), reporter, ObtainOptions(**options))


def leftovers(layer: Path) -> list[str]:
    """What lies in a cache beside complete packages, archives and urls.txt."""
    complete = {path.name for path in layer.iterdir() if (path / "info/repodata_record.json").is_file()}
    archives = {f"{name}{ending}" for name in complete for ending in (".conda", ".tar.bz2")}
    return sorted(
        path.name for path in layer.iterdir() if path.name not in complete | archives | {"urls.txt", BY_HASH}
    )


A = pkg("a", "1.0", files={"bin/a": script("echo a"), "lib/l": link("../bin/a")}, depends=["b"], odd=1)
B = pkg("b", "2.0", extension=".tar.bz2", files={"share/b": b"b" * 5000})


def test_package_arrives_in_the_layout_that_conda_and_mamba_use(tmp_path: Path) -> None:
    a, b = channel_of(tmp_path / "channel", A, B)
    cache, layer = PackageCache([tmp_path / "pkgs"]), tmp_path / "pkgs"
    assert not cache.holds(a)
    reporter = RecordingReporter()
    found = obtain(cache, [b, a], reporter=reporter)
    assert list(found) == [b, a]
    assert found[a].folder == layer / "a-1.0-0" and found[a].archive == layer / "a-1.0-0.conda"
    assert (layer / "a-1.0-0/lib/l").read_text() == "#!/bin/sh\necho a\n"
    assert [entry.path for entry in found[a].files.paths] == ["bin/a", "lib/l"]
    assert sorted((layer / "urls.txt").read_text().split()) == sorted([a.url, b.url])
    written = json.loads((layer / "a-1.0-0/info/repodata_record.json").read_bytes())
    expected = {
        "fn": "a-1.0-0.conda", "url": a.url, "channel": (tmp_path / "channel").as_uri(), "subdir": "linux-64",
        "sha256": a.sha256, "md5": a.md5, "size": a.size, "depends": ["b"], "odd": 1,
    }  # fmt: skip
    assert {key: written[key] for key in expected} == expected
    assert reporter.advanced == {Phase.DOWNLOAD: (a.size or 0) + (b.size or 0), Phase.UNPACK: 2}
    assert cache.holds(a) and leftovers(layer) == []
    assert cache.check(found[a]) == () and cache.check(found[b]) == ()


def test_cached_package_is_used_without_asking_the_channel(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [A, B])
    with serve(tmp_path / "channel") as server:
        wanted = list(records_of(server.url, tmp_path / "channel").values())
        first = obtain(PackageCache([tmp_path / "pkgs"]), wanted)
        server.forget()
        assert obtain(PackageCache([tmp_path / "pkgs"]), wanted) == first
        assert server.requests == []


def test_archive_in_the_cache_is_unpacked_without_a_download(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    (tmp_path / "pkgs").mkdir()
    (tmp_path / "channel/linux-64/a-1.0-0.conda").rename(tmp_path / "pkgs/a-1.0-0.conda")
    cache = PackageCache([tmp_path / "pkgs"])
    assert cache.holds(a)
    assert obtain(cache, [a], offline=True)[a].archive == tmp_path / "pkgs/a-1.0-0.conda"


def test_broken_archive_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    (tmp_path / "pkgs").mkdir()
    (tmp_path / "pkgs/a-1.0-0.conda").write_bytes(b"?" * (a.size or 0))
    found = obtain(PackageCache([tmp_path / "pkgs"]), [a])
    assert found[a].archive is not None
    assert hashlib.sha256(found[a].archive.read_bytes()).hexdigest() == a.sha256


def test_archives_need_not_be_kept(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    found = obtain(PackageCache([tmp_path / "pkgs"]), [a], keep_archives=False)
    assert found[a].archive is None
    assert os.listdir(tmp_path / "pkgs") == ["a-1.0-0"]


def test_equal_names_of_two_channels_never_mix(tmp_path: Path) -> None:
    (one,) = channel_of(tmp_path / "one", pkg("a", files={"who": "one"}))
    (two,) = channel_of(tmp_path / "two", pkg("a", files={"who": "two"}))
    cache = PackageCache([tmp_path / "pkgs"])
    for _ in range(2):
        found = obtain(cache, [one]) | obtain(cache, [two])
        assert (found[one].folder / "who").read_text() == "one"
        assert (found[two].folder / "who").read_text() == "two"
        assert found[one].archive != found[two].archive
    assert found[two].folder.name == "a-1.0-0" and found[two].folder.parts[-3] == BY_HASH
    assert leftovers(tmp_path / "pkgs") == []


def test_both_formats_of_one_package_never_mix(tmp_path: Path) -> None:
    files = {"f": "text"}
    new, old = channel_of(tmp_path / "c", pkg("a", files=files), pkg("a", files=files, extension=".tar.bz2"))
    found = obtain(PackageCache([tmp_path / "pkgs"]), [new, old])
    assert found[new].folder != found[old].folder
    assert {found[new].archive.name, found[old].archive.name} == {"a-1.0-0.conda", "a-1.0-0.tar.bz2"}


def test_the_same_archive_of_a_mirror_is_shared(tmp_path: Path) -> None:
    (one,) = channel_of(tmp_path / "one", A)
    (two,) = channel_of(tmp_path / "mirror", A)
    cache = PackageCache([tmp_path / "pkgs"])
    first = obtain(cache, [one])[one]
    assert obtain(cache, [two])[two].folder == first.folder


def test_folder_that_somebody_left_unfinished_is_not_used(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    (tmp_path / "pkgs/a-1.0-0/bin").mkdir(parents=True)
    (tmp_path / "pkgs/a-1.0-0/bin/a").write_text("half")
    found = obtain(PackageCache([tmp_path / "pkgs"]), [a])
    assert (found[a].folder / "bin/a").read_text() == "#!/bin/sh\necho a\n"


def test_our_own_place_is_taken_back_from_what_is_no_package(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    home = tmp_path / "pkgs" / BY_HASH / str(a.sha256)[:32]
    for folder in (tmp_path / "pkgs", home):
        (folder / "a-1.0-0/rest").mkdir(parents=True)
    assert obtain(PackageCache([tmp_path / "pkgs"]), [a])[a].folder == home / "a-1.0-0"


def test_entry_that_cannot_be_read_does_not_hide_a_good_one(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [A])
    with serve(tmp_path / "channel") as server:
        (a,) = records_of(server.url, tmp_path / "channel").values()
        first = obtain(PackageCache([tmp_path / "pkgs"]), [a])[a]
        for name in ("info/paths.json", PLAN_JSON):
            (first.folder / name).write_text("damaged")
        for _ in range(2):
            second = obtain(PackageCache([tmp_path / "pkgs"]), [a])[a]
            assert second.folder != first.folder and second.files == first.files
        assert len(server.requests) == 1


def test_further_layers_are_read_and_only_the_first_is_written(tmp_path: Path) -> None:
    a, b = channel_of(tmp_path / "channel", A, B)
    obtain(PackageCache([tmp_path / "site"]), [a])
    before = sorted((tmp_path / "site").rglob("*"))
    found = obtain(PackageCache([tmp_path / "mine", tmp_path / "site"]), [a, b])
    assert found[a].folder.parent == tmp_path / "site" and found[b].folder.parent == tmp_path / "mine"
    assert sorted((tmp_path / "site").rglob("*")) == before


def test_layer_that_cannot_be_written_is_passed_over(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    (tmp_path / "file").write_text("in the way")
    assert (
        obtain(PackageCache([tmp_path / "file/pkgs", tmp_path / "mine"]), [a])[a].folder.parent
        == tmp_path / "mine"
    )
    with pytest.raises(
        PrefixError, match=r"the package cache .*file/pkgs cannot be written: not a directory"
    ):
        obtain(PackageCache([tmp_path / "file/pkgs"]), [a])


def test_several_failures_of_the_body_are_survived(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [B])
    path = f"/linux-64/{B.file_name}"
    with serve(
        tmp_path / "channel", faults={path: [Fault(cut_after=100, times=1), Fault(body=b"<html>", times=1)]}
    ) as server:
        (b,) = records_of(server.url, tmp_path / "channel").values()
        assert obtain(PackageCache([tmp_path / "pkgs"]), [b])[b].folder.is_dir()
        assert server.paths == [path] * 3


WRONG_BODIES = {
    "cut": (Fault(cut_after=100), "b-2.0-0.tar.bz2"),
    "other content": (Fault(body=b"x" * len(archive_bytes(B))), "its sha256 is .*, expected"),
    "too short": (Fault(body=b"x"), "its size is 1, expected"),
    "too long": (Fault(body=b"x" * 500_000), "its size is .*, expected"),
    "gone": (Fault(status=404), "does not exist, though the channel's index names it"),
    "forbidden": (Fault(status=403), "answered with the status 403"),
    "dropped": (Fault(drop=True), "b-2.0-0.tar.bz2"),
}


@pytest.mark.parametrize("case", WRONG_BODIES)
def test_download_that_stays_wrong_is_an_error_with_its_url(case: str, tmp_path: Path) -> None:
    fault, word = WRONG_BODIES[case]
    make_channel(tmp_path / "channel", [B])
    with serve(tmp_path / "channel", faults={f"/linux-64/{B.file_name}": fault}) as server:
        (b,) = records_of(server.url, tmp_path / "channel").values()
        with pytest.raises(ChannelError, match=word) as caught:
            obtain(PackageCache([tmp_path / "pkgs"]), [b])
        assert server.url in str(caught.value)
    assert os.listdir(tmp_path / "pkgs") == []


def bare_record(base_url: str, **sums: str) -> PackageRecord:
    """B as an explicit file or a path names it: nothing but a URL and perhaps a checksum."""
    origin = Origin(base_url.removesuffix("/linux-64/"), "linux-64", base_url)
    return PackageRecord(name="b", version="2.0", build="0", fn=B.file_name, origin=origin, **sums)


def test_file_that_was_named_by_its_url_is_not_held_against_an_index(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [B])
    found = hashlib.sha256((tmp_path / "channel/linux-64" / B.file_name).read_bytes()).hexdigest()
    with serve(tmp_path / "channel") as server:
        base = server.url.replace("//", "//user:secret@") + "/linux-64/"
        for sums, told in [
            ({"sha256": "0" * 64}, f": sha256 is {found}, but {'0' * 64} was expected."),
            ({"md5": "0" * 32}, f", but {'0' * 32} was expected."),
        ]:
            with pytest.raises(ChannelError) as caught:
                obtain(PackageCache([tmp_path / "pkgs"]), [bare_record(base, **sums)])
            assert str(caught.value).startswith(f"{server.url}/linux-64/{B.file_name}: ")
            assert str(caught.value).endswith(told)
            assert "secret" not in f"{caught.value.facts} {caught.value.hint}"
        (tmp_path / "channel/linux-64" / B.file_name).unlink()
        with pytest.raises(ChannelError) as caught:
            obtain(PackageCache([tmp_path / "pkgs"]), [bare_record(base)])
        assert str(caught.value) == f"{server.url}/linux-64/{B.file_name} does not exist."
        assert "secret" not in f"{caught.value.facts} {caught.value.hint}"
    with pytest.raises(ChannelError, match=r"^file://.*/b-2\.0-0\.tar\.bz2 does not exist\.$"):
        obtain(
            PackageCache([tmp_path / "pkgs"]), [bare_record((tmp_path / "channel/linux-64").as_uri() + "/")]
        )


@pytest.mark.parametrize("case", WRONG_BODIES)
@pytest.mark.parametrize("is_listed", [True, False])
def test_failed_download_tells_no_credentials(case: str, is_listed: bool, tmp_path: Path) -> None:
    fault, _ = WRONG_BODIES[case]
    path = f"/t/tk-secret/channel/linux-64/{B.file_name}"
    make_channel(tmp_path / "channel", [B])
    with serve(tmp_path, faults={path: fault}) as server:
        url = server.url.replace("//", "//user:secret@") + "/t/tk-secret/channel"
        (listed,) = records_of(url, tmp_path / "channel").values()
        record = listed if is_listed else bare_record(f"{url}/linux-64/", sha256=listed.sha256 or "")
        with pytest.raises(ChannelError) as caught:
            obtain(PackageCache([tmp_path / "pkgs"]), [record])
        assert path in server.paths
    assert f"{server.url}/channel/linux-64/{B.file_name}" in str(caught.value)
    assert "secret" not in f"{caught.value} {caught.value.facts} {caught.value.hint}"


@pytest.mark.parametrize("with_sum", [True, False])
def test_credentials_are_used_and_nowhere_in_the_cache(with_sum: bool, tmp_path: Path) -> None:
    make_channel(tmp_path / "root/t/tk-secret/channel", [A, B])
    with serve(tmp_path / "root") as server:
        url = server.url.replace("//", "//user:secret@") + "/t/tk-secret/channel"
        found = records_of(url, tmp_path / "root/t/tk-secret/channel")
        records = list(found.values())
        if not with_sum:
            records = [
                PackageRecord(
                    name=each.name, version=each.version, build=each.build, fn=each.fn, origin=each.origin
                )
                for each in records
            ]
        # The second pass meets places that are taken, so that it fills `.by-hash`.
        for layer in ("pkgs", "taken"):
            for each in found.values():
                (tmp_path / "taken" / each.dist_name / "rest").mkdir(parents=True, exist_ok=True)
            packages = obtain(PackageCache([tmp_path / layer]), records)
            for record, package in packages.items():
                assert package.record.url == f"{server.url}/channel/linux-64/{record.fn}"
                assert "secret" not in repr(package.record)
            server.forget() if layer == "pkgs" else None
        basic = "Basic " + base64.b64encode(b"user:secret").decode()
        assert [seen.headers.get("authorization") for seen in server.requests] == [basic, basic]
        server.forget()
        assert obtain(PackageCache([tmp_path / "pkgs"]), records).keys() == set(records)
        clean = PackageRecord.parse(
            records[0].to_dict(),
            fn=records[0].fn,
            origin=Origin(f"{server.url}/channel", "linux-64", f"{server.url}/channel/linux-64/"),
        )
        assert PackageCache([tmp_path / "pkgs"]).holds(clean)
        assert server.requests == []
    assert (tmp_path / "pkgs/urls.txt").read_text().count(f"{server.url}/channel/linux-64/") == 2
    assert (tmp_path / "taken" / BY_HASH).is_dir()
    for layer in ("pkgs", "taken"):
        for path in (tmp_path / layer).rglob("*"):
            assert "secret" not in path.name
            assert not path.is_file() or b"secret" not in path.read_bytes()


def test_complete_packages_stay_when_another_fails(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [A, B])
    with serve(
        tmp_path / "channel", faults={f"/linux-64/{B.file_name}": Fault(wait=0.4, status=404)}
    ) as server:
        wanted = list(records_of(server.url, tmp_path / "channel").values())
        with pytest.raises(ChannelError):
            obtain(PackageCache([tmp_path / "pkgs"]), wanted)
    assert leftovers(tmp_path / "pkgs") == []
    assert (tmp_path / "pkgs/a-1.0-0").is_dir()


def test_md5_is_checked_where_nothing_better_is_stated(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    good = PackageRecord.parse({**a.to_dict(), "sha256": None}, fn=a.fn, origin=a.origin)
    bad = PackageRecord.parse({**good.to_dict(), "md5": "0" * 32}, fn=a.fn, origin=a.origin)
    with pytest.raises(ChannelError, match="its md5 is"):
        obtain(PackageCache([tmp_path / "pkgs"]), [bad])
    assert obtain(PackageCache([tmp_path / "pkgs"]), [good])[good].record.sha256 == a.sha256


def test_record_without_checksum_is_used_with_a_warning_and_learns_its_sum(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    bare = PackageRecord(name="a", version="1.0", build="0", fn=a.fn, origin=a.origin)
    reporter = RecordingReporter()
    cache = PackageCache([tmp_path / "pkgs"])
    whole = obtain(cache, [bare], reporter=reporter)[bare].record
    assert reporter.warnings == ["a-1.0-0.conda came without a checksum; it was not verified."]
    assert (whole.sha256, whole.size, whole.depends, whole.url) == (a.sha256, a.size, ["b"], a.url)
    again = obtain(cache, [bare])[bare].record
    assert (again.sha256, again.depends) == (a.sha256, ["b"])


def test_record_of_the_channel_is_never_overruled_by_the_archive(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    patched = PackageRecord.parse({**a.to_dict(), "depends": []}, fn=a.fn, origin=a.origin)
    assert obtain(PackageCache([tmp_path / "pkgs"]), [patched])[patched].record.depends == []


def test_without_checksum_every_file_is_held_against_the_manifest(tmp_path: Path) -> None:
    entry = {"_path": "f", "path_type": "hardlink", "sha256": "0" * 64, "size_in_bytes": 4}
    paths = json.dumps({"paths_version": 1, "paths": [entry]}).encode()
    (a,) = channel_of(tmp_path / "channel", pkg("a", files={"f": "text"}, info={"info/paths.json": paths}))
    bare = PackageRecord(name="a", version="1.0", build="0", fn=a.fn, origin=a.origin)
    with pytest.raises(DataError, match="'f' has another sha256 than the manifest states"):
        obtain(PackageCache([tmp_path / "pkgs"]), [bare])
    assert os.listdir(tmp_path / "pkgs") == []


def test_files_that_differ_in_a_verified_package_are_told_of_and_recorded_as_they_are(tmp_path: Path) -> None:
    files = {"f": "text", "g": "sound", "h": "longer", "bin/p": "#!/old/bin/sh\n", "l": link("f")}
    plain = pkg("a", files={**files, "bin/p": File(b"#!/old/bin/sh\n", 0o755, placeholder="/old")})
    entries = paths_entries(plain)
    for entry in entries:
        if entry["_path"] != "g":
            entry["sha256"] = "0" * 64
        entry["size_in_bytes"] += 1 if entry["_path"] == "h" else 0
    paths = json.dumps({"paths_version": 1, "paths": entries}).encode()
    (a,) = channel_of(
        tmp_path / "channel",
        pkg("a", files=plain.files, info={"info/paths.json": paths, PLAN_JSON: b"?"}),
    )
    cache = PackageCache([tmp_path / "pkgs"])
    for _ in range(2):
        reporter = RecordingReporter()
        package = obtain(cache, [a], reporter=reporter, hashed=True)[a]
        (warning,) = reporter.warnings
        assert warning == (
            "a-1.0-0.conda was published with 3 files that differ from its own manifest: "
            "'f' has another sha256 than the manifest states (and 2 more)."
        )
        assert cache.check(package) == ()
    prefix = tmp_path / "env"
    create(prefix, [PackageToLink(package.record, package.folder, package.archive, package.files)])
    assert verify_prefix(prefix) == ()
    document = json.loads((prefix / "conda-meta/a-1.0-0.json").read_bytes())
    for entry in document["paths_data"]["paths"]:
        content = (prefix / entry["_path"]).read_bytes()
        assert entry["sha256_in_prefix"] == hashlib.sha256(content).hexdigest(), entry
        if entry["_path"] in ("f", "g", "h"):
            assert (entry["sha256"], entry["size_in_bytes"]) == (entry["sha256_in_prefix"], len(content))


def test_damaged_link_plan_is_made_anew_from_the_manifest(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    cache = PackageCache([tmp_path / "pkgs"])
    first = obtain(cache, [a])[a]
    plan = (first.folder / PLAN_JSON).read_bytes()
    for broken in (b"", b"[]", b'{"files": {"paths": [{"_path": "../x"}]}, "layout": 1}', plan[:-2] + b"8}"):
        (first.folder / PLAN_JSON).write_bytes(broken)
        assert cache.find(a) == first
        assert (first.folder / PLAN_JSON).read_bytes() == plan


def test_link_plan_that_leads_astray_is_made_anew(tmp_path: Path) -> None:
    file = File(b"\0/old/x\0/old\0", placeholder="/old", file_mode="binary")
    (a,) = channel_of(tmp_path / "channel", pkg("a", files={"f": file}))
    cache = PackageCache([tmp_path / "pkgs"])
    first = obtain(cache, [a])[a]
    plan = (first.folder / PLAN_JSON).read_bytes()
    assert json.loads(plan)["files"]["offsets"] == {"f": [1, 8]}
    for key, value in (
        ("offsets", {"f": [8, 1]}),
        ("offsets", {"f": [1, 1]}),
        ("offsets", {"f": [-12, 8]}),
        ("offsets", {"f": ["1"]}),
        ("entry_points", [{"command": "../../a", "module": "a", "function": "b"}]),
        ("entry_points", [{"command": "a", "module": "os; evil", "function": "b"}]),
    ):
        document = json.loads(plan)
        document["files"][key] = value
        (first.folder / PLAN_JSON).write_text(json.dumps(document))
        assert cache.find(a) == first, (key, value)
        assert (first.folder / PLAN_JSON).read_bytes() == plan


def test_link_plan_with_paths_in_another_writing_is_read_as_a_manifest_is(tmp_path: Path) -> None:
    entry = {"_path": "x/./f", "path_type": "hardlink", "prefix_placeholder": ""}
    plan = parse_plan(json.dumps({"files": {"paths": [entry]}, "layout": 1}).encode())
    assert plan is not None
    assert [(each.path, each.placeholder) for each in plan.files.paths] == [("x/f", None)]


def test_description_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    """An archive of some KB holds it."""
    header = tarfile.TarInfo("info/paths.json")
    header.size = 257 << 20
    parts = [header.tobuf(), *[b" " * (1 << 20)] * 257, bytes(1024)]
    info = {"info-a-1.0-0.tar.zst": b"".join(map(zstandard.compress, parts))}
    (a,) = channel_of(tmp_path / "channel", A)
    archive = Path(a.url.removeprefix("file://"))
    with zipfile.ZipFile(archive) as old:
        members = {name: old.read(name) for name in old.namelist()} | info
    with zipfile.ZipFile(archive, "w") as new:
        for name, data in members.items():
            new.writestr(name, data)
    described = msgspec.structs.replace(a, md5=None, sha256=None, size=None)
    with pytest.raises(DataError, match=r"^a-1\.0-0\.conda: info/paths.json has 269484032 bytes, where"):
        obtain(PackageCache([tmp_path / "pkgs"]), [described])
    assert leftovers(tmp_path / "pkgs") == []


def test_cached_description_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", A)
    cache = PackageCache([tmp_path / "pkgs"])
    plan = obtain(cache, [a])[a].folder / PLAN_JSON
    plan.unlink()
    os.mkfifo(plan)
    assert cache.find(a) is None


def test_link_plan_of_a_package_without_files_is_kept(tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", pkg("a"))
    cache = PackageCache([tmp_path / "pkgs"])
    package = obtain(cache, [a])[a]
    before = (package.folder / PLAN_JSON).stat().st_ino
    assert cache.find(a) == package
    assert (package.folder / PLAN_JSON).stat().st_ino == before


def test_link_plan_that_lost_an_offset_is_found_by_a_check(tmp_path: Path) -> None:
    binary = File(b"\0/old/x\0/old/y\0", 0o755, placeholder="/old", file_mode="binary")
    (a,) = channel_of(tmp_path / "channel", pkg("a", files={"bin/a": binary}))
    cache = PackageCache([tmp_path / "pkgs"])
    package = obtain(cache, [a])[a]
    assert cache.check(package) == ()
    plan = package.folder / PLAN_JSON
    plan.write_bytes(plan.read_bytes().replace(b"[1,8]", b"[1]"))
    again = cache.find(a)
    assert again is not None and again.files.offsets == {"bin/a": (1,)}
    (finding,) = cache.check(again)
    assert (finding.path, finding.damage) == (PLAN_JSON, True)


def test_link_plan_of_a_package_that_others_unpacked_is_kept_where_the_layer_can_be_written(
    tmp_path: Path,
) -> None:
    (a,) = channel_of(
        tmp_path / "channel",
        pkg("a", files={"bin/a": File(b"\0/old/x\0", 0o755, placeholder="/old", file_mode="binary")}),
    )
    cache = PackageCache([tmp_path / "pkgs"])
    first = obtain(cache, [a])[a]
    assert first.files.offsets == {"bin/a": (1,)}
    (first.folder / PLAN_JSON).unlink()
    assert cache.find(a) == first
    plan = parse_plan((first.folder / PLAN_JSON).read_bytes())
    assert plan is not None and plan.files == first.files
    assert sorted(os.listdir(first.folder / "info")) == sorted(
        ["envmgr-link.json", "files", "index.json", "paths.json", "repodata_record.json"]
    )


@pytest.mark.parametrize("remote", [True, False])
def test_download_ends_with_the_last_archive_and_unpacking_begins_with_the_first(
    remote: bool, tmp_path: Path
) -> None:
    class Watch(RecordingReporter):
        def __init__(self) -> None:
            super().__init__()
            self.events: list[str] = []

        def phase_started(self, phase: Phase, total: int | None = None) -> None:
            self.events.append(f"{phase.value} starts with {total}")

        def phase_advanced(self, phase: Phase, amount: int) -> None:
            self.events.append(f"{phase.value} goes on")
            if phase is Phase.UNPACK:
                time.sleep(0.1)

        def phase_finished(self, phase: Phase) -> None:
            self.events.append(f"{phase.value} ends")

    make_channel(tmp_path / "channel", [A, B])
    with serve(tmp_path / "channel") as server:
        url = server.url if remote else (tmp_path / "channel").as_uri()
        wanted = list(records_of(url, tmp_path / "channel").values())
        reporter = Watch()
        obtain(PackageCache([tmp_path / "pkgs"]), wanted, reporter=reporter, threads=1)
    events = reporter.events
    last = max(at for at, event in enumerate(events) if event == "download goes on")
    assert events[0] == f"download starts with {sum(each.size or 0 for each in wanted)}"
    assert events.index("download ends") > last
    assert events.index("unpack starts with 2") > events.index("download goes on")
    assert events.index("download ends") < events.index("unpack ends") == len(events) - 1
    assert [event for event in events if "starts" in event or "ends" in event].count("download ends") == 1


def test_phases_end_when_a_download_fails(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [A])
    reporter = RecordingReporter()
    with serve(tmp_path / "channel", faults={"*": Fault(status=404)}) as server:
        wanted = list(records_of(server.url, tmp_path / "channel").values())
        with pytest.raises(ChannelError):
            obtain(PackageCache([tmp_path / "pkgs"]), wanted, reporter=reporter)
    assert reporter.finished == [Phase.DOWNLOAD]


def test_wrong_size_in_a_verified_package_is_a_warning(tmp_path: Path) -> None:
    entry = {"_path": "f", "path_type": "hardlink", "sha256": "0" * 64, "size_in_bytes": 5}
    paths = json.dumps({"paths_version": 1, "paths": [entry]}).encode()
    (a,) = channel_of(tmp_path / "channel", pkg("a", files={"f": "text"}, info={"info/paths.json": paths}))
    reporter = RecordingReporter()
    obtain(PackageCache([tmp_path / "pkgs"]), [a], reporter=reporter)
    assert "'f' has 4 bytes, where the manifest states 5" in reporter.warnings[0]


@pytest.mark.parametrize(
    ("info", "word"),
    [
        (
            {"info/index.json": b'{"name": "z", "version": "1.0", "build": "0"}'},
            "another package inside, z-1.0-0",
        ),
        ({"info/index.json": b"["}, "the record of a-1.0-0.conda is not valid"),
        ({"info/paths.json": b"{}"}, "a-1.0-0.conda: info/paths.json is not valid"),
        ({"info/paths.json": b'{"paths": [{"_path": "../x"}]}'}, "a-1.0-0.conda: .*outside the environment"),
        ({"info/paths.json": b'{"paths": [{"_path": "gone"}]}'}, "damaged at its source: 'gone' is missing"),
        ({"info/link.json": b'{"noarch": {"type": "python", "entry_points": ["rm"]}}'}, "entry point 'rm'"),
    ],
)
def test_package_with_broken_metadata_is_refused(info: dict[str, bytes], word: str, tmp_path: Path) -> None:
    (a,) = channel_of(tmp_path / "channel", pkg("a", info=info))
    with pytest.raises(DataError, match=word):
        obtain(PackageCache([tmp_path / "pkgs"]), [a])
    assert os.listdir(tmp_path / "pkgs") == []


def test_package_of_before_paths_json_is_read(tmp_path: Path) -> None:
    info = {"info/has_prefix": b"/old/place text bin/a\n", "info/no_link": b"etc/c\n"}
    old = pkg(
        "a", files={"bin/a": "/old/place", "etc/c": "c"}, info=info, paths_json=False, extension=".tar.bz2"
    )
    (a,) = channel_of(tmp_path / "channel", old)
    first, second = obtain(PackageCache([tmp_path / "pkgs"]), [a])[a].files.paths
    assert (first.placeholder, second.no_link) == ("/old/place", True)


@pytest.mark.parametrize(
    "fn", ["../evil-1-0.conda", "a/../../b-1-0.conda", ".conda", ".hidden-1-0.conda", "a-1-0.zip"]
)
def test_record_whose_file_name_leaves_the_cache_is_refused(fn: str, tmp_path: Path) -> None:
    record = PackageRecord(
        name="a", version="1", build="0", fn=fn, origin=Origin("file:///c", "noarch", "file:///c/noarch/")
    )
    with pytest.raises(DataError, match="no file name of a package"):
        obtain(PackageCache([tmp_path / "pkgs"]), [record])


def test_offline_names_what_is_missing(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [A, B])
    wanted = list(records_of("https://example.invalid/c", tmp_path / "channel").values())
    with pytest.raises(
        ChannelError, match=r"offline, and 2 package\(s\) .*: b-2.0-0.tar.bz2, a-1.0-0.conda\."
    ):
        PackageCache([tmp_path / "pkgs"]).obtain(
            wanted, transport(offline=True), RecordingReporter(), ObtainOptions(offline=True)
        )


def test_changed_file_in_the_cache_is_found_by_a_check(tmp_path: Path) -> None:
    (b,) = channel_of(tmp_path / "channel", B)
    cache = PackageCache([tmp_path / "pkgs"])
    package = obtain(cache, [b])[b]
    (package.folder / "share/b").write_bytes(b"c" * 5000)
    assert [finding.what for finding in cache.check(package)] == [
        "has another sha256 than the manifest states"
    ]


def _fill(folder: Path, url: str, names: list[str]) -> None:
    records = records_of(url, folder / "channel")
    found = obtain(PackageCache([folder / "pkgs"]), [records[name] for name in names], threads=3)
    sys.exit(0 if all((each.folder / "f").stat().st_size == 40_000 for each in found.values()) else 1)


def test_four_processes_fill_one_cache_together(tmp_path: Path) -> None:
    packages = [pkg(f"p{at}", files={"f": os.urandom(40_000)}) for at in range(12)]
    make_channel(tmp_path / "channel", packages)
    names = [package.file_name for package in packages]
    with serve(tmp_path / "channel") as server:
        context = multiprocessing.get_context("spawn")
        gang = [context.Process(target=_fill, args=(tmp_path, server.url, names)) for _ in range(4)]
        for each in gang:
            each.start()
        for each in gang:
            each.join(60)
        assert [each.exitcode for each in gang] == [0, 0, 0, 0]
    cache = PackageCache([tmp_path / "pkgs"])
    for record in records_of(server.url, tmp_path / "channel").values():
        package = cache.find(record)
        assert (
            package is not None and package.folder.parent == tmp_path / "pkgs" and cache.check(package) == ()
        )
    assert leftovers(tmp_path / "pkgs") == [] and not (tmp_path / "pkgs" / BY_HASH).exists()


def start_slow_obtain(tmp_path: Path, url: str) -> subprocess.Popen[str]:
    """A process that brings packages into tmp_path/pkgs and says when it is in the middle of it."""
    code = f"""
        import os
        from pathlib import Path
        from tests.packages.test_store import records_of, transport
        from envmgr.packages.store import PackageCache
        from envmgr.ports import Reporter

        class Loud(Reporter):
            def phase_advanced(self, phase, amount):
                os.write(1, b"moving\\n")

        folder = Path({str(tmp_path)!r})
        records = list(records_of({url!r}, folder / "channel").values())
        PackageCache([folder / "pkgs"]).obtain(records, transport(), Loud())
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_run_leaves_nothing_that_counts(number: signal.Signals, tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [pkg("big", files={"f": os.urandom(300_000)})])
    with serve(tmp_path / "channel", faults={"*": Fault(drip=0.2, drip_size=2000, times=1)}) as server:
        process = start_slow_obtain(tmp_path, server.url)
        assert process.stdout is not None and process.stdout.readline() == "moving\n"
        started = time.monotonic()
        process.send_signal(number)
        process.communicate(timeout=20)
        assert process.returncode != 0 and time.monotonic() - started < 15
        (record,) = records_of(server.url, tmp_path / "channel").values()
        left = os.listdir(tmp_path / "pkgs")
        assert left == [] if number == signal.SIGINT else [name[: len(PREFIX)] for name in left] == [PREFIX]
        cache = PackageCache([tmp_path / "pkgs"])
        assert not cache.holds(record)
        obtain(cache, [record])
    assert leftovers(tmp_path / "pkgs") == []


def test_work_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [A, pkg("big", files={"f": os.urandom(100_000)})])
    with serve(
        tmp_path / "channel", faults={"/linux-64/big-1.0-0.conda": Fault(drip=0.02, drip_size=2000)}
    ) as server:
        process = start_slow_obtain(tmp_path, server.url)
        assert process.stdout is not None and process.stdout.readline() == "moving\n"
        a = records_of(server.url, tmp_path / "channel")["a-1.0-0.conda"]
        (other,) = channel_of(tmp_path / "other", pkg("other"))
        obtain(PackageCache([tmp_path / "pkgs"]), [a, other])
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
    assert leftovers(tmp_path / "pkgs") == []


@pytest.mark.parametrize("limit", [500_000, 2_000_000], ids=["while it comes", "while it is unpacked"])
def test_full_disk_is_an_error_with_a_hint_and_leaves_nothing(limit: int, tmp_path: Path) -> None:
    content = random.Random(7).randbytes(1_200_000) + bytes(1_800_000)
    make_channel(tmp_path / "channel", [pkg("big", files={"f": content})])
    code = f"""
        import resource, sys
        from pathlib import Path
        from envmgr.errors import PrefixError
        from tests.packages.test_store import PackageCache, RecordingReporter, records_of, transport
        folder = Path({str(tmp_path)!r})
        records = list(records_of(sys.argv[1], folder / "channel").values())
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            PackageCache([folder / "pkgs"]).obtain(records, transport(), RecordingReporter())
        except PrefixError as error:
            print(error, "|", error.hint)
    """
    with serve(tmp_path / "channel") as server:
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), server.url],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert "pkgs cannot be written: file too large. | Free some space" in done.stdout
    assert os.listdir(tmp_path / "pkgs") == []


def _published(name: str) -> list[PackageRecord]:
    root = shared_path(f"packages/{name}")
    records: list[PackageRecord] = []
    for repodata in sorted(root.glob("*/repodata.json")):
        found = records_of(root.as_uri(), root, repodata.parent.name)
        records += [record for fn, record in found.items() if (repodata.parent / fn).exists()]
    return records


def test_every_published_package_arrives_or_its_damage_is_named(tmp_path: Path) -> None:
    sound, damaged = [], []
    for record in [*_published("test-channel"), *_published("zlib-channel")]:
        (damaged if record.name == "zlib" and record.subdir in ("linux-64", "osx-64") else sound).append(
            record
        )
    cache = PackageCache([tmp_path / "pkgs"])
    reporter = RecordingReporter()
    found = obtain(cache, sound, reporter=reporter)
    assert len(found) > 40 and reporter.warnings == []
    assert [cache.check(package) for package in found.values()] == [()] * len(found)
    before = sorted(tmp_path.rglob("*"))
    for record in damaged:
        with pytest.raises(DataError, match=rf"{record.fn} is damaged at its source: .*lib/libz.*(empty)"):
            obtain(cache, [record])
    assert len(damaged) == 4 and sorted(tmp_path.rglob("*")) == before


def test_published_archives_of_the_single_folder_arrive(tmp_path: Path) -> None:
    folder = shared_path("packages/single")
    origin = Origin(folder.as_uri(), "noarch", f"{folder.as_uri()}/")
    for path in sorted(folder.iterdir()):
        name, version, build = path.name.removesuffix(".conda").removesuffix(".tar.bz2").rsplit("-", 2)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        record = PackageRecord(
            name=name, version=version, build=build, sha256=sha256, fn=path.name, origin=origin
        )
        cache = PackageCache([tmp_path / path.name])
        package = obtain(cache, [record])[record]
        assert package.record.timestamp and cache.check(package) == ()
