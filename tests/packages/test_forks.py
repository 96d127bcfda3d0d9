"""Items are worked on by several processes, and nothing is lost where a fork fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.errors import SolveError
from envmgr.packages.forks import map_in_forks

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
HERE = os.getpid()


def apart(case: Callable[[], None]) -> Callable[[], None]:
    """The *case* in a process of its own, since plugins of pytest have threads, beside which nothing is forked."""

    def test() -> None:
        if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
            pytest.skip("no fork can help here")
        code = f"from {__name__} import {case.__name__}; {case.__name__}.case()"
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr

    test.case = case  # type: ignore[attr-defined]
    return test


def slowly(work: Callable[[int], Any]) -> Callable[[int], Any]:
    """So slowly that each process takes some."""

    def made(item: int) -> Any:
        time.sleep(0.02)
        return work(item)

    return made


@apart
def test_results_of_all_processes_come_in_the_order_of_the_items() -> None:
    found = map_in_forks(
        range(8),
        here=slowly(lambda item: (item, "here", os.getpid())),
        away=slowly(lambda item: (item, "away", os.getpid())),
    )
    assert [item for item, _, _ in found] == list(range(8))
    assert {how for _, how, _ in found} == {"here", "away"}
    assert all((how == "here") == (pid == HERE) for _, how, pid in found)


@apart
def test_what_a_fork_does_not_bring_back_is_done_here() -> None:
    def is_killed(_: int) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0

    def has_a_defect(item: int) -> int:
        raise ValueError(item)

    def cannot_travel(item: int) -> Any:
        return lambda: item

    for away in (is_killed, has_a_defect, cannot_travel):
        found = map_in_forks(range(6), here=slowly(lambda item: item * 2), away=slowly(away))
        assert found == [0, 2, 4, 6, 8, 10]


@apart
def test_the_first_refusal_is_raised_with_its_facts_whoever_met_it() -> None:
    def refuse(item: int) -> int:
        if item:
            raise SolveError(f"not {item}", hint="another", explanation=["because"])
        return item

    with pytest.raises(SolveError, match="not 1") as caught:
        map_in_forks(range(9), here=slowly(refuse), away=slowly(refuse))
    assert (caught.value.hint, caught.value.explanation) == ("another", ("because",))


@apart
def test_an_interrupt_ends_the_forks() -> None:
    def interrupted(_: int) -> int:
        raise KeyboardInterrupt

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        map_in_forks(range(4), here=interrupted, away=lambda _: time.sleep(60) or 1)
    assert time.monotonic() - begin < 30
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_beside_other_threads_nothing_is_forked() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait, args=(60,))
    thread.start()
    try:
        found = map_in_forks(range(4), here=lambda _: os.getpid(), away=lambda _: 0)
    finally:
        done.set()
        thread.join()
    assert found == [HERE] * 4


@apart
def test_open_files_do_not_grow() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        map_in_forks(range(3), here=abs, away=abs)
    assert len(os.listdir("/proc/self/fd")) == before
