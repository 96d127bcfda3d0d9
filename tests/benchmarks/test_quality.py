"""Which of two answers the quality table calls better, criterion by criterion."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from benchmarks.quality import CRITERIA, compare
from benchmarks.requests import Request
from tests.solver.cases import rec

if TYPE_CHECKING:
    from envmgr.models.record import PackageRecord


class Answers:
    """A world of a few records, all of one channel."""

    def __init__(self, records: list[PackageRecord]) -> None:
        self.records = records

    def load(self, _: Request, name: str) -> list[PackageRecord]:
        return [record for record in self.records if record.name == name]

    def ranks(self, _: Request) -> dict[str, int]:
        return {record.origin.channel: 0 for record in self.records if record.origin}


class Answer:
    def __init__(self, *records: PackageRecord) -> None:
        self.records = records
        self.words = ""


def app(version: str = "1", build: str = "x_0", *depends: str) -> PackageRecord:
    return rec("app", version, build, depends=list(depends) or ["lib"])


LIB, NEWER_LIB, REBUILT_LIB = rec("lib", "1", "x_0"), rec("lib", "2", "x_0"), rec("lib", "1", "x_1")
CASES = {
    "asked": (Answer(app("2"), LIB), Answer(app("1"), NEWER_LIB)),
    "age": (Answer(app(), NEWER_LIB), Answer(app("1", "x_3"), LIB)),
    "build": (Answer(app("1", "x_3"), LIB), Answer(app("1", "x_2"), REBUILT_LIB)),
    "builds": (Answer(app(), REBUILT_LIB), Answer(app(), LIB)),
    "count": (Answer(app(), LIB), Answer(app("1", "x_0", "lib", "more"), LIB, rec("more"))),
}


@pytest.mark.parametrize("by", CASES)
def test_the_first_criterion_that_differs_decides_for_either_side(by: str) -> None:
    better, worse = CASES[by]
    world = Answers([*better.records, *worse.records])
    request = Request("a title", "an area", ("app",))
    assert by in CRITERIA
    rows = [compare(world, request, (), *pair) for pair in ((better, worse), (worse, better))]
    assert [(row.verdict, row.by) for row in rows] == [("better", by), ("worse", by)]


def test_the_same_builds_are_the_same() -> None:
    answer = Answer(app(), LIB)
    row = compare(Answers([*answer.records]), Request("a title", "an area", ("app",)), (), answer, answer)
    assert (row.verdict, row.numbers, row.other_builds) == ("same", (), 0)
