"""clean as a user calls it: what goes, what stays because somebody uses it, and what is said about both."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.host.folder_lock import using_folders
from envmgr.ops.clean import remove_index
from envmgr.packages.work_area import work_area
from envmgr.prefix.marker import MARKER
from tests.builders import File, make_channel, pkg, script
from tests.channels.conftest import drop_privileges, ordinary_user  # noqa: F401 (fixtures)
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from tests.command import Envmgr

PLACEHOLDER = "/opt/placeholder_" + "x" * 200
SIZE = 50_000


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    big = b"0123456789" * (SIZE // 10)
    tool = pkg("tool", "1.2", files={"bin/tool": script("echo tool"), "share/tool": big})
    other = pkg("other", "2", files={"share/other": big}, extension=".tar.bz2")
    patched = File(f"{PLACEHOLDER}\n".encode(), placeholder=PLACEHOLDER)
    own = pkg("own", "3", files={"etc/own": patched})
    return make_channel(tmp_path / "channel", [tool, other, own])


@pytest.fixture
def layer() -> Path:
    return Path(os.environ["ENVMGR_ROOT"]) / "pkgs"


def create(envmgr: Envmgr, channel: Path | str, prefix: Path, *names: str, copy: bool = False) -> None:
    options = ["--copy"] if copy else []
    arguments = ["create", "-p", prefix, "-c", channel, "--override-channels", "-q", "-y", *options, *names]
    made = envmgr(*arguments)
    assert made.code == 0, made.err


def folders(layer: Path) -> set[str]:
    return {path.name for path in layer.iterdir() if path.is_dir()} if layer.exists() else set()


def test_only_packages_that_no_environment_uses_go(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "kept", "tool", "own")
    create(envmgr, channel, tmp_path / "gone", "other")
    assert envmgr("clean", "-p", "--json").json["packages"]["pkg_sizes"] == {}
    shutil.rmtree(tmp_path / "gone")
    planned = envmgr("clean", "--packages", "--dry-run", "--json")
    assert planned.json["packages"]["pkgs_dirs"] == {str(layer): ["other-2-0"]}
    assert folders(layer) == {"tool-1.2-0", "own-3-0", "other-2-0"}
    cleaned = envmgr("clean", "--packages", "--json")
    assert cleaned.code == 0
    assert folders(layer) == {"tool-1.2-0", "own-3-0"}
    assert (layer / "other-2-0.tar.bz2").exists()
    assert cleaned.json["packages"] == planned.json["packages"]
    assert SIZE < cleaned.json["total_size"] < 2 * SIZE
    assert (tmp_path / "kept" / "share" / "tool").stat().st_nlink == 2


def test_files_that_an_unknown_environment_shares_keep_the_package(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "env", "tool", "own")
    (Path.home() / ".conda" / "environments.txt").unlink()
    assert envmgr("clean", "-p").code == 0
    assert folders(layer) == {"tool-1.2-0"}


def test_a_package_that_was_linked_by_symlinks_is_known_from_its_record(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    """conda makes such environments across file systems; no count of links tells of them."""
    create(envmgr, channel, tmp_path / "env", "tool", copy=True)
    record = tmp_path / "env" / "conda-meta" / "tool-1.2-0.json"
    document = json.loads(record.read_text())
    document["link"]["type"] = 2
    record.write_text(json.dumps(document))
    assert envmgr("clean", "-p").code == 0
    assert folders(layer) == {"tool-1.2-0"}
    document["link"]["type"] = 3
    record.write_text(json.dumps(document))
    assert envmgr("clean", "-p").code == 0
    assert folders(layer) == set()


def test_hard_links_inside_a_package_are_no_use(envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path):
    create(envmgr, channel, tmp_path / "env", "other")
    shutil.rmtree(tmp_path / "env")
    share = layer / "other-2-0" / "share"
    (share / "again").hardlink_to(share / "other")
    cleaned = envmgr("clean", "-p", "--json").json
    assert SIZE < cleaned["total_size"] < 2 * SIZE
    assert folders(layer) == set()


def test_archives_go_and_the_unpacked_packages_serve(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "env", "tool", "other")
    size = sum(
        path.stat().st_size for path in layer.glob("*.*") if path.is_file() and path.name != "urls.txt"
    )
    cleaned = envmgr("clean", "-t", "--json").json
    assert cleaned["tarballs"]["total_size"] == size
    assert sorted(cleaned["tarballs"]["pkgs_dirs"][str(layer)]) == ["other-2-0.tar.bz2", "tool-1.2-0.conda"]
    assert [path.name for path in layer.iterdir() if path.is_file()] == ["urls.txt"]
    for archive in (channel / "linux-64").glob("*.conda"):
        archive.unlink()
    create(envmgr, channel, tmp_path / "again", "tool")


def test_packages_whose_usual_place_was_taken_are_found_too(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    foreign = layer / "tool-1.2-0"
    foreign.mkdir(parents=True)
    (foreign / "mine").write_text("not a package")
    create(envmgr, channel, tmp_path / "env", "tool")
    assert len(list((layer / ".by-hash").iterdir())) == 1
    assert envmgr("clean", "--all").code == 0
    assert len(list((layer / ".by-hash").glob("*/tool-1.2-0"))) == 1
    shutil.rmtree(tmp_path / "env")
    assert envmgr("clean", "--all").code == 0
    assert list((layer / ".by-hash").iterdir()) == []
    assert (foreign / "mine").exists()


def test_compiled_files_go_with_the_packages(envmgr: Envmgr, layer: Path, tmp_path: Path):
    kept, gone = (layer / "cpython-311" / f"{name}-1-0-{'a' * 24}" for name in ("kept", "gone"))
    for folder in (kept, gone):
        folder.mkdir(parents=True)
        (folder / "0.pyc").write_bytes(b"x" * 1000)
    (layer / "cpython-311" / "notes").mkdir()
    os.link(kept / "0.pyc", tmp_path / "linked.pyc")
    assert envmgr("clean", "-p", "--json").json["total_size"] == 1000
    assert folders(layer / "cpython-311") == {kept.name, "notes"}


def test_force_takes_everything_and_environments_live_on(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "env", "tool")
    assert envmgr("clean", "-f").code == 0
    assert [path.name for path in layer.iterdir()] == ["urls.txt"]
    ran = subprocess.run([tmp_path / "env" / "bin" / "tool"], capture_output=True, text=True, check=True)
    assert ran.stdout == "tool\n"


def test_the_index_goes_and_nothing_else_of_its_folder(envmgr: Envmgr, channel: Path, tmp_path: Path):
    index = Path(os.environ["ENVMGR_ROOT"]) / "index"
    with serve(channel) as server:
        create(envmgr, server.url, tmp_path / "env", "tool")
        others = {"notes.sqlite", "mytables", "readme", "shards.txt"}
        (index / "notes.sqlite").write_text("somebody's")
        (index / "mytables").mkdir()
        (index / "readme").write_text("x")
        (index / "shards.txt").write_text("x")
        for name in (
            "shards",
            "shards-1000",
            "whole",
            "tables",
            "tables-2",
            "https+x.org+c+noarch.tables-1-ab",
        ):
            (index / name).mkdir(exist_ok=True)
            (index / name / "a").write_bytes(b"x" * 100)
        cleaned = envmgr("clean", "--index", "--json").json
        assert {path.name for path in index.iterdir()} == others
        assert cleaned["index_cache"]["total_size"] == cleaned["total_size"] >= 400
        server.forget()
        create(envmgr, server.url, tmp_path / "again", "tool")
        assert any("repodata" in path for path in server.paths)


@pytest.mark.usefixtures("ordinary_user")
def test_an_index_folder_that_cannot_be_read_is_told_with_exit_code_1(envmgr: Envmgr):
    index = Path(os.environ["ENVMGR_ROOT"]) / "index"
    (index / "shards").mkdir(parents=True)
    index.chmod(0)
    try:
        cleaned, as_json = envmgr("clean", "-i"), envmgr("clean", "-i", "--json")
    finally:
        index.chmod(0o755)
    assert cleaned.code == as_json.code == 1
    assert f"warning: the index folder {index} cannot be read: permission denied." in cleaned.err
    assert "nothing to remove" not in cleaned.err
    assert as_json.json["warnings"] == [f"the index folder {index} cannot be read: permission denied."]


def test_remove_index_tells_what_it_freed_and_follows_no_link(tmp_path: Path):
    index = tmp_path / "index"
    index.mkdir()
    (index / f"{'0' * 16}-x.org+noarch.sqlite").write_bytes(b"x" * 300)
    target = tmp_path / "elsewhere"
    target.mkdir()
    (target / "file").write_text("kept")
    (index / "shards").symlink_to(target)
    assert remove_index(index) == 300
    assert remove_index(tmp_path / "missing") == 0
    assert (target / "file").exists()


def test_what_killed_processes_left_goes_and_what_living_ones_have_stays(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    envs = Path(os.environ["ENVMGR_ROOT"]) / "envs"
    envs.mkdir(parents=True)
    finished = envs / "finished"
    create(envmgr, channel, finished, "tool")
    with serve(channel, faults={"/linux-64/tool-1.2-0.conda": Fault(wait=60)}) as server:
        shutil.rmtree(layer)
        arguments = ["create", "-n", "killed", "-c", server.url, "--override-channels", "-y", "tool"]
        child = subprocess.Popen([sys.executable, "-m", "envmgr", *arguments], stderr=subprocess.DEVNULL)
        wait_for(lambda: "/linux-64/tool-1.2-0.conda" in server.paths)
        child.send_signal(signal.SIGKILL)
        child.wait(timeout=20)
    abandoned = [path for path in layer.iterdir() if path.name.startswith(".envmgr-work-")]
    assert len(abandoned) == 1
    dead = envs / f".x.envmgr-{child.pid}-0123abcd"
    (dead / "lib").mkdir(parents=True)
    alive = envs / f".y.envmgr-{os.getpid()}-0123abcd"
    alive.mkdir()
    unfinished = envs / "unfinished"
    (unfinished / "conda-meta").mkdir(parents=True)
    (unfinished / MARKER).write_text("{}")
    (finished / MARKER).write_text("{}")
    stale, fresh = (layer.parent / "index" / f".{digit * 12}.c.sqlite.new" for digit in "ab")
    for path in (stale, fresh):
        path.write_text("x")
    os.utime(stale, (0, 0))
    with work_area(layer) as area:
        cleaned = envmgr("clean", "--tempfiles", "--json")
        assert area.folder.exists()
    assert cleaned.code == 0
    assert set(cleaned.json["tempfiles"]) == {str(path) for path in (*abandoned, dead, unfinished, stale)}
    assert {path.name for path in envs.iterdir()} == {alive.name, "finished"}
    assert fresh.exists()
    assert not stale.exists()
    assert not abandoned[0].exists()


def wait_for(condition, seconds: float = 30) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, "it did not happen in time"
        time.sleep(0.02)


def test_a_cache_that_somebody_installs_from_is_left_alone(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "env", "other")
    shutil.rmtree(tmp_path / "env")
    tool = "/linux-64/tool-1.2-0.conda"
    with serve(channel, faults={tool: Fault(wait=1.5)}) as server:
        place = tmp_path / "meanwhile"
        arguments = ["create", "-p", place, "-c", server.url, "--override-channels", "-y", "tool", "other"]
        child = subprocess.Popen(
            [sys.executable, "-m", "envmgr", *map(str, arguments)], stderr=subprocess.PIPE
        )
        wait_for(lambda: tool in server.paths)
        cleaned = envmgr("clean", "-p", "-t", "--json")
        assert (cleaned.code, cleaned.json["success"]) == (1, False)
        assert cleaned.json["warnings"] == [
            f"{layer} is in use by another process, so nothing of it was removed."
        ]
        assert cleaned.json["total_size"] == 0
        assert folders(layer) >= {"other-2-0"}
        child.communicate(timeout=60)
    assert child.returncode == 0
    assert (place / "share" / "other").exists()


def test_an_installation_waits_while_the_cache_is_cleaned(layer: Path):
    layer.mkdir(parents=True)
    start = "import sys, pathlib; from envmgr.host.folder_lock import *; layer = pathlib.Path(sys.argv[1])\n"
    cleaning = "with folder_alone(layer) as alone:\n    print(alone, flush=True); sys.stdin.readline()\n"
    installing = "with using_folders([layer]):\n    print('in use')\n"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    child = subprocess.Popen([sys.executable, "-c", start + cleaning, str(layer)], **pipes)
    assert child.stdout.readline() == "True\n"
    waiting = subprocess.Popen([sys.executable, "-c", start + installing, str(layer)], **pipes)
    with pytest.raises(subprocess.TimeoutExpired):
        waiting.wait(timeout=0.7)
    child.communicate("\n", timeout=20)
    assert waiting.communicate(timeout=20)[0] == "in use\n"


def test_several_installations_share_the_cache(layer: Path):
    layer.mkdir(parents=True)
    with using_folders([layer]), using_folders([layer, layer / "missing"]):
        pass


def test_the_plan_is_shown_before_anything_goes(envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path):
    create(envmgr, channel, tmp_path / "env", "tool", "other")
    shutil.rmtree(tmp_path / "env")
    planned = envmgr("clean", "-p", "-t", "-d")
    assert planned.code == 0
    assert f"{layer}/tool-1.2-0\n" in planned.out
    assert f"{layer}/other-2-0.tar.bz2\n" in planned.out
    assert "Dry run: nothing was removed." in planned.err
    assert folders(layer) == {"tool-1.2-0", "other-2-0"}
    cleaned = envmgr("clean", "-p", "-t", "-y")
    assert cleaned.out == ""
    assert cleaned.err.index("To be removed:") < cleaned.err.index("Removed 4 items, ")
    assert "packages  2" in cleaned.err
    assert "tarballs  2" in cleaned.err
    assert "There is nothing to remove." in envmgr("clean", "-p", "-t").err
    quiet = envmgr("clean", "-a", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")


@pytest.mark.parametrize(("answer", "left"), [("n", True), ("y", False), ("", False)])
def test_a_person_is_asked(answer: str, left: bool, layer: Path):
    layer.mkdir(parents=True)
    archive = layer / "a-1-0.conda"
    archive.write_bytes(b"x" * 100)
    ours, theirs = pty.openpty()
    try:
        child = subprocess.Popen([sys.executable, "-m", "envmgr", "clean", "-t"], stdin=theirs, stderr=theirs)
        os.write(ours, f"{answer}\n".encode())
        assert child.wait(timeout=30) == 0
        said = os.read(ours, 10_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert "Proceed? [Y/n]" in said
    assert archive.exists() == left


def test_clean_must_be_told_what(envmgr: Envmgr):
    refused = envmgr("clean")
    assert refused.code == 2
    assert "--packages" in refused.err


def test_all_of_nothing_is_no_error(envmgr: Envmgr):
    cleaned = envmgr("clean", "-a", "--json").json
    assert cleaned["success"] is True
    assert cleaned["total_size"] == 0
    assert set(cleaned) == {
        *("success", "dry_run", "tarballs", "packages", "index_cache", "tempfiles", "total_size", "warnings"),
    }
    assert not Path(os.environ["ENVMGR_ROOT"]).exists()


def test_an_environment_that_cannot_be_read_is_warned_of(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "env", "tool")
    (tmp_path / "env" / "conda-meta" / "tool-1.2-0.json").write_text("{")
    cleaned = envmgr("clean", "-p", "--json")
    assert cleaned.code == 0
    assert f"the packages of {tmp_path}/env cannot be told" in cleaned.json["warnings"][0]
    assert folders(layer) == {"tool-1.2-0"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_cache_that_cannot_be_written_is_left_alone(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "env", "tool")
    shutil.rmtree(tmp_path / "env")
    layer.chmod(0o555)
    try:
        cleaned = envmgr("clean", "-p", "--json").json
    finally:
        layer.chmod(0o755)
    assert cleaned["warnings"] == [f"{layer} cannot be written and is left as it is."]
    assert folders(layer) == {"tool-1.2-0"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root is not stopped by modes")
def test_folders_without_write_permission_go_too(envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path):
    create(envmgr, channel, tmp_path / "env", "other")
    shutil.rmtree(tmp_path / "env")
    (layer / "other-2-0" / "share").chmod(0o555)
    assert envmgr("clean", "-p").code == 0
    assert folders(layer) == set()
