"""Work on several items at the same time, in forks that take their turns with the process itself (effects).

For work in Python, which threads would only take turns at. A fork starts with everything that its parent has
imported, and cannot lose anything: what it does not bring back is done again by the parent.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
from typing import TYPE_CHECKING, Any, TypeVar

from envmgr.errors import EnvmgrError
from envmgr.packages.fork import can_fork, forked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_MOST_PROCESSES = 8
_MOST_ITEMS = 256
"""A byte tells the number of an item."""


def map_in_forks(
    items: Sequence[_Item], *, here: Callable[[_Item], _Result], away: Callable[[_Item], _Result]
) -> list[_Result]:
    """The results for *items*, in their order; each process takes the next item when it has done its last.

    *here* is what this process does with an item, *away* what a fork does with it, which shows nothing and whose
    result comes back by pickle. Without a second processor, or where a fork is not safe, all is done here, one
    after another. Of several items that fail with an EnvmgrError, the first one's is raised.
    """
    if len(items) < 2 or len(items) > _MOST_ITEMS or not can_fork():
        return [here(item) for item in items]
    count = min(len(items), _MOST_PROCESSES, len(os.sched_getaffinity(0)))
    with _queue(len(items)) as queue, _forks(count - 1, lambda: _taken(queue, items, away)) as forks:
        own = _taken(queue, items, here)
        found = dict(own + [each for fork in forks for each in _brought(fork)])
    results: list[_Result] = []
    for number, item in enumerate(items):
        result = found[number] if number in found else here(item)
        if isinstance(result, EnvmgrError):
            raise result
        results.append(result)
    return results


@contextlib.contextmanager
def _queue(count: int) -> Iterator[int]:
    """A pipe with the numbers of the items, from which each process takes the next."""
    read, write = os.pipe()
    try:
        os.write(write, bytes(range(count)))
        os.close(write)
        yield read
    finally:
        os.close(read)


def _taken(queue: int, items: Sequence[Any], work: Callable[[Any], Any]) -> list[tuple[int, Any]]:
    """The results of the items that were taken, by their numbers; after a failure nobody takes another."""
    done: list[tuple[int, Any]] = []
    while taken := os.read(queue, 1):
        (number,) = taken
        try:
            done.append((number, work(items[number])))
        except EnvmgrError as error:
            done.append((number, error))
            os.read(queue, len(items))
    return done


@contextlib.contextmanager
def _forks(count: int, work: Callable[[], object]) -> Iterator[list[int]]:
    """So many forks, as pipes that bring what *work* gave in each; they end with the block."""
    made: list[tuple[int, int]] = []
    try:
        for _ in range(count):
            made += _forked(work)
        yield [read for _, read in made]
    finally:
        for child, read in made:
            os.close(read)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _forked(work: Callable[[], object]) -> list[tuple[int, int]]:
    """The fork's number and its pipe; nothing where there can be no fork."""
    read, write = os.pipe()

    def tell() -> None:
        os.close(read)
        with open(write, "wb") as pipe:
            pickle.dump(work(), pipe, pickle.HIGHEST_PROTOCOL)

    try:
        child = forked(tell)
    except OSError:
        os.close(read)
        return []
    finally:
        os.close(write)
    return [(child, read)]


def _brought(read: int) -> list[tuple[int, Any]]:
    """What a fork brought back; nothing where it failed."""
    with open(read, "rb", closefd=False) as pipe:
        try:
            found: list[tuple[int, Any]] = pickle.load(pipe)
        except Exception:  # noqa: BLE001 (a fork that was killed, or a result that cannot travel: it is done here)
            return []
    return found
