"""Records without a solve, in the order in which they are linked."""

from __future__ import annotations

from envmgr.models.record import PackageRecord
from envmgr.ops.explicit import dependencies_first


def record(name: str, *depends: str) -> PackageRecord:
    return PackageRecord(name=name, version="1", depends=list(depends), fn=f"{name}-1-0.conda")


def names(*records: PackageRecord) -> list[str]:
    return [each.name for each in dependencies_first(records)]


def test_dependencies_come_first_and_names_decide_among_equals():
    assert names(record("c", "a", "b >=1"), record("b", "a"), record("a"), record("d")) == [
        "a",
        "b",
        "c",
        "d",
    ]


def test_what_is_missing_does_not_matter():
    assert names(record("a", "nowhere", "__glibc >=2")) == ["a"]


def test_cycle_ends_and_keeps_every_record():
    ordered = names(
        record("python", "pip"), record("pip", "python", "setuptools"), record("setuptools", "python")
    )
    assert sorted(ordered) == ["pip", "python", "setuptools"]


def test_deep_chain_needs_no_recursion():
    chain = [record(f"p{number}", f"p{number + 1}") for number in range(5000)]
    assert names(*chain, record("p5000"))[0] == "p5000"
