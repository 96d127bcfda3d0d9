"""A fork that answers questions from the last one on, while its parent goes through them from the first (effects).

For questions that only look. The fork ends with the block, and at its next answer when its parent is gone. No
answer of it is ever waited for, so that nothing is lost where the other processors have something else to do.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING

from envmgr.packages.fork import can_fork, forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_YES, _NO = b"yn"


@contextlib.contextmanager
def second_process(ask: Callable[[int], bool], count: int) -> Iterator[Callable[[int], bool | None]]:
    """What gives the fork's answer to question number ``n`` of *count*, or None where it is not there.

    Nothing is forked where that cannot help, or is not safe because other threads run. A fork costs its parent
    some milliseconds: the making, the end, and a copy of each page of memory that either of them writes to.
    """
    if not can_fork():
        yield lambda _: None
        return
    read, write = os.pipe()

    def answer() -> None:
        os.close(read)
        for number in reversed(range(count)):
            os.write(write, bytes([_YES if ask(number) else _NO]))

    try:
        child = forked(answer)
    except OSError:
        child = 0
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
