"""A few daemon threads for work that mostly waits: an interrupt in the main thread does not wait for them."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_GRACE_SECONDS = 1.0


def map_in_threads(
    function: Callable[[_Item], _Result], items: Sequence[_Item], *, threads: int, stopping: threading.Event
) -> list[_Result]:
    """``[function(item) for item in items]``, several at a time.

    The first exception sets *stopping*, which *function* should look at, and is raised without waiting for the
    others for longer than a moment.
    """
    waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, _Result | None, BaseException | None]] = queue.SimpleQueue()
    for position in range(len(items)):
        waiting.put(position)

    def work() -> None:
        while not stopping.is_set():
            try:
                position = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((position, function(items[position]), None))
            except BaseException as error:  # noqa: BLE001 (it is raised again in the caller's thread)
                done.put((position, None, error))

    workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, len(items)))]
    results: dict[int, _Result | None] = {}
    try:
        for worker in workers:
            worker.start()
        while len(results) < len(items):
            position, result, error = done.get()
            if error is not None:
                raise error
            results[position] = result
    except BaseException:
        stopping.set()
        for worker in workers:
            if worker.is_alive():  # An interrupt may have come while it was started.
                worker.join(_GRACE_SECONDS / len(workers))
        raise
    return [results[position] for position in range(len(items))]  # type: ignore[misc]
