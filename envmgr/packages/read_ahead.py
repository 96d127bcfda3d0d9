"""Decompresses in a thread of its own, while the one that asks writes what it got before (effects: threads).

Both let go of the interpreter's lock for most of the time, so one archive is unpacked by two processors. Where all
of them unpack archives anyway, it would only cost.
"""

from __future__ import annotations

import os
import queue
import threading
from typing import TYPE_CHECKING

from envmgr.packages.archive import CHUNK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THREAD_NAME = "envmgr-read-ahead"

_BUFFERS = 4
_PATIENCE_SECONDS = 10.0


def processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_ahead(fill: Callable[[bytearray], int]) -> Iterator[memoryview]:
    """What *fill* puts into buffers until it puts nothing, like `archive.one_buffer`; raises what *fill* raises.

    A piece is valid until the next one is asked for. The thread has ended when the iteration has.
    """
    free: queue.SimpleQueue[bytearray | None] = queue.SimpleQueue()
    full: queue.SimpleQueue[tuple[bytearray, int] | BaseException] = queue.SimpleQueue()
    for _ in range(_BUFFERS):
        free.put(bytearray(CHUNK_BYTES))
    thread = threading.Thread(target=_work, args=(fill, free, full), name=THREAD_NAME, daemon=True)
    thread.start()
    try:
        while True:
            item = full.get()
            if isinstance(item, BaseException):
                raise item
            buffer, count = item
            if not count:
                return
            yield memoryview(buffer)[:count]
            free.put(buffer)
    finally:
        free.put(None)
        thread.join(_PATIENCE_SECONDS)


def _work(
    fill: Callable[[bytearray], int],
    free: queue.SimpleQueue[bytearray | None],
    full: queue.SimpleQueue[tuple[bytearray, int] | BaseException],
) -> None:
    try:
        while (buffer := free.get()) is not None:
            count = fill(buffer)
            full.put((buffer, count))
            if not count:
                return
    except BaseException as error:  # noqa: BLE001 - it is raised again by who asks.
        full.put(error)
