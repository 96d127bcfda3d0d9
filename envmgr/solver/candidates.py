"""The candidates of one name: records in order of preference, and specs turned into masks over them.

Bit 0 of a mask is "not installed", bit i+1 is ``records[i]``. The order: the channel's rank (flexible priority
only), fewest track_features, highest version, highest build number, newest timestamp, ``.conda`` before
``.tar.bz2``, then the order of channels and subdirs, and file names. Versions are kept sorted beside running
unions of their masks, so an ordered comparison is one binary search; other specs are tested once per distinct
version. Hot path: ints, tuples, dictionaries.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cache, lru_cache
from itertools import repeat
from operator import neg
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.match_spec import MatchSpec
from envmgr.models.record import PackageRecord
from envmgr.models.record_table import gathered, runs, version_key
from envmgr.models.string_match import StringMatch, is_regex
from envmgr.models.version import Version
from envmgr.models.version_spec import VersionSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envmgr.models.record import Origin
    from envmgr.models.record_table import RecordTable

    Key = Callable[[int], tuple[int, ...]]

_CLAUSE = r"(?:[<>=!]=?|~=)?[0-9A-Za-z_.*+!-]+"
_PLAIN = lazy_pattern(rf"[A-Za-z0-9_.-]+(?: +({_CLAUSE}(?:[,|]{_CLAUSE})*)(?: +([A-Za-z0-9_.+*]+))?)? *")
_ORDERED = lazy_pattern(r"(==|[<>]=?)?([0-9A-Za-z_.+!-]+)")
_FAMILY = lazy_pattern(r"(=)?((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)((?(1)(?:\.?\*)?|\.?\*))")
_CANONICAL = lazy_pattern(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*")

_MANY = 4  # A build pattern is tried on all builds, for the next time, unless few of them are in question.

parse_version_spec = lru_cache(maxsize=None)(VersionSpec.parse)
parse_string_match = lru_cache(maxsize=None)(StringMatch.parse)
parse_match_spec = lru_cache(maxsize=None)(MatchSpec.parse)


@cache
def _ordered_clauses(text: str) -> tuple[tuple[str, Any], ...] | None:
    """The clauses of a specifier of plain comparisons, as (operator, key); None for any other."""
    clauses = []
    for part in text.split(","):
        found = _ORDERED.fullmatch(part)
        if found is None:
            return None
        try:
            clauses.append((found[1], version_key(found[2])))
        except DataError:
            return None
    return tuple(clauses)


class Records:
    """The records of a table as a sequence; each access reads one."""

    __slots__ = ("_table",)

    def __init__(self, table: RecordTable) -> None:
        self._table = table

    def __len__(self) -> int:
        return self._table.count

    def __getitem__(self, place: int) -> PackageRecord:
        if not 0 <= place < self._table.count:
            raise IndexError(place)
        return self._table.record(place)


class Candidates:
    """The records of one name, best first, and the masks of specs over them.

    *key* tells what ranks the record at a place, its build number last. ``kept`` is the mask of
    the record that is installed and shall stay (then it is the first), or 0.
    """

    __slots__ = (
        "_builds",
        "_exact",
        "_key",
        "_lowered",
        "_masks",
        "_rising",
        "_running",
        "_texts",
        "_unusual",
        "_version_groups",
        "full",
        "kept",
        "records",
        "table",
    )

    def __init__(self, table: RecordTable, key: Key, *, kept: int = 0) -> None:
        self.table = table
        self.kept = kept
        self.records = Records(table)
        self.full = (2 << table.count) - 1
        self._key = key
        self._version_groups: dict[int, int] = {}
        self._masks: dict[str, int] = {}
        self._builds: dict[str, int] = {}
        self._exact: dict[str, list[int]] = {}
        self._lowered: list[str] = []  # from the last to the first, as the digits of a mask are written
        self._texts: dict[str, int] = {text: mask << 1 for text, mask in table.version_masks().items()}
        self._unusual: list[str] | None = None
        self._rising: list[str] = []
        self._running: list[int] = []

    def version_group(self, place: int) -> int:
        """The candidates that rank equal to number *place* up to their version."""
        found = self._version_groups.get(place)
        if found is None:
            found = self._version_groups[place] = self._run(place, lambda other: self._key(other)[:-1])
        return found

    def build_group(self, place: int) -> int:
        """The candidates that rank equal to number *place* up to their build number."""
        return self._run(place, self._key)

    def _run(self, place: int, key: Key) -> int:
        """The candidates around *place* that have the same *key*."""
        start = stop = place
        own = key(place)
        while start and key(start - 1) == own:
            start -= 1
        while stop + 1 < self.table.count and key(stop + 1) == own:
            stop += 1
        return (4 << stop) - (2 << start)

    def installed_values(self, mask: int) -> list[PackageRecord]:
        """The records in *mask*, best first; each is read."""
        return [self.table.record(place) for place in places_in(mask >> 1)]

    def versions_in(self, mask: int) -> list[str]:
        """The distinct versions in *mask*, in order of preference."""
        return [text for text, carriers in self._texts.items() if carriers & mask]

    def matching(self, text: str) -> int:
        """The candidates that the entry *text* of a record accepts; none where it cannot be read."""
        mask = self._masks.get(text)
        if mask is None:
            mask = self._masks[text] = self._match_text(text)
        return mask

    def matching_spec(self, spec: MatchSpec) -> int:
        """The candidates that *spec* accepts, whatever its condition or extras."""
        mask = self.full & ~1 if spec.matches_name(self.table.columns.name) else 0
        if spec.version is not None and mask:
            matches = spec.version.matches
            mask = self._union(carriers for text, carriers in self._texts.items() if matches(_parsed(text)))
        if spec.build is not None and mask:
            mask = self._match_build(str(spec.build), mask)
        return mask & self._match_rest(spec, mask) if spec.has_other_tests else mask

    def _match_rest(self, spec: MatchSpec, mask: int) -> int:
        """The candidates of *mask* that fulfil what *spec* says beside name, version and build."""
        rest = replace(spec, name="*", version=None, build=None)
        if rest.is_about_origin:
            return self._union(
                carriers << 1
                for origin, carriers in self.table.origins
                if carriers and rest.matches(self._example(origin, carriers))
            )
        return self._union(
            2 << place for place in places_in(mask >> 1) if rest.matches(self.table.record(place))
        )

    def _example(self, origin: Origin | None, carriers: int) -> PackageRecord:
        """A record that is from where *carriers* are."""
        if origin is None:
            return self.table.record(places_in(carriers)[0])
        return PackageRecord(name="", version="", origin=origin)

    def _match_text(self, text: str) -> int:
        found = _PLAIN.fullmatch(text)
        try:
            if found is None:
                return self.matching_spec(parse_match_spec(text))
            version, build = found.groups()
            mask = self._match_version(version) if version else self.full & ~1
            return self._match_build(build, mask) if build and build != "*" else mask
        except DataError:
            return 0

    def _match_version(self, text: str) -> int:
        if "|" in text and "(" not in text:
            return self._union(map(self._match_version, text.split("|")))
        clauses = _ordered_clauses(text)
        if clauses is not None:
            return self._match_order(clauses)
        family = _FAMILY.fullmatch(text)
        if family is not None:
            return self._match_family(family[2])
        return self._match_versions(parse_version_spec(text), self._texts)

    def _match_versions(self, spec: VersionSpec, texts: Iterable[str]) -> int:
        matches = spec.matches
        return self._union(self._texts[text] for text in texts if matches(_parsed(text)))

    def _match_family(self, prefix: str) -> int:
        """The candidates of ``prefix.*`` (CEP 29), whose versions are parsed only where their writing is unusual.

        Of plain numbers the writing tells: ``1.2.10`` begins with ``1.2.``, and 1 is as good as 1.0.
        """
        if self._unusual is None:
            usual = _CANONICAL.fullmatch
            self._unusual = [text for text in self._texts if not usual(text)]
        found = self._match_versions(parse_version_spec(f"{prefix}.*"), self._unusual)
        begin, same = f"{prefix}.", prefix
        while True:
            found |= self._texts.get(same, 0)
            if not same.endswith(".0"):
                break
            same = same[:-2]
        return found | self._union(mask for text, mask in self._texts.items() if text.startswith(begin))

    def _match_order(self, clauses: tuple[tuple[str, Any], ...]) -> int:
        if not self._running:
            self._sort_versions()
        rising = self._rising
        low, high = 0, len(rising)
        for operator, key in clauses:
            if operator == ">=":
                low = max(low, bisect_left(rising, key, key=version_key))
            elif operator == "<":
                high = min(high, bisect_left(rising, key, key=version_key))
            elif operator == ">":
                low = max(low, bisect_right(rising, key, key=version_key))
            else:
                high = min(high, bisect_right(rising, key, key=version_key))
                if operator != "<=":
                    low = max(low, bisect_left(rising, key, key=version_key))
        return self._running[high] & ~self._running[low] if high > low else 0

    def _sort_versions(self) -> None:
        columns = self.table.columns
        ranked = sorted(zip(columns.ranks, columns.versions, strict=True))
        self._rising = [text for _, text in ranked]
        self._running = [0]
        for text in self._rising:
            self._running.append(self._running[-1] | self._texts[text])

    def _match_build(self, text: str, within: int) -> int:
        """The candidates of *within* whose build string *text* accepts."""
        mask = self._builds.get(text)
        if mask is not None:
            return mask & within
        pattern = parse_string_match(text)
        if not pattern.is_exact and within.bit_count() * _MANY < self.table.count:
            builds, matches = self.table.builds, pattern.matches
            return self._union(2 << place for place in places_in(within >> 1) if matches(builds[place]))
        mask = self._builds[text] = self._all_of_build(pattern)
        return mask & within

    def _all_of_build(self, pattern: StringMatch) -> int:
        if pattern.is_exact:
            if not self._exact:
                for place, build in enumerate(self.table.builds):
                    self._exact.setdefault(build.lower(), []).append(place)
            return self._union(2 << place for place in self._exact.get(pattern.text, ()))
        if not self._lowered:
            self._lowered = [build.lower() for build in reversed(self.table.builds)]
        bits = ["1" if found else "0" for found in _matches_of(pattern, self._lowered)]
        return int("".join(bits), 2) << 1

    @staticmethod
    def _union(masks: Iterable[int]) -> int:
        union = 0
        for mask in masks:
            union |= mask
        return union


def _matches_of(pattern: StringMatch, builds: list[str]) -> list[bool]:
    """Which of the lower-case *builds* fulfil *pattern*; the common globs without a call for each."""
    parts = [] if is_regex(pattern.text) else pattern.text.split("*")
    if len(parts) == 3 and not parts[0] and not parts[2]:
        inside = parts[1]
        return [inside in build for build in builds]
    if len(parts) == 2:
        first, last = parts
        if not first:
            return [build.endswith(last) for build in builds]
        if not last:
            return [build.startswith(first) for build in builds]
        shortest = len(first) + len(last)
        return [
            build.startswith(first) and build.endswith(last) and len(build) >= shortest for build in builds
        ]
    return [*map(pattern.matches, builds)]


_parsed = lru_cache(maxsize=None)(Version.parse)


class Ordering:
    """How the candidates of one name are ranked."""

    __slots__ = ("_lowest", "_preferred", "_ranks")

    def __init__(
        self,
        *,
        channel_ranks: dict[str, int] | None = None,
        lowest: bool = False,
        preferred: PackageRecord | None = None,
    ) -> None:
        self._ranks = channel_ranks
        self._lowest = lowest
        self._preferred = preferred

    def arrange(self, tables: Sequence[RecordTable]) -> Candidates:
        """The records of *tables*, whose versions can be read, as candidates."""
        preferred = self._place_of_preferred(tables)
        if len(tables) == 1 and not self._lowest and preferred is None:
            return Candidates(tables[0], usual_key(tables[0]))  # A table's own order is the usual one.
        rows = self._rows(tables, preferred)
        table = gathered(runs((tables[row[-2]], row[-1]) for row in rows))
        return Candidates(table, lambda place: rows[place][:5], kept=0 if preferred is None else 2)

    def _place_of_preferred(self, tables: Sequence[RecordTable]) -> tuple[int, int] | None:
        if self._preferred is None:
            return None
        places = ((number, table.place_of(self._preferred)) for number, table in enumerate(tables))
        return next(((number, place) for number, place in places if place is not None), None)

    def _rows(
        self, tables: Sequence[RecordTable], preferred: tuple[int, int] | None
    ) -> list[tuple[Any, ...]]:
        """A sort key for each record that ends in the number of its table and its place there."""
        texts = {text for table in tables for text in table.columns.versions}
        keys = sorted({version_key(text) for text in texts}, reverse=not self._lowest)
        place_of_key = {key: place for place, key in enumerate(keys)}
        version_place = {text: place_of_key[version_key(text)] for text in texts}
        rows: list[tuple[Any, ...]] = []
        for number, table in enumerate(tables):
            columns, odd = table.columns, table.columns.odd_names
            places_of_versions = [version_place[text] for text in columns.versions]
            rows += zip(
                repeat(True),
                repeat(self._rank(table)),
                columns.features or repeat(0),
                map(places_of_versions.__getitem__, columns.version_of),
                map(neg, columns.build_numbers),
                map(neg, columns.timestamps),
                [not odd.get(place, ".conda").endswith(".conda") for place in range(table.count)],
                repeat(number),
                range(table.count),
            )
        rows.sort()
        if preferred is not None:
            found = next(row for row in rows if row[-2:] == preferred)
            rows.remove(found)
            rows.insert(0, (False, *found[1:]))
        return rows

    def _rank(self, table: RecordTable) -> int:
        if self._ranks is None:
            return 0
        origin = table.origins[0][0]
        return self._ranks.get(origin.channel if origin else "", len(self._ranks))


def usual_key(table: RecordTable) -> Key:
    """What ranks a record of one table: features, version, build number; smaller is better."""
    columns = table.columns
    ranks, versions, numbers, features = (
        columns.ranks,
        columns.version_of,
        columns.build_numbers,
        columns.features,
    )
    return lambda place: (features[place] if features else 0, -ranks[versions[place]], -numbers[place])


def places_in(mask: int) -> list[int]:
    """The bits that are set in *mask*, lowest first."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found
