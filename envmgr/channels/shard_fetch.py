"""Fetches shards (CEP 16), many at a time, and looks ahead: what a shard's newest records need is fetched as well.

A solve asks for one name after another and often waits for the answer to know the next. So while it works, or
waits, threads fetch the shards of the names that it is likely to ask for, up to a bound. What is asked for goes
first.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from envmgr.channels.shard_folder import is_shard_of
from envmgr.errors import ChannelError
from envmgr.ports import with_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envmgr.channels.shard_folder import ShardFolder
    from envmgr.ports import Transport

THREADS = 16
MOST_AHEAD = 3_000
NEWEST_RECORDS = 24
LARGEST_BODY_BYTES = 32 << 20
LARGEST_AHEAD_BYTES = 16 << 20
"""What a shard may unpack to that is looked into only to know what may be asked for next."""
_LARGE_BYTES = 1 << 20
_TRIES = 2
_GONE = frozenset({403, 404, 410})


class StaleIndexError(ChannelError):
    """A channel does not have a shard that its own index names; the index must be fetched again."""


class Wanted(NamedTuple):
    """A shard: its *digest*, and the URL where it is."""

    digest: bytes
    url: str


class _Task:
    """One shard to fetch; ``data`` is kept until it is on disk and nobody waits for it."""

    __slots__ = ("awaited", "data", "done", "error", "wanted")

    def __init__(self, wanted: Wanted, *, awaited: bool = False) -> None:
        self.wanted = wanted
        self.awaited = awaited
        self.done = threading.Event()
        self.data: bytes | None = None
        self.error: BaseException | None = None


class ShardFetcher:
    """Fetches shards into *folder*; *shards_of* tells which shards hold a name.

    It looks ahead from when it is first told what will be asked for, until it is told to rest, for at most
    *most_ahead* names.
    """

    def __init__(
        self,
        transport: Transport,
        folder: ShardFolder,
        shards_of: Callable[[str], Iterable[Wanted]],
        *,
        most_ahead: int = MOST_AHEAD,
    ) -> None:
        self._looks_ahead = False
        self._most_ahead = most_ahead
        self._transport = transport
        self._folder = folder
        self._shards_of = shards_of
        self._changed = threading.Condition()
        self._unpacking_much = threading.Lock()
        self._tasks: dict[bytes, _Task] = {}
        self._urgent: deque[_Task] = deque()
        self._ahead: deque[_Task] = deque()
        self._names: set[str] = set()
        self._threads = 0
        self._closed = False

    def get(self, wanted: Wanted) -> bytes:
        """The shard, from the channel; raises ChannelError, and StaleIndexError when the channel has none such."""
        with self._changed:
            task = self._tasks.get(wanted.digest)
            if task is None:
                task = self._tasks[wanted.digest] = _Task(wanted)
                self._urgent.append(task)
                self._set_to_work()
            elif task in self._ahead:
                self._ahead.remove(task)
                self._urgent.append(task)
            task.awaited = True
        while not task.done.wait(1.0):  # In steps, so that an interrupt is seen.
            pass
        if task.error is not None:
            with self._changed:
                self._tasks.pop(wanted.digest, None)
            raise task.error
        return task.data or self._folder.read(wanted.digest) or self._read(wanted)

    def look_ahead(self, names: Iterable[str]) -> None:
        """Fetch the shards of *names*, and of what they need, when nothing more urgent is to be done."""
        self._looks_ahead = True
        self._add_names(names)

    def _add_names(self, names: Iterable[str]) -> None:
        with self._changed:
            fresh = [name for name in dict.fromkeys(names) if name not in self._names and name[:2] != "__"]
            del fresh[max(0, self._most_ahead - len(self._names)) :]
            self._names.update(fresh)
        missing = [
            wanted
            for name in fresh
            for wanted in self._shards_of(name)
            if wanted.digest not in self._tasks and not self._folder.holds(wanted.digest)
        ]
        with self._changed:
            for wanted in missing:
                if wanted.digest not in self._tasks:
                    self._tasks[wanted.digest] = _Task(wanted)
                    self._ahead.append(self._tasks[wanted.digest])
                    self._set_to_work()

    def rest(self) -> None:
        """Forget what was to be fetched ahead."""
        with self._changed:
            self._looks_ahead = False
            for task in self._ahead:
                del self._tasks[task.wanted.digest]
            self._ahead.clear()

    def close(self) -> None:
        """End the threads; what is under way is not waited for."""
        self.rest()
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _set_to_work(self) -> None:
        """Have a thread look at the queues, which the caller has locked."""
        self._changed.notify()
        if self._threads < THREADS:
            self._threads += 1
            threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not (self._urgent or self._ahead or self._closed):
                    self._changed.wait()
                if self._closed:
                    return
                task = self._urgent.popleft() if self._urgent else self._ahead.popleft()
            try:
                data = self._read(task.wanted)
                if self._looks_ahead:
                    self._add_names(self._needed_by(data))
                kept = self._folder.write(task.wanted.digest, data)
                task.data = None if kept and not task.awaited else data
            except BaseException as error:  # noqa: BLE001 (it is raised again in the caller's thread)
                task.error = error
            task.done.set()

    def _needed_by(self, data: bytes) -> list[str]:
        """The names that a shard's newest records need; one large shard is unpacked at a time, as memory counts."""
        from envmgr.channels.shards import dependency_names, unpacked_size

        size = unpacked_size(data)
        if size is not None and size <= _LARGE_BYTES:
            return dependency_names(data, NEWEST_RECORDS)
        with self._unpacking_much:
            return dependency_names(data, NEWEST_RECORDS, LARGEST_AHEAD_BYTES)

    def _read(self, wanted: Wanted) -> bytes:
        for tries_left in range(_TRIES - 1, -1, -1):
            try:
                return self._read_once(wanted.url, wanted.digest)
            except StaleIndexError:
                raise
            except ChannelError:
                if not tries_left:
                    raise
        raise AssertionError("the last try returns or raises")

    def _read_once(self, url: str, digest: bytes) -> bytes:
        with self._transport.open(url) as response:
            if response.status in _GONE:
                raise StaleIndexError(
                    f"{url} answered with HTTP status {response.status}, though the channel's index names it.",
                    url=url,
                    status=response.status,
                )
            if response.status != 200:
                place = with_source(url, response)
                raise ChannelError(
                    f"{place} answered with HTTP status {response.status}.", url=url, status=response.status
                )
            parts, length = [], 0
            for chunk in response.iter_bytes():
                parts.append(chunk)
                length += len(chunk)
                if length > LARGEST_BODY_BYTES:
                    raise ChannelError(f"{url} is larger than {LARGEST_BODY_BYTES >> 20} MiB.", url=url)
            data = b"".join(parts)
            if is_shard_of(data, digest):
                return data
            response.reject(f"the SHA-256 of {url} differs")
            raise ChannelError(
                f"{with_source(url, response)} is not the file that the channel's index promises: "
                "its SHA-256 differs.",
                hint="Try again later; tell the channel's owner if it stays so.",
                url=url,
            )
