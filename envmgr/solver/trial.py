"""Solving edited requests, within a number of solves and of steps: every machine comes to the same proposals.

A share of the problem's time is the outer limit, far beyond what these steps take on a machine that is not
overloaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.errors import EnvmgrError
from envmgr.solver.edits import apply_edits
from envmgr.solver.solve import Conflict, Solution, solve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.record_table import RecordTable
    from envmgr.models.requirement import Requirement
    from envmgr.solver.edits import Edit
    from envmgr.solver.problem import Problem

MAX_SOLVES = 60
MAX_STEPS = 10_000  # decisions and conflicts; real requests of 200 packages take some hundreds a solve
MAX_SECONDS = 30.0
BUDGET_SHARE = 0.5


class Ended(Exception):  # noqa: N818  it is no error
    """The solves, steps or seconds that may be spent are used up."""


class Trial:
    """Solves variations of *problem* in *steps* altogether; each name is loaded once for all of them."""

    def __init__(self, problem: Problem, steps: int = MAX_STEPS) -> None:
        self._load = problem.load
        self._loaded: dict[str, Sequence[PackageRecord | RecordTable]] = {}
        self._solves = 0
        self._steps = steps
        self._deadline: float | None = None
        if problem.budget_seconds is not None:
            share = min(MAX_SECONDS, problem.budget_seconds * BUDGET_SHARE)
            self._deadline = problem.monotonic() + share
        self.problem = replace(problem, load=self.load)

    @property
    def lines(self) -> tuple[Requirement, ...]:
        """All lines of the user: what is asked for, then what only limits."""
        return (*self.problem.requirements, *self.problem.constraints)

    def load(self, name: str) -> Sequence[PackageRecord | RecordTable]:
        """All records of *name*."""
        if name not in self._loaded:
            self._loaded[name] = self._load(name)
        return self._loaded[name]

    def solve(self, problem: Problem) -> Solution | Conflict:
        """The answer to a variation of the problem; raises Ended when no more solves, steps or time are left."""
        if self._solves >= MAX_SOLVES or self._steps <= 0:
            raise Ended
        self._solves += 1
        seconds = None if self._deadline is None else self._deadline - problem.monotonic()
        if seconds is not None and seconds <= 0:
            raise Ended
        try:
            outcome = solve(replace(problem, budget_seconds=seconds, max_steps=self._steps))
        except EnvmgrError:
            raise Ended from None
        self._steps -= outcome.statistics.decisions + outcome.statistics.conflicts
        return outcome

    def solve_with(self, edits: Sequence[Edit]) -> Solution | Conflict:
        """The answer to the problem with these edits."""
        return self.solve(apply_edits(self.problem, edits))


def versions_of(solution: Solution) -> dict[str, str]:
    """The version of each package of an answer, by name."""
    return {record.name: record.version for record in solution.records}
