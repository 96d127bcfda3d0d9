"""What an environment is to hold after a change: solved, what is left after a removal, or as it once was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import PrefixError, UsageError
from envmgr.models.record import PYPI_PREFIX, is_pypi_name
from envmgr.models.wheel_name import normalized_name
from envmgr.ops.change_pypi import pypi_change, remove_from_pypi
from envmgr.ops.change_state import State, earlier_lines, in_order, not_installed
from envmgr.ops.pypi_intent import merged_intent, requested_by
from envmgr.ops.request import asking_of
from envmgr.ops.resolve import Standing, resolving_change
from envmgr.prefix.generation import Asking, PypiIntent, SourceFile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.change_request import ChangeRequest
    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart
    from envmgr.ops.request import EnvironmentRequest
    from envmgr.prefix.installed import InstalledPackage


class Goal(Struct, frozen=True):
    """What the environment is to hold, dependencies first, and who was asked for by which specs.

    ``intent`` is what it is to hold of PyPI from then on; ``pypi`` tells how its distributions were found, None
    where they stay as they are. ``source`` is the file that all this began with. ``strangers`` are distributions of
    pip's that go.
    """

    records: tuple[PackageRecord, ...]
    requested: Mapping[str, tuple[str, ...]]
    specs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    asking: Asking = Asking()
    again: frozenset[str] = frozenset()
    intent: PypiIntent = PypiIntent()
    source: SourceFile | None = None
    pypi: PypiPart | None = None
    strangers: tuple[InstalledPackage, ...] = ()


def choose_goal(request: ChangeRequest, wanted: EnvironmentRequest, state: State, context: Context) -> Goal:
    """What *request* makes of the environment; raises UsageError, SolveError and others for what cannot be."""
    goal = _goal_of(request, wanted, state, context)
    return goal if request.kind == "rollback" else replace(goal, source=_source(request, wanted, state))


def _source(request: ChangeRequest, wanted: EnvironmentRequest, state: State) -> SourceFile | None:
    """The file that tells what holds from now on: the first, until it changes or all is to be as another says."""
    if not request.asked.files or request.kind == "remove":
        return state.source
    is_same = wanted.source and state.source and wanted.source.file == state.source.file
    is_first = not any(each.asking.files for each in state.generations)
    return wanted.source if request.prune or is_same or is_first else state.source


def _goal_of(request: ChangeRequest, wanted: EnvironmentRequest, state: State, context: Context) -> Goal:
    match request.kind:
        case "remove":
            return _without(request, wanted, state, context)
        case "rollback":
            return _earlier(request, state)
        case "repair":
            ordered = in_order(state.records, state.requested)
            return Goal(ordered, state.requested, again=request.again, intent=state.intent)
    if wanted.pylock is not None:
        return _with_pylock(request, wanted, state, context)
    if wanted.locked is not None:
        return _with_lock(request, wanted, state, context)
    if wanted.explicit:
        return _with_archives(wanted, state)
    return _solved(request, wanted, state, context)


def _solved(request: ChangeRequest, wanted: EnvironmentRequest, state: State, context: Context) -> Goal:
    lines, upgrade = list(wanted.requirements), set[str]()
    if request.kind == "update":
        lines, upgrade = _divided(lines, state)
        _check_installed(lines, state, request)
    named = frozenset(line.spec.name for line in lines)
    exact = request.prune and bool(request.asked.files)
    earlier = [] if exact else earlier_lines(state, named)
    if not (lines or upgrade or wanted.pypi) and request.mode != "all":
        raise UsageError(f"nothing was named to {request.kind}.", hint=f"envmgr {request.kind} SPEC ...")
    channels = _channels(request, wanted, state, context)
    standing = Standing(
        state.conda, request.mode, named, prune=request.prune, prefix=state.prefix, limits=wanted.pins
    )
    everything = [*lines, *earlier]
    pypi = pypi_change(request, wanted, state, upgrade, context)
    with resolving_change(everything, standing, channels, state.subdir, request.options, context) as session:
        records, wheels, part = pypi.resolve(session)
    asked = _newly_asked(request, lines, records, state)
    kept = {} if exact else {name: specs for name, specs in state.requested.items() if not is_pypi_name(name)}
    here = {record.name for record in records}
    requested = {name: specs for name, specs in {**kept, **asked}.items() if name in here and specs}
    return Goal(
        (*records, *wheels),
        requested | requested_by(pypi.intent, wheels),
        specs=tuple(str(line.spec) for line in lines),
        removed=tuple(name for name in state.requested if name not in asked) if exact else (),
        channels=tuple(channel.url for channel in channels),
        asking=asking_of(request.asked, wanted, request.options.channel_priority, context),
        again=(named & here if request.force else frozenset()),
        intent=pypi.intent,
        pypi=part,
        strangers=tuple(state.strangers()) if exact else (),
    )


def _divided(lines: Sequence[Requirement], state: State) -> tuple[list[Requirement], set[str]]:
    """The lines that name conda packages, and the distributions from PyPI that the bare names of others are."""
    wheels, conda = {record.shown_name for record in state.wheels}, {record.name for record in state.conda}
    of_pypi = [
        line for line in lines if line.spec.name not in conda and normalized_name(line.spec.name) in wheels
    ]
    return [line for line in lines if line not in of_pypi], {
        normalized_name(line.spec.name) for line in of_pypi
    }


def _newly_asked(
    request: ChangeRequest, lines: Sequence[Requirement], records: Sequence[PackageRecord], state: State
) -> dict[str, tuple[str, ...]]:
    """By which specs the named packages are asked for from now on.

    An update by a bare name leaves what was asked for before, as long as the package still fulfils it.
    """
    asked: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name = line.spec.name
        specs: tuple[str, ...] = (str(line.spec),)
        if request.kind == "update" and specs == (name,):
            before = state.lines_of(name)
            record = next((each for each in records if each.name == name), None)
            if before and record is not None and all(spec.matches(record) for _, spec in before):
                specs = tuple(text for text, _ in before)
        asked[name] = (*asked.get(name, ()), *specs)
    return asked


def _check_installed(lines: Sequence[Requirement], state: State, request: ChangeRequest) -> None:
    if request.asked.files:
        return
    missing = [line.spec for line in lines if line.spec.name not in state.names]
    if missing:
        raise not_installed(missing[0], state, f"envmgr install {missing[0].name} brings it in.")


def _channels(
    request: ChangeRequest, wanted: EnvironmentRequest, state: State, context: Context
) -> tuple[Channel, ...]:
    """The channels of the command line and files, and those that the environment was made from."""
    from envmgr.models.channel import Channel
    from envmgr.ops.channels import configured_channels, find_channels

    asked = request.asked
    last = next((each.channels for each in reversed(state.generations) if each.channels), ())
    if asked.override_channels or not last:
        return wanted.channels
    usual = set(find_channels(configured_channels(context), context))
    own = [channel for channel in wanted.channels if channel not in usual]
    return tuple(dict.fromkeys([*own, *map(Channel.parse, last)]))


def _without(request: ChangeRequest, wanted: EnvironmentRequest, state: State, context: Context) -> Goal:
    from envmgr.host.probe import virtual_packages
    from envmgr.solver.update import unneeded, with_dependants

    lines, of_pypi = _divided(wanted.requirements, state)
    lines, strangers = _divided_by_pip(lines, state)
    names: set[str] = set()
    for line in lines:
        found = {record.name for record in state.conda if line.spec.matches(record)}
        if not found:
            raise not_installed(line.spec, state)
        names |= found
    if not (names or of_pypi or strangers):
        raise UsageError("nothing was named to remove.", hint="envmgr remove NAME ...")
    machine = virtual_packages(state.subdir, context.environ)

    def of_machine(name: str) -> PackageRecord | None:
        return next(iter(machine.records(name)), None)

    lines = earlier_lines(state, frozenset(names))
    gone = names
    if not request.options.no_deps:
        gone = set(with_dependants(state.conda, names, lines=lines, machine=of_machine))
    left = [record for record in state.conda if record.name not in gone]
    requested = {
        name: specs for name, specs in state.requested.items() if name not in gone and not is_pypi_name(name)
    }
    if request.prune and state.requested and not request.options.no_deps:
        keep = {*requested, *(["pip"] if any(record.name == "python" for record in left) else [])}
        lines = [line for line in lines if line.spec.name in requested]
        # Only what these packages brought goes: what nobody needed before stays, with what it needs.
        keep |= unneeded(state.conda, {*state.requested, "pip"}, lines=lines, machine=of_machine)
        keep |= _brought_by_others(state, of_machine)
        loose = unneeded(left, keep, lines=lines, machine=of_machine)
        left = [record for record in left if record.name not in loose]
    pypi = remove_from_pypi(state, left, of_pypi, context, prune=request.prune)
    last = state.generations[-1].channels if state.generations else ()
    return Goal(
        (*in_order(left, requested), *pypi.wheels),
        requested | requested_by(pypi.intent, pypi.wheels),
        removed=tuple(str(line.spec) for line in wanted.requirements),
        channels=last,
        intent=pypi.intent,
        strangers=strangers,
    )


def _divided_by_pip(
    lines: Sequence[Requirement], state: State
) -> tuple[list[Requirement], tuple[InstalledPackage, ...]]:
    """The lines that name no distribution of pip's, and those distributions that the others name."""
    conda = {record.name for record in state.conda}
    unknown = {normalized_name(line.spec.name) for line in lines if line.spec.name not in conda}
    found = {each.record.shown_name: each for each in state.strangers()} if unknown else {}
    left = [line for line in lines if normalized_name(line.spec.name) not in unknown & found.keys()]
    return left, tuple(found[name] for name in sorted(unknown & found.keys()))


def _brought_by_others(state: State, machine: Callable[[str], PackageRecord | None]) -> frozenset[str]:
    """Names that another tool installed without a request that is known, and that nothing asked for then needed."""
    from envmgr.solver.update import unneeded

    names: frozenset[str] = frozenset()
    for each in state.generations:
        if not each.command:
            conda = [record for record in each.records() if not record.is_pypi]
            asked = {name for name, specs in each.requested().items() if specs}
            names |= unneeded(conda, {*asked, "pip"}, machine=machine)
    return names


def _earlier(request: ChangeRequest, state: State) -> Goal:
    known = {each.number: each for each in state.generations}
    number = request.generation
    if number is None:
        number = _number_before(state)
    if number in state.past.damaged:
        raise state.past.damaged[number]
    if number not in known:
        numbers = f"{min(known)} to {max(known)}" if known else "none"
        raise PrefixError(
            f"{state.prefix} has no generation {number}; it has {numbers}.",
            hint="envmgr history shows them.",
            prefix=str(state.prefix),
        )
    target = known[number]
    requested = {name: specs for name, specs in target.requested().items() if specs}
    # What another tool made was noted by file names; our own is in the order in which it was linked.
    records = target.records() if target.command else in_order(target.records(), requested)
    again = [
        spec
        for name, specs in requested.items()
        if not is_pypi_name(name) and state.requested.get(name) != specs
        for spec in specs
    ]
    no_more = [name for name in state.requested if not (name in requested or is_pypi_name(name))]
    # Conda goes by what the history says was asked for, so that must say what holds from now on.
    return Goal(
        records,
        requested,
        specs=tuple(again),
        removed=tuple(no_more),
        channels=target.channels,
        intent=target.pypi,
        source=target.source,
    )


def _number_before(state: State) -> int:
    """The generation before what the environment holds now, which another tool may have made."""
    last = state.past.last
    if last is None:
        return 0
    return last.number - 1 if last.holds(state.records) else last.number


def _with_archives(wanted: EnvironmentRequest, state: State) -> Goal:
    from envmgr.ops.explicit import explicit_records

    coming = explicit_records(wanted.explicit)
    names = {record.name for record in coming}
    requested = {**state.requested, **{record.name: (record.name,) for record in coming}}
    conda = [record for record in state.conda if record.name not in names]
    together = (*conda, *coming, *state.wheels)
    return Goal(together, requested, specs=tuple(record.dist_name for record in coming), intent=state.intent)


def _with_lock(request: ChangeRequest, wanted: EnvironmentRequest, state: State, context: Context) -> Goal:
    """The packages of a lock in the place of what the environment has of their names."""
    from envmgr.ops.locked import fixed_part
    from envmgr.ops.pypi_intent import intent_of

    assert wanted.locked is not None
    archives = _with_archives(wanted, state)
    asked: dict[str, tuple[str, ...]] = {}
    for line in wanted.requirements:
        asked[line.spec.name] = (*asked.get(line.spec.name, ()), str(line.spec))
    requested = {**state.requested, **asked} if asked else archives.requested
    intent = merged_intent(state.intent, intent_of(wanted.pypi, context)) if wanted.pypi else state.intent
    part = fixed_part(wanted.locked, wanted.subdir, intent, context)
    goal = replace(
        archives,
        specs=tuple(str(line.spec) for line in wanted.requirements) or archives.specs,
        channels=tuple(channel.url for channel in wanted.channels),
        asking=asking_of(request.asked, wanted, request.options.channel_priority, context),
        intent=intent,
        requested=requested,
    )
    return goal if part is None else _with_distributions(goal, part, state)


def _with_pylock(request: ChangeRequest, wanted: EnvironmentRequest, state: State, context: Context) -> Goal:
    """The distributions of a pylock.toml (PEP 751) for the Python that is there, which stays as it is."""
    from envmgr.ops.pylock_use import intent_of_pylock, pylock_part

    assert wanted.pylock is not None
    file = wanted.pylock.file
    if request.prune or any(line.source.file != file for line in wanted.requirements):
        raise UsageError(
            f"{file} is exact, and changes what it names of an environment.",
            hint="Name it alone, without specs and --prune.",
        )
    part = pylock_part(wanted.pylock, request.asked.groups, state.conda, wanted, context)
    intent = merged_intent(state.intent, intent_of_pylock(wanted.pylock, part, context))
    asking = asking_of(request.asked, wanted, request.options.channel_priority, context)
    goal = Goal(state.records, state.requested, asking=asking, intent=intent)
    return _with_distributions(goal, part, state)


def _with_distributions(goal: Goal, part: PypiPart, state: State) -> Goal:
    """*goal* with what *part* brings in the place of what has its names."""
    coming = {record.name for record in part.wheels} | {f"{PYPI_PREFIX}{each.name}" for each in part.sources}
    wheels = (*(record for record in state.wheels if record.name not in coming), *part.wheels)
    return replace(
        goal,
        records=(*(record for record in goal.records if not record.is_pypi), *wheels),
        requested={**goal.requested, **requested_by(goal.intent, wheels)},
        pypi=replace(part, answer=replace(part.answer, wheels=wheels)),
    )


def difference(state: State, goal: Goal) -> tuple[tuple[PackageRecord, ...], tuple[PackageRecord, ...]]:
    """What goes and what comes."""
    now, then = set(state.records), set(goal.records)
    unlink = [record for record in state.records if record not in then or record.name in goal.again]
    link = [record for record in goal.records if record not in now or record.name in goal.again]
    return tuple(unlink), tuple(link)
