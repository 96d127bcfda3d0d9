"""The records that a question is about: those of an environment, or those of a plan that is not carried out.

An environment is read from its conda-meta and needs no index. Its lines are the specs that it has on record
(CEP 32, ``requested_specs``); its ``conda-meta/pinned`` and the configured pins limit it. A plan is solved as
`create` solves it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import DataError, UsageError
from envmgr.models.requirement import Requirement, Source
from envmgr.ops.channels import WrittenChannel, credential_urls, parse_channels, permitted_channels
from envmgr.ops.pins import pins
from envmgr.ops.request import Asked, EnvironmentRequest, read_request, with_python
from envmgr.ops.resolve import ResolveOptions, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.host.probe import VirtualPackages
    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
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

    ``records`` are of conda packages. ``prefix`` is None for a plan. ``limits`` restrict packages without asking
    for them. ``pypi`` names what came from PyPI, or will come.
    """

    records: tuple[PackageRecord, ...]
    requirements: tuple[Requirement, ...]
    limits: tuple[Requirement, ...]
    channels: tuple[Channel, ...]
    subdir: str
    pypi: tuple[str, ...] = ()
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
    if wanted.explicit or wanted.locked is not None or wanted.pylock is not None:
        raise UsageError(
            "an explicit list says nothing of who needs whom.",
            hint="Ask about the environment made from it, with -n or -p.",
        )
    wanted = with_default_packages(wanted, context)
    for warning in wanted.warnings:
        context.reporter.warned(warning)
    context = context.with_credentials(wanted.written_urls)
    return Chosen(
        records=_solved(wanted, request.options, context),
        requirements=wanted.requirements,
        limits=pins(context, ignored=request.options.no_pin),
        channels=wanted.channels,
        subdir=wanted.subdir,
        pypi=tuple(item.text for item in wanted.pypi),
    ), context


def _solved(
    wanted: EnvironmentRequest, options: ResolveOptions, context: Context
) -> tuple[PackageRecord, ...]:
    if not wanted.requirements:
        return ()
    return resolve(wanted.requirements, wanted.channels, wanted.subdir, options, context)


def _installed(request: ChosenRequest, context: Context) -> tuple[Chosen, Context]:
    from envmgr.ops.environments import locate_existing, read_steadily
    from envmgr.ops.list import foreign_distributions
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
    wheels = [package.record for package in everything if package.record.is_pypi]
    records = tuple(package.record for package in packages)
    settings = context.settings
    context = context.with_credentials([*request.asked.channels, *credential_urls(settings)])
    return Chosen(
        records=records,
        requirements=tuple(_recorded(packages, store.asked(packages), context)),
        limits=pins(context, prefix, ignored=request.options.no_pin),
        channels=_channels(records, request.asked, context),
        subdir=next((each.subdir for each in records if each.subdir not in (None, "noarch")), None)
        or settings.subdir,
        pypi=tuple(
            sorted(
                [f"{each.shown_name} {each.version}" for each in wheels]
                + [f"{each.name} {each.version}" for each in foreign_distributions(prefix, everything)]
            )
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
