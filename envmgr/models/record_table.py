"""The records of one name as a solver reads them: by column, and by mask over the columns.

A popular name has thousands of records, and a solve asks the same few questions of each: which version, which
build, who carries this dependency. So a table answers for all records at once: bit *i* of a mask stands for record
*i*, a dependency is kept once with the mask of its carriers, and a record itself is read only when somebody wants
that one. Records stand in the order of preference: fewest track_features, highest version, highest build number,
newest timestamp, ``.conda`` before ``.tar.bz2``, file name; those whose version cannot be read (CEP 33) come last.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache
from operator import attrgetter, methodcaller
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace as replaced

from envmgr.errors import DataError
from envmgr.models.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envmgr.models.record import Origin, PackageRecord

    Reader = Callable[[int], PackageRecord]

Carried = tuple[str, bytes]


class Columns(Struct, array_like=True, frozen=True):
    """A table as it is stored. Masks are little-endian bytes.

    ``version_of`` is each record's place in ``versions``, whose equal ``ranks`` mean equal versions. ``features``
    is empty where no record tracks any. ``timestamps`` are milliseconds since the Unix epoch, 0 where unknown;
    ``indexed`` likewise, empty where no record has an indexed_timestamp (CEP 47). ``odd_names`` are the file names
    other than ``name-version-build.conda``. ``sources`` are the masks of the records of each source, and ``parts``
    says in which part of its source each record is; both are empty for tables that were not stored. ``unusable``
    are the files whose records are left out: source, file name, reason.
    """

    name: str
    readable: int
    versions: list[str]
    ranks: list[int]
    version_of: list[int]
    builds: str
    build_numbers: list[int]
    features: list[int]
    timestamps: list[int]
    indexed: list[int]
    odd_names: dict[int, str]
    depends: list[Carried]
    constrains: list[Carried]
    extras: dict[str, list[Carried]]
    sources: list[bytes]
    parts: list[int]
    unusable: list[tuple[int, str, str]]


class RecordTable:
    """`Columns` with the records behind them; ``origins`` are the sources, each with the mask of its records.

    *read* gives the record at a place; *origins* may be the one source of all of them.
    """

    __slots__ = ("_lists", "_read", "columns", "count", "origins")

    def __init__(
        self, columns: Columns, read: Reader, origins: Origin | Sequence[tuple[Origin | None, int]] | None
    ) -> None:
        self.columns = columns
        self.count = len(columns.version_of)
        whole = (1 << self.count) - 1
        self.origins = tuple(origins) if isinstance(origins, (list, tuple)) else ((origins, whole),)
        self._read = read
        self._lists: dict[str, Any] = {}

    @classmethod
    def of(cls, records: Iterable[PackageRecord]) -> RecordTable:
        """The table of *records*, all of one name and one source."""
        ordered = in_order(records)
        columns = columns_of(ordered)
        return cls(columns, ordered.__getitem__, ordered[0].origin if ordered else None)

    def record(self, place: int) -> PackageRecord:
        """Record number *place*; this may read it from the source."""
        return self._read(place)

    def records(self) -> list[PackageRecord]:
        """All records, which reads each of them."""
        return [self._read(place) for place in range(self.count)]

    @property
    def builds(self) -> list[str]:
        """The build string of each record."""
        found: list[str] | None = self._lists.get("builds")
        if found is None:
            found = self._lists["builds"] = self.columns.builds.split("\n") if self.count else []
        return found

    @property
    def depends(self) -> list[tuple[str, int]]:
        """Each distinct dependency with the mask of the records that carry it, in order of first appearance."""
        return self._carried("depends", self.columns.depends)

    @property
    def constrains(self) -> list[tuple[str, int]]:
        """Each distinct run constraint with the mask of its carriers."""
        return self._carried("constrains", self.columns.constrains)

    def extra_depends(self, extra: str) -> list[tuple[str, int]]:
        """Each distinct dependency of an extra (CEP 44) with the mask of its carriers."""
        return self._carried(f"[{extra}]", self.columns.extras.get(extra, []))

    def _carried(self, what: str, stored: list[Carried]) -> list[tuple[str, int]]:
        found: list[tuple[str, int]] | None = self._lists.get(what)
        if found is None:
            found = self._lists[what] = [(text, int.from_bytes(mask, "little")) for text, mask in stored]
        return found

    def version(self, place: int) -> str:
        """The version of record number *place*."""
        return self.columns.versions[self.columns.version_of[place]]

    def version_masks(self) -> dict[str, int]:
        """Each distinct version with the mask of its records."""
        texts, version_of = self.columns.versions, self.columns.version_of
        masks = dict.fromkeys(texts, 0)
        if version_of == sorted(version_of):  # As it is unless features or channels rank before versions.
            start = 0
            for number, text in enumerate(texts):
                stop = bisect_right(version_of, number, start)
                masks[text] = (1 << stop) - (1 << start)
                start = stop
        else:
            for place, number in enumerate(version_of):
                masks[texts[number]] |= 1 << place
        return masks

    def file_name(self, place: int) -> str:
        """The file name of record number *place*, told without reading the record."""
        columns = self.columns
        odd = columns.odd_names.get(place)
        return odd or f"{columns.name}-{self.version(place)}-{self.builds[place]}.conda"

    def place_of(self, record: PackageRecord) -> int | None:
        """Where this table has *record* itself, if it has."""
        for origin, mask in self.origins:
            if origin is not None and record.origin is not None:
                if (origin.channel, origin.subdir) != (record.origin.channel, record.origin.subdir):
                    continue
            elif origin is not record.origin:
                continue
            for place, build in enumerate(self.builds):
                if build == record.build and mask >> place & 1 and self.file_name(place) == record.file_name:
                    return place
        return None

    def moment(self, place: int) -> int:
        """When record number *place* was published (CEP 47): milliseconds since the Unix epoch, 0 where unknown."""
        indexed = self.columns.indexed
        return (indexed[place] if indexed else 0) or self.columns.timestamps[place]

    def depending(self, entries: dict[str, int]) -> RecordTable:
        """The same records that also depend on *entries* (text to mask of carriers)."""
        added = [(text, _bytes(mask)) for text, mask in entries.items()]

        def read(place: int) -> PackageRecord:
            record = self._read(place)
            more = [text for text, mask in entries.items() if mask >> place & 1]
            return replaced(record, depends=[*record.depends, *more]) if more else record

        changed = replaced(self.columns, depends=[*self.columns.depends, *added])
        return RecordTable(changed, read, self.origins)

    def independent(self) -> RecordTable:
        """The same records in a table that says nothing of what they depend on, their extras or constraints.

        A record that is read is the whole one, since what is installed says later what it would need.
        """
        return RecordTable(
            replaced(self.columns, depends=[], constrains=[], extras={}), self._read, self.origins
        )


Segment = tuple[RecordTable, int, int]


def gathered(segments: Sequence[Segment]) -> RecordTable:
    """One table of runs of records, each (table, first place, place after the last), in this order."""
    name = segments[0][0].columns.name if segments else ""
    versions: dict[str, int] = {}
    starts: list[int] = []
    version_of: list[int] = []
    build_numbers: list[int] = []
    features: list[int] = []
    timestamps: list[int] = []
    indexed: list[int] = []
    builds: list[str] = []
    odd_names: dict[int, str] = {}
    for table, start, stop in segments:
        columns, begin, width = table.columns, len(version_of), stop - start
        starts.append(begin)
        version_of += [
            versions.setdefault(columns.versions[each], len(versions))
            for each in columns.version_of[start:stop]
        ]
        build_numbers += columns.build_numbers[start:stop]
        features += columns.features[start:stop] or [0] * width
        timestamps += columns.timestamps[start:stop]
        indexed += columns.indexed[start:stop] or [0] * width
        builds += table.builds[start:stop]
        odd = columns.odd_names
        odd_names |= {begin + place - start: odd[place] for place in range(start, stop) if place in odd}
    keys = [version_key(text) if is_readable(text) else None for text in versions]
    moves = _moves(segments, starts)
    extras = {extra: None for move in moves for extra in move.table.columns.extras}
    columns = Columns(
        name=name,
        readable=sum(keys[each] is not None for each in version_of),
        versions=list(versions),
        ranks=_dense_ranks(keys),
        version_of=version_of,
        builds="\n".join(builds),
        build_numbers=build_numbers,
        features=features if any(features) else [],
        timestamps=timestamps,
        indexed=indexed if any(indexed) else [],
        odd_names=odd_names,
        depends=_moved(moves, starts, attrgetter("depends")),
        constrains=_moved(moves, starts, attrgetter("constrains")),
        extras={extra: _moved(moves, starts, methodcaller("extra_depends", extra)) for extra in extras},
        sources=[],
        parts=[],
        unusable=[],
    )
    origins: dict[Origin | None, int] = {}
    for move in moves:
        for origin, mask in move.table.origins:
            origins[origin] = origins.get(origin, 0) | move.moved(mask)

    def read(place: int) -> PackageRecord:
        number = bisect_right(starts, place) - 1
        table, start, _ = segments[number]
        return table.record(start + place - starts[number])

    return RecordTable(columns, read, list(origins.items()))


class _Move:
    """Where the records of one table go: runs of places with what is to be added to each place."""

    __slots__ = ("_runs", "_stops", "table")

    def __init__(self, table: RecordTable, moved: Iterable[tuple[int, int, int]]) -> None:
        self.table = table
        self._runs = sorted(moved)
        self._stops = [stop for _, stop, _ in self._runs]

    def moved(self, mask: int) -> int:
        """The places to which those in *mask* go; only the runs that hold some of them are looked at."""
        found = 0
        while mask:
            number = bisect_right(self._stops, (mask & -mask).bit_length() - 1)
            if number == len(self._runs):
                break
            start, stop, begin = self._runs[number]
            found |= (mask >> start & (1 << stop - start) - 1) << begin
            mask = mask >> stop << stop
        return found


def _moves(segments: Sequence[Segment], starts: Sequence[int]) -> list[_Move]:
    runs_of: dict[int, tuple[RecordTable, list[tuple[int, int, int]]]] = {}
    for (table, start, stop), begin in zip(segments, starts, strict=True):
        runs_of.setdefault(id(table), (table, []))[1].append((start, stop, begin))
    return [_Move(table, moved) for table, moved in runs_of.values()]


def _moved(
    moves: Sequence[_Move], starts: Sequence[int], carried: Callable[[RecordTable], list[tuple[str, int]]]
) -> list[Carried]:
    """The entries of all tables with their carriers' new places, in order of first appearance."""
    found: dict[str, int] = {}
    first: dict[str, tuple[int, int]] = {}
    for move in moves:
        for number, (text, mask) in enumerate(carried(move.table)):
            places = move.moved(mask)
            if places:
                run = bisect_right(starts, (places & -places).bit_length() - 1)
                first[text] = min(first.get(text, (run, number)), (run, number))
                found[text] = found.get(text, 0) | places
    return _stored({text: found[text] for text in sorted(found, key=first.__getitem__)})


def selected(table: RecordTable, places: Sequence[int]) -> RecordTable:
    """The records of *table* at *places*, in that order."""
    return gathered(runs((table, place) for place in places))


def runs(places: Iterable[tuple[RecordTable, int]]) -> list[Segment]:
    """Single records as segments, neighbours joined."""
    segments: list[Segment] = []
    for table, place in places:
        if segments and segments[-1][0] is table and segments[-1][2] == place:
            segments[-1] = (table, segments[-1][1], place + 1)
        else:
            segments.append((table, place, place + 1))
    return segments


def tables_of(records: Iterable[PackageRecord | RecordTable]) -> list[RecordTable]:
    """One table for each source of *records*, in the order of first appearance; tables stay as they are."""
    tables: list[RecordTable] = []
    by_origin: dict[Origin | None, list[PackageRecord]] = {}
    for each in records:
        if isinstance(each, RecordTable):
            tables.append(each)
        else:
            by_origin.setdefault(each.origin, []).append(each)
    return [*tables, *map(RecordTable.of, by_origin.values())]


def in_order(records: Iterable[PackageRecord]) -> list[PackageRecord]:
    """*records* in the order of preference, those with unreadable versions last."""
    given = list(records)
    keys = {record.version: None for record in given}
    readable = sorted((version_key(text), text) for text in keys if is_readable(text))
    rank_of: dict[str, int] = {}
    rank, before = 0, None
    for key, text in reversed(readable):
        rank += key != before
        before, rank_of[text] = key, rank
    unreadable = len(given) + 1
    return sorted(
        given,
        key=lambda record: (
            record.version not in rank_of,
            feature_count(record),
            rank_of.get(record.version, unreadable),
            -record.build_number,
            -(record.timestamp or 0),
            not record.file_name.endswith(".conda"),
            record.file_name,
        ),
    )


def columns_of(
    ordered: Sequence[PackageRecord],
    places: Sequence[tuple[int, int]] = (),
    unusable: Sequence[tuple[int, str, str]] = (),
) -> Columns:
    """The columns of records that stand in order; *places* are the source of each and the part of it."""
    versions: dict[str, int] = {}
    version_of = [versions.setdefault(record.version, len(versions)) for record in ordered]
    keys = [version_key(text) if is_readable(text) else None for text in versions]
    features = [feature_count(record) for record in ordered]
    indexed = [int(record.indexed_timestamp or 0) for record in ordered]
    name = ordered[0].name if ordered else ""
    extras: dict[str, None] = {}
    for record in ordered:
        if record.extra_depends:
            extras |= dict.fromkeys(record.extra_depends)
    return Columns(
        name=name,
        readable=sum(keys[each] is not None for each in version_of),
        versions=list(versions),
        ranks=_dense_ranks(keys),
        version_of=version_of,
        builds="\n".join(record.build for record in ordered),
        build_numbers=[record.build_number for record in ordered],
        features=features if any(features) else [],
        timestamps=[int(record.timestamp or 0) for record in ordered],
        indexed=indexed if any(indexed) else [],
        odd_names={
            place: record.file_name
            for place, record in enumerate(ordered)
            if record.file_name != f"{name}-{record.version}-{record.build}.conda"
        },
        depends=_carriers(record.depends for record in ordered),
        constrains=_carriers(record.constrains for record in ordered),
        extras={
            extra: _carriers(record.extra_depends.get(extra, ()) for record in ordered) for extra in extras
        },
        sources=_source_masks(places),
        parts=[part for _, part in places],
        unusable=list(unusable),
    )


def feature_count(record: PackageRecord) -> int:
    """How many features a record tracks."""
    return len(record.features_tracked) if record.track_features else 0


@cache
def version_key(text: str) -> Any:
    """The place of a version in the order of versions (CEP 33); raises DataError for what has none."""
    return Version.parse(text).key


@cache
def is_readable(version: str) -> bool:
    """Whether *version* has a place in the order of versions (CEP 33)."""
    try:
        version_key(version)
    except DataError:
        return False
    return True


def _dense_ranks(keys: Sequence[Any]) -> list[int]:
    """A number for each key, equal for equal keys and rising with them; -1 for None."""
    distinct = sorted({key for key in keys if key is not None})
    rank_of = {key: rank for rank, key in enumerate(distinct)}
    return [-1 if key is None else rank_of[key] for key in keys]


def _carriers(entries: Iterable[Iterable[str]]) -> list[Carried]:
    carriers: dict[str, int] = {}
    bit = 1
    for texts in entries:
        for text in texts:
            carriers[text] = carriers.get(text, 0) | bit
        bit <<= 1
    return _stored(carriers)


def _stored(carriers: dict[str, int]) -> list[Carried]:
    return [(text, _bytes(mask)) for text, mask in carriers.items()]


def _source_masks(places: Sequence[tuple[int, int]]) -> list[bytes]:
    masks = [0] * (1 + max((source for source, _ in places), default=-1))
    for place, (source, _) in enumerate(places):
        masks[source] |= 1 << place
    return [_bytes(mask) for mask in masks]


def _bytes(mask: int) -> bytes:
    return mask.to_bytes((mask.bit_length() + 7) // 8, "little")
