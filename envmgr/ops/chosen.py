"""The records that a question is about: those of an environment, or those of a plan that is not carried out.

An environment is read from its conda-meta and needs no index. Its lines are the specs that it has on record
(CEP 32, ``requested_specs``); its ``conda-meta/pinned`` and the configured pins limit it. A plan is solved as
`create` solves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import ChannelError, DataError, PrefixError, UsageError
from envmgr.models.requirement import Requirement, Source
from envmgr.ops.channels import WrittenChannel, credential_urls, parse_channels, permitted_channels
from envmgr.ops.pins import pins
from envmgr.ops.request import Asked, EnvironmentRequest, check_groups, read_request, with_python
from envmgr.ops.resolve import ResolveOptions, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.host.probe import VirtualPackages
    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart
    from envmgr.prefix.store import InstalledPackage

RECORDED = "the environment"


class ChosenRequest(Struct, frozen=True):
    """Which records: those of the environment *name* or *prefix* (or the active one), or those of a plan.

    It is a plan as soon as *asked* has specs or files.
    """

    name: str | None = None
    prefix: str | None = None
    asked: Asked = field(default_factory=Asked)
    options: ResolveOptions = field(default_factory=ResolveOptions)

    @property
    def is_plan(self) -> bool:
        """Whether a plan is asked about and no environment."""
        return bool(self.asked.specs or self.asked.files)


class Chosen(Struct, frozen=True):
    """The records, the lines they stand for, and where newer ones would come from (``channels``, best first).

    ``records`` are of conda packages, ``distributions`` of what came from PyPI, or will come, with what it needs;
    ``distribution_lines`` ask for these. ``prefix`` is None for a plan. ``limits`` restrict packages without asking
    for them.
    """

    records: tuple[PackageRecord, ...]
    requirements: tuple[Requirement, ...]
    limits: tuple[Requirement, ...]
    channels: tuple[Channel, ...]
    subdir: str
    distributions: tuple[PackageRecord, ...] = ()
    distribution_lines: tuple[Requirement, ...] = ()
    prefix: Path | None = None

    def __str__(self) -> str:
        return "the plan" if self.prefix is None else str(self.prefix)


def checked_name(text: str) -> str:
    """*text* as the name of a package; UsageError where it can be none."""
    from envmgr.models.identifiers import is_package_name

    name = text.strip().lower()
    if is_package_name(name):
        return name
    hint = "Name the package without a version." if any(mark in text for mark in "=<> ") else None
    raise UsageError(f"{text!r} is not the name of a package.", hint=hint)


def found_name(name: str, names: Container[str]) -> str:
    """*name*, or among *names* that of the distribution from PyPI that is called so and no conda package is."""
    from envmgr.models.record import PYPI_PREFIX
    from envmgr.models.wheel_name import normalized_name

    of_pypi = f"{PYPI_PREFIX}{normalized_name(name)}"
    return of_pypi if name not in names and of_pypi in names else name


def machine_of(virtual: VirtualPackages) -> Callable[[str], PackageRecord | None]:
    """The answer to which record a virtual package has on this machine; None for none."""
    return lambda name: next(iter(virtual.records(name)), None)


def choose(request: ChosenRequest, context: Context) -> tuple[Chosen, Context]:
    """The records, and the context with the credentials that their request brought.

    Raises UsageError where it is not clear what is asked about, PrefixError and DataError for an environment that
    is not there or cannot be read, and whatever `resolve` raises for a plan.
    """
    named = request.name is not None or request.prefix is not None
    if request.is_plan and named:
        raise UsageError(
            "-n and -p ask about an environment, -f and --spec about a plan; only one of them can be meant.",
            hint="Leave out one kind.",
        )
    if not (request.is_plan or named or context.environ.get("CONDA_PREFIX")):
        raise UsageError(
            "no environment was named and none is active.",
            hint="Name one with -n NAME or -p PREFIX, or a plan with -f FILE or --spec SPEC.",
        )
    return _planned(request, context) if request.is_plan else _installed(request, context)


def _planned(request: ChosenRequest, context: Context) -> tuple[Chosen, Context]:
    from envmgr.ops.create import with_default_packages

    wanted = with_python(read_request(request.asked, context))
    check_groups(request.asked, wanted)
    if wanted.explicit or wanted.locked is not None or wanted.pylock is not None:
        raise UsageError(
            "what lists exact packages says nothing of who needs whom.",
            hint="Ask about the environment made from it, with -n or -p.",
        )
    wanted = with_default_packages(wanted, context)
    for warning in wanted.warnings:
        context.reporter.warned(warning)
    context = context.with_credentials(wanted.written_urls)
    records, distributions = _solved(wanted, request.options, context)
    return Chosen(
        records=records,
        requirements=wanted.requirements,
        limits=(
            *pins(context, ignored=request.options.no_pin),
            *(() if request.options.no_pin else wanted.pins),
        ),
        channels=wanted.channels,
        subdir=wanted.subdir,
        distributions=distributions,
        distribution_lines=tuple(_distribution_lines(wanted, distributions, context)),
    ), context


def _solved(
    wanted: EnvironmentRequest, options: ResolveOptions, context: Context
) -> tuple[tuple[PackageRecord, ...], tuple[PackageRecord, ...]]:
    """The records of conda packages, and of distributions from PyPI; a warning says where these are not known."""
    if not wanted.requirements:
        return (), ()
    if wanted.pypi:
        from envmgr.ops.distributions import planned_records

        try:
            records, part = _solved_jointly(wanted, options, context)
        except (PrefixError, ChannelError) as error:
            context.reporter.warned(f"what comes from PyPI is not known, and left out: {error}")
        else:
            both = planned_records(part, (*records, *part.wheels))
            return records, tuple(record for record in both if record.is_pypi)
    return resolve(wanted.requirements, wanted.channels, wanted.subdir, options, context), ()


def _solved_jointly(
    wanted: EnvironmentRequest, options: ResolveOptions, context: Context
) -> tuple[tuple[PackageRecord, ...], PypiPart]:
    from envmgr.ops.joint import PypiQuestion, resolve_jointly
    from envmgr.ops.provided import Providers
    from envmgr.ops.pypi_builds import planner
    from envmgr.ops.resolve import resolving

    question = PypiQuestion(
        wanted.pypi,
        wanted.subdir,
        Providers(context),
        planned=planner(wanted.subdir, context, dry_run=True),
        exclude_newer=options.exclude_newer,
        strategy=options.version_strategy,
    )
    with resolving(
        wanted.requirements, wanted.channels, wanted.subdir, options, context, limits=wanted.pins
    ) as session:
        return resolve_jointly(session, question)


def _distribution_lines(
    wanted: EnvironmentRequest, distributions: Sequence[PackageRecord], context: Context
) -> Iterable[Requirement]:
    """The lines for PyPI, as requirements about the records that they ask for."""
    from envmgr.models.match_spec import MatchSpec
    from envmgr.ops.pypi_intent import intent_of, requested_by

    if not distributions:
        return
    intent = intent_of(wanted.pypi, context)
    places = {each.spec: Source(each.file, each.line, each.spec) for each in intent.requirements}
    for name, texts in requested_by(intent, distributions).items():
        for text in texts:
            yield Requirement(MatchSpec(name=name), places[text])


def _installed(request: ChosenRequest, context: Context) -> tuple[Chosen, Context]:
    from envmgr.models.match_spec import MatchSpec
    from envmgr.ops.distributions import installed_distributions
    from envmgr.ops.environments import locate_existing, read_steadily
    from envmgr.prefix.store import PrefixStore

    if request.asked.subdir is not None:
        raise UsageError(
            "--platform is for a plan; an environment has its platform already.",
            hint="Leave it out, or name a plan with -f FILE or --spec SPEC.",
        )
    prefix = locate_existing(request.name, request.prefix, context)
    store = PrefixStore(prefix)
    everything = read_steadily(prefix, context, store.records)
    packages = [package for package in everything if not package.record.is_pypi]
    of_pypi = store.asked([package for package in everything if package.record.is_pypi])
    records = tuple(package.record for package in packages)
    settings = context.settings
    context = context.with_credentials([*request.asked.channels, *credential_urls(settings)])
    subdir = next((each.subdir for each in records if each.subdir not in (None, "noarch")), None)
    return Chosen(
        records=records,
        requirements=tuple(_recorded(packages, store.asked(packages), context)),
        limits=pins(context, prefix, ignored=request.options.no_pin),
        channels=_channels(records, request.asked, context),
        subdir=subdir or settings.subdir,
        distributions=installed_distributions(
            prefix, everything, of_pypi, subdir or settings.subdir, context
        ),
        distribution_lines=tuple(
            Requirement(MatchSpec(name=name), Source(RECORDED, None, text))
            for name, texts in of_pypi.items()
            for text in texts
        ),
        prefix=prefix,
    ), context


def _recorded(
    packages: Sequence[InstalledPackage], asked: Mapping[str, Sequence[str]], context: Context
) -> Iterable[Requirement]:
    """The specs that asked for packages; one that cannot be read or names no package is told and left out."""
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.models.spec_style import plain_text

    for package in packages:
        for text in asked.get(package.record.name, ()):
            try:
                spec = parse_match_spec(text)
            except DataError as error:
                context.reporter.warned(f"{package.document_name}: {error}")
                continue
            if spec.name == package.record.name:
                yield Requirement(spec, Source(RECORDED, None, plain_text(spec)))


def _channels(records: Sequence[PackageRecord], asked: Asked, context: Context) -> tuple[Channel, ...]:
    """Those of the command line, then those that the records came from, or the configured ones where none tells."""
    names = [name for name in asked.channels if name != "nodefaults"]
    given = permitted_channels([WrittenChannel(name, "command line") for name in names], context)
    recorded = channels_of(records, context)
    if asked.override_channels and given:
        recorded = ()
    elif not recorded:
        recorded = parse_channels(context.settings.channels, context)
    return tuple({channel.url: channel for channel in (*given, *recorded)}.values())


def channels_of(records: Sequence[PackageRecord], context: Context) -> tuple[Channel, ...]:
    """The channels that *records* came from, likely in the order in which they were searched.

    That order was not recorded. One that is not configured was named before the configured ones; and of several,
    the one that brought least is likely the special one that stood first.
    """
    from envmgr.models.channel import Channel

    configured = parse_channels(context.settings.channels, context)
    counts: dict[str, int] = {}
    for record in records:
        if record.origin is not None:
            counts[record.origin.channel] = counts.get(record.origin.channel, 0) + 1
    known = {channel.url: channel for channel in configured}
    others = sorted((url for url in counts if url not in known), key=lambda url: (counts[url], url))
    alias = context.settings.channel_alias
    recorded = [Channel.parse(url, alias=alias) for url in others]
    return (*recorded, *(channel for channel in configured if channel.url in counts))
