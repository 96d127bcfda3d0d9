"""Changes an environment that exists: install, update, remove, roll back, repair; all of it or nothing.

Each is the same: what the environment is to hold, the plan that leads there, the packages, the journal. What the
user asked for earlier stays asked for, and what need not move stays where it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from envmgr.errors import DataError, PrefixError, UsageError
from envmgr.ops.request import Asked, EnvironmentRequest, asking_of, read_request
from envmgr.ops.resolve import ResolveOptions, Standing, resolve_change
from envmgr.prefix.generation import Asking

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.models.channel import Channel
    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.ops.save import Saving
    from envmgr.packages.unpacked import CachedPackage
    from envmgr.prefix.generation import Generation, Generations
    from envmgr.prefix.installed import InstalledPackage
    from envmgr.prefix.plan import Clobber, PrefixPlan
    from envmgr.solver.update import UpdateMode

Kind = Literal["install", "update", "remove", "rollback", "repair"]
EARLIER = "asked for earlier"


class ChangeRequest(Struct, frozen=True):
    """What to change: *asked* are specs and files, of packages to go for a removal.

    ``mode`` says what may move (`envmgr.solver.update`); with ``prune``, what nothing needs goes. ``again`` are
    packages that are linked anew where they stay, all of those asked for with ``force``. ``generation`` is the
    one to go back to. With ``save``, the specs are written into the file that the environment came from.
    """

    kind: Kind
    asked: Asked = field(default_factory=Asked)
    name: str | None = None
    prefix: str | None = None
    options: ResolveOptions = field(default_factory=ResolveOptions)
    mode: UpdateMode = "keep"
    prune: bool = False
    force: bool = False
    save: bool = False
    again: frozenset[str] = frozenset()
    generation: int | None = None
    override_frozen: bool = False
    dry_run: bool = False
    download_only: bool = False
    copy: bool = False
    command_line: tuple[str, ...] = ()


class ChangePlan(Struct, frozen=True):
    """What a change will do, before it does anything: ``fetch`` is the part of ``link`` that is not cached.

    ``relink`` are packages that stay and whose files are linked anew, with why, as far as it is known before
    everything is fetched. ``clobbers`` tell who wins paths that several packages bring.
    """

    prefix: Path
    kind: Kind
    link: tuple[PackageRecord, ...]
    unlink: tuple[PackageRecord, ...]
    fetch: tuple[PackageRecord, ...]
    kept: int
    relink: tuple[tuple[PackageRecord, str], ...] = ()
    clobbers: tuple[Clobber, ...] = ()

    @property
    def is_nothing(self) -> bool:
        """Whether the environment is already as it should be."""
        return not self.link and not self.unlink


class Changed(Struct, frozen=True):
    """What was done; ``done`` is False for a dry run, a refusal by `confirm`, a download, or nothing to do.

    ``saved`` is the environment file that was written.
    """

    plan: ChangePlan
    done: bool
    messages: tuple[str, ...] = ()
    generation: int | None = None
    saved: Path | None = None


class _Goal(Struct, frozen=True):
    """What the environment is to hold, dependencies first, and who was asked for by which specs."""

    records: tuple[PackageRecord, ...]
    requested: Mapping[str, tuple[str, ...]]
    specs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    asking: Asking = Asking()
    again: frozenset[str] = frozenset()


class _State(Struct, frozen=True):
    """What the environment holds now."""

    prefix: Path
    subdir: str
    current: tuple[InstalledPackage, ...]
    past: Generations

    @property
    def generations(self) -> tuple[Generation, ...]:
        """Those that can be read."""
        return self.past.known

    @property
    def records(self) -> tuple[PackageRecord, ...]:
        return tuple(package.record for package in self.current)

    @property
    def names(self) -> frozenset[str]:
        return frozenset(record.name for record in self.records)

    @property
    def requested(self) -> dict[str, tuple[str, ...]]:
        return {package.record.name: package.requested for package in self.current if package.requested}

    def check_files(self, going: Iterable[PackageRecord]) -> None:
        """Raises DataError for a record that lists what no package may own; of those that go, all is read."""
        gone = set(going)
        for package in self.current:
            if package.record in gone:
                package.listing.check()
            _ = package.files

    def lines_of(self, name: str) -> list[tuple[str, MatchSpec]]:
        """The specs by which *name* was asked for, as texts and values."""
        return _specs_of(name, self.requested)


def change(request: ChangeRequest, context: Context, confirm: Callable[[ChangePlan], bool]) -> Changed:
    """Change the environment; *confirm* sees the plan and may refuse it.

    Raises DataError, ChannelError, SolveError or PrefixError; the environment then is as it was.
    """
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.prefix_lock import prefix_alone
    from envmgr.prefix.change import recover

    prefix = locate_existing(request.name, request.prefix, context)
    if not (request.override_frozen or request.dry_run):
        check_frozen(prefix)
    if request.dry_run:
        return _change(request, prefix, context, confirm)
    with prefix_alone(prefix, context, request.command_line):
        recover(prefix, context.runner, context.environ, root_prefix=str(context.settings.root))
        return _change(request, prefix, context, confirm)


def _change(
    request: ChangeRequest, prefix: Path, context: Context, confirm: Callable[[ChangePlan], bool]
) -> Changed:
    from envmgr.ops.activation import refresh
    from envmgr.ops.fetch import cache_in_use
    from envmgr.ops.save import plan_saving
    from envmgr.ops.verify import check_repaired
    from envmgr.packages.layers import Layers

    wanted = read_request(request.asked, context)
    for warning in wanted.warnings:
        context.reporter.warned(warning)
    context = context.with_credentials(wanted.written_urls)
    state = _state(request.kind, prefix, wanted, context)
    saving = plan_saving(prefix, wanted, state.past) if request.save else None
    goal = _goal(request, wanted, state, context)
    unlink, link = _difference(state, goal)
    cache = Layers(context.settings.pkgs_dirs)
    fetch = tuple(record for record in link if not cache.holds(record))
    plan = ChangePlan(prefix, request.kind, link, unlink, fetch, len(goal.records) - len(link))
    extras = _Extras(wanted, prefix, context)
    extras.check(goal.records)
    if plan.is_nothing and goal.requested == state.requested and not extras.is_anything:
        return Changed(plan, done=False, saved=_save(saving, request))
    state.check_files(unlink)
    ready = _Ready(request, state, goal, context)
    if not plan.is_nothing:
        plan = ready.foreseen(plan)
    if not confirm(plan) or request.dry_run:
        return Changed(plan, done=False)
    messages: tuple[str, ...] = ()
    number = None
    if not plan.is_nothing or goal.requested != state.requested:
        with cache_in_use(context):
            packages = ready.obtain(link)
            if request.download_only:
                return Changed(plan, done=False)
            if wanted.explicit:
                ready.put_in_order(packages)
            messages, number, relinked = ready.apply(packages)
            plan = ready.told(plan, relinked)
        if request.kind == "repair":
            check_repaired(prefix)
    extras.apply(number)
    refresh(prefix, context)
    return Changed(plan, done=True, messages=messages, generation=number, saved=_save(saving, request))


def _save(saving: Saving | None, request: ChangeRequest) -> Path | None:
    if saving is None or request.dry_run:
        return None
    saving.write()
    return saving.file


class _Extras(Struct):
    """What a file asks for beside packages: variables, and items for pip, no part of the change itself."""

    wanted: EnvironmentRequest
    prefix: Path
    context: Context

    @property
    def is_anything(self) -> bool:
        return bool(self.wanted.variables or self.wanted.subsections.get("pip"))

    def check(self, records: Sequence[PackageRecord]) -> None:
        from envmgr.ops.create import check_pip

        if self.wanted.subsections.get("pip"):
            check_pip([record.name for record in records], self.wanted)

    def apply(self, generation: int | None) -> None:
        from envmgr.ops.create import pip_step
        from envmgr.prefix.store import PrefixStore

        store = PrefixStore(self.prefix)
        if self.wanted.variables:
            store.write_variables({**store.state_variables(), **self.wanted.variables})
        step = pip_step(self.wanted, self.context)
        if step is None:
            return
        try:
            step(self.prefix)
        except PrefixError as error:
            if generation is not None and error.hint is None:
                error.hint = (
                    f"The packages of channels were changed; envmgr rollback {generation - 1} undoes that."
                )
            raise


def check_frozen(prefix: Path) -> None:
    """Raises PrefixError for an environment with conda-meta/frozen, which is not to be changed (CEP 22)."""
    said = frozen_message(prefix)
    if said is None:
        return
    raise PrefixError(
        f"{prefix} is frozen and is not to be changed{f': {said}' if said else '.'}",
        hint="--override-frozen changes it all the same.",
        prefix=str(prefix),
    )


def frozen_message(prefix: Path) -> str | None:
    """What conda-meta/frozen says, "" for nothing; None for an environment that is not frozen."""
    import json

    place = prefix / "conda-meta" / "frozen"
    if not place.is_file():
        return None
    try:
        content = json.loads(place.read_bytes() or b"{}")
    except (OSError, ValueError):
        content = {}
    said = content.get("message") if isinstance(content, dict) else None
    return said if isinstance(said, str) else ""


def _state(kind: Kind, prefix: Path, wanted: EnvironmentRequest, context: Context) -> _State:
    from envmgr.ops.history import left_out
    from envmgr.ops.verify import installed_for_repair
    from envmgr.prefix.store import PrefixStore

    store = PrefixStore(prefix)
    past = store.generations()
    for error in past.damaged.values():
        context.reporter.warned(left_out(error))
    subdir = next((each.subdir for each in reversed(past.known) if each.subdir), wanted.subdir)
    current = installed_for_repair(store, past) if kind == "repair" else tuple(store.records())
    return _State(prefix, subdir, current, past)


def _goal(request: ChangeRequest, wanted: EnvironmentRequest, state: _State, context: Context) -> _Goal:
    match request.kind:
        case "remove":
            return _without(request, wanted, state, context)
        case "rollback":
            return _earlier(request, state)
        case "repair":
            ordered = _in_order(state.records, state.requested)
            return _Goal(ordered, state.requested, again=request.again)
    if wanted.explicit:
        return _with_archives(wanted, state)
    return _solved(request, wanted, state, context)


def _solved(request: ChangeRequest, wanted: EnvironmentRequest, state: _State, context: Context) -> _Goal:
    lines = list(wanted.requirements)
    named = frozenset(line.spec.name for line in lines)
    if request.kind == "update":
        _check_installed(lines, state, request)
    exact = request.prune and bool(request.asked.files)
    earlier = [] if exact else _earlier_lines(state, named)
    if not lines and request.mode != "all":
        raise UsageError(f"nothing was named to {request.kind}.", hint=f"envmgr {request.kind} SPEC ...")
    channels = _channels(request, wanted, state, context)
    standing = Standing(state.records, request.mode, named, prune=request.prune, prefix=state.prefix)
    records = resolve_change([*lines, *earlier], standing, channels, state.subdir, request.options, context)
    asked = _newly_asked(request, lines, records, state)
    kept = {} if exact else state.requested
    here = {record.name for record in records}
    return _Goal(
        records,
        {name: specs for name, specs in {**kept, **asked}.items() if name in here and specs},
        specs=tuple(str(line.spec) for line in lines),
        channels=tuple(channel.url for channel in channels),
        asking=asking_of(request.asked, wanted, context),
        again=(named & here if request.force else frozenset()),
    )


def _newly_asked(
    request: ChangeRequest, lines: Sequence[Requirement], records: Sequence[PackageRecord], state: _State
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


def _earlier_lines(state: _State, named: frozenset[str]) -> list[Requirement]:
    """What was asked for before, of packages that are not named now; other tools' unreadable texts do not count."""
    from envmgr.models.requirement import Requirement, Source

    return [
        Requirement(spec, Source(EARLIER, None, text))
        for name in state.requested
        for text, spec in (state.lines_of(name) if name not in named else ())
    ]


def _check_installed(lines: Sequence[Requirement], state: _State, request: ChangeRequest) -> None:
    if request.asked.files:
        return
    missing = [line.spec for line in lines if line.spec.name not in state.names]
    if missing:
        raise _not_installed(missing[0], state, f"envmgr install {missing[0].name} brings it in.")


def _not_installed(spec: MatchSpec, state: _State, hint: str | None = None) -> PrefixError:
    import difflib

    name = spec.name
    here = next((record for record in state.records if record.name == name), None)
    if here is not None:
        sentence = f"'{spec}' is not what is installed in {state.prefix}: that is {here.dist_name}."
        return PrefixError(sentence, package=name)
    near = difflib.get_close_matches(name, sorted(state.names), n=1)
    return PrefixError(
        f"{name} is not installed in {state.prefix}.",
        hint=f"Did you mean {near[0]}?" if near else hint,
        package=name,
    )


def _channels(
    request: ChangeRequest, wanted: EnvironmentRequest, state: _State, context: Context
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


def _without(request: ChangeRequest, wanted: EnvironmentRequest, state: _State, context: Context) -> _Goal:
    from envmgr.host.probe import virtual_packages
    from envmgr.solver.update import unneeded, with_dependants

    names: set[str] = set()
    for line in wanted.requirements:
        found = {record.name for record in state.records if line.spec.matches(record)}
        if not found:
            raise _not_installed(line.spec, state)
        names |= found
    if not names:
        raise UsageError("nothing was named to remove.", hint="envmgr remove NAME ...")
    machine = virtual_packages(state.subdir, context.environ)

    def of_machine(name: str) -> PackageRecord | None:
        return next(iter(machine.records(name)), None)

    lines = _earlier_lines(state, frozenset(names))
    gone = names
    if not request.options.no_deps:
        gone = set(with_dependants(state.records, names, lines=lines, machine=of_machine))
    left = [record for record in state.records if record.name not in gone]
    requested = {name: specs for name, specs in state.requested.items() if name not in gone}
    if request.prune and requested and not request.options.no_deps:
        keep = {*requested, *(["pip"] if any(record.name == "python" for record in left) else [])}
        lines = [line for line in lines if line.spec.name in requested]
        loose = unneeded(left, keep, lines=lines, machine=of_machine)
        # Only what these packages brought goes: what nobody needed before stays as it was.
        loose -= unneeded(state.records, {*state.requested, "pip"}, lines=lines, machine=of_machine)
        left = [record for record in left if record.name not in loose]
    ordered = _in_order(left, requested)
    last = state.generations[-1].channels if state.generations else ()
    return _Goal(
        ordered, requested, removed=tuple(str(line.spec) for line in wanted.requirements), channels=last
    )


def _earlier(request: ChangeRequest, state: _State) -> _Goal:
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
    records = target.records() if target.command else _in_order(target.records(), requested)
    return _Goal(records, requested, channels=target.channels)


def _number_before(state: _State) -> int:
    """The generation before what the environment holds now, which another tool may have made."""
    last = state.past.last
    if last is None:
        return 0
    return last.number - 1 if last.holds(state.records) else last.number


def _in_order(
    records: Iterable[PackageRecord], requested: Mapping[str, tuple[str, ...]]
) -> tuple[PackageRecord, ...]:
    """The records in the order of linking, with the extras that were asked for."""
    from envmgr.solver.order import in_link_order

    chosen = {record.name: record for record in records}
    extras = [
        (name, extra)
        for name in requested
        if name in chosen
        for _, spec in _specs_of(name, requested)
        for extra in spec.extras
    ]
    return in_link_order(chosen, extras)


def _specs_of(name: str, requested: Mapping[str, tuple[str, ...]]) -> list[tuple[str, MatchSpec]]:
    """The specs by which *name* was asked for, as texts and values; what cannot be read is left out."""
    from envmgr.models.match_spec import parse_match_spec

    found = []
    for text in requested.get(name, ()):
        try:
            spec = parse_match_spec(text)
        except DataError:
            continue
        if spec.name == name:
            found.append((text, spec))
    return found


def _with_archives(wanted: EnvironmentRequest, state: _State) -> _Goal:
    from envmgr.ops.explicit import explicit_records

    coming = explicit_records(wanted.explicit)
    names = {record.name for record in coming}
    staying = [record for record in state.records if record.name not in names]
    requested = {**state.requested, **{record.name: (record.name,) for record in coming}}
    return _Goal((*staying, *coming), requested, specs=tuple(record.dist_name for record in coming))


def _difference(state: _State, goal: _Goal) -> tuple[tuple[PackageRecord, ...], tuple[PackageRecord, ...]]:
    """What goes and what comes."""
    now, then = set(state.records), set(goal.records)
    unlink = [record for record in state.records if record not in then or record.name in goal.again]
    link = [record for record in goal.records if record not in now or record.name in goal.again]
    return tuple(unlink), tuple(link)


class _Ready(Struct):
    """A change that was agreed to."""

    request: ChangeRequest
    state: _State
    goal: _Goal
    context: Context

    def obtain(self, records: Iterable[PackageRecord]) -> dict[PackageRecord, CachedPackage]:
        from envmgr.ops.fetch import obtain

        return obtain(tuple(records), self.context, hashed=self.request.kind == "repair")

    def put_in_order(self, packages: Mapping[PackageRecord, CachedPackage]) -> None:
        """Order the goal by what the archives in *packages* say they need; their URLs alone did not."""
        from msgspec.structs import replace

        goal = {record.name: record for record in self.goal.records}
        whole = [packages[record].record if record in packages else record for record in goal.values()]
        ordered = _in_order(whole, self.goal.requested)
        self.goal = replace(self.goal, records=tuple(goal[record.name] for record in ordered))

    def foreseen(self, plan: ChangePlan) -> ChangePlan:
        """*plan* with what else will be linked anew, and who wins, as the packages that are cached tell."""
        from msgspec.structs import replace

        from envmgr.packages.store import PackageCache

        cache = PackageCache(self.context.settings.pkgs_dirs)

        def cached(records: Sequence[PackageRecord]) -> dict[PackageRecord, CachedPackage]:
            found = {record: cache.find(record) for record in records}
            return {record: package for record, package in found.items() if package is not None}

        planned, why = self._plan(cached(plan.link), cached)
        return replace(self._with_relinked(plan, why), clobbers=planned.clobbers)

    def told(self, plan: ChangePlan, why: Mapping[str, str]) -> ChangePlan:
        """*plan* with all packages that were linked anew; what was not foreseen is told now."""
        known = {record.name for record, _ in plan.relink}
        whole = self._with_relinked(plan, why)
        for record, reason in whole.relink:
            if record.name not in known:
                self.context.reporter.warned(f"{record.dist_name} was linked anew: {reason}.")
        return whole

    def _with_relinked(self, plan: ChangePlan, why: Mapping[str, str]) -> ChangePlan:
        from msgspec.structs import replace

        moving, then = {record.name for record in plan.link}, set(self.goal.records)
        relink = tuple(
            (record, why[record.name])
            for record in self.state.records
            if record.name in why and record.name not in moving and record in then
        )
        return replace(plan, relink=relink, kept=plan.kept - (len(relink) - len(plan.relink)))

    def apply(
        self, packages: dict[PackageRecord, CachedPackage]
    ) -> tuple[tuple[str, ...], int, dict[str, str]]:
        """Carry it out; the messages of link scripts, the new generation's number, and what was linked anew."""
        from envmgr.ops.verify import with_own_files
        from envmgr.prefix.change import PrefixChange, change_prefix

        context, settings = self.context, self.context.settings
        plan, why = self._plan(packages, self.obtain)
        if self.request.kind == "repair":
            plan = with_own_files(plan)
        generations = self._generations(plan)
        change = PrefixChange(
            prefix=self.state.prefix,
            plan=plan,
            current=self.state.current,
            generations=generations,
            environ=context.environ,
            requested={name: self.goal.requested.get(name, ()) for name in self.state.names},
            link_scripts=settings.link_scripts,
            link_mode="copy" if self.request.copy else settings.linking,
            bytecode_caches=settings.pkgs_dirs,
            root_prefix=str(settings.root),
            strict=settings.durability == "power",
        )
        messages = change_prefix(change, context.runner, context.reporter, context.clock)
        return messages, generations[-1].number, why

    def _plan(
        self,
        packages: dict[PackageRecord, CachedPackage],
        get: Callable[[Sequence[PackageRecord]], dict[PackageRecord, CachedPackage]],
    ) -> tuple[PrefixPlan, dict[str, str]]:
        """The plan, and why packages that stay are linked anew: they share paths with what changes, mostly.

        *get* brings the packages that turn out to be needed, or those of them that it has.
        """
        from envmgr.prefix.plan import contested_names, passing_through

        why = dict.fromkeys(self.goal.again, "it was asked for")
        asked: set[PackageRecord] = set()
        now = set(self.state.records)
        while True:
            why = self._sharing(set(why)) | why
            missing = [
                record
                for record in self.goal.records
                if record not in packages
                and record not in asked
                and (record.name in why or record not in now)
            ]
            asked.update(missing)
            packages |= get(missing) if missing else {}
            plan = self._plan_once(packages, why.keys())
            contested = contested_names(plan, self.state.current).items()
            passing = passing_through(plan, self.state.current).items()
            more = {name: f"{path} comes with another package, too" for name, path in contested}
            more |= self._homeless(plan) | {
                name: f"its files are behind the symlink {path}" for name, path in passing
            }
            if more.keys() <= why.keys():
                return plan, why
            why = more | why

    def _plan_once(
        self, packages: Mapping[PackageRecord, CachedPackage], relink: Collection[str]
    ) -> PrefixPlan:
        from envmgr.host.file_system import file_system_at
        from envmgr.models.package_files import PackageFiles
        from envmgr.prefix.plan import PackageToLink, plan_prefix

        desired = []
        for record in self.goal.records:
            requested = self.goal.requested.get(record.name, ())
            found = packages.get(record)
            if found is None:
                files = PackageFiles(paths=())
                desired.append(PackageToLink(record, self.state.prefix, None, files, requested))
            else:
                desired.append(
                    PackageToLink(found.record, found.folder, found.archive, found.files, requested)
                )
        return plan_prefix(
            self.state.current,
            desired,
            prefix=str(self.state.prefix),
            subdir=self.state.subdir,
            relink=frozenset(relink),
            file_system=file_system_at(self.state.prefix, self.state.subdir),
        )

    def _sharing(self, relink: set[str]) -> dict[str, str]:
        """The packages that share a path with one that goes or is linked anew, with why."""
        if not self.state.generations:
            return {}
        then = {record.name: record for record in self.goal.records}
        moving = {record.name for record in self.state.records if then.get(record.name) != record} | relink
        found: dict[str, str] = {}
        for path, owners in self.state.generations[-1].shared.items():
            movers = [name for name in owners if name in moving]
            for name in owners if movers else ():
                if name in then and name in self.state.names:
                    others = ", ".join(each for each in movers if each != name) or "another package"
                    found[name] = f"it shares {path} with {others}"
        return found

    def _homeless(self, plan: PrefixPlan) -> dict[str, str]:
        """Noarch Python packages that stay, while the place of Python's packages moves."""
        from envmgr.prefix.noarch import python_layout

        before = next((record for record in self.state.records if record.name == "python"), None)
        if before is None or plan.python is None:
            return {}
        if python_layout(before, self.state.subdir) == plan.python:
            return {}
        then = set(self.goal.records)
        why = f"Python's packages move to {plan.python.site_packages}"
        return {
            record.name: why
            for record in self.state.records
            if record in then and record.noarch_kind == "python"
        }

    def _generations(self, plan: PrefixPlan) -> tuple[Generation, ...]:
        from envmgr import __version__
        from envmgr.prefix.generation import Generation, entries_of, entry_of, shared_by

        state, now = self.state, self.context.clock.now()
        made: list[Generation] = []
        last, number = state.past.last, state.past.next_number
        if last is None or last.number + 1 != number or not last.holds(state.records):
            shared = shared_by(state.names, last.shared) if last else {}
            entries = entries_of(state.current)
            last = Generation(number, now, subdir=state.subdir, shared=shared, packages=entries)
            made.append(last)
        linked = {link.package.record: link.package.record for link in plan.link}
        going = {package.record.name for package in plan.unlink}
        shared = {
            path: owners for path, owners in last.shared.items() if going.isdisjoint(owners)
        } | plan.shared
        made.append(
            Generation(
                number=last.number + 1,
                moment=now,
                command=self.request.command_line,
                version=__version__,
                subdir=state.subdir,
                prefix=str(state.prefix),
                specs=self.goal.specs,
                removed=self.goal.removed,
                asking=self.goal.asking,
                channels=self.goal.channels,
                shared=shared,
                packages=[
                    entry_of(linked.get(record, record), self.goal.requested.get(record.name, ()))
                    for record in self.goal.records
                ],
            )
        )
        return tuple(made)
