"""A fork that answers questions from the last one on, while its parent goes through them from the first (effects).

For questions that only look. The fork ends with the block, and at its next answer when its parent is gone. No
answer of it is ever waited for, so that nothing is lost where the other processors have something else to do.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_YES, _NO = b"yn"


@contextlib.contextmanager
def second_process(ask: Callable[[int], bool], count: int) -> Iterator[Callable[[int], bool | None]]:
    """What gives the fork's answer to question number ``n`` of *count*, or None where it is not there.

    Nothing is forked where that cannot help, or is not safe because other threads run. A fork costs its parent
    some milliseconds: the making, the end, and a copy of each page of memory that either of them writes to.
    """
    if not _can_fork():
        yield lambda _: None
        return
    read, write = os.pipe()
    child = _forked(ask, count, read, write)
    try:
        os.close(write)
        os.set_blocking(read, False)
        yield _Answers(read, count)
    finally:
        os.close(read)
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


class _Answers:
    def __init__(self, read: int, count: int) -> None:
        self._read, self._count, self._known = read, count, b""

    def __call__(self, number: int) -> bool | None:
        with contextlib.suppress(BlockingIOError):
            self._known += os.read(self._read, self._count)
        place = self._count - 1 - number
        return self._known[place] == _YES if place < len(self._known) else None


def _can_fork() -> bool:
    # Elsewhere the system's own libraries start threads that a fork does not survive.
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1


def _forked(ask: Callable[[int], bool], count: int, read: int, write: int) -> int:
    """The fork's number; 0 where there can be none."""
    try:
        child = os.fork()
    except OSError:
        return 0
    if child:
        return child
    try:
        os.close(read)
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_DFL)
        for number in reversed(range(count)):
            os.write(write, bytes([_YES if ask(number) else _NO]))
    finally:
        os._exit(0)
