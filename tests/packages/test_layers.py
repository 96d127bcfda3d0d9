"""Several cache folders at once, some read-only, some another tool's: what lies in any of them is never fetched."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.models.record import Origin, PackageRecord
from envmgr.packages.identity import BY_HASH
from envmgr.packages.link_plan import PLAN_JSON
from envmgr.packages.store import PackageCache
from envmgr.packages.work_area import PREFIX, abandoned_areas
from envmgr.ports import RecordingReporter
from tests.builders import Pkg, index_json, make_channel, pkg, repodata_entry, script
from tests.packages.test_store import obtain, records_of
from tests.prefixes import unpack_bytes
from tests.servers import Server, serve
from tests.users import as_user, needs_other_users, reachable_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

A = pkg("a", "1.0", files={"bin/a": script("echo a"), "share/a": b"a" * 5000}, depends=["b"])
B = pkg("b", "2.0", extension=".tar.bz2", files={"share/b": b"b" * 5000})


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    make_channel(tmp_path / "channel", [A, B])
    with serve(tmp_path / "channel") as running:
        yield running


def wanted(server: Server) -> list[PackageRecord]:
    found = records_of(server.url, server.folder)
    return [found[A.file_name], found[B.file_name]]


def served(server: Server, package: Pkg) -> bytes:
    """The archive in the channel."""
    return (server.folder / "linux-64" / package.file_name).read_bytes()


def urls_of(server: Server, package: Pkg) -> dict[str, str]:
    base = f"{server.url}/linux-64"
    return {"channel": base, "url": f"{base}/{package.file_name}", "fn": package.file_name}


def written_by_conda(server: Server, package: Pkg) -> dict[str, Any]:
    return {**repodata_entry(package, served(server, package)), **urls_of(server, package)}


def written_by_mamba(server: Server, package: Pkg) -> dict[str, Any]:
    """As micromamba writes it, with stubs for whatever the channel does not say."""
    stubs = {
        "arch": None,
        "platform": None,
        "license": "",
        "track_features": "",
        "build_string": package.build,
    }
    return {**stubs, **written_by_conda(server, package)}


def written_for_a_url(server: Server, package: Pkg) -> dict[str, Any]:
    """As mamba 2.1.1 wrote it for an explicit file: an md5 is all that it knew."""
    named = {"name": package.name, "version": package.version, "build": package.build, "subdir": "linux-64"}
    unknown = {"build_number": 0, "depends": [], "constrains": [], "license": "", "timestamp": 0, "size": 0}
    md5 = hashlib.md5(served(server, package)).hexdigest()
    return {**named, **unknown, "md5": md5, "sha256": "", **urls_of(server, package)}


def fill(
    server: Server, layer: Path, package: Pkg, record: dict[str, Any], home: str = "", *, keep: bool = True
) -> None:
    """Put *package* into *layer* as conda and mamba do, with the files that they keep beside."""
    place, content = layer / home, served(server, package)
    place.mkdir(parents=True, exist_ok=True)
    folder = place / f"{package.name}-{package.version}-{package.build}"
    unpack_bytes(content, package.file_name, folder)
    (folder / "info" / "repodata_record.json").write_text(json.dumps(record, indent=2))
    if keep:
        (place / package.file_name).write_bytes(content)
    (layer / "cache").mkdir(exist_ok=True)
    (layer / "cache" / "0a1b2c3d.json").write_text("{}")
    (layer / "cache" / "cache.lock").touch()
    for name in ("urls", "urls.txt"):
        with open(layer / name, "a") as file:
            file.write(f"{record['url']}\n")


FORMS = {"conda": written_by_conda, "mamba": written_by_mamba, "mamba for a URL": written_for_a_url}


@pytest.mark.parametrize("keep", [True, False], ids=["with archives", "without archives"])
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "by URL"])
@pytest.mark.parametrize("form", FORMS)
def test_what_other_tools_unpacked_is_used_as_it_lies(
    form: str, nested: bool, keep: bool, server: Server, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    home = f"http/127.0.0.1_{server.port}/linux-64" if nested else ""
    for package in (A, B):
        fill(server, site, package, FORMS[form](server, package), home, keep=keep)
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()}
    cache, reporter = PackageCache([site, tmp_path / "mine"]), RecordingReporter()
    assert all(map(cache.holds, wanted(server)))
    found = obtain(cache, wanted(server), reporter=reporter)
    assert [each.folder.parent for each in found.values()] == [site / home] * 2
    assert [(each.archive is not None) for each in found.values()] == [keep] * 2
    assert [each.record.depends for each in found.values()] == [["b"], []]
    assert (server.requests, reporter.warnings) == ([], [])
    after = {path: path.stat().st_mtime_ns for path in site.rglob("*") if path.is_file()}
    assert {path for path in after if path not in before} == {
        each.folder / PLAN_JSON for each in found.values()
    }
    assert {path: after.get(path) for path in before} == before
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("nested", [False, True], ids=["flat", "by URL"])
def test_an_archive_in_any_layer_is_unpacked_into_the_writable_one(
    nested: bool, server: Server, tmp_path: Path
) -> None:
    place = tmp_path / "site" / (f"http/127.0.0.1_{server.port}/linux-64" if nested else "")
    place.mkdir(parents=True)
    for package in (A, B):
        (place / package.file_name).write_bytes(served(server, package))
    found = obtain(PackageCache([tmp_path / "mine", tmp_path / "site"]), wanted(server), offline=True)
    assert [each.folder.parent for each in found.values()] == [tmp_path / "mine"] * 2
    assert [each.archive.parent for each in found.values() if each.archive] == [place] * 2
    assert server.requests == []


def test_a_package_that_is_known_by_its_url_learns_the_rest_from_the_cache(
    server: Server, tmp_path: Path
) -> None:
    """What mamba wrote for its explicit files says of dependencies that there are none."""
    fill(server, tmp_path / "site", A, written_for_a_url(server, A), keep=False)
    origin = Origin(server.url, "linux-64", f"{server.url}/linux-64/")
    bare = PackageRecord(name="a", version="1.0", build="0", fn=A.file_name, origin=origin)
    found = obtain(PackageCache([tmp_path / "site"]), [bare])[bare].record
    assert (found.depends, found.timestamp) == (["b"], index_json(A)["timestamp"])
    assert server.requests == []


def test_what_cannot_be_told_to_be_the_same_archive_is_fetched(server: Server, tmp_path: Path) -> None:
    record = {**written_by_conda(server, A), "md5": None, "sha256": None}
    fill(server, tmp_path / "site", A, record, keep=False)
    a = wanted(server)[0]
    assert (
        obtain(PackageCache([tmp_path / "mine", tmp_path / "site"]), [a])[a].folder.parent
        == tmp_path / "mine"
    )


ROOT = Path(__file__).resolve().parents[2]


def create(server: Server, prefix: Path, user: int) -> subprocess.CompletedProcess[str]:
    """``envmgr create`` by another user."""
    options = ["--override-channels", "-c", server.url, "-y", "-p", str(prefix), "a", "b"]
    command = [*as_user(user), sys.executable, "-m", "envmgr", "create", *options]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def reachable() -> Iterator[Path]:
    with reachable_folder() as place:
        yield place


NOBODY = 65_534


@needs_other_users
def test_damage_in_a_read_only_layer_is_passed_over(
    server: Server, reachable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site's folder of a was written to, its archive of b is broken; the user may change neither."""
    site, home = reachable / "site", reachable / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("ENVMGR_ROOT", str(home / "root"))
    monkeypatch.setenv("ENVMGR_PKGS_DIRS", f"{site}{os.pathsep}{home / 'mine'}")
    fill(server, site, A, written_by_conda(server, A))
    (site / B.file_name).write_bytes(b"?" * len(served(server, B)))
    later = (site / "a-1.0-0/info/repodata_record.json").stat().st_mtime + 5
    (site / "a-1.0-0/share/a").write_bytes(b"b" * 5000)
    os.utime(site / "a-1.0-0/share/a", (later, later))
    first = create(server, home / "one", NOBODY)
    assert first.returncode == 0, first.stderr
    assert (
        f"{site}/a-1.0-0 is damaged in the package cache: share/a has another sha256 than the manifest states; "
        "it is passed over." in first.stderr
    )
    assert (
        f"an archive in the package cache is passed over: {site}/{B.file_name} is not the file that the channel "
        "describes: its sha256 is" in first.stderr
    )
    assert server.paths.count(f"/linux-64/{A.file_name}") == 0  # Its archive was good.
    assert (home / "mine/a-1.0-0/share/a").read_bytes() == b"a" * 5000
    server.forget()
    second = create(server, home / "two", NOBODY)
    assert second.returncode == 0, second.stderr
    assert not [path for path in server.paths if path.endswith((".conda", ".tar.bz2"))]
    assert (home / "two/share/a").stat().st_ino == (home / "mine/a-1.0-0/share/a").stat().st_ino


def test_folders_that_all_users_share_can_be_written_by_all(server: Server, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o2775)
    (shared / "a-1.0-0" / "rest").mkdir(parents=True)
    before = os.umask(0o077)
    try:
        a = wanted(server)[0]
        home = obtain(PackageCache([shared]), [a])[a].folder.parent
    finally:
        os.umask(before)
    assert home.parent == shared / BY_HASH
    assert [each.stat().st_mode & 0o7777 for each in (home, home.parent)] == [0o2775, 0o2775]


WITHOUT_FLOCK = [
    "strace",
    "-f",
    "--seccomp-bpf",
    "-o",
    os.devnull,
    "-e",
    "trace=flock",
    "-e",
    "inject=flock:error=ENOLCK",
]


def has_strace() -> bool:
    try:
        return subprocess.run([*WITHOUT_FLOCK, "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


needs_strace = pytest.mark.skipif(not has_strace(), reason="strace cannot take flock away here")


@needs_strace
def test_work_that_cannot_be_locked_is_not_taken_for_abandoned_while_its_process_runs(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from envmgr.packages.work_area import work_area\n"
        "with work_area(pathlib.Path(sys.argv[1])) as area:\n"
        "    os.utime(area.folder, (0, int(sys.argv[2]))); print(flush=True); sys.stdin.readline()\n"
    )
    now = int(time.time())
    for age, abandoned in ((3600, 0), (2 * 86_400, 1)):
        child = subprocess.Popen(
            [*WITHOUT_FLOCK, sys.executable, "-c", code, str(tmp_path), str(now - age)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
        )
        assert child.stdout is not None and child.stdout.readline() == b"\n"
        assert abandoned_areas(tmp_path) == []
        (area,) = (name for name in os.listdir(tmp_path) if name.startswith(PREFIX))
        os.kill(int(area.split("-")[-2]), signal.SIGKILL)
        child.communicate(timeout=20)
        assert len(abandoned_areas(tmp_path)) == abandoned
        shutil.rmtree(tmp_path / area)
