"""Two gangs of threads in a row: what the first has fetched, the second unpacks, while the first goes on.

The threads are daemons and are waited for only a moment after a failure or Ctrl-C, so that a read that hangs in
the network cannot keep the process alive. Work looks at ``Stop`` often and ends by itself.
"""

from __future__ import annotations

import itertools
import math
import queue
import threading
import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envmgr.ports import Reporter

_PATIENCE_SECONDS = 2.0


class Stopped(Exception):  # noqa: N818 - it is no error, and never leaves this room.
    """Raised inside a worker whose result nobody wants any more."""


class Stop:
    """Tells all workers to give up; calling it raises Stopped once it was set."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._actions: list[Callable[[], None]] = []

    def __call__(self) -> None:
        if self._event.is_set():
            raise Stopped

    def set(self) -> None:
        """From now on every worker ends at its next look."""
        self._event.set()
        for action in self._actions:
            action()

    def when_set(self, action: Callable[[], None]) -> None:
        """Have *action* done by `set`, for work that cannot look."""
        self._actions.append(action)


class Phases:
    """Tells the reporter when downloading and unpacking begin and end, so that their times mean something.

    Downloading ends with the last fetch. Unpacking begins with the first archive; both go on at the same time.
    """

    def __init__(self, reporter: Reporter, packages: int) -> None:
        self._reporter = reporter
        self._packages = packages
        self._to_fetch = packages
        self._open: set[Phase] = set()
        self._lock = threading.Lock()

    def begin(self, size: int) -> None:
        """Downloading begins; *size* is the bytes of all archives."""
        with self._lock:
            self._start(Phase.DOWNLOAD, size)

    def fetched(self) -> None:
        """One more archive is there."""
        with self._lock:
            self._to_fetch -= 1
            if self._to_fetch == 0:
                self._finish(Phase.DOWNLOAD)

    def unpacking(self) -> None:
        """Some archive is being unpacked; the first call begins the phase."""
        with self._lock:
            if self._packages:
                self._start(Phase.UNPACK, self._packages)
                self._packages = 0

    def end(self) -> None:
        """All is over, well or badly; what comes later from threads that hang is not reported."""
        with self._lock:
            self._packages = self._to_fetch = 0
            for phase in (Phase.DOWNLOAD, Phase.UNPACK):
                self._finish(phase)

    def _start(self, phase: Phase, total: int) -> None:
        self._open.add(phase)
        self._reporter.phase_started(phase, total)

    def _finish(self, phase: Phase) -> None:
        if phase in self._open:
            self._open.remove(phase)
            self._reporter.phase_finished(phase)


class Stage(Struct, frozen=True):
    """What one gang does with each item, and how many threads it has.

    Of the items that wait, that with the most *weight* is taken first, and the first of several.
    """

    action: Callable[[Any], Any]
    threads: int
    weight: Callable[[Any], int] = lambda _item: 0


class _Waiting:
    """The items that wait for a gang; None, which ends a thread, comes after all of them."""

    def __init__(self, weight: Callable[[Any], int]) -> None:
        self._weight = weight
        self._numbers = itertools.count()
        self._queue: queue.PriorityQueue[tuple[float, int, Any]] = queue.PriorityQueue()

    def put(self, item: Any) -> None:
        rank = math.inf if item is None else -self._weight(item)
        self._queue.put((rank, next(self._numbers), item))

    def get(self) -> Any:
        return self._queue.get()[2]


def run_stages(jobs: Sequence[Any], first: Stage, second: Stage, stop: Stop) -> list[Any]:
    """Sends every job through both stages and returns the results in the order in which they came.

    The first error of any worker is raised here after *stop* was set; so is KeyboardInterrupt of the main thread.
    """
    results: queue.SimpleQueue[Any] = queue.SimpleQueue()
    waiting = [_Waiting(stage.weight) for stage in (first, second)]
    for job in jobs:
        waiting[0].put(job)
    gang = [
        threading.Thread(target=_work, args=(stage.action, source, sink, results, stop), daemon=True)
        for stage, source, sink in ((first, waiting[0], waiting[1]), (second, waiting[1], results))
        for _ in range(max(1, min(stage.threads, len(jobs))))
    ]
    try:
        for thread in gang:
            thread.start()
        return [_result(results.get()) for _ in jobs]
    finally:
        stop.set()
        for _ in gang:
            waiting[0].put(None)
            waiting[1].put(None)
        _wait(gang)


def _work(
    action: Callable[[Any], Any],
    source: _Waiting,
    sink: _Waiting | queue.SimpleQueue[Any],
    results: queue.SimpleQueue[Any],
    stop: Stop,
) -> None:
    while (item := source.get()) is not None:
        try:
            stop()
            done = action(item)
        except Stopped:
            return
        except BaseException as error:  # noqa: BLE001 - it is raised again in the main thread.
            results.put(_Failure(error))
            return
        sink.put(done)


class _Failure(Struct, frozen=True):
    error: BaseException


def _result(item: Any) -> Any:
    if isinstance(item, _Failure):
        raise item.error
    return item


def _wait(gang: Sequence[threading.Thread]) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    for thread in gang:
        if thread.is_alive():  # An interrupt may have come while it was started.
            thread.join(max(0.0, end - time.monotonic()))
