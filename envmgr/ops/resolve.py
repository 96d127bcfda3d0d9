"""From a request to the records of an environment: index, candidates, solve, or an explained refusal."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import DataError, SolveError
from envmgr.ops.channels import channel_lists
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from envmgr.channels.index import Index
    from envmgr.config.settings import ChannelPriority
    from envmgr.host.probe import VirtualPackages
    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.models.record_table import RecordTable
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.solver.problem import Problem, Strategy
    from envmgr.solver.solve import Conflict, Solution
    from envmgr.solver.update import UpdateMode

_TOLD = 10  # requirements that are named where they are told


class ResolveOptions(Struct, frozen=True):
    """How to solve; ``exclude_newer`` is in milliseconds since the Unix epoch, None for no limit.

    ``strategy`` tells which versions are best; None says nothing: that of an earlier lock, else the highest.
    With ``for_lock`` the virtual packages are those of a lock's profile, which texts then say.
    """

    no_deps: bool = False
    only_deps: bool = False
    channel_priority: ChannelPriority | None = None
    exclude_newer: int | None = None
    solve_seconds: float | None = None
    strategy: Strategy | None = None
    no_pin: bool = False
    for_lock: bool = False

    @property
    def version_strategy(self) -> Strategy:
        """Which versions are best: the highest where nothing is said."""
        return self.strategy or "highest"


def resolve(
    requirements: Sequence[Requirement],
    channels: Sequence[Channel],
    subdir: str,
    options: ResolveOptions,
    context: Context,
) -> tuple[PackageRecord, ...]:
    """The complete records that fulfil *requirements*, dependencies first; lines without effect are warned of.

    With ``only_deps``, what a line names is left out unless another package needs it.
    Raises ChannelError when an index cannot be had, SolveError with the explanation when nothing fits, and
    DataError for a platform that neither is known nor has any of the packages in question.
    """
    with resolving(requirements, channels, subdir, options, context) as session:
        return session.told(session.records())


class Resolving(Struct, frozen=True):
    """One request over one index, which may be asked again with more lines that limit the answer."""

    problem: Problem
    candidates: Candidates
    subdir: str
    options: ResolveOptions
    context: Context

    def answer(self, more: Sequence[Requirement] = ()) -> Solution | Conflict:
        """The best solution under the constraints *more*, or why there is none."""
        from envmgr.solver.solve import solve

        problem = (
            replace(self.problem, constraints=(*self.problem.constraints, *more)) if more else self.problem
        )
        asked = ", ".join(str(each.spec) for each in problem.requirements[:_TOLD])
        rest = len(problem.requirements) - _TOLD
        self.context.reporter.decided(
            f"Solving for {asked or 'nothing'}{f' and {rest} more' if rest > 0 else ''}, with "
            f"{problem.channel_priority} channel priority and {len(problem.constraints)} pins."
        )
        self.context.reporter.phase_started(Phase.SOLVE)
        try:
            return solve(problem)
        finally:
            self.context.reporter.phase_finished(Phase.SOLVE)

    def records(self, more: Sequence[Requirement] = ()) -> tuple[PackageRecord, ...]:
        """The complete records of the answer, dependencies first; raises SolveError with the explanation."""
        from envmgr.solver.solve import Solution

        answer = self.answer(more)
        if not isinstance(answer, Solution):
            _check_platform(self.subdir, self.candidates)
            raise self.refusal(answer)
        _check_platform(self.subdir, self.candidates)
        return answer.records

    def refusal(self, conflict: Conflict) -> SolveError:
        """*conflict* as what is told to the user."""
        return _refusal(conflict, self.candidates, self.context)

    def told(self, records: tuple[PackageRecord, ...]) -> tuple[PackageRecord, ...]:
        """The *records* that are wanted of an answer, after a warning for each line that did nothing."""
        return _told(records, self.problem.requirements, self.options, self.candidates, self.context)


@contextlib.contextmanager
def resolving(
    requirements: Sequence[Requirement],
    channels: Sequence[Channel],
    subdir: str,
    options: ResolveOptions,
    context: Context,
    *,
    limits: Sequence[Requirement] = (),
) -> Iterator[Resolving]:
    """A request for a new environment, while its index is open; raises ChannelError when that cannot be had.

    The pins *limits* of its files hold beside the configured ones.
    """
    from envmgr.host.probe import virtual_packages
    from envmgr.ops.pins import pins

    index = open_index(channels, subdir, context)
    names = [requirement.spec.name for requirement in requirements if requirement.spec.is_name_exact]
    index.expect([*names, "pip"] if "python" in names else names)
    candidates = Candidates(index, virtual_packages(subdir, context.environ), options, context)
    try:
        constraints = (*pins(context, ignored=options.no_pin), *(() if options.no_pin else limits))
        problem = make_problem(requirements, candidates, options, context, constraints)
        yield Resolving(problem, candidates, subdir, options, context)
    finally:
        index.close()


class Standing(Struct, frozen=True):
    """What an environment holds, and what of it may move: the arguments of `plan_update`.

    ``named`` are the packages that the user named; with ``prune``, what nothing needs goes. ``prefix`` is where it
    is: its pins limit what it may hold, and so do *limits*, those of files.
    """

    installed: tuple[PackageRecord, ...]
    mode: UpdateMode = "keep"
    named: frozenset[str] = frozenset()
    prune: bool = False
    prefix: Path | None = None
    limits: tuple[Requirement, ...] = ()


@contextlib.contextmanager
def resolving_change(
    requirements: Sequence[Requirement],
    standing: Standing,
    channels: Sequence[Channel],
    subdir: str,
    options: ResolveOptions,
    context: Context,
) -> Iterator[Resolving]:
    """A request for what an environment holds after a change, while its index is open.

    Raises ChannelError when the index cannot be had.
    """
    from envmgr.host.probe import virtual_packages
    from envmgr.ops.pins import pins
    from envmgr.solver.update import plan_update

    index = open_index(channels, subdir, context)
    index.expect(requirement.spec.name for requirement in requirements if requirement.spec.is_name_exact)
    candidates = Candidates(index, virtual_packages(subdir, context.environ), options, context)
    update = plan_update(
        standing.mode,
        standing.installed,
        standing.named,
        lines=requirements,
        machine=candidates.of_machine,
    )
    limits = pins(context, standing.prefix, ignored=options.no_pin)
    limits = limits if options.no_pin else (*limits, *standing.limits)
    lines = [*requirements, *update.locks]
    problem = replace(
        make_problem(lines, candidates, options, context, limits),
        installed=standing.installed,
        free=update.free,
        prune=standing.prune,
    )
    try:
        yield Resolving(problem, candidates, subdir, options, context)
    finally:
        index.close()


def _check_platform(subdir: str, candidates: Candidates) -> None:
    """CEP 26 leaves the names of platforms open: one that nobody knows counts if a channel has packages for it."""
    from envmgr.models.platform import KNOWN_SUBDIRS, near_subdir

    if subdir not in KNOWN_SUBDIRS and subdir not in candidates.subdirs:
        raise DataError(
            f"no package of this request is made for the platform '{subdir}', and it is none that is known.",
            hint=near_subdir(subdir) or "Expected one like linux-64, linux-aarch64, osx-arm64 or win-64.",
        )


def _told(
    records: tuple[PackageRecord, ...],
    requirements: Sequence[Requirement],
    options: ResolveOptions,
    candidates: Candidates,
    context: Context,
) -> tuple[PackageRecord, ...]:
    """The records that are wanted of an answer, after a warning for each line that did nothing."""
    special = any(line.spec.when is not None or line.spec.extras for line in requirements)
    if not special and not options.only_deps:
        return records
    from envmgr.solver.graph import Graph
    from envmgr.solver.idle import idle_lines

    graph = Graph(records, requirements, candidates.of_machine)
    for warning in idle_lines(graph, requirements):
        context.reporter.warned(warning)
    if not options.only_deps:
        return records
    asked = {requirement.spec.name for requirement in requirements}
    needed = {
        need.target for needs in graph.needed_by.values() for need in needs if need.source != need.target
    }
    return tuple(record for record in records if record.name not in asked or record.name in needed)


def open_index(channels: Sequence[Channel], subdir: str, context: Context, *, whole: bool = False) -> Index:
    """The index of *channels* for *subdir* and noarch, brought up to date unless offline.

    With *whole*, for questions about all names, channels are read as one file where others would fetch shards.
    Raises ChannelError, before anything is asked for, when one of *channels* may not be used.
    """
    from envmgr.channels.client import ChannelClient, SyncOptions
    from envmgr.channels.kept_files import WHOLE
    from envmgr.channels.store import IndexStore
    from envmgr.channels.urls import FORMS, WHOLE_FORMS

    settings = context.settings
    lists = channel_lists(context)
    lists.check(channels)
    folder = settings.index_dir
    options = SyncOptions(
        max_age_seconds=settings.index_max_age_seconds,
        offline=settings.offline,
        use_stale=settings.use_stale_index,
        forms=WHOLE_FORMS if whole else FORMS,
        relations_max_depth=settings.channel_relations_max_depth,
        check=lists.check,
        most_bytes=settings.index_max_megabytes * 1_000_000,
    )
    store = IndexStore(folder / WHOLE if whole else folder)
    client = ChannelClient(context.transport, store, context.clock, context.reporter, options)
    names = ", ".join(channel.name for channel in channels) or "none"
    context.reporter.decided(f"Channels, the best first: {names}; for {subdir} and noarch.")
    context.reporter.phase_started(Phase.INDEX)
    try:
        return client.sync(channels, list(dict.fromkeys([subdir, "noarch"])))
    finally:
        context.reporter.phase_finished(Phase.INDEX)


class Candidates:
    """Answers the solver's question for the candidates of a name, from the index and the machine.

    ``subdirs`` are those of all candidates so far.
    """

    def __init__(
        self, index: Index, virtual: VirtualPackages, options: ResolveOptions, context: Context
    ) -> None:
        self.index = index
        self.virtual = virtual
        self.subdirs: set[str] = set()
        self._no_deps = options.no_deps
        self._adds_pip = context.settings.add_pip_as_python_dependency and not options.no_deps

    def load(self, name: str) -> Sequence[PackageRecord | RecordTable]:
        """All candidates called *name*."""
        if name.startswith("__"):
            return self.virtual.records(name)
        tables = self.index.load(name)
        for table in tables:
            self.subdirs.update(origin.subdir for origin, places in table.origins if origin and places)
        if self._no_deps:
            return [table.independent() for table in tables]
        if name == "python" and self._adds_pip and self.index.load("pip"):
            return [_with_pip(table) for table in tables]
        return tables

    def of_machine(self, name: str) -> PackageRecord | None:
        """The machine's record of a virtual package, if it has one."""
        return next(iter(self.virtual.records(name)), None)


def _with_pip(table: RecordTable) -> RecordTable:
    """Conda's habit that python brings pip, from the versions on that pip still supports."""
    carriers = 0
    for text, mask in table.version_masks().items():
        if not text.startswith("2."):
            carriers |= mask
    for text, mask in table.depends:
        if text.split()[:1] == ["pip"]:
            carriers &= ~mask
    return table.depending({"pip": carriers})


def make_problem(
    requirements: Sequence[Requirement],
    candidates: Candidates,
    options: ResolveOptions,
    context: Context,
    constraints: Sequence[Requirement] | None = None,
) -> Problem:
    """The solver's problem for a request; without *constraints* the configured pins limit it."""
    from envmgr.ops.pins import pins
    from envmgr.solver.problem import Problem
    from envmgr.solver.target_machine import HERE, OF_LOCK

    settings = context.settings
    if constraints is None:
        constraints = pins(context, ignored=options.no_pin)
    return Problem(
        requirements=tuple(requirements),
        load=candidates.load,
        channel_rank={channel.url: rank for rank, channel in enumerate(candidates.index.channels)},
        channel_priority=options.channel_priority or settings.channel_priority,
        constraints=tuple(constraints),
        exclude_newer=options.exclude_newer,
        strategy=options.version_strategy,
        budget_seconds=options.solve_seconds or settings.solve_seconds,
        machine=OF_LOCK if options.for_lock else HERE,
        monotonic=time.monotonic,
    )


def _refusal(conflict: Conflict, candidates: Candidates, context: Context) -> SolveError:
    from envmgr.ops.elsewhere import hint_elsewhere
    from envmgr.solver.edits import hint_beside, lines_beside, proposals_as_json
    from envmgr.solver.explain import explain
    from envmgr.solver.explanation import causes_as_json, with_further
    from envmgr.solver.repair import propose

    index = candidates.index
    names = frozenset(index.names())
    explanation = explain(conflict, names=names, channels=[channel.name for channel in index.channels])
    proposals = propose(conflict, names=names)
    missing = dict.fromkeys(
        line.spec.name
        for line in conflict.requirements
        if line.spec.is_name_exact and line.spec.name not in names and not line.spec.name.startswith("__")
    )
    elsewhere = hint_elsewhere(missing, index.channels, candidates.virtual.subdir, context)
    explanation = with_further(explanation, lines_beside(proposals, conflict.requirements))
    return SolveError(
        explanation.sentence,
        hint=elsewhere or hint_beside(explanation.hint, proposals),
        explanation=list(explanation.lines),
        causes=causes_as_json(explanation.causes),
        conflicting=[
            {"spec": requirement.source.text or str(requirement.spec), "source": str(requirement.source)}
            for requirement in explanation.requirements
        ],
        proposals=proposals_as_json(proposals),
    )
