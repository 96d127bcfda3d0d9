"""Searching a table gives what matching each of its records gives, in the order that is promised."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from envmgr.models.match_spec import MatchSpec
from envmgr.models.record import Origin, PackageRecord
from envmgr.models.record_table import RecordTable, is_readable
from envmgr.models.version import Version
from envmgr.ops.search import matching_places, newest_first

ORIGINS = [Origin(f"https://example.org/{name}", "linux-64", "") for name in ("first", "second")]

records = st.builds(
    lambda version, build, timestamp, licence: PackageRecord(
        name="a",
        version=version,
        build=f"py{build}_{build % 3}",
        build_number=build % 3,
        timestamp=timestamp,
        license=licence,
    ),
    version=st.sampled_from(["1.0", "1.0.0", "1.2", "1.10", "2.0a1", "2.0", "b@d", "1.0-x-y"]),
    build=st.integers(0, 8),
    timestamp=st.integers(0, 3),
    licence=st.sampled_from([None, "MIT", "BSD-3-Clause"]),
)
SPECS = [
    "a",
    "*",
    "b",
    "a >=1.2",
    "a 1.*",
    "a ==1.0",
    "a 1.0|2.0",
    "a * py*_1",
    "a 1.0 py0_0",
    "a[build_number=1]",
    "a[build_number='>=1']",
    "a[license=bsd*]",
    "first::a",
    "second::a >1.0",
    "a[channel=third]",
    "a >=1.2[license=MIT]",
]


def tables_of(first: list[PackageRecord], second: list[PackageRecord]) -> list[RecordTable]:
    return [
        RecordTable.of(replace(record).placed("", origin) for record in some)
        for some, origin in zip((first, second), ORIGINS, strict=True)
    ]


def accepts(spec: MatchSpec, record: PackageRecord) -> bool:
    """What a spec says about one record; an unreadable version fulfils only specs without one."""
    if spec.version is not None and not is_readable(record.version):
        return False
    return spec.matches(record)


@given(st.lists(records, max_size=8), st.sampled_from(SPECS))
def test_a_mask_holds_the_records_that_the_spec_matches(some: list[PackageRecord], text: str):
    spec = MatchSpec.parse(text)
    for table in tables_of(some, some):
        mask = matching_places(spec, table)
        found = [bool(mask >> place & 1) for place in range(table.count)]
        assert found == [accepts(spec, record) for record in table.records()]
        assert mask >> table.count == 0


@given(st.lists(records, max_size=8), st.lists(records, max_size=8))
def test_newer_versions_come_first_then_the_better_channel_then_newer_builds(
    first: list[PackageRecord], second: list[PackageRecord]
):
    tables = tables_of(first, second)
    builds = newest_first(tables, [(1 << table.count) - 1 for table in tables])
    assert len(builds) == len(first) + len(second)
    for before, after in pairwise(builds):
        one, other = before.record(), after.record()
        if not is_readable(other.version):
            continue
        assert is_readable(one.version)
        mine, others = Version.parse(one.version), Version.parse(other.version)
        assert mine >= others
        if mine == others:
            rank = ORIGINS.index(one.origin), ORIGINS.index(other.origin)
            assert rank[0] <= rank[1]
            if rank[0] == rank[1]:
                assert (one.build_number, one.timestamp) >= (other.build_number, other.timestamp)
