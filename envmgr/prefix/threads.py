"""All processors at work on one list of calls to the system, in order (effects: threads).

For calls that let go of the interpreter and take longer than what is between them, as those that make links and
folders: then threads are as fast as processes, and end with their process, whatever ends it.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

_Piece = TypeVar("_Piece")

# As many as were measured; with more, the interpreter's lock and that of the file system would be in demand.
_MOST = 2


def processors() -> int:
    """How many processors this process may use for such work."""
    if sys.platform == "linux":
        return min(_MOST, len(os.sched_getaffinity(0)))
    return min(_MOST, os.cpu_count() or 1)


def share_out(work: Callable[[_Piece], None], pieces: Sequence[_Piece], threads: int) -> None:
    """``for piece in pieces: work(piece)`` by so many *threads*, of which the calling one is the first.

    After an exception no piece is begun any more. Those before it are worked on to their ends, so that the first
    exception in the order of *pieces* is raised, as without threads. All threads have ended then. An interrupt of
    the calling thread waits for the others to end their pieces, which should be short.
    """
    waiting = deque(enumerate(pieces))
    failed: dict[int, Exception] = {}

    def take_turns() -> None:
        while True:
            try:
                position, piece = waiting.popleft()
            except IndexError:
                return
            try:
                work(piece)
            except Exception as error:  # noqa: BLE001 - it is raised again below, in the calling thread.
                failed[position] = error
                waiting.clear()

    others = _started(take_turns, min(threads, len(pieces)) - 1)
    try:
        take_turns()
    finally:
        waiting.clear()
        _wait(others)
    if failed:
        raise failed[min(failed)]


def _started(work: Callable[[], None], count: int) -> list[threading.Thread]:
    if count < 1:
        return []
    import threading

    found = []
    for _ in range(count):
        thread = threading.Thread(target=work, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # There may be no more of them; then the others do it all.
            break
        found.append(thread)
    return found


def _wait(threads: Sequence[threading.Thread]) -> None:
    """Wait for their ends, whatever comes: who clears up afterwards must find nobody at work."""
    interrupt: BaseException | None = None
    for thread in threads:
        while thread.is_alive():
            try:
                thread.join()
            except BaseException as error:  # noqa: BLE001 - it is raised again below.
                interrupt = error
    if interrupt is not None:
        raise interrupt
