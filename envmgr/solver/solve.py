"""Solving a problem: the search loop, the smallest set of lines that cannot hold, the order of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError, SolveError
from envmgr.solver.analyse import analyse
from envmgr.solver.clause import Asked, Clause, Conditional, Learned, leaves
from envmgr.solver.conditions import alternatives
from envmgr.solver.decide import Wanted, choose
from envmgr.solver.links import Rule
from envmgr.solver.order import in_link_order
from envmgr.solver.ranges import join_words
from envmgr.solver.search import Search
from envmgr.solver.universe import Universe, extra_names
from envmgr.solver.update import keep_order

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.solver.problem import Problem

    Audit = Callable[[Universe, Clause], None]


MAX_LINES_TO_NARROW = 3
FEW_LINES = 2  # A conflict of so few lines is not compared with others.
MAX_OTHER_SETS = 4


class Statistics(Struct, frozen=True):
    """What the search did, in counts."""

    names: int = 0
    candidates: int = 0
    decisions: int = 0
    conflicts: int = 0


class Solution(Struct, frozen=True):
    """The records to install, dependencies before what needs them, ties by name; no virtual packages."""

    records: tuple[PackageRecord, ...]
    statistics: Statistics


class Conflict(Struct, frozen=True):
    """Why there is no solution: *proof* is the empty clause, whose premises lead back to the user's lines.

    ``requirements`` are all lines that ask for packages of which no record may be used, where there are such
    lines. Otherwise they are a set of lines that cannot hold together, and of which none can be spared: without any
    one of them the others can (unless the budget ended before that was sure). Where there are several such sets, it
    is a small one.
    """

    requirements: tuple[Requirement, ...]
    proof: Clause
    universe: Universe
    problem: Problem
    statistics: Statistics


def solve(problem: Problem, *, audit: Audit | None = None) -> Solution | Conflict:
    """The best solution of *problem*, or why there is none.

    *audit* is for debugging: it sees every clause that the search learns, and may raise. Raises SolveError when the
    budget ends first, and DataError for a line that names no package.
    """
    return _Solver(problem, audit).run()


class _Solver:
    def __init__(self, problem: Problem, audit: Audit | None = None) -> None:
        for requirement in (*problem.requirements, *problem.constraints):
            if not requirement.spec.is_name_exact:
                raise DataError(
                    f"{requirement.source}: '{requirement.spec}' names no package; a request needs one exact name."
                )
        self.problem = problem
        self._audit = audit
        self.universe = Universe(problem)
        self.decisions = 0
        self.conflicts = 0
        self._deadline = (
            None if problem.budget_seconds is None else problem.monotonic() + problem.budget_seconds
        )

    def run(self) -> Solution | Conflict:
        outcome = self.search(self.problem.requirements, self.problem.constraints, best=True)
        if isinstance(outcome, Search):
            return self._solution(outcome)
        return self._hopeless() or self._smallest(outcome)

    def _hopeless(self) -> Conflict | None:
        """Every line that fails alone because no record that may be used fits it; the search loaded them all."""
        problem, universe = self.problem, self.universe
        refused = [(line, universe.refused_alone(line)) for line in problem.requirements]
        lines = tuple(line for line, mask in refused if mask)
        if not lines:
            return None
        facts = [
            Clause([(universe.variable(line.spec.name), mask)], Asked(line)) for line, mask in refused if mask
        ]
        return Conflict(lines, Clause((), Learned(tuple(facts))), universe, problem, self._statistics())

    def _smallest(self, proof: Clause) -> Conflict:
        """A set of lines that needs every line of it, and the smaller one where another conflict has fewer."""
        proof = self._without_spare_lines(proof)
        used = _used_lines(proof)
        for line in list(used.values())[:MAX_OTHER_SETS] if len(used) > FEW_LINES else ():
            other = self._conflict_without(line)
            if other is not None and len(_used_lines(other)) < len(used):
                proof, used = other, _used_lines(other)
        problem = self.problem
        kept = tuple(line for line in (*problem.requirements, *problem.constraints) if id(line) in used)
        return Conflict(kept, proof, self.universe, problem, self._statistics())

    def _without_spare_lines(self, proof: Clause) -> Clause:
        """Leave out lines as long as the rest still conflicts."""
        used = _used_lines(proof)
        for line in reversed(list(used.values())):
            if id(line) in used:
                try:
                    outcome = self._search_lines(used.keys() - {id(line)})
                except SolveError:  # The budget ended; this set of lines is not sure to be the smallest.
                    break
                if isinstance(outcome, Clause):
                    proof, used = outcome, _used_lines(outcome)
        return proof

    def _conflict_without(self, line: Requirement) -> Clause | None:
        """The proof of a conflict among all other lines, if there is one and the budget lasts."""
        lines = (*self.problem.requirements, *self.problem.constraints)
        try:
            outcome = self._search_lines({id(each) for each in lines} - {id(line)})
        except SolveError:
            return None
        return self._without_spare_lines(outcome) if isinstance(outcome, Clause) else None

    def _search_lines(self, lines: Collection[int]) -> Search | Clause:
        problem = self.problem
        return self.search(
            [line for line in problem.requirements if id(line) in lines],
            [line for line in problem.constraints if id(line) in lines],
            best=False,
        )

    def search(
        self, requirements: Sequence[Requirement], constraints: Sequence[Requirement], *, best: bool
    ) -> Search | Clause:
        """A finished search, or the empty clause; not *best* means that any answer will do."""
        facts, rules = _lines(requirements, constraints)
        search = Search(self.universe, facts, rules)
        search.adopt()
        explicit = dict.fromkeys(search.variable(line.spec.name) for line in requirements)
        wanted = self._wanted(search, list(explicit)) if best else Wanted(())
        for name in facts:
            if name.startswith("__") or any(not asked.optional for asked in facts[name]):
                search.variable(name)
        while True:
            conflict = search.propagate()
            if conflict is not None:
                lesson = analyse(search, conflict)
                self.conflicts += 1
                if self._audit is not None:
                    self._audit(self.universe, lesson.clause)
                if not lesson.clause.masks:
                    return lesson.clause
                search.learn(lesson.clause, lesson.level)
                self._check_budget(search)
                continue
            self._check_budget(search)
            choice = choose(search, wanted)
            if choice is None:
                return search
            self.decisions += 1
            search.decide(*choice)

    def _wanted(self, search: Search, explicit: Sequence[int]) -> Wanted:
        problem = self.problem
        installed = {name: search.variable(name) for name in keep_order(problem.installed)}
        kept = [variable for name, variable in installed.items() if name not in problem.free]
        return Wanted(explicit, kept, () if problem.prune else list(installed.values()))

    def _check_budget(self, search: Search) -> None:
        limit = self.problem.max_steps
        if limit is not None and self.decisions + self.conflicts > limit:
            raise SolveError(f"no answer was found within {limit} steps.")
        if self._deadline is None or self.problem.monotonic() <= self._deadline:
            return
        busiest = sorted(range(len(search.weights)), key=lambda variable: -search.weights[variable])[:3]
        names = [self.universe.variables[variable].name for variable in busiest if search.weights[variable]]
        around = f"; most of the search went into {join_words(names)}" if names else ""
        raise SolveError(
            f"no answer was found within {self.problem.budget_seconds:g} seconds{around}.",
            hint=f"{self._narrower(names)}, or allow more time with --solve-seconds.",
            names=names,
        )

    def _narrower(self, names: Sequence[str]) -> str:
        """What a user may write so that there is less to search: narrower lines, or new ones."""
        asked = self.problem.requirements
        lines = [line for line in asked if line.spec.name in names or not names][:MAX_LINES_TO_NARROW]
        if lines:
            told = [
                f"'{line.source.text}'" + (f" ({line.source})" if line.source.file else "") for line in lines
            ]
            return f"Ask for a narrower version in {join_words(told)}"
        return f"Add lines that say which version of {join_words(names or ['a package'])} you need"

    def _statistics(self) -> Statistics:
        variables = self.universe.variables
        count = sum(len(variable.candidates.records) for variable in variables)
        return Statistics(len(variables), count, self.decisions, self.conflicts)

    def _solution(self, search: Search) -> Solution:
        chosen: dict[str, PackageRecord] = {}
        extras: list[tuple[str, str]] = []
        for variable in (*search.always, *search.needed):
            known = self.universe.variables[variable]
            if known.base is not None and known.extra is not None:
                extras.append((self.universe.variables[known.base].name, known.extra))
            elif not known.virtual:
                chosen[known.name] = known.candidates.installed_values(search.domains[variable])[0]
        return Solution(in_link_order(chosen, extras), self._statistics())


def _used_lines(proof: Clause) -> dict[int, Requirement]:
    """The user's lines among the premises of *proof*, by identity: two lines may say the same."""
    lines: dict[int, Requirement] = {}
    for clause in leaves(proof):
        cause = clause.cause
        line = cause.requirement if isinstance(cause, Asked) else None
        if isinstance(cause, Conditional):
            line = cause.rule.requirement
        if line is not None:
            lines[id(line)] = line
    return lines


def _lines(
    requirements: Sequence[Requirement], constraints: Sequence[Requirement]
) -> tuple[dict[str, list[Asked]], list[Rule]]:
    """The facts by name, and the rules, that the user's lines stand for."""
    facts: dict[str, list[Asked]] = {}
    rules: list[Rule] = []
    for optional, lines in ((False, requirements), (True, constraints)):
        for requirement in lines:
            spec = requirement.spec
            targets = [spec.name] if optional else [spec.name, *extra_names(spec)]
            for target in targets:
                if spec.when is None:
                    facts.setdefault(target, []).append(Asked(requirement, optional))
                else:
                    rules += [
                        Rule(None, 0, target, spec, specs, optional, requirement)
                        for specs in _alternatives(requirement)
                    ]
    return facts, rules


def _alternatives(requirement: Requirement) -> list[tuple[MatchSpec, ...]]:
    assert requirement.spec.when is not None, "only called for a line with a condition"
    try:
        return alternatives(requirement.spec.when)
    except DataError as error:
        raise DataError(f"{requirement.source}: {error}", hint=error.hint) from None
