"""The candidates of one name: records in order of preference, and specs turned into masks over them.

Bit 0 of a mask is "not installed", bit i+1 is ``records[i]``. The order: the channel's rank (flexible priority
only), fewest track_features, highest version, highest build number, newest timestamp, ``.conda`` before
``.tar.bz2``, file name. Versions are kept sorted beside running unions of their masks, so an ordered comparison
is one binary search; other specs are tested once per distinct version. Hot path: ints, tuples, dictionaries.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.match_spec import MatchSpec
from envmgr.models.string_match import StringMatch
from envmgr.models.version import Version
from envmgr.models.version_spec import VersionSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.models.record import PackageRecord

_CLAUSE = r"(?:[<>=!]=?|~=)?[0-9A-Za-z_.*+!-]+"
_PLAIN = lazy_pattern(rf"[A-Za-z0-9_.-]+(?: +({_CLAUSE}(?:[,|]{_CLAUSE})*)(?: +([A-Za-z0-9_.+*]+))?)? *")
_ORDERED = lazy_pattern(r"(==|[<>]=?)?([0-9A-Za-z_.+!-]+)")

parse_version_spec = lru_cache(maxsize=None)(VersionSpec.parse)
parse_string_match = lru_cache(maxsize=None)(StringMatch.parse)
parse_match_spec = lru_cache(maxsize=None)(MatchSpec.parse)


@cache
def _version_key(text: str) -> Any:
    return Version.parse(text).key


@cache
def _ordered_clauses(text: str) -> tuple[tuple[str, Any], ...] | None:
    """The clauses of a specifier of plain comparisons, as (operator, key); None for any other."""
    clauses = []
    for part in text.split(","):
        found = _ORDERED.fullmatch(part)
        if found is None:
            return None
        try:
            clauses.append((found[1], _version_key(found[2])))
        except DataError:
            return None
    return tuple(clauses)


class Candidates:
    """The records of one name, best first, and the masks of specs over them."""

    __slots__ = (
        "_build_groups",
        "_builds",
        "_globs",
        "_keys",
        "_masks",
        "_running",
        "_texts",
        "_version_groups",
        "full",
        "records",
    )

    def __init__(
        self, records: Sequence[PackageRecord], version_groups: list[int], build_groups: list[int]
    ) -> None:
        self.records = tuple(records)
        self.full = (2 << len(self.records)) - 1
        self._version_groups = version_groups
        self._build_groups = build_groups
        self._masks: dict[str, int] = {}
        self._builds: dict[str, int] = {}
        self._globs: dict[str, int] = {}
        self._texts: dict[str, int] = {}
        for place, record in enumerate(self.records):
            self._texts[record.version] = self._texts.get(record.version, 0) | (2 << place)
        self._keys: list[Any] = []
        self._running: list[int] = []

    def version_group(self, place: int) -> int:
        """The candidates that rank equal to number *place* up to their version."""
        return self._version_groups[place]

    def build_group(self, place: int) -> int:
        """The candidates that rank equal to number *place* up to their build number."""
        return self._build_groups[place]

    def installed_values(self, mask: int) -> list[PackageRecord]:
        """The records in *mask*, best first."""
        return [record for place, record in enumerate(self.records) if mask >> (place + 1) & 1]

    def matching(self, text: str) -> int:
        """The candidates that the entry *text* of a record accepts; none where it cannot be read."""
        mask = self._masks.get(text)
        if mask is None:
            mask = self._masks[text] = self._match_text(text)
        return mask

    def matching_spec(self, spec: MatchSpec) -> int:
        """The candidates that *spec* accepts, whatever its condition or extras."""
        mask = 0
        for place, record in enumerate(self.records):
            if spec.matches(record):
                mask |= 2 << place
        return mask

    def _match_text(self, text: str) -> int:
        found = _PLAIN.fullmatch(text)
        try:
            if found is None:
                return self.matching_spec(parse_match_spec(text))
            version, build = found.groups()
            mask = self._match_version(version) if version else self.full & ~1
            return mask & self._match_build(build) if build and build != "*" else mask
        except DataError:
            return 0

    def _match_version(self, text: str) -> int:
        clauses = _ordered_clauses(text)
        if clauses is not None:
            return self._match_order(clauses)
        matches = parse_version_spec(text).matches
        return self._union(mask for version, mask in self._texts.items() if matches(_parsed(version)))

    def _match_order(self, clauses: tuple[tuple[str, Any], ...]) -> int:
        if not self._running:
            self._sort_versions()
        low, high = 0, len(self._keys)
        for operator, key in clauses:
            if operator == ">=":
                low = max(low, bisect_left(self._keys, key))
            elif operator == "<":
                high = min(high, bisect_left(self._keys, key))
            elif operator == ">":
                low = max(low, bisect_right(self._keys, key))
            else:
                high = min(high, bisect_right(self._keys, key))
                if operator != "<=":
                    low = max(low, bisect_left(self._keys, key))
        return self._running[high] & ~self._running[low] if high > low else 0

    def _sort_versions(self) -> None:
        keyed = sorted((_version_key(text), mask) for text, mask in self._texts.items())
        self._keys = [key for key, _ in keyed]
        self._running = [0]
        for _, mask in keyed:
            self._running.append(self._running[-1] | mask)

    def _match_build(self, text: str) -> int:
        if not self._builds:
            for place, record in enumerate(self.records):
                build = record.build.lower()
                self._builds[build] = self._builds.get(build, 0) | (2 << place)
        pattern = parse_string_match(text)
        if pattern.is_exact:
            return self._builds.get(text.lower(), 0)
        mask = self._globs.get(text)
        if mask is None:
            matches = pattern.matches
            mask = self._union(mask for build, mask in self._builds.items() if matches(build))
            self._globs[text] = mask
        return mask

    @staticmethod
    def _union(masks: Iterable[int]) -> int:
        union = 0
        for mask in masks:
            union |= mask
        return union


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

    def arrange(self, records: Iterable[PackageRecord]) -> Candidates:
        """*records* as candidates; their versions can be read (`is_readable`)."""
        given = tuple(records)
        distinct = sorted({_version_key(record.version) for record in given}, reverse=not self._lowest)
        place_of = {key: place for place, key in enumerate(distinct)}
        ranked = sorted(
            (
                self._preference(record),
                place_of[_version_key(record.version)],
                -record.build_number,
                -(record.timestamp or 0),
                not record.fn.endswith(".conda"),
                record.key,
                number,
            )
            for number, record in enumerate(given)
        )
        ordered = [given[row[-1]] for row in ranked]
        return Candidates(ordered, _groups([row[:2] for row in ranked]), _groups([row[:3] for row in ranked]))

    def _preference(self, record: PackageRecord) -> tuple[bool, int, int]:
        features = len(record.features_tracked) if record.track_features else 0
        rank = 0
        if self._ranks is not None:
            rank = self._ranks.get(record.origin.channel if record.origin else "", len(self._ranks))
        return self._preferred is not None and record != self._preferred, rank, features


@cache
def is_readable(version: str) -> bool:
    """Whether *version* has a place in the order of versions (CEP 33)."""
    try:
        _version_key(version)
    except DataError:
        return False
    return True


def _groups(keys: Sequence[tuple[Any, ...]]) -> list[int]:
    """For each place, the mask of the run of equal keys around it."""
    groups: list[int] = []
    start = 0
    for place in range(1, len(keys) + 1):
        if place == len(keys) or keys[place] != keys[start]:
            groups += [(2 << place) - (2 << start)] * (place - start)
            start = place
    return groups
