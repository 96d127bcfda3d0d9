"""Hard cases end: puzzles, long chains, names with thousands of versions, searches that cannot succeed."""

from __future__ import annotations

from itertools import count, product
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import SolveError
from envmgr.solver.solve import Conflict, Solution, solve
from tests.solver.cases import Case, case, rec

if TYPE_CHECKING:
    from envmgr.models.record import PackageRecord
    from envmgr.solver.problem import Problem

HARD_SUDOKU = """
8........ ..36..... .7..9.2.. .5...7... ....457.. ...1...3. ..1....68 ..85...1. .9....4..
"""
SOLVED_SUDOKU = """
812753649 943682175 675491283 154237896 369845721 287169534 521974368 438526917 796318452
"""


def indexed(one: Case) -> Case:
    """The same case, whose records are found by name at once."""
    by_name: dict[str, list[PackageRecord]] = {}
    for record in one.records:
        by_name.setdefault(record.name, []).append(record)
    one.load = lambda name: by_name.get(name, [])  # type: ignore[method-assign]
    return one


def sudoku(puzzle: str) -> Problem:
    """A name for each cell and a version for each digit, which excludes itself from the cells that it sees."""
    rows = puzzle.split()
    records = []
    for row, column, digit in product(range(9), range(9), "123456789"):
        seen = {(row, other) for other in range(9)} | {(other, column) for other in range(9)}
        seen |= {(row // 3 * 3 + i, column // 3 * 3 + j) for i, j in product(range(3), range(3))}
        limits = [f"c{r}{c} !={digit}" for r, c in sorted(seen - {(row, column)})]
        records.append(rec(f"c{row}{column}", digit, constrains=limits))
    cells = [
        f"c{r}{c}" + ("" if rows[r][c] == "." else f" =={rows[r][c]}") for r, c in product(range(9), range(9))
    ]
    return indexed(case(records, *cells)).problem()


def test_a_hard_sudoku() -> None:
    outcome = solve(sudoku(HARD_SUDOKU))
    assert isinstance(outcome, Solution)
    digits = {record.name: record.version for record in outcome.records}
    rows = ["".join(digits[f"c{row}{column}"] for column in range(9)) for row in range(9)]
    assert rows == SOLVED_SUDOKU.split()


def test_a_sudoku_without_solution() -> None:
    assert isinstance(solve(sudoku(HARD_SUDOKU.replace(".9....4..", ".9..2.4.."))), Conflict)


@pytest.mark.parametrize("versions", ["1 2", "1 2 3"])
def test_a_chain_of_two_thousand_names(versions: str) -> None:
    length = 2000
    records = [
        rec(f"p{i}", v, depends=[f"p{i + 1} =={v}"]) for i in range(length) for v in versions.split()
    ] + [rec(f"p{length}", "1")]
    outcome = solve(indexed(case(records, "p0")).problem())
    assert isinstance(outcome, Solution)
    assert len(outcome.records) == length + 1
    assert {record.version for record in outcome.records} == {"1"}


def pins(name: str, target: str, versions: range, shift: int = 0) -> list[PackageRecord]:
    return [rec(name, str(i), depends=[f"{target} =={i + shift}"]) for i in versions]


def test_two_thousand_versions_that_pin_each_other() -> None:
    versions = range(2000)
    records = [*pins("a", "b", versions), *pins("b", "c", versions), *(rec("c", str(i)) for i in versions)]
    outcome = solve(case(records, "a", "c <1000").problem())
    assert isinstance(outcome, Solution)
    assert [record.version for record in outcome.records] == ["999"] * 3


def test_a_circle_of_pins_that_never_closes() -> None:
    versions = range(400)
    records = [*pins("a", "b", versions), *pins("b", "c", versions), *pins("c", "a", versions, shift=1)]
    assert isinstance(solve(case(records, "a").problem()), Conflict)


def test_versions_that_cross_and_never_meet() -> None:
    size = 300
    crossing = [rec("a", str(i), depends=[f"b =={i}", f"c =={size - 1 - i}"]) for i in range(size)]
    records = [*crossing, *pins("b", "c", range(size)), *(rec("c", str(i)) for i in range(size))]
    assert isinstance(solve(case(records, "a").problem()), Conflict)


def pigeons(holes: int) -> Case:
    """One pigeon more than there are holes: short to say, long to refute."""
    records = [
        rec(f"p{i}", str(hole), constrains=[f"p{j} !={hole}" for j in range(holes + 1) if j != i])
        for i in range(holes + 1)
        for hole in range(holes)
    ]
    return case(records, *(f"p{i}" for i in range(holes + 1)))


def test_a_long_search_that_cannot_succeed_ends_with_a_proof() -> None:
    assert isinstance(solve(pigeons(7).problem()), Conflict)


def test_a_budget_ends_a_longer_one_and_names_the_lines_to_narrow() -> None:
    ticks = count()
    with pytest.raises(SolveError) as caught:
        solve(pigeons(30).problem(budget_seconds=500, monotonic=lambda: float(next(ticks)), file="env.yml"))
    assert "within 500 seconds; most of the search went into p" in str(caught.value)
    assert caught.value.hint
    assert "narrower version in 'p" in caught.value.hint
    assert "env.yml:" in caught.value.hint


def test_a_budget_that_ends_among_packages_that_no_line_names_says_which() -> None:
    hidden = pigeons(30)
    top = rec("top", depends=[f"{name} >=0" for name in hidden.specs])
    ticks = count()
    problem = case([*hidden.records, top], "top").problem(
        budget_seconds=500, monotonic=lambda: float(next(ticks))
    )
    with pytest.raises(SolveError) as caught:
        solve(problem)
    assert caught.value.hint
    assert caught.value.hint.startswith("Add lines that say which version of p")


@pytest.mark.parametrize("specs", [(), ("a",)])
def test_a_budget_that_ends_before_any_conflict(specs: tuple[str, ...]) -> None:
    ticks = count()
    installed = tuple(rec(name) for name in "abc")
    one = case([*installed, rec("a", "2")], *specs)
    with pytest.raises(SolveError, match=r"within 0\.5 seconds") as caught:
        solve(one.problem(installed=installed, budget_seconds=0.5, monotonic=lambda: float(next(ticks))))
    assert caught.value.hint
