"""Packages with so many files that all processors link them: errors, signals and kills are as with one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from envmgr.errors import PrefixError
from envmgr.ports import FixedClock, Phase, RecordingReporter
from envmgr.prefix.change import PrefixChange, change_prefix, recover
from envmgr.prefix.check import verify_prefix
from envmgr.prefix.generation import Generation
from envmgr.prefix.plan import PackageToLink, plan_prefix
from envmgr.prefix.store import PrefixStore
from envmgr.prefix.threads import share_out
from tests.builders import File, link, pkg
from tests.prefixes import ProcessRunner, create, request_for, unpack

COUNT = 400


def packages(cache: Path) -> list[PackageToLink]:
    """Three packages: two with many files in some folders, all with one whose placeholder is replaced."""
    found = []
    for name in ("one", "two", "zero"):
        files: dict[str, object] = {
            f"lib/{name}/{number % 7}/{number}": f"{name} {number}" for number in range(COUNT)
        }
        files |= {
            f"bin/{name}": File(b"#!/old/bin/sh\n", 0o755, placeholder="/old"),
            f"{name}": link(f"lib/{name}"),
        }
        found.append(unpack(pkg(name, files=files if name != "zero" else {"z": "z"}), cache))  # type: ignore[arg-type]
    return found


def test_all_files_of_many_come_as_one_by_one(tmp_path: Path) -> None:
    reporter = RecordingReporter()
    some = packages(tmp_path / "pkgs")
    create(tmp_path / "env", some, reporter)
    assert verify_prefix(tmp_path / "env") == ()
    for name in ("one", "two"):
        for number in (0, 127, 128, COUNT - 1):
            linked, cached = (
                each / f"lib/{name}/{number % 7}/{number}"
                for each in (tmp_path / "env", some[name == "two"].folder)
            )
            assert linked.read_text() == f"{name} {number}"
            assert linked.stat().st_nlink == 1 or linked.samefile(cached)
    assert reporter.advanced[Phase.LINK] == request_for(tmp_path / "other", some).plan.file_count


def test_the_first_error_in_order_is_told_and_nothing_stays(tmp_path: Path) -> None:
    some = packages(tmp_path / "pkgs")
    for path in ("lib/one/3/388", "lib/two/0/0", "bin/two"):
        next(each.folder / path for each in some if (each.folder / path).exists()).unlink()
    before = threading.enumerate()
    for _ in range(5):
        with pytest.raises(PrefixError, match=r"one-1\.0-0 is damaged: lib/one/3/388 is missing"):
            create(tmp_path / "env", some)
        assert [path.name for path in tmp_path.iterdir()] == ["pkgs"]
    assert set(threading.enumerate()) <= set(before)


def test_pieces_before_an_error_are_worked_on_to_their_ends() -> None:
    done: list[int] = []

    def work(piece: int) -> None:
        if piece == 1:
            time.sleep(0.05)
            raise ValueError(piece)
        if piece == 2:
            raise OSError(piece)
        done.append(piece)

    before = threading.enumerate()
    with pytest.raises(ValueError, match="1"):
        share_out(work, range(1000), 2)
    assert 0 in done
    assert len(done) < 1000
    assert set(threading.enumerate()) <= set(before)


# Makes the change that the test asks for, and sends itself a signal at so many calls.
_HARMED = """
import itertools, os, sys
from pathlib import Path
from tests.prefix.test_many_files import change, packages
calls, numbers = {"os.link", "os.mkdir"}, itertools.count(1)
def watch(event, arguments):
    # Taken in one step, since threads make the calls: one signal is enough.
    if event in calls and next(numbers) == int(sys.argv[2]):
        os.kill(os.getpid(), int(sys.argv[3]))
some = packages(Path(sys.argv[1], "pkgs"))
sys.addaudithook(watch)
change(Path(sys.argv[1], "env"), some)
"""


def change(prefix: Path, desired: list[PackageToLink]) -> None:
    """Have *prefix* hold *desired*."""
    current = tuple(PrefixStore(prefix).records())
    plan = plan_prefix(current, desired, prefix=str(prefix), subdir="linux-64")
    request = PrefixChange(prefix, plan, current, (Generation(2, 1e9),), {"PATH": os.defpath}, {})
    change_prefix(request, ProcessRunner(), RecordingReporter(), FixedClock(1e9))


@pytest.mark.parametrize("harm", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("at", [9, 300, 700])
def test_a_signal_among_many_links_leaves_the_old(tmp_path: Path, at: int, harm: signal.Signals) -> None:
    prefix, some = tmp_path / "env", packages(tmp_path / "pkgs")
    create(prefix, some[2:])
    command = [sys.executable, "-c", _HARMED, str(tmp_path), str(at), str(int(harm))]
    root = str(Path(__file__).resolve().parents[2])
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": root}, capture_output=True, timeout=30, check=False
    )
    assert done.returncode == -harm, done.stderr
    works = [*(prefix / "conda-meta/envmgr").glob("work-*")]
    assert bool(works) == (harm == signal.SIGKILL)
    assert recover(prefix, ProcessRunner(), os.environ) is None
    assert not [*(prefix / "conda-meta/envmgr").glob("work-*")]
    assert sorted(path.name for path in prefix.iterdir()) == ["conda-meta", "z"]
    change(prefix, some)
    assert verify_prefix(prefix) == ()
