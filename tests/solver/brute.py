"""The best answer by trying all: every choice of at most one record for each name, judged by the validator."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from envmgr.solver.solve import Solution
from tests.solver.validator import Checker

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.solver.problem import Problem
    from tests.solver.cases import Case

MOST = 1500  # choices that are worth trying


def choices(one: Case, installed: Sequence[PackageRecord]) -> list[list[PackageRecord | None]]:
    """For each name, its records and None."""
    names = dict.fromkeys(record.name for record in (*one.records, *installed))
    found: list[list[PackageRecord | None]] = []
    for name in names:
        here = dict.fromkeys(record for record in (*one.records, *installed) if record.name == name)
        found.append([*here, None])
    return found


def is_small(one: Case, installed: Sequence[PackageRecord]) -> bool:
    count = 1
    for each in choices(one, installed):
        count *= len(each)
    return count <= MOST


def valid_answers(one: Case, problem: Problem) -> Iterator[list[PackageRecord]]:
    for choice in product(*choices(one, problem.installed)):
        records = [record for record in choice if record is not None]
        checker = Checker(records, one.virtual_records())
        for line in problem.requirements:
            checker.ask(line.spec, "")
        for line in problem.constraints:
            checker.limit(line.spec, "")
        checker.check_entries()
        if not checker.problems:
            yield records


def quality(records: Sequence[PackageRecord], problem: Problem) -> list[object]:
    """What the order of decisions promises, the most important first; smaller is better.

    The versions of what was asked for, line by line, an installed record that may stay before others; then which
    installed names stay at all, the most needed first; then which installed records stay; then the build numbers of
    what was asked for.
    """
    chosen = {record.name: record for record in records}
    installed = {record.name: record for record in problem.installed}
    kept = {name: record for name, record in installed.items() if name not in problem.free}
    lines = [line.spec.name for line in problem.requirements]
    asked = [name for name in dict.fromkeys(lines) if not name.startswith("__")]
    users = {
        name: sum(any(text.split()[0] == name for text in each.depends) for each in problem.installed)
        for name in installed
    }
    order = sorted(kept, key=lambda name: (-users[name], name))

    def moved(name: str) -> bool:
        return name not in kept or kept[name] != chosen[name]

    versions = [(moved(name), Falling(chosen[name])) for name in asked]
    if problem.prune:  # What stays depends on what turns out to be needed.
        return [versions]
    moves = [chosen.get(name) != kept[name] for name in order]
    gone = [name not in chosen for name in sorted(installed, key=lambda name: (-users[name], name))]
    return [versions, gone, moves, [-chosen[name].build_number for name in asked]]


class Falling:
    """A record by track_features and version, the better ones smaller."""

    def __init__(self, record: PackageRecord) -> None:
        self.features, self.version = len(record.features_tracked), record.parsed_version

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Falling) and (self.features, self.version) == (other.features, other.version)

    def __lt__(self, other: Falling) -> bool:
        return self.features < other.features or (
            self.features == other.features and other.version < self.version
        )

    __hash__ = None  # type: ignore[assignment]


def check_optimum(one: Case, problem: Problem, outcome: object) -> None:
    """*outcome* is as good as the best of all valid answers, and there is one exactly where it says so."""
    best = min((quality(records, problem) for records in valid_answers(one, problem)), default=None)
    if best is None:
        assert not isinstance(outcome, Solution)
        return
    assert isinstance(outcome, Solution)
    assert quality(outcome.records, problem) == best
