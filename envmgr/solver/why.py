"""Why a package is among chosen records, and why in this version: a question as one value, its answer as another.

Who needs it is read off the graph of the answer (graph.py). What speaks against the newest version is looked at
blocker by blocker (blockers.py). Where records newer than the chosen one are left that the user's lines allow, a
solve with one more line, ``NAME >CHOSEN``, finds out what they would cost, or why they cannot be had (explain.py).
why_text.py puts the answer into words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import DataError, SolveError
from envmgr.models.match_spec import MatchSpec
from envmgr.models.record_table import is_readable, tables_of, version_key
from envmgr.models.requirement import Requirement, Source
from envmgr.solver.blockers import Blocker, find_blockers
from envmgr.solver.explain import explain
from envmgr.solver.graph import Graph, Need, shown_name
from envmgr.solver.searched import Searched
from envmgr.solver.solve import Solution, solve
from envmgr.solver.universe import Universe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envmgr.models.record import PackageRecord
    from envmgr.solver.problem import Problem

QUESTION = "this question"

ChangeKind = Literal["older", "newer", "rebuilt", "added", "removed"]
Verdict = Literal[
    "newest",  # nothing newer is known
    "blocked",  # nothing newer can be had with these lines
    "update",  # something newer can be had, and nothing becomes older for it
    "trade-off",  # something newer can be had, and something else becomes older or goes
    "undecided",  # the time for the solve ended
    "unlisted",  # the channels do not have the package
    "unknown",  # there is no index to look into
    "machine",  # a property of the machine, which no channel brings
    "pypi",  # it comes from PyPI, which is asked by changes alone
]


class Question(Struct, frozen=True, kw_only=True):
    """Why is *name* among *records*, and in this version?

    *requirements* are the user's lines, *machine* answers for virtual packages, *subdir* is the platform. The
    *distributions* are from PyPI, with what they need, and *distribution_lines* ask for them.
    *problem* gives the records that the channels have and the rules of the solve; None where no index can be had,
    for the *reason* told. *channels* are their names as the user calls them, *names* all their packages.
    ``installed`` says that *records* are an environment, which an update would change as little as it can;
    otherwise they are a plan. Without ``solves`` nothing is solved to find out what something newer would cost.
    """

    name: str
    records: tuple[PackageRecord, ...]
    requirements: tuple[Requirement, ...]
    machine: Callable[[str], PackageRecord | None]
    subdir: str
    distributions: tuple[PackageRecord, ...] = ()
    distribution_lines: tuple[Requirement, ...] = ()
    installed: bool = False
    solves: bool = True
    problem: Problem | None = None
    reason: str = ""
    channels: tuple[str, ...] = ()
    names: Iterable[str] = ()


class Step(Struct, frozen=True, omit_defaults=True):
    """*package* (*version*) says *specs* about the next package on the way, maybe only for one of its *extras*."""

    package: str
    version: str
    specs: tuple[str, ...]
    extras: tuple[str, ...] = ()


class Request(Struct, frozen=True):
    """A line of the user that leads to the package by the shortest chain of *steps*; none where it names it."""

    line: str
    place: str
    steps: tuple[Step, ...] = ()


class Change(Struct, frozen=True):
    """What happens to another package; versions, None for not there. ``asked`` says that a line names it."""

    name: str
    before: str | None
    after: str | None
    kind: ChangeKind
    asked: bool = False


class Newest(Struct, frozen=True, omit_defaults=True):
    """How the chosen version stands to the newest one.

    *version* is the newest that *channel* has. ``blockers`` speak against it, by themselves, in the build ``build``
    where other builds have other blockers. ``reachable`` is the version that a solve which asks for a newer one
    brings, with the ``changes`` to other packages; ``conflict`` says instead why none can be had. ``reason`` is
    told where the newest version is not known, or no answer was found in time.
    """

    verdict: Verdict
    version: str | None = None
    channel: str | None = None
    blockers: tuple[Blocker, ...] = ()
    build: str | None = None
    reachable: str | None = None
    changes: tuple[Change, ...] = ()
    conflict: tuple[str, ...] = ()
    reason: str = ""


class Why(Struct, frozen=True):
    """The answer: *requests* in the user's order, of *request_count* lines; *dependants* by name."""

    name: str
    version: str
    build: str
    channel: str
    requests: tuple[Request, ...]
    request_count: int
    dependants: tuple[Step, ...]
    newest: Newest = field(default_factory=lambda: Newest("unknown"))


def answer_why(question: Question) -> Why | None:
    """The answer, or None where the package is not among the records.

    Raises DataError for a line that names no package, as `solve` does.
    """
    graph = Graph(
        (*question.records, *question.distributions),
        (*question.requirements, *question.distribution_lines),
        question.machine,
    )
    record = graph.find(question.name)
    if record is None:
        return None
    searched = Searched(question.channels, question.problem.channel_rank if question.problem else {}, ())
    return Why(
        name=record.shown_name,
        version=record.version,
        build=record.build,
        channel="" if record.is_virtual else "pypi" if record.is_pypi else searched.place_of(record),
        requests=tuple(_requests(graph, record.name)),
        request_count=len(graph.lines),
        dependants=tuple(_step(graph, need) for need in graph.needed_by.get(record.name, ())),
        newest=_newest(question, graph, record, searched),
    )


def _requests(graph: Graph, name: str) -> list[Request]:
    ways = graph.ways_to(name)
    found = []
    for line in graph.lines:
        steps, at = [], line.spec.name
        while at != name and at in ways:
            steps.append(_step(graph, ways[at]))
            at = ways[at].target
        if at == name:
            found.append(Request(line.source.text, str(line.source), tuple(steps)))
    return found


def _step(graph: Graph, need: Need) -> Step:
    record = graph.records[need.source]
    return Step(record.shown_name, record.version, tuple(map(shown_name, need.specs)), need.extras)


def newest_records(problem: Problem, name: str) -> list[PackageRecord]:
    """Every build of the newest version of *name* that the channels list, whatever rule hides it."""
    tables = [table for table in tables_of(problem.load(name)) if table.columns.readable]
    texts = {text for table in tables for text in table.columns.versions if is_readable(text)}
    if not texts:
        return []
    newest = max(map(version_key, texts))
    return [
        table.record(place)
        for table in tables
        for place in range(table.columns.readable)
        if version_key(table.version(place)) == newest
    ]


def _newest(question: Question, graph: Graph, record: PackageRecord, searched: Searched) -> Newest:
    problem = question.problem
    if record.is_virtual:
        return Newest("machine")
    if record.is_pypi:
        if not question.installed:
            return Newest("pypi", reason="the plan takes the newest that fits what is asked for")
        # What pip brought has no archive that would be known.
        by_pip = "pip put it there, and changes of envmgr leave it alone"
        return Newest("pypi", reason=by_pip if record.origin is None else "")
    if problem is None:
        return Newest("unknown", reason=question.reason)
    if not is_readable(record.version):
        return Newest(
            "unknown", reason=f"{record.name} {record.version} has a version without a place in the order"
        )
    builds = newest_records(problem, record.name)
    if not builds:
        return Newest("unlisted")
    newest = Newest("newest", builds[0].version, searched.place_of(builds[0]))
    if version_key(builds[0].version) <= version_key(record.version):
        return newest
    blocked = find_blockers(builds, graph, problem, searched, question.subdir)
    found = replace(newest, verdict="blocked", blockers=blocked.blockers, build=blocked.build)
    of_pypi = {f"{each.shown_name} {each.version}" for each in question.distributions}
    if any(blocker.package in of_pypi for blocker in blocked.blockers):
        reason = "that depends on what else PyPI has; a change that asks for it finds out."
        return replace(found, verdict="undecided", reason=reason)
    if not question.solves:
        return found
    return _Alternative(question, problem, record).described(found)


class _Alternative:
    """What a solve says that asks for something newer than the chosen record."""

    def __init__(self, question: Question, problem: Problem, record: PackageRecord) -> None:
        self.question = question
        self.problem = problem
        self.record = record
        text = f"{record.name} >{record.version}"
        self.wish = Requirement(MatchSpec.parse(text), Source(QUESTION, None, text))

    def described(self, newest: Newest) -> Newest:
        """*newest* with what is reachable, or why nothing is."""
        if not self._is_open():
            return newest
        try:
            answer = solve(self._anew())
            if self.question.installed and isinstance(answer, Solution):
                answer = solve(self._with_least_change())
        except SolveError as error:
            return replace(newest, verdict="undecided", reason=str(error))
        if not isinstance(answer, Solution):
            told = explain(answer, names=self.question.names, channels=self.question.channels)
            return replace(newest, conflict=(told.sentence, *told.lines))
        changes = self._changes(answer)
        reached = next(each.version for each in answer.records if each.name == self.record.name)
        worse = any(change.kind in ("older", "removed") for change in changes)
        return replace(
            newest, verdict="trade-off" if worse else "update", reachable=reached, changes=tuple(changes)
        )

    def _is_open(self) -> bool:
        """Whether a newer record is left that no rule hides and every line about the package accepts."""
        universe = Universe(self.problem)
        candidates = universe.variables[universe.variable(self.record.name)].candidates
        mask = candidates.matching_spec(self.wish.spec)
        for line in (*self.problem.requirements, *self.problem.constraints):
            if line.spec.name == self.record.name and line.spec.when is None:
                mask &= candidates.matching_spec(line.spec)
        return bool(mask)

    def _with_least_change(self) -> Problem:
        """The problem with the wish, where what stands in an environment stays if it can."""
        others = tuple(record for record in self.question.records if record.name != self.record.name)
        return replace(
            self.problem, requirements=(*self.problem.requirements, self.wish), installed=others, prune=False
        )

    def _anew(self) -> Problem:
        """The same, where nothing need stay: quicker to refuse, since a refusal looks at few packages."""
        problem = self._with_least_change()
        if not self.question.installed:
            return replace(problem, installed=())
        return replace(problem, free=frozenset(record.name for record in problem.installed), prune=True)

    def _changes(self, answer: Solution) -> list[Change]:
        before = {record.name: record for record in self.question.records}
        after = {record.name: record for record in answer.records}
        asked = {line.spec.name for line in self.question.requirements}
        changes = [_change(before.get(name), after.get(name)) for name in sorted({*before, *after})]
        order: tuple[ChangeKind, ...] = ("older", "removed", "newer", "rebuilt", "added")
        told = [
            replace(change, asked=change.name in asked)
            for change in changes
            if change is not None and change.name != self.record.name
        ]
        return sorted(told, key=lambda change: (order.index(change.kind), not change.asked))


def _change(before: PackageRecord | None, after: PackageRecord | None) -> Change | None:
    if before is None or after is None:
        known = before or after
        assert known is not None, "one of them is there"
        if before is None:
            return Change(known.name, None, known.version, "added")
        return Change(known.name, known.version, None, "removed")
    if before == after:
        return None
    old, new = _place(before), _place(after)
    kind: ChangeKind = "rebuilt" if old == new else "older" if new < old else "newer"
    return Change(before.name, before.version, after.version, kind)


def _place(record: PackageRecord) -> tuple[bool, object]:
    try:
        return True, version_key(record.version)
    except DataError:
        return False, record.version
