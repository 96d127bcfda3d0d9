"""The packages of some channels, as their indexes were when they were brought up to date; asked by one thread.

A name's records in all subdirs of a channel make one table. It is read from the tables that are kept, or made of
the parts in which the store keeps records: blocks that are here, and shards, which may have to be fetched first.
"""

from __future__ import annotations

import threading
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Literal, TypeVar

from envmgr.channels.parts import Content, key_of, make_columns, record_in, records_in, text_of
from envmgr.channels.shard_fetch import ShardFetcher, StaleIndexError, Wanted
from envmgr.channels.store import DamagedIndexError, unwritable_text
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

Supply = Literal["new", "former", "stored"]
"""Which shards serve: new ones alone; the former one of a name where its new one cannot be had; those stored."""

_Answer = TypeVar("_Answer")
_NO_RECORDS = columns_of(())
_MOST_NAMED = 3


class Index:
    """The packages of *channels*, best first, of which *stored* are the sources in the same order.

    *repair* fetches a source anew whose stored index is damaged, or names shards that its channel does not have any
    more. Where only what is stored serves, or a server does not answer and former shards may serve, those that were
    replaced are used with a warning; a name that has neither is an error.
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
        supply: Supply = "new",
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
        self._told: Counter[str] = Counter()  # Files of each source that warnings named,
        self._untold: Counter[str] = Counter()  # and those that are to be counted at the end.
        self._supply = supply
        self._outdated: set[tuple[int, str]] = set()  # Places and names whose former shards are used.
        self._lock = threading.Lock()
        self._tables = store.tables
        self._shards = store.shards
        self._folder = store.folder
        self._is_refusal_told = False
        self._fetcher = ShardFetcher(transport, self._shards, self._shards_of)

    def load(self, name: str) -> list[RecordTable]:
        """A table of the records called *name* for each channel that has some.

        Raises ChannelError when a shard cannot be had.
        """
        name = name.lower()
        tables = []
        for group in self._groups:
            columns = self._columns(group, name)
            if columns.unusable:
                self._report_unusable(name, group, columns)
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
            for part in self._parts(place, name):
                yield text_of(self._content(place, part))

    def expect(self, names: Iterable[str]) -> None:
        """Have the shards of *names*, and of what they need, fetched while something else is done."""
        if self._supply != "stored" and self.is_sharded:
            self._fetcher.look_ahead(name for name in map(str.lower, names) if not self._has_tables(name))

    def names(self) -> list[str]:
        """All package names, sorted."""
        places = range(len(self._stored))
        return sorted({name for place in places for name in self._ask(place, lambda stored: stored.names())})

    def rest(self) -> None:
        """Stop fetching ahead, and finish what is to be kept: no more names are expected."""
        self._report_untold()
        self._fetcher.rest()
        self._tables.flush()

    def close(self) -> None:
        """Let go of the stored files and of all threads."""
        self._report_untold()
        self._fetcher.close()
        self._tables.flush()
        for stored in self._stored:
            stored.close()

    def _columns(self, group: Sequence[int], name: str) -> Columns:
        """The table of *name* in the sources of one channel; a source that fails is made anew, once each."""
        for _ in range(2 * len(group)):
            try:
                return self._find_columns(group, name)
            except _SourceError as failure:
                self._mend(failure)
            except _OutdatedError:
                continue
        try:
            return self._find_columns(group, name)
        except _SourceError as failure:
            raise failure.cause from None

    def _find_columns(self, group: Sequence[int], name: str) -> Columns:
        parts = [self._parts(place, name) for place in group]
        if not any(parts):
            return _NO_RECORDS
        key = key_of(name, parts)
        columns = self._tables.read(key, name)
        if columns is None:
            columns = make_columns(name, parts, lambda source, part: self._records(group[source], part, name))
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
        parts = self._parts(place, name)
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
        try:
            content = self._content(place, part)
        except ChannelError as error:
            if self._supply != "former" or error.facts.get("status") == 401:
                raise
            if (place, name) in self._outdated or not self._former_parts(place, name):
                raise
            self._note_outdated(place, name)
            raise _OutdatedError from None
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
        if self._supply == "stored" and not stored.source.is_local:
            raise ChannelError(
                f"{wanted.url} was never fetched to this machine, and envmgr is offline.",
                hint="Run the command once without --offline.",
                url=wanted.url,
            )
        data = self._fetcher.get(wanted)
        if self._shards.refusal is not None and not self._is_refusal_told:
            self._is_refusal_told = True
            self._reporter.warned(unwritable_text(self._folder, self._shards.refusal))
        return data

    def _parts(self, place: int, name: str) -> list[Part]:
        """The parts that hold *name* in a source: the former ones, where the new ones cannot be had."""
        parts = self._ask(place, lambda stored: stored.parts(name))
        if (place, name) in self._outdated:
            return self._former_parts(place, name) or parts
        if (
            self._supply != "stored"
            or not self._stored[place].is_sharded
            or self._stored[place].source.is_local
        ):
            return parts
        if all(self._shards.holds(part.digest) for part in parts):
            return parts
        former = self._former_parts(place, name)
        if former:
            self._note_outdated(place, name)
        return former or parts

    def _former_parts(self, place: int, name: str) -> list[Part]:
        parts = self._ask(place, lambda stored: stored.former_parts(name))
        return [part for part in parts if self._shards.holds(part.digest)]

    def _note_outdated(self, place: int, name: str) -> None:
        if not self._outdated:
            url = self._stored[place].source.url
            self._reporter.warned(
                f"the newest records of '{name}' in {url} were never fetched, so older ones are used "
                "(perhaps of other names, too)."
            )
        self._outdated.add((place, name))

    def _has_tables(self, name: str) -> bool:
        for group in self._groups:
            parts = [self._ask(place, lambda stored: stored.parts(name)) for place in group]
            if any(parts) and self._tables.read(key_of(name, parts), name) is None:
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

    def _report_unusable(self, name: str, group: Sequence[int], columns: Columns) -> None:
        """Name the first unusable files of each source; the others are counted."""
        more: Counter[str] = Counter()
        for number, fn, reason in columns.unusable:
            source = self._stored[group[number]].source.url
            url = f"{source}/{fn}"
            if url in self._reported:
                continue
            self._reported.add(url)
            if self._told[source] < _MOST_NAMED:
                self._told[source] += 1
                self._reporter.warned(f"{url} is left out: {reason}")
                more[source] += 0
            elif source in more:
                more[source] += 1
            else:
                self._untold[source] += 1
        for source, count in more.items():
            if count:
                self._reporter.warned(f"{source}: {_more_files(count, name)}.")

    def _report_untold(self) -> None:
        for source, count in self._untold.items():
            self._reporter.warned(f"{source}: {_more_files(count)}.")
        self._untold.clear()


class _OutdatedError(Exception):
    """A name's former shard serves from now on, so that its table must be made of that one."""


class _SourceError(Exception):
    """A source must be made anew, because of *cause*."""

    def __init__(self, place: int, cause: ChannelError) -> None:
        super().__init__(str(cause))
        self.place = place
        self.cause = cause


def _wanted(stored: StoredIndex, digest: bytes) -> Wanted:
    base = stored.state.shards_base_url or f"{stored.source.url}/"
    return Wanted(digest, f"{base}{digest.hex()}.msgpack.zst")


def _more_files(count: int, name: str = "") -> str:
    """What became of *count* files beyond those that were named.

    >>> _more_files(1), _more_files(247, "aa")
    ('1 more file is left out', "247 more files of 'aa' are left out")
    """
    of_name = f" of '{name}'" if name else ""
    return f"{count} more file{'s' * (count > 1)}{of_name} {'are' if count > 1 else 'is'} left out"
