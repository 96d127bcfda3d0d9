"""From a request to the records of an environment: index, candidates, solve, or an explained refusal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError, PrefixError, SolveError
from envmgr.ops.channels import channel_lists, with_real_channel
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence
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
    from envmgr.solver.solve import Conflict
    from envmgr.solver.update import UpdateMode


class ResolveOptions(Struct, frozen=True):
    """How to solve; ``exclude_newer`` is in milliseconds since the Unix epoch, None for no limit."""

    no_deps: bool = False
    only_deps: bool = False
    channel_priority: ChannelPriority | None = None
    exclude_newer: int | None = None
    solve_seconds: float | None = None
    strategy: Strategy = "highest"
    no_pin: bool = False


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
    from envmgr.host.probe import virtual_packages

    index = open_index(channels, subdir, context)
    names = [requirement.spec.name for requirement in requirements if requirement.spec.is_name_exact]
    index.expect([*names, "pip"] if "python" in names else names)
    virtual = virtual_packages(subdir, context.environ)
    candidates = Candidates(index, virtual, options, context)
    try:
        records = _solve(make_problem(requirements, candidates, options, context), candidates, context)
    except SolveError:
        _check_platform(subdir, candidates)
        raise
    finally:
        index.rest()
    _check_platform(subdir, candidates)
    return _told(records, requirements, options, candidates, context)


class Standing(Struct, frozen=True):
    """What an environment holds, and what of it may move: the arguments of `plan_update`.

    ``named`` are the packages that the user named; with ``prune``, what nothing needs goes. ``prefix`` is where it
    is: its pins limit what it may hold.
    """

    installed: tuple[PackageRecord, ...]
    mode: UpdateMode = "keep"
    named: frozenset[str] = frozenset()
    prune: bool = False
    prefix: Path | None = None


def resolve_change(
    requirements: Sequence[Requirement],
    standing: Standing,
    channels: Sequence[Channel],
    subdir: str,
    options: ResolveOptions,
    context: Context,
) -> tuple[PackageRecord, ...]:
    """The records that an environment holds after a change, dependencies first.

    Raises what `resolve` raises.
    """
    from msgspec.structs import replace

    from envmgr.host.probe import virtual_packages
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
    problem = replace(
        make_problem(
            [*requirements, *update.locks],
            candidates,
            options,
            context,
            pins(options, context, standing.prefix),
        ),
        installed=standing.installed,
        free=update.free,
        prune=standing.prune,
    )
    try:
        return _solve(problem, candidates, context)
    finally:
        index.rest()


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
    from envmgr.solver.problem import Problem

    settings = context.settings
    return Problem(
        requirements=tuple(requirements),
        load=candidates.load,
        channel_rank={channel.url: rank for rank, channel in enumerate(candidates.index.channels)},
        channel_priority=options.channel_priority or settings.channel_priority,
        constraints=pins(options, context) if constraints is None else tuple(constraints),
        exclude_newer=options.exclude_newer,
        strategy=options.strategy,
        budget_seconds=options.solve_seconds or settings.solve_seconds,
        monotonic=time.monotonic,
    )


def _solve(problem: Problem, candidates: Candidates, context: Context) -> tuple[PackageRecord, ...]:
    from envmgr.solver.solve import Solution, solve

    context.reporter.phase_started(Phase.SOLVE)
    try:
        answer = solve(problem)
        if isinstance(answer, Solution):
            return tuple(record for record in answer.records if not record.is_virtual)
        raise _refusal(answer, candidates)
    finally:
        context.reporter.phase_finished(Phase.SOLVE)


def pins(options: ResolveOptions, context: Context, prefix: Path | None = None) -> tuple[Requirement, ...]:
    """The lines that limit a solve: of the setting ``pinned_packages``, and of ``conda-meta/pinned`` in *prefix*.

    All hold at once; *options* may ignore them. Raises DataError with the place of a line that is no pin.
    """
    if options.no_pin:
        return ()
    return (*_configured_pins(context), *(_pins_of(prefix, context) if prefix is not None else ()))


def _configured_pins(context: Context) -> tuple[Requirement, ...]:
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.models.requirement import Requirement, Source
    from envmgr.solver.problem import PINNED

    found = []
    for text in context.settings.pinned_packages:
        try:
            pin = Requirement(parse_match_spec(text), Source(PINNED, None, text))
            found.append(_checked_pin(pin, context))
        except DataError as error:
            raise DataError(f"{PINNED}: {error}", hint=error.hint) from None
    return tuple(found)


def _pins_of(prefix: Path, context: Context) -> tuple[Requirement, ...]:
    """One spec a line, as conda has them; lines that start with ``#`` are comments."""
    from envmgr.envfile.explicit import parse_specs_file
    from envmgr.solver.problem import PIN_FILE

    path = prefix / PIN_FILE
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise PrefixError(f"{path} cannot be read: {error.strerror}.", prefix=str(prefix)) from error
    found = []
    for pin in parse_specs_file(content, file=str(path)):
        try:
            found.append(_checked_pin(pin, context))
        except DataError as error:
            raise DataError(
                f"{pin.source}: {error}",
                hint="Correct the line, or ignore all pins with --no-pin.",
                file=pin.source.file,
                line=pin.source.line,
            ) from None
    return tuple(found)


def _checked_pin(pin: Requirement, context: Context) -> Requirement:
    text = pin.source.text
    if pin.spec.extras:
        raise DataError(f"'{text}' asks for extras, and a pin asks for nothing: it only limits.")
    if not pin.spec.is_name_exact:
        raise DataError(f"'{text}' names no package, and a pin limits one.")
    return with_real_channel(pin, context)


def _refusal(conflict: Conflict, candidates: Candidates) -> SolveError:
    from envmgr.solver.edits import hint_beside, lines_beside, proposals_as_json
    from envmgr.solver.explain import explain
    from envmgr.solver.explanation import causes_as_json, with_further
    from envmgr.solver.repair import propose

    index = candidates.index
    names = frozenset(index.names())
    explanation = explain(conflict, names=names, channels=[channel.name for channel in index.channels])
    proposals = propose(conflict, names=names)
    explanation = with_further(explanation, lines_beside(proposals, conflict.requirements))
    return SolveError(
        explanation.sentence,
        hint=hint_beside(explanation.hint, proposals),
        explanation=list(explanation.lines),
        causes=causes_as_json(explanation.causes),
        conflicting=[
            {"spec": requirement.source.text or str(requirement.spec), "source": str(requirement.source)}
            for requirement in explanation.requirements
        ],
        proposals=proposals_as_json(proposals),
    )
