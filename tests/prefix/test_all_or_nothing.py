"""Creation leaves a whole prefix or none: failures, signals, kills, full and read-only disks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import DataError, PrefixError
from envmgr.ports import RecordingReporter
from envmgr.prefix.apply import remove_prefix
from envmgr.prefix.check import verify_prefix
from envmgr.prefix.marker import MARKER, Owner
from envmgr.prefix.registry import read_registry, register
from envmgr.prefix.staging import Staging
from envmgr.prefix.store import PrefixStore
from envmgr.prefix.target import check_target
from tests.builders import File, pkg
from tests.prefixes import create, request_for, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.prefix.plan import PackageToLink

ROOT = Path(__file__).resolve().parents[2]
DEAD = {"host": Owner.this_process().host, "pid": 2**22 + 1, "started": "1"}

# Creates a prefix of one package, stops where it is told to and says so, then waits for its end.
CHILD = """
import signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from envmgr.errors import Terminated
from envmgr.ports import FixedClock, RecordingReporter
from envmgr.prefix.apply import create_prefix
from tests.builders import pkg
from tests.prefixes import ProcessRunner, request_for, unpack

base, stop = Path(sys.argv[2]), sys.argv[3]

def wait(*_):
    print("waiting", flush=True)
    for _ in range(600):  # A signal right before a long sleep would be noticed after it.
        time.sleep(0.1)

class Slow(RecordingReporter):
    def phase_advanced(self, phase, amount):
        if stop == "linking":
            wait()

def end(number, _):  # As the command line does, to which signals belong.
    raise Terminated(number)

for number in (signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, end)
package = unpack(pkg("a", files={f"lib/{n}": str(n) for n in range(50)}), base / "pkgs")
request = request_for(base / "envs" / "env", [package])
create_prefix(request, ProcessRunner(), Slow(), FixedClock(1.0), wait if stop == "after" else None)
"""


@pytest.fixture
def package(tmp_path: Path) -> PackageToLink:
    return unpack(pkg("a", files={"lib/a": "a", "bin/a": "b"}), tmp_path / "pkgs")


def start_child(base: Path, stop: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(ROOT), str(base), stop],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n", child.communicate(timeout=10)
    return child


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("a\nb", "a control character"),
        ("a\x1b[0m", "a control character"),
        ("a:b", "':', which separates the folders of PATH"),
        *(
            (f"a{odd}b", f"{odd}, to which the scripts of packages give a meaning of their own")
            for odd in "$`\\"
        ),
        (os.fsdecode(b"a\xff"), "bytes that are not UTF-8"),
    ],
)
def test_a_path_that_nothing_could_name_is_refused_in_one_line(
    tmp_path: Path, package: PackageToLink, name: str, word: str
) -> None:
    prefix = tmp_path / "envs" / name / "env"
    for attempt in (lambda: check_target(prefix), lambda: create(prefix, [package])):
        with pytest.raises(PrefixError) as caught:
            attempt()
        message = str(caught.value)
        assert message.endswith(f"the path holds {word}.") and message.isprintable()
    assert not (tmp_path / "envs").exists()


def test_a_failing_last_step_removes_everything(tmp_path: Path, package: PackageToLink) -> None:
    def fail(prefix: Path) -> None:
        assert (prefix / "lib/a").is_file()
        assert not PrefixStore(prefix).is_environment()
        raise DataError("pip could not install x.")

    with pytest.raises(DataError, match="pip could not"):
        create(tmp_path / "deep/down/env", [package], after_link=fail)
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


def test_interruption_in_the_last_step_removes_everything(tmp_path: Path, package: PackageToLink) -> None:
    def interrupt(prefix: Path) -> None:
        raise KeyboardInterrupt

    registry = tmp_path / "environments.txt"
    with pytest.raises(KeyboardInterrupt):
        create(tmp_path / "env", [package], after_link=interrupt, registry=registry)
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


def test_an_empty_folder_is_taken_and_given_back(tmp_path: Path, package: PackageToLink) -> None:
    (tmp_path / "env").mkdir()
    with pytest.raises(ZeroDivisionError):
        create(tmp_path / "env", [package], after_link=lambda _: 1 // 0)
    assert list((tmp_path / "env").iterdir()) == []
    create(tmp_path / "env", [package])
    assert verify_prefix(tmp_path / "env") == ()


@pytest.mark.parametrize("stop", ["linking", "after"])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_remove_everything(tmp_path: Path, stop: str, signum: signal.Signals) -> None:
    child = start_child(tmp_path, stop)
    child.send_signal(signum)
    _, stderr = child.communicate(timeout=30)
    assert child.returncode != 0
    assert "KeyboardInterrupt" in stderr or "Terminated" in stderr
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


@pytest.mark.parametrize("stop", ["linking", "after"])
def test_what_a_kill_leaves_is_no_environment_and_is_replaced_by_the_next_creation(
    tmp_path: Path, stop: str
) -> None:
    child = start_child(tmp_path, stop)
    child.kill()
    child.communicate(timeout=30)
    prefix = tmp_path / "envs" / "env"
    remains = list((tmp_path / "envs").iterdir())
    assert len(remains) == 1
    assert not PrefixStore(remains[0]).is_environment()
    check_target(prefix)
    package = unpack(pkg("a", files={f"lib/{n}": str(n) for n in range(50)}), tmp_path / "pkgs")
    create(prefix, [package])
    assert list((tmp_path / "envs").iterdir()) == [prefix]
    assert verify_prefix(prefix) == ()


@pytest.mark.parametrize("stop", ["linking", "after"])
def test_a_second_creation_leaves_the_first_alone(tmp_path: Path, stop: str) -> None:
    child = start_child(tmp_path, stop)
    try:
        prefix = tmp_path / "envs" / "env"
        package = unpack(pkg("a", files={f"lib/{n}": str(n) for n in range(50)}), tmp_path / "pkgs")
        before = sorted((tmp_path / "envs").rglob("*"))
        if stop == "after":
            with pytest.raises(PrefixError, match=f"is being created by another process .{child.pid}."):
                create(prefix, [package])
            assert sorted((tmp_path / "envs").rglob("*")) == before
        else:
            create(prefix, [package])
            assert set(before) < set((tmp_path / "envs").rglob("*"))
    finally:
        child.kill()
        child.communicate(timeout=30)


def test_a_prefix_that_appears_meanwhile_is_kept(tmp_path: Path, package: PackageToLink) -> None:
    """The slower of two creations of one prefix fails and removes only its own work."""
    staging = Staging(tmp_path / "env")
    staging.open()
    create(tmp_path / "env", [package])
    with pytest.raises(PrefixError, match="created by someone else meanwhile"):
        staging.place()
    staging.discard()
    assert verify_prefix(tmp_path / "env") == ()
    assert sorted(os.listdir(tmp_path)) == ["env", "pkgs"]


def test_a_refused_creation_leaves_that_of_the_same_process_alone(
    tmp_path: Path, package: PackageToLink
) -> None:
    def create_again(prefix: Path) -> None:
        with pytest.raises(PrefixError, match="is being created by another process"):
            create(prefix, [package])

    create(tmp_path / "env", [package], after_link=create_again)
    assert verify_prefix(tmp_path / "env") == ()


def test_an_interrupt_right_after_the_rename_removes_everything(tmp_path: Path) -> None:
    staging = Staging(tmp_path / "env")
    staging.open()
    staging.root.rename(tmp_path / "env")
    staging.discard()
    assert sorted(os.listdir(tmp_path)) == []


def test_an_unfinished_prefix_of_another_machine_is_not_touched(
    tmp_path: Path, package: PackageToLink
) -> None:
    marker = tmp_path / "env" / MARKER
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps({**DEAD, "host": "elsewhere"}))
    with pytest.raises(PrefixError, match="another machine") as caught:
        create(tmp_path / "env", [package])
    assert caught.value.hint == f"If nobody is at work on it, remove it: rm -r {tmp_path}/env"
    assert marker.exists()


def test_a_reused_process_id_does_not_keep_remains_alive(tmp_path: Path, package: PackageToLink) -> None:
    marker = tmp_path / "env" / MARKER
    marker.parent.mkdir(parents=True)
    marker.write_text(json.dumps({**DEAD, "pid": os.getpid()}))
    create(tmp_path / "env", [package])
    assert verify_prefix(tmp_path / "env") == ()


def test_folders_of_dead_processes_and_old_rubbish_are_removed(
    tmp_path: Path, package: PackageToLink
) -> None:
    names = [
        ".env.envmgr-4194305-00",
        ".env.envmgr-trash-00",
        ".env.envmgr-1-x",
        ".env2.envmgr-4194305-00",
        ".envmgr-x",
    ]
    for name in names:
        (tmp_path / name / "conda-meta").mkdir(parents=True)
    (tmp_path / names[0] / MARKER).write_text(json.dumps(DEAD))
    create(tmp_path / "env", [package])
    # Process 1 lives, and the last two belong to other prefixes.
    assert sorted(os.listdir(tmp_path)) == sorted(["env", "pkgs", *names[2:]])


def occupy_file(place: Path) -> None:
    place.write_text("x")


def occupy_folder(place: Path) -> None:
    place.mkdir()
    (place / "x").write_text("x")


def occupy_symlink(place: Path) -> None:
    (place.parent / "elsewhere").mkdir()
    place.symlink_to("elsewhere")


def occupy_environment(place: Path) -> None:
    (place / "conda-meta").mkdir(parents=True)
    (place / "conda-meta/history").write_text("")


@pytest.mark.parametrize(
    ("occupy", "message"),
    [
        (occupy_file, "exists and is not a folder"),
        (occupy_symlink, "exists and is not a folder"),
        (occupy_folder, "exists and is not empty"),
        (occupy_environment, "is already an environment"),
    ],
)
def test_an_occupied_place_is_refused_untouched(
    tmp_path: Path, package: PackageToLink, occupy, message: str
) -> None:
    occupy(tmp_path / "env")
    before = sorted(tmp_path.rglob("*"))
    for attempt in (lambda: check_target(tmp_path / "env"), lambda: create(tmp_path / "env", [package])):
        with pytest.raises(PrefixError, match=message):
            attempt()
    assert sorted(tmp_path.rglob("*")) == before


def test_a_parent_that_is_a_file_is_named(tmp_path: Path, package: PackageToLink) -> None:
    (tmp_path / "file").write_text("x")
    for attempt in (
        lambda: check_target(tmp_path / "file/env"),
        lambda: create(tmp_path / "file/env", [package]),
    ):
        with pytest.raises(PrefixError, match=r"file/env cannot be (created|written)"):
            attempt()


def test_a_folder_without_write_permission_is_named(tmp_path: Path, package: PackageToLink) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere; the read-only mount stands in for it")
    (tmp_path / "locked").mkdir(mode=0o555)
    for attempt in (
        lambda: check_target(tmp_path / "locked/env"),
        lambda: create(tmp_path / "locked/env", [package]),
    ):
        with pytest.raises(PrefixError, match=r"locked/env cannot be (created|written)"):
            attempt()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB; the test is skipped where none can be mounted."""
    place = tmp_path / "mount"
    place.mkdir()
    mounted = shutil.which("mount") and os.geteuid() == 0
    if (
        not mounted
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", place], check=False)


def test_a_full_disk_is_reported_and_nothing_remains(tmp_path: Path, mount: Path) -> None:
    big = unpack(pkg("big", files={"lib/x": b"x" * 100_000, "lib/y": b"y" * 300_000}), tmp_path / "pkgs")
    with pytest.raises(PrefixError, match=f"no space left for {mount}/env") as caught:
        create(mount / "env", [big])
    assert caught.value.hint
    assert list(mount.iterdir()) == []


def test_a_read_only_disk_is_reported(tmp_path: Path, mount: Path, package: PackageToLink) -> None:
    subprocess.run(["mount", "-o", "remount,ro", mount], check=True)
    for attempt in (lambda: check_target(mount / "env"), lambda: create(mount / "env", [package])):
        with pytest.raises(PrefixError, match=r"mount/env cannot be (created|written)"):
            attempt()


def test_a_mount_point_cannot_be_a_prefix(mount: Path, package: PackageToLink) -> None:
    with pytest.raises(PrefixError, match="is a mount point") as caught:
        create(mount, [package])
    assert caught.value.hint == f"Choose a folder below it: {mount}/env"


def test_another_file_system_means_copies_and_one_warning(tmp_path: Path, mount: Path) -> None:
    from envmgr.ports import RecordingReporter

    packages = [
        unpack(pkg(name, files={f"{name}/{n}": "x" for n in range(10)}), tmp_path / "pkgs") for name in "ab"
    ]
    reporter = RecordingReporter()
    create(mount / "env", packages, reporter)
    (warning,) = reporter.warnings
    assert warning == (
        f"files are copied and not linked, because {tmp_path}/pkgs and {mount} cannot share files; "
        "that takes longer, and 0.1 MB of disk."
    )
    assert [record.link_type for record in PrefixStore(mount / "env").records()] == [3, 3]
    assert verify_prefix(mount / "env") == ()


def test_a_file_size_limit_is_reported_and_nothing_remains(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
        "from tests.builders import File, pkg; from tests.prefixes import create, unpack\n"
        "base = Path(sys.argv[2])\n"
        "file = File(b'/old' + b'x' * 50000, placeholder='/old')\n"
        "package = unpack(pkg('a', files={'x': file}), base / 'pkgs')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
        "create(base / 'env', [package])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "PrefixError: there is no space left for" in done.stderr
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


def test_a_path_too_long_for_a_binary_file_is_refused_before_writing(tmp_path: Path) -> None:
    file = File(b"/short\0", placeholder="/short", file_mode="binary")
    package = unpack(pkg("a", files={"bin/x": file}), tmp_path / "pkgs")
    with pytest.raises(PrefixError, match=r"bin/x of a-1.0-0 has room for 6"):
        request_for(tmp_path / "env", [package])


def test_removal_takes_the_prefix_and_its_registration(tmp_path: Path, package: PackageToLink) -> None:
    registry = tmp_path / "environments.txt"
    create(tmp_path / "env", [package], registry=registry)
    (tmp_path / "other").mkdir()
    register(registry, tmp_path / "other", print)
    locked = tmp_path / "env/locked"
    (locked / "sub").mkdir(parents=True)
    locked.chmod(0o500)
    remove_prefix(tmp_path / "env", registry, RecordingReporter())
    assert sorted(os.listdir(tmp_path)) == ["environments.txt", "other", "pkgs"]
    assert read_registry(registry) == [tmp_path / "other"]


def test_an_unwritable_registry_is_only_a_warning(tmp_path: Path, package: PackageToLink) -> None:
    from envmgr.ports import RecordingReporter

    (tmp_path / "file").write_text("")
    reporter = RecordingReporter()
    create(tmp_path / "env", [package], reporter, registry=tmp_path / "file/environments.txt")
    assert len(reporter.warnings) == 1
    assert PrefixStore(tmp_path / "env").is_environment()


def test_signal_handlers_are_as_before(tmp_path: Path, package: PackageToLink) -> None:
    before = [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)]
    create(tmp_path / "env", [package])
    assert [signal.getsignal(signum) for signum in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)] == before
