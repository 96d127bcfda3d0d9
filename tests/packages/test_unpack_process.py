"""Processes that unpack give what threads give, and leave nothing when they, or their parent, are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import DataError
from envmgr.packages.crew import Stop, Stopped
from envmgr.packages.preparation import Preparation
from envmgr.packages.store import PackageCache
from envmgr.packages.unpack_process import UnpackProcesses
from envmgr.packages.unpacked import ObtainOptions
from envmgr.ports import RecordingReporter
from tests.builders import File, Pkg, link, pkg
from tests.packages.test_store import channel_of, leftovers, transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.packages.unpacked import CachedPackage

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    pkg("a", files={"bin/a": File(b"#!/old/bin/sh\n", 0o755, placeholder="/old"), "lib/l": link("../bin/a")}),
    pkg("b", "2.0", extension=".tar.bz2", files={"share/b": b"b" * 5000}),
    *(pkg(f"c{number}", files={f"share/{number}": f"{number}" * 1000}) for number in range(6)),
]


def obtain(
    layer: Path, records: Sequence[PackageRecord], processes_from: int
) -> dict[PackageRecord, CachedPackage]:
    cache = PackageCache([layer])
    return cache.obtain(
        records, transport(), RecordingReporter(), ObtainOptions(processes_from=processes_from)
    )


def content_of(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "urls.txt"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@contextlib.contextmanager
def another_thread() -> Iterator[None]:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


@pytest.fixture(params=["forks", "programs"])
def processes(request: pytest.FixtureRequest) -> Iterator[UnpackProcesses]:
    # Beside another thread nothing is forked.
    beside = another_thread() if request.param == "programs" else contextlib.nullcontext()
    with beside, contextlib.closing(UnpackProcesses(1)) as started:
        yield started


def order(record: PackageRecord, folder: Path) -> Preparation:
    archive = record.url.removeprefix("file://")
    return Preparation(record, archive, str(folder), "0" * 64, 1)


def one(folder: Path, package: Pkg = PACKAGES[0]) -> PackageRecord:
    (record,) = channel_of(folder, package)
    return record


def test_processes_and_threads_make_the_same_packages(tmp_path: Path) -> None:
    records = channel_of(tmp_path / "channel", *PACKAGES)
    by_threads = obtain(tmp_path / "threads", records, 1 << 60)
    by_processes = obtain(tmp_path / "processes", records, 0)
    assert content_of(tmp_path / "threads") == content_of(tmp_path / "processes")
    assert [each.files for each in by_threads.values()] == [each.files for each in by_processes.values()]
    assert leftovers(tmp_path / "processes") == []


def test_damage_is_told_as_threads_tell_it(tmp_path: Path) -> None:
    lying = pkg(
        "d",
        files={"f": "x"},
        info={"info/paths.json": b'{"paths": [{"_path": "other"}], "paths_version": 1}'},
    )
    records = channel_of(tmp_path / "channel", *PACKAGES, lying)
    told = []
    for name, processes_from in (("threads", 1 << 60), ("processes", 0)):
        with pytest.raises(DataError) as caught:
            obtain(tmp_path / name, records, processes_from)
        told.append((str(caught.value), caught.value.hint, caught.value.facts))
        assert leftovers(tmp_path / name) == []
    assert told[0] == told[1]


def test_what_a_killed_process_was_to_unpack_is_unpacked_here(
    processes: UnpackProcesses, tmp_path: Path
) -> None:
    record = one(tmp_path / "channel")
    processes.kill()
    for name in "ab":
        (tmp_path / name / "half").mkdir(parents=True)
        processes.prepare(order(record, tmp_path / name), lambda: None)
        assert (tmp_path / name / "bin/a").exists() and not (tmp_path / name / "half").exists()


def test_nothing_is_unpacked_after_the_work_was_stopped(processes: UnpackProcesses, tmp_path: Path) -> None:
    record, stop = one(tmp_path / "channel"), Stop()
    stop.when_set(processes.kill)
    stop.set()
    with pytest.raises(Stopped):
        processes.prepare(order(record, tmp_path / "a"), stop)
    assert not (tmp_path / "a").exists()


def test_disk_that_refuses_is_told_with_its_reason(processes: UnpackProcesses, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        processes.prepare(order(one(tmp_path / "channel"), tmp_path / "none" / "a"), lambda: None)
    assert caught.value.filename == str(tmp_path / "none" / "a")


def test_folder_whose_name_is_no_text_is_no_hindrance(processes: UnpackProcesses, tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    processes.prepare(order(one(tmp_path / "channel"), folder), lambda: None)
    assert (folder / "bin/a").exists()


PARENT = """\
import sys, tempfile, threading, time
held = tempfile.NamedTemporaryFile(suffix="held")
if sys.argv[1] == "programs":
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
from envmgr.packages.unpack_process import UnpackProcesses
started = UnpackProcesses(2)
print(*[process.pid for process in started._all], flush=True)
time.sleep(60)
"""


@contextlib.contextmanager
def parent_of(kind: str) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A process with two that unpack, and the numbers of those."""
    command = [sys.executable, "-c", PARENT, kind]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True) as parent:
        assert parent.stdout
        yield parent, [int(pid) for pid in parent.stdout.readline().split()]
        parent.kill()


@pytest.mark.parametrize("kind", ["forks", "programs"])
def test_processes_end_with_their_parent(kind: str) -> None:
    with parent_of(kind) as (parent, children):
        parent.send_signal(signal.SIGKILL)
    assert len(children) == 2
    wait_until(lambda: not any(is_running(pid) for pid in children))


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is forked elsewhere")
def test_forks_keep_no_file_of_their_parent_open() -> None:
    with parent_of("forks") as (parent, children):
        assert any(name.endswith("held") for name in open_files(parent.pid))
        wait_until(lambda: all(len(open_files(pid)) == 2 for pid in children))
        assert all(name.startswith("pipe:") for pid in children for name in open_files(pid))


def open_files(pid: int) -> list[str]:
    """What a process has open besides the standard streams."""
    found = []
    for each in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # It may be closed at this moment.
            found += [os.readlink(each)] if int(each.name) > 2 else []
    return found


def wait_until(is_true: Callable[[], bool]) -> None:
    for _ in range(200):
        if is_true():
            return
        time.sleep(0.05)
    pytest.fail("it did not come true in ten seconds")


def is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
