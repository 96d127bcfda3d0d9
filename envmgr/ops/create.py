"""Makes a new environment: request, records, plan, packages, prefix; nothing is left behind when a step fails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import DataError, UsageError
from envmgr.ops.channels import channel_lists
from envmgr.ops.linking import LinkRequest, link_packages
from envmgr.ops.request import (
    Asked,
    EnvironmentRequest,
    asking_of,
    check_groups,
    read_request,
    with_python,
)
from envmgr.ops.resolve import ResolveOptions, resolving
from envmgr.prefix.generation import Generation, PypiIntent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart, PypiQuestion
    from envmgr.ops.lock_use import LockUse
    from envmgr.ops.notices import PendingNotices, ToldNotices
    from envmgr.ops.python_requirements import Placement
    from envmgr.packages.unpacked import CachedPackage


class CreateRequest(Struct, frozen=True):
    """What to create and where; ``clone`` names an environment (name or path) whose exact packages are used.

    With ``default_packages``, those of the setting `create_default_packages` come too, except to lists of archives
    and clones. With ``tell_notices`` the channels are asked for their notices while packages are downloaded.
    ``lock`` says whether a lock beside the files takes the place of a solve.
    """

    asked: Asked
    name: str | None = None
    prefix: str | None = None
    clone: str | None = None
    options: ResolveOptions = field(default_factory=ResolveOptions)
    dry_run: bool = False
    download_only: bool = False
    copy: bool = False
    default_packages: bool = True
    tell_notices: bool = False
    lock: LockUse = "fresh"
    command_line: tuple[str, ...] = ()


class CreatePlan(Struct, frozen=True):
    """What a creation will do, before it does anything: ``fetch`` is the part of ``link`` that is not cached.

    ``asked`` are the packages that were named. ``pypi`` tells how the Python distributions in ``link`` were found,
    and what has to be built first. ``lock`` is the lock that names the packages, None where they were solved for;
    ``depends`` what it says that they need, by URL. ``placed`` tells what requirements of other tools' files
    became.
    """

    prefix: Path
    link: tuple[PackageRecord, ...]
    fetch: tuple[PackageRecord, ...]
    variables: Mapping[str, str]
    pypi: PypiPart | None = None
    asked: tuple[Requirement, ...] = ()
    lock: str | None = None
    depends: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    placed: tuple[Placement, ...] = ()


class Created(Struct, frozen=True):
    """What was done; ``done`` is False after a dry run, a download, or a refusal by `confirm`.

    ``notices`` are those of the channels that were not shown before.
    """

    plan: CreatePlan
    done: bool
    messages: tuple[str, ...] = ()
    notices: ToldNotices | None = None


def create(request: CreateRequest, context: Context, confirm: Callable[[CreatePlan], bool]) -> Created:
    """Create the environment; *confirm* sees the plan and may refuse it.

    Raises DataError, ChannelError, SolveError or PrefixError; the prefix then does not exist.
    """
    from envmgr.ops.fetch import cache_in_use

    wanted = _wanted(request, context)
    context = context.with_credentials(wanted.written_urls)
    prefix = _target(request, wanted, context)
    plan = _plan(prefix, _answer(request, wanted, context), wanted, context)
    if not confirm(plan) or request.dry_run:
        return Created(plan, done=False)
    pending = _pending_notices(request, plan, wanted, context)
    with cache_in_use(context):
        obtained = _obtain(plan, request, wanted, context, confirm, pending)
        if obtained is None:
            return Created(plan, done=False)
        plan, packages = obtained
        created = Created(plan, done=False)
        if not request.download_only:
            created = _apply(request, wanted, plan, packages, context)
    return replace(created, notices=pending.finish()) if pending is not None else created


def _pending_notices(
    request: CreateRequest, plan: CreatePlan, wanted: EnvironmentRequest, context: Context
) -> PendingNotices | None:
    if request.clone or wanted.locked or not (request.tell_notices and wanted.requirements):
        return None
    from envmgr.ops.notices import ask_for_notices

    return ask_for_notices(wanted.channels, plan.fetch, wanted.written_urls, context)


_Packages = Mapping["PackageRecord", "CachedPackage"]


def _obtain(
    plan: CreatePlan,
    request: CreateRequest,
    wanted: EnvironmentRequest,
    context: Context,
    confirm: Callable[[CreatePlan], bool],
    pending: PendingNotices | None,
) -> tuple[CreatePlan, _Packages] | None:
    """The plan's packages in link order; those that were named by URL say only now what they depend on.

    Where archives provide other distributions than was known, PyPI's half is planned anew and *confirm* asked
    again; None where that was refused. *pending* begin with the first download.
    """
    from envmgr.ops.fetch import obtain

    context = context.with_credentials(plan.pypi.credential_urls) if plan.pypi is not None else context
    packages = obtain(plan.link, context, begun=pending.begin if pending is not None else None)
    conda = [record for record in plan.link if not record.is_pypi]
    if wanted.explicit:
        from envmgr.ops.explicit import dependencies_first

        if wanted.locked is not None:
            from envmgr.ops.locked import with_locked_depends

            packages = with_locked_depends(packages, wanted.locked)
        complete = {packages[record].record: packages[record] for record in conda}
        packages = {record: complete[record] for record in dependencies_first(list(complete))} | {
            record: package for record, package in packages.items() if record.is_pypi
        }
    if plan.pypi is None:
        return plan, packages
    from envmgr.ops.pypi_builds import build_sources, plan_again

    part = plan_again(plan.pypi, conda)
    if part != plan.pypi:
        plan = _plan(plan.prefix, _Answer(tuple(conda), part), wanted, context)
        if not confirm(plan):
            return None
        packages = obtain(plan.link, context)
    if part.sources and not request.download_only:
        built = build_sources(part, packages)
        plan = replace(plan, link=(*plan.link, *built))
        packages = {**packages, **built}
    return plan, packages


def _wanted(request: CreateRequest, context: Context) -> EnvironmentRequest:
    asked = request.asked
    if request.clone and (asked.specs or asked.files):
        raise UsageError(
            "--clone takes no specs and no files.", hint="Clone first, then envmgr install brings more."
        )
    if request.options.no_deps and request.options.only_deps:
        raise UsageError("--no-deps and --only-deps leave nothing to install.", hint="Leave out one of them.")
    wanted = with_python(read_request(asked, context))
    if request.clone:
        wanted = _cloned(request.clone, wanted, context)
    elif asked.files or request.lock in ("locked", "frozen"):
        from envmgr.ops.lock_use import with_lock_beside

        wanted = with_lock_beside(asked, wanted, request.options, request.lock, context)
    check_groups(asked, wanted)
    if not (request.clone or wanted.explicit or wanted.locked) and request.default_packages:
        wanted = with_default_packages(wanted, context)
    for warning in wanted.warnings:
        context.reporter.warned(warning)
    return wanted


def with_default_packages(wanted: EnvironmentRequest, context: Context) -> EnvironmentRequest:
    """With those of `create_default_packages` whose names are not asked for, as conda adds them."""
    from envmgr.ops.request import parse_requirement

    named = {requirement.spec.name for requirement in wanted.requirements}
    defaults = [parse_requirement(spec) for spec in context.settings.create_default_packages]
    added = tuple(each for each in defaults if each.spec.name not in named)
    return replace(wanted, requirements=(*wanted.requirements, *added))


def _cloned(environment: str, wanted: EnvironmentRequest, context: Context) -> EnvironmentRequest:
    """The request of a clone: what was asked for by name in the source, and its variables.

    Packages that pip installed there are not copied; a warning names them.
    """
    from envmgr.models.record import is_pypi_name
    from envmgr.ops.environments import read_steadily
    from envmgr.ops.explicit import locate_clone
    from envmgr.ops.list import list_packages
    from envmgr.ops.request import parse_requirement
    from envmgr.prefix.store import PrefixStore

    source = locate_clone(environment, context)
    store = PrefixStore(source)
    foreign = [f"{each.name}=={each.version}" for each in list_packages(source, context).pypi]
    if foreign:
        context.reporter.warned(
            f"packages that pip installed in {source} are not cloned: {', '.join(foreign)}."
        )
    asked = read_steadily(source, context, lambda: store.asked(store.records()))
    requirements = tuple(
        parse_requirement(spec) for name, specs in asked.items() if not is_pypi_name(name) for spec in specs
    )
    return replace(
        wanted,
        requirements=requirements,
        variables=store.state_variables(),
        pins=_pins_of_clone(source, context),
    )


def _pins_of_clone(source: Path, context: Context) -> tuple[Requirement, ...]:
    """Those of *source*; a clone solves nothing, so that lines that are no pins do not stop it."""
    from envmgr.ops.pins import pins_of

    try:
        return pins_of(source, context)
    except DataError as error:
        context.reporter.warned(f"the pins of {source} are not cloned, since {str(error).removesuffix('.')}.")
        return ()


def _target(request: CreateRequest, wanted: EnvironmentRequest, context: Context) -> Path:
    """The prefix to create: the command line's, else the file's own name or prefix (CEP 24)."""
    from envmgr.ops.environments import check_name, prefix_path
    from envmgr.prefix.target import check_free, check_target

    name, prefix = request.name, request.prefix
    if name is None and prefix is None:
        name, prefix = wanted.name, (wanted.prefix if wanted.name is None else None)
    if prefix is not None:
        place = prefix_path(prefix, context)
    elif name is not None:
        place = context.settings.envs_dirs[0] / check_name(name)
    elif request.dry_run:
        place = context.settings.envs_dirs[0] / "unnamed"
    else:
        raise UsageError(
            "the new environment has no name.", hint="Give it one with -n NAME or a folder with -p PREFIX."
        )
    if request.dry_run:
        check_free(place)
    else:
        check_target(place)
    if wanted.subdir != context.settings.subdir and not (request.dry_run or request.download_only):
        context.reporter.warned(
            f"packages for {wanted.subdir} may not run here, on {context.settings.subdir}."
        )
    return place


class _Answer(Struct, frozen=True):
    """The records of conda packages, or of everything for a clone, and what comes from PyPI beside them."""

    records: tuple[PackageRecord, ...] = ()
    pypi: PypiPart | None = None


def _answer(request: CreateRequest, wanted: EnvironmentRequest, context: Context) -> _Answer:
    if request.clone:
        from envmgr.ops.explicit import cloned_records

        return _Answer(cloned_records(request.clone, context))
    if wanted.locked is not None:
        from envmgr.ops.explicit import explicit_records
        from envmgr.ops.locked import fixed_part
        from envmgr.ops.pypi_intent import intent_of

        part = fixed_part(wanted.locked, wanted.subdir, intent_of(wanted.pypi, context), context)
        return _Answer(explicit_records(wanted.explicit), part)
    if wanted.explicit:
        from envmgr.ops.explicit import explicit_records

        records = explicit_records(wanted.explicit)
        if not wanted.pypi:
            return _Answer(records)
        from envmgr.ops.joint import resolve_beside

        return _Answer(records, resolve_beside(records, _question(request, wanted, context)))
    if not (wanted.requirements or wanted.pypi):
        return _Answer()
    with resolving(
        wanted.requirements, wanted.channels, wanted.subdir, request.options, context, limits=wanted.pins
    ) as session:
        if not wanted.pypi:
            records = session.told(session.records())
            if wanted.pylock is not None:
                from envmgr.ops.pylock_use import pylock_part

                part = pylock_part(wanted.pylock, request.asked.groups, records, wanted, context)
                return _Answer(records, part)
            return _Answer(records)
        from envmgr.ops.joint import resolve_jointly

        records, part = resolve_jointly(session, _question(request, wanted, context))
        return _Answer(session.told(records), part)


def _question(request: CreateRequest, wanted: EnvironmentRequest, context: Context) -> PypiQuestion:
    from envmgr.ops.joint import PypiQuestion
    from envmgr.ops.provided import Providers
    from envmgr.ops.pypi_builds import planner

    options = request.options
    return PypiQuestion(
        wanted.pypi,
        wanted.subdir,
        Providers(context),
        planned=planner(wanted.subdir, context, dry_run=request.dry_run),
        exclude_newer=options.exclude_newer,
        strategy=options.version_strategy,
    )


def _plan(prefix: Path, answer: _Answer, wanted: EnvironmentRequest, context: Context) -> CreatePlan:
    from envmgr.packages.layers import Layers

    channel_lists(context).check_records(answer.records)
    wheels = answer.pypi.wheels if answer.pypi is not None else ()
    for warning in answer.pypi.warnings if answer.pypi is not None else ():
        context.reporter.warned(warning)
    cache = Layers(context.settings.pkgs_dirs)
    link = (*answer.records, *wheels)
    return CreatePlan(
        prefix=prefix,
        link=link,
        fetch=tuple(record for record in link if not cache.holds(record)),
        variables=wanted.variables,
        asked=wanted.requirements,
        pypi=answer.pypi,
        lock=wanted.locked.file if wanted.locked is not None else None,
        depends=wanted.locked.depends if wanted.locked is not None else {},
        placed=wanted.placed,
    )


def _apply(
    request: CreateRequest,
    wanted: EnvironmentRequest,
    plan: CreatePlan,
    packages: Mapping[PackageRecord, CachedPackage],
    context: Context,
) -> Created:
    from envmgr.ops.environments import joined_registry
    from envmgr.ops.pins import pin_lines

    intent = _intent(request, wanted, plan, context)
    source, channels = wanted.source, tuple(channel.url for channel in wanted.channels)
    if request.clone and (last := _last_of_clone(request.clone, context)) is not None:
        source, channels = last.source, last.channels or channels
    linking = LinkRequest(
        prefix=plan.prefix,
        subdir=wanted.subdir,
        requirements=wanted.requirements,
        requested=_wheels_asked_for(request.clone, context) if request.clone else _requested(plan, intent),
        pypi=intent,
        source=source,
        variables=plan.variables,
        pins=pin_lines(wanted.pins),
        command_line=request.command_line,
        copy=request.copy,
        registry=joined_registry(context),
        channels=channels,
        asking=asking_of(request.asked, wanted, request.options.channel_priority, context),
    )
    from envmgr.ops.activation import refresh

    messages = link_packages(linking, packages, context)
    refresh(plan.prefix, context)
    return Created(plan, done=True, messages=messages)


def _intent(
    request: CreateRequest, wanted: EnvironmentRequest, plan: CreatePlan, context: Context
) -> PypiIntent:
    """What the environment is to hold of PyPI: a clone what its source is to hold, all of a pylock.toml."""
    if wanted.pylock is not None:
        from envmgr.ops.named_file import place_of
        from envmgr.ops.pypi_intent import intent_of_records

        file = place_of(wanted.pylock.file, context)
        return intent_of_records([record for record in plan.link if record.is_pypi], file)
    if request.clone is None:
        from envmgr.ops.pypi_intent import intent_of

        return intent_of(wanted.pypi, context) if wanted.pypi else PypiIntent()
    last = _last_of_clone(request.clone, context)
    return last.pypi if last is not None else PypiIntent()


def _last_of_clone(clone: str, context: Context) -> Generation | None:
    """The newest generation of the environment that is cloned."""
    from envmgr.ops.explicit import locate_clone
    from envmgr.prefix.store import PrefixStore

    return PrefixStore(locate_clone(clone, context)).generations(newest=1).last


def _requested(plan: CreatePlan, intent: PypiIntent) -> dict[str, tuple[str, ...]]:
    """The lines of *intent* that ask for each distribution of *plan*, by the record's name."""
    wheels = [record for record in plan.link if record.is_pypi]
    if not wheels:
        return {}
    from envmgr.ops.pypi_intent import requested_by

    return requested_by(intent, wheels)


def _wheels_asked_for(clone: str, context: Context) -> dict[str, tuple[str, ...]]:
    """The lines that asked for the Python distributions of the environment *clone*, by the records' names."""
    from envmgr.ops.environments import read_steadily
    from envmgr.ops.explicit import locate_clone
    from envmgr.prefix.store import PrefixStore

    source = locate_clone(clone, context)
    installed = read_steadily(source, context, PrefixStore(source).records)
    return {each.record.name: each.requested for each in installed if each.record.is_pypi and each.requested}
