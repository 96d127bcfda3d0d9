"""The packages of some channels, as their indexes were when they were brought up to date; asked by one thread.

A name's records in all subdirs of a channel make one table. It is read from the tables that are kept, or made of
the parts in which the store keeps records: blocks that are here, and shards, which may have to be fetched first.
"""

from __future__ import annotations

import threading
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from envmgr.channels.parts import Content, key_of, make_columns, record_in, records_in, text_of
from envmgr.channels.shard_fetch import ShardFetcher, StaleIndexError, Wanted
from envmgr.channels.store import DamagedIndexError
from envmgr.errors import ChannelError, DataError
from envmgr.models.record_table import RecordTable, columns_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from envmgr.channels.parts import Part, Records
    from envmgr.channels.store import IndexStore, StoredIndex
    from envmgr.channels.urls import Source
    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.models.record_table import Columns
    from envmgr.ports import Reporter, Transport

    Repair = Callable[[Source, ChannelError], StoredIndex]

_Answer = TypeVar("_Answer")
_NO_RECORDS = columns_of(())


class Index:
    """The packages of *channels*, best first, of which *stored* are the sources in the same order.

    *repair* fetches a source anew whose stored index is damaged, or names shards that its channel does not have any
    more. Offline, shards that are not here are an error.
    """

    def __init__(
        self,
        channels: Sequence[Channel],
        stored: Sequence[StoredIndex],
        store: IndexStore,
        repair: Repair,
        transport: Transport,
        reporter: Reporter,
        *,
        offline: bool = False,
    ) -> None:
        self.channels = tuple(channels)
        self._stored = list(stored)
        places = range(len(self._stored))
        self._groups = [
            list(group) for _, group in groupby(places, lambda place: self._stored[place].source.channel)
        ]
        self._repair = repair
        self._reporter = reporter
        self._reported: set[str] = set()
        self._offline = offline
        self._lock = threading.Lock()
        self._tables = store.tables
        self._shards = store.shards
        self._fetcher = ShardFetcher(transport, self._shards, self._shards_of)

    def load(self, name: str) -> list[RecordTable]:
        """A table of the records called *name* for each channel that has some.

        Raises ChannelError when a shard cannot be had.
        """
        name = name.lower()
        tables = []
        for group in self._groups:
            columns = self._columns(group, name)
            for source, fn, reason in columns.unusable:
                self._report_unusable(self._stored[group[source]].source, fn, reason)
            if columns.version_of:
                tables.append(self._table(group, columns))
        return tables

    def records(self, name: str) -> list[PackageRecord]:
        """All records called *name*, with every key that their channels published."""
        return [record for table in self.load(name) for record in table.records()]

    @property
    def is_sharded(self) -> bool:
        """Whether some names may have to be fetched, each by itself, when they are asked for."""
        return any(stored.is_sharded for stored in self._stored)

    def may_mention(self, name: str, word: str) -> bool:
        """Whether the text of a record called *name* may hold *word*, of any case; no table is made for the answer.

        True as well where that cannot be told. Raises ChannelError when a shard cannot be had.
        """
        wanted = word.lower().encode()
        try:
            return any(wanted in text.lower() for text in self._texts(name.lower()))
        except (_SourceError, DataError):
            return True  # Whoever loads the name will find out.

    def _texts(self, name: str) -> Iterator[bytes]:
        for place in range(len(self._stored)):
            for part in self._ask(place, lambda stored: stored.parts(name)):
                yield text_of(self._content(place, part))

    def expect(self, names: Iterable[str]) -> None:
        """Have the shards of *names*, and of what they need, fetched while something else is done."""
        if not self._offline and self.is_sharded:
            self._fetcher.look_ahead(name for name in map(str.lower, names) if not self._has_tables(name))

    def names(self) -> list[str]:
        """All package names, sorted."""
        places = range(len(self._stored))
        return sorted({name for place in places for name in self._ask(place, lambda stored: stored.names())})

    def rest(self) -> None:
        """Stop fetching ahead, and finish what is to be kept: no more names are expected."""
        self._fetcher.rest()
        self._tables.flush()

    def close(self) -> None:
        """Let go of the stored files and of all threads."""
        self._fetcher.close()
        self._tables.flush()
        for stored in self._stored:
            stored.close()

    def _columns(self, group: Sequence[int], name: str) -> Columns:
        """The table of *name* in the sources of one channel; a source that fails is made anew, once each."""
        for _ in group:
            try:
                return self._find_columns(group, name)
            except _SourceError as failure:
                self._mend(failure)
        try:
            return self._find_columns(group, name)
        except _SourceError as failure:
            raise failure.cause from None

    def _find_columns(self, group: Sequence[int], name: str) -> Columns:
        parts = [self._ask(place, lambda stored: stored.parts(name)) for place in group]
        if not any(parts):
            return _NO_RECORDS
        key = key_of(parts)
        columns = self._tables.read(key, name)
        if columns is None:
            columns = make_columns(parts, lambda source, part: self._records(group[source], part, name))
            self._tables.write(key, columns)
        return columns

    def _table(self, group: Sequence[int], columns: Columns) -> RecordTable:
        masks = [int.from_bytes(mask, "little") for mask in columns.sources]
        origins = [
            (self._stored[place].origin, mask) for place, mask in zip(group, masks, strict=False) if mask
        ]

        def read(place: int) -> PackageRecord:
            source = next(number for number, mask in enumerate(masks) if mask >> place & 1)
            return self._record(
                group[source], columns.name.lower(), columns.parts[place], table.file_name(place)
            )

        table = RecordTable(columns, read, origins)
        return table

    def _record(self, place: int, name: str, part: int, fn: str) -> PackageRecord:
        try:
            return self._find_record(place, name, part, fn)
        except _SourceError as failure:
            self._mend(failure)
        try:
            return self._find_record(place, name, part, fn)
        except _SourceError as failure:
            raise failure.cause from None

    def _find_record(self, place: int, name: str, part: int, fn: str) -> PackageRecord:
        """The whole record of a file, in another part where the source had to be made anew meanwhile."""
        parts = self._ask(place, lambda stored: stored.parts(name))
        stored = self._stored[place]
        for each in [*parts[part : part + 1], *parts]:
            content = self._content(place, each)
            try:
                found = record_in(content, fn, stored.origin)
            except DataError as error:
                raise ChannelError(f"{stored.source.url}: {error}", url=stored.source.url) from None
            if found is not None:
                return found
        raise _SourceError(place, stored.damaged(ValueError(f"{fn} is not in it")))

    def _records(self, place: int, part: Part, name: str) -> Records:
        content = self._content(place, part)
        try:
            return records_in(content, name)
        except DataError as error:
            url = self._stored[place].source.url
            raise ChannelError(f"the records of '{name}' in {url} are broken: {error}", url=url) from None

    def _content(self, place: int, part: Part) -> Content:
        stored = self._stored[place]
        try:
            if stored.is_sharded:
                return Content(self._shard(stored, part.digest), is_shard=True)
            with self._lock:
                return stored.block(part)
        except (DamagedIndexError, StaleIndexError) as error:
            raise _SourceError(place, error) from None

    def _shard(self, stored: StoredIndex, digest: bytes) -> bytes:
        data = self._shards.read(digest)
        if data is not None:
            return data
        wanted = _wanted(stored, digest)
        if self._offline and not stored.source.is_local:
            raise ChannelError(
                f"{wanted.url} was never fetched to this machine, and envmgr is offline.",
                hint="Run the command once without --offline.",
                url=wanted.url,
            )
        return self._fetcher.get(wanted)

    def _has_tables(self, name: str) -> bool:
        for group in self._groups:
            parts = [self._ask(place, lambda stored: stored.parts(name)) for place in group]
            if any(parts) and self._tables.read(key_of(parts), name) is None:
                return False
        return True

    def _shards_of(self, name: str) -> list[Wanted]:
        """The shards of a name in all sharded sources; called by threads that look ahead."""
        found = []
        for stored in self._stored:
            if stored.is_sharded:
                try:
                    with self._lock:
                        parts = stored.parts(name)
                except DamagedIndexError:
                    continue  # Whoever needs the name will find that out, too.
                found += [_wanted(stored, part.digest) for part in parts]
        return found

    def _ask(self, place: int, question: Callable[[StoredIndex], _Answer]) -> _Answer:
        """Ask one source; a damaged one is fetched again, once."""
        try:
            with self._lock:
                return question(self._stored[place])
        except DamagedIndexError as error:
            self._mend(_SourceError(place, error))
            with self._lock:
                return question(self._stored[place])

    def _mend(self, failure: _SourceError) -> None:
        source = self._stored[failure.place].source
        self._stored[failure.place] = self._repair(source, failure.cause)

    def _report_unusable(self, source: Source, fn: str, reason: str) -> None:
        url = f"{source.url}/{fn}"
        if url not in self._reported:
            self._reported.add(url)
            self._reporter.warned(f"{url} is left out: {reason}")


class _SourceError(Exception):
    """A source must be made anew, because of *cause*."""

    def __init__(self, place: int, cause: ChannelError) -> None:
        super().__init__(str(cause))
        self.place = place
        self.cause = cause


def _wanted(stored: StoredIndex, digest: bytes) -> Wanted:
    base = stored.state.shards_base_url or f"{stored.source.url}/"
    return Wanted(digest, f"{base}{digest.hex()}.msgpack.zst")
