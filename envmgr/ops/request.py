"""Reads what the user asked for, from the command line and files, into one request value.

Files are told apart by content and name (`envmgr.envfile.other_formats`): ``@EXPLICIT`` makes an explicit file (CEP
23), a ``.yml``, ``.yaml`` or ``.json`` name mostly an environment.yml (CEP 24), others are projects' files or
lists. Several files are merged in order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import DataError, UsageError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.named_file import is_on_server, name_beside, shown_name
from envmgr.models.requirement import Requirement, Source
from envmgr.models.string_match import is_regex
from envmgr.ops.channels import (
    WrittenChannel,
    channel_lists,
    configured_channels,
    credential_urls,
    find_channels,
    parse_channels,
    permitted_channels,
    with_real_channel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.config.settings import ChannelPriority
    from envmgr.envfile.environment_file import EnvironmentFile
    from envmgr.envfile.explicit import ExplicitPackage
    from envmgr.lock.pylock_v1 import Pylock
    from envmgr.models.channel import Channel
    from envmgr.ops.context import Context
    from envmgr.ops.locked import LockedPackages
    from envmgr.ops.python_requirements import Placed, Placement, Preference
    from envmgr.prefix.generation import Asking, SourceFile
    from envmgr.pypi.resolution import PypiItem

__all__ = [
    "Asked",
    "EnvironmentRequest",
    "asking_of",
    "check_groups",
    "parse_channels",
    "parse_requirement",
    "read_request",
    "with_python",
]

_BARE_VERSION = lazy_pattern(r"[0-9]+(\.[0-9]+)+(\.\*)?")
_BARE_NAME = lazy_pattern(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_ARCHIVES = (".conda", ".tar.bz2")
_MOST_INCLUDED = 200
LOOKED_AT_BYTES = 2_000_000
"""Of a file, to tell what kind it is."""


class Asked(Struct, frozen=True):
    """The words of the request, as typed; ``pypi`` are lines for pip: requirements, paths, URLs, options.

    ``prefer`` is where Python requirements of files come from; of these files, ``extras`` and ``groups``
    count, too. ``groups`` of locks are their usual ones where none is named.
    """

    specs: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    override_channels: bool = False
    subdir: str | None = None
    pypi: tuple[str, ...] = ()
    prefer: Preference = "pypi"
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class EnvironmentRequest(Struct, frozen=True):
    """What one environment should hold.

    Either ``requirements`` are solved against ``channels`` (best first), or ``explicit`` lists the exact archives
    and nothing is solved; then ``locked`` is what a lock has beside them, and the requirements tell what it was
    made for. ``pypi`` are the lines for pip of files and of the command line; ``pylock`` has exact distributions in
    their place. ``written_urls`` are the URLs as the user wrote them: only these may hold credentials. ``placed``
    tells what requirements of other tools' files became; ``python_source`` is where the first of them stands, which
    need a python although no file asks for one (None: one does, or nothing needs it). ``known_groups`` are those
    that files have, ``source`` the environment.yml where one file tells all that the command line does not.
    ``pins`` limit packages without asking for them, in this solve and in the environment from then on.
    """

    requirements: tuple[Requirement, ...]
    explicit: tuple[ExplicitPackage, ...]
    channels: tuple[Channel, ...]
    subdir: str
    pypi: tuple[PypiItem, ...]
    variables: Mapping[str, str]
    name: str | None
    prefix: str | None
    warnings: tuple[str, ...]
    written_urls: tuple[str, ...] = ()
    locked: LockedPackages | None = None
    pylock: Pylock | None = None
    placed: tuple[Placement, ...] = ()
    python_source: Source | None = None
    known_groups: tuple[str, ...] = ()
    source: SourceFile | None = None
    pins: tuple[Requirement, ...] = ()


def read_request(asked: Asked, context: Context) -> EnvironmentRequest:
    """Read files and specs; raises DataError with file and line, UsageError for what cannot go together.

    A channel or an archive that may not be used raises ChannelError with the place where it is written.
    """
    from envmgr.models.platform import check_subdir

    subdir = check_subdir(asked.subdir) if asked.subdir else context.settings.subdir
    pieces = read_pieces(asked, subdir, context)
    for place, spec in enumerate(asked.specs):
        _check_word(spec, asked.specs[place - 1] if place else None)
        if spec.split("#", 1)[0].endswith(_ARCHIVES):
            pieces.explicit.append(_direct_package(spec, context))
        else:
            pieces.requirements.append(parse_requirement(spec))
    if pieces.pylock is not None:
        _add_python(pieces.pylock, asked, pieces)
    file = _merged(pieces.environments, context)
    _check_platform(subdir, file, asked)
    _check_explicit_platform(subdir, pieces)
    _check_names("extra", asked.extras, tuple(file.extras))
    placed = _placed(asked, file, pieces, subdir, context)
    written = (*file.requirements, *(placed.requirements if placed else ()), *pieces.requirements)
    requirements = tuple(with_real_channel(each, context) for each in written)
    if pieces.locked is not None and asked.pypi:
        raise UsageError(
            f"{pieces.locked.file} is exact, and cannot be mixed with other items for PyPI.",
            hint="Make the environment of the lock, and install them into it.",
        )
    if (pieces.explicit and requirements) if pieces.locked is None else pieces.is_mixed:
        raise UsageError(
            "exact packages and specs cannot be mixed in one request.",
            hint="Name either archives and explicit files, or specs and environment files.",
        )
    _check_archives(pieces.explicit, context)
    has_python = any(each.spec.name == "python" for each in requirements)
    return EnvironmentRequest(
        requirements=requirements,
        explicit=tuple(pieces.explicit),
        channels=_channels(asked, file, written, context),
        subdir=subdir,
        pypi=(*_pypi_items(asked, file, context), *(placed.pypi if placed else ())),
        variables=file.variables,
        name=file.name,
        prefix=file.prefix,
        warnings=file.warnings,
        written_urls=(
            *_written_urls(asked, file, written, pieces, context),
            *(pieces.locked.written_urls if pieces.locked is not None else ()),
        ),
        locked=pieces.locked,
        pylock=pieces.pylock,
        placed=tuple(placed.told) if placed else (),
        python_source=file.python[0].source if file.python and not has_python else None,
        known_groups=tuple(file.groups),
        source=pieces.source,
        pins=_pins(file, context),
    )


def _pins(file: EnvironmentFile, context: Context) -> tuple[Requirement, ...]:
    if not file.pins:
        return ()
    from envmgr.ops.pins import pins_of_files

    return pins_of_files(file.pins, context)


def check_groups(asked: Asked, wanted: EnvironmentRequest) -> None:
    """Raises UsageError for a group that neither a file nor a lock has; a lock tells its own."""
    if wanted.locked is not None or wanted.pylock is not None:
        return
    _check_names("group", asked.groups, wanted.known_groups)


def _placed(
    asked: Asked, file: EnvironmentFile, pieces: Pieces, subdir: str, context: Context
) -> Placed | None:
    """What projects' files ask for, divided between conda and PyPI; None where there is none of them."""
    if not (file.mapped or file.requires_python or file.python):
        return None
    from envmgr.ops.python_requirements import items_of_file, place_mapped, prefer_conda

    placed = place_mapped(file)
    items = items_of_file(file.python, context)
    if asked.prefer == "pypi" or not items:
        placed.pypi += items
        return placed
    written = (*file.requirements, *placed.requirements, *pieces.requirements)
    urls = _written_urls(asked, file, written, pieces, context)
    channels = permitted_channels(_written_channels(asked, file, context), context)
    divided = prefer_conda(items, channels, subdir, context.with_credentials(urls))
    placed.requirements += divided.requirements
    placed.pypi += divided.pypi
    placed.told += divided.told
    return placed


def _written_urls(
    asked: Asked,
    file: EnvironmentFile,
    written: Sequence[Requirement],
    pieces: Pieces,
    context: Context,
) -> tuple[str, ...]:
    return (
        *(each.text for each in _written_channels(asked, file, context)),
        *(_written_channel(each) for each in written),
        *(each.url.rpartition("/")[0] for each in pieces.explicit),
        *credential_urls(context.settings),
    )


def with_python(wanted: EnvironmentRequest, asked: Sequence[str] = ()) -> EnvironmentRequest:
    """*wanted* with python by the specs *asked* (none: any), where requirements need one and no file asks for it.

    This is for what the files alone decide: new environments, and those that are pruned to them.
    """
    from msgspec.structs import replace

    from envmgr.models.match_spec import parse_match_spec

    if wanted.python_source is None or wanted.explicit:
        return wanted
    where = wanted.python_source
    lines = [
        Requirement(parse_match_spec(text), Source(where.file, where.line, text))
        for text in asked or ("python",)
    ]
    return replace(wanted, requirements=(*lines, *wanted.requirements), python_source=None)


def _check_names(kind: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raises UsageError for an extra or a group that no file has."""
    if not names:
        return
    import difflib

    from envmgr.models.wheel_name import normalized_name

    there = {normalized_name(name) for name in known}
    for name in names:
        if normalized_name(name) not in there:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known) or 'none'}."
            raise UsageError(f"no file has the {kind} '{name}'.", hint=hint)


def asking_of(
    asked: Asked, wanted: EnvironmentRequest, priority: ChannelPriority | None, context: Context
) -> Asking:
    """What was *asked*, as generations keep it: with files and lines, and without credentials.

    *priority* is that of the command, None for that of the settings.
    """
    from envmgr.models.channel import without_credentials_in_text
    from envmgr.ops.named_file import place_of
    from envmgr.prefix.generation import AskedFor, Asking

    def placed(text: str, source: Source) -> AskedFor:
        file = None if source.file is None else place_of(source.file, context)
        return AskedFor(text, file, source.line if file else None)

    chosen = priority or context.settings.channel_priority
    shown = [(url, without_credentials_in_text(url)) for url in wanted.written_urls]
    items = _shown_items(wanted.pypi)
    shown += [(item.text, text) for item, text in items]
    return Asking(
        tuple(
            placed(without_credentials_in_text(str(each.spec)), each.source) for each in wanted.requirements
        ),
        tuple(placed(text, item.source) for item, text in items),
        tuple(place_of(file, context) for file in asked.files),
        tuple(dict.fromkeys(clean for written, clean in shown if clean != written)),
        "" if wanted.explicit or chosen == "strict" else chosen,
    )


def _shown_items(items: Sequence[PypiItem]) -> list[tuple[PypiItem, str]]:
    """The *items*, each with its text without logins."""
    if not items:
        return []
    from envmgr.pypi.items import without_login

    return [(item, without_login(item.text)) for item in items]


def _pypi_items(asked: Asked, file: EnvironmentFile, context: Context) -> tuple[PypiItem, ...]:
    """The lines for pip; relative paths in them start at the folder of the file, or here."""
    if not (asked.pypi or file.subsections.get("pip")):
        return ()
    from envmgr.ops.python_requirements import items_of_file
    from envmgr.pypi.resolution import PypiItem

    found = items_of_file(file.subsections.get("pip", ()), context)
    found += [PypiItem(text, context.cwd, Source(None, None, text)) for text in asked.pypi]
    return tuple(found)


class Pieces(Struct):
    """What the files and specs brought so far, by kind."""

    environments: list[EnvironmentFile] = field(default_factory=list)
    explicit: list[ExplicitPackage] = field(default_factory=list)
    requirements: list[Requirement] = field(default_factory=list)
    platforms: list[tuple[str | None, str]] = field(default_factory=list)
    locked: LockedPackages | None = None
    pylock: Pylock | None = None
    source: SourceFile | None = None

    @property
    def is_mixed(self) -> bool:
        """Whether there is more than one lock."""
        assert self.locked is not None
        return (
            bool(self.requirements)
            or len(self.environments) > 1
            or len(self.explicit) > len(self.locked.conda)
        )


def parse_requirement(text: str) -> Requirement:
    """A spec from the command line."""
    from envmgr.models.match_spec import parse_match_spec

    return Requirement(parse_match_spec(text), Source(None, None, text))


def _add_python(pylock: Pylock, asked: Asked, pieces: Pieces) -> None:
    """Ask for the Python of *pylock* where nobody else does; it takes the place of all other items for PyPI."""
    from envmgr.envfile.spec_line import parse_requirement as parse_line

    files = pieces.environments
    if pieces.explicit or asked.pypi or any(file.subsections for file in files):
        raise UsageError(
            f"{pylock.file} is exact, and cannot be mixed with exact archives or other items for PyPI.",
            hint="Name it alone, or beside conda packages that are asked for by specs.",
        )
    lines = [*pieces.requirements, *(line for file in files for line in file.requirements)]
    if not any(line.spec.name == "python" for line in lines):
        text = pylock.python_spec
        pieces.requirements.append(parse_line(text, Source(pylock.file, None, text)))


def environment_files(asked: Asked, subdir: str, context: Context) -> tuple[EnvironmentFile, ...]:
    """The environment files among the files of *asked*, as they are for *subdir*; raises DataError."""
    return tuple(read_pieces(asked, subdir, context).environments)


def read_pieces(
    asked: Asked, subdir: str, context: Context, contents: Mapping[str, bytes] | None = None
) -> Pieces:
    """What the files of *asked* hold, as they say it; raises DataError with file and line.

    *contents* are the bytes of files that were read already: a pipe can be read once.
    """
    reader = _FileReader(asked, subdir, context, contents)
    for path in asked.files:
        environment = reader.read(path)
        if environment is not None:
            reader.pieces.environments.append(environment)
    return reader.pieces


class _FileReader:
    """Reads files, and those that they include, each where it first stands."""

    def __init__(
        self, asked: Asked, subdir: str, context: Context, contents: Mapping[str, bytes] | None = None
    ) -> None:
        self.pieces = Pieces()
        self._asked, self._subdir, self._context = asked, subdir, context
        self._contents = contents or {}
        self._count = 0

    def read(self, name: str, above: tuple[str, ...] = ()) -> EnvironmentFile | None:
        """The environment in the file *name*, to which those *above* led; None for lists, for the pieces."""
        from envmgr.envfile.environment_file import Selection
        from envmgr.envfile.explicit import parse_explicit, parse_specs_file
        from envmgr.envfile.other_formats import kind_of_file
        from envmgr.models.document import glanced_text
        from envmgr.ops.named_file import read_content

        path = shown_name(name)
        content = self._contents.get(name)
        if content is None:
            content = read_content(name, self._context)
        kind = kind_of_file(glanced_text(content, LOOKED_AT_BYTES), path)
        if kind == "explicit":
            context = self._context
            here = None if is_on_server(path) else str(context.cwd)
            parsed = parse_explicit(content, file=path, environ=context.environ, cwd=here)
            self.pieces.explicit.extend(parsed.packages)
            self.pieces.platforms.append((parsed.platform, path))
            return None
        if kind == "lock":
            return self._locked(content, path)
        if kind == "pylock":
            self._take_pylock(content, path)
            return None
        if kind == "specs":
            self.pieces.requirements.extend(parse_specs_file(content, file=path))
            return None
        from envmgr.envfile.read_file import read_environment_file
        from envmgr.ops.environments import expanded
        from envmgr.ops.source_file import source_of

        if kind == "requirements" and (is_on_server(name) or not expanded(path, self._context).is_file()):
            return _fetched_requirements(content, path)
        selection = Selection(self._asked.extras, self._asked.groups)
        file = read_environment_file(kind, content, path, self._subdir, selection)
        if kind == "environment" and len(self._asked.files) == 1 and not (above or self._asked.groups):
            self.pieces.source = source_of(path, content, self._context)
        return self._with_included(file, name, above) if file.includes else file

    def _locked(self, content: bytes, path: str) -> EnvironmentFile:
        from envmgr.ops.locked import read_locked

        lock = read_locked(content, path, self._subdir, self._asked.groups, self._context)
        self.pieces.explicit.extend(lock.packages.conda)
        self.pieces.locked = lock.packages
        return lock.environment

    def _take_pylock(self, content: bytes, path: str) -> None:
        from envmgr.lock.pylock_v1 import read_pylock_file

        if self.pieces.pylock is not None:
            raise UsageError(
                f"{self.pieces.pylock.file} and {path} cannot be mixed.", hint="Name one of them."
            )
        self.pieces.pylock = read_pylock_file(content, file=path)

    def _with_included(self, file: EnvironmentFile, name: str, above: tuple[str, ...]) -> EnvironmentFile:
        from envmgr.envfile.merge import merge_included
        from envmgr.models.named_file import refuse_here

        here = (*above, self._identity(name))
        included = []
        for item in file.includes:
            other = name_beside(name, item.text)
            if is_on_server(name) and not is_on_server(other):
                raise refuse_here(item.text, item.source)
            self._count += 1
            if self._identity(other) in here or self._count > _MOST_INCLUDED:
                raise DataError(f"{item.source}: {item.text} includes itself, or too many files do.")
            try:
                found = self.read(other, here)
            except DataError as error:
                if error.facts.get("file") == shown_name(other) and "line" not in error.facts:
                    facts = {**error.facts, "file": item.source.file}
                    raise DataError(f"{item.source}: {error}", hint=error.hint, **facts) from None
                raise
            included += [found] if found is not None else []
        return merge_included(file, included)

    def _identity(self, name: str) -> str:
        from envmgr.ops.environments import expanded

        return shown_name(name) if is_on_server(name) else str(expanded(name, self._context).resolve())


def _fetched_requirements(content: bytes, path: str) -> EnvironmentFile:
    """The lines for pip that came out of a pipe or from a server, and are not read again."""
    from envmgr.envfile.environment_file import EnvironmentFile, Item
    from envmgr.models.document import decode_document
    from envmgr.models.yaml_problem import refuse_merge_markers
    from envmgr.pypi.requirement_lines import logical_lines

    text = decode_document(content, file=path)
    refuse_merge_markers(text, file=path)
    return EnvironmentFile(
        python=tuple(Item(line, Source(path, number, line)) for number, line in logical_lines(text))
    )


def _direct_package(spec: str, context: Context) -> ExplicitPackage:
    from envmgr.envfile.explicit import parse_explicit

    text = f"@EXPLICIT\n{spec}\n"
    return parse_explicit(text, file="command line", environ=context.environ, cwd=str(context.cwd)).packages[
        0
    ]


def _merged(environments: Sequence[EnvironmentFile], context: Context) -> EnvironmentFile:
    from envmgr.envfile.environment_file import EnvironmentFile
    from envmgr.envfile.merge import merge_environments

    merged = merge_environments(environments) if environments else EnvironmentFile()
    merged.refuse_subsections_except(("pip",))
    return merged.expanded(context.environ)


def _check_word(spec: str, before: str | None) -> None:
    """Raises UsageError for a bare version, which belongs to the package *before* it."""
    if _BARE_VERSION.fullmatch(spec) is None:
        return
    hint = f"Did you mean {before}={spec}?" if before and _BARE_NAME.fullmatch(before) else None
    raise UsageError(
        f"'{spec}' is a version, and no package is called so.",
        hint=hint or "Write NAME=VERSION, as in python=3.12.",
    )


def _check_platform(subdir: str, file: EnvironmentFile, asked: Asked) -> None:
    if file.platforms and subdir not in file.platforms:
        origin = "asked for" if asked.subdir else "this machine's"
        raise UsageError(
            f"the file's platforms ({', '.join(file.platforms)}) do not include {subdir}, which is {origin}.",
            hint="Choose one with --platform (then add --dry-run unless this machine can use it).",
        )


def _check_explicit_platform(subdir: str, pieces: Pieces) -> None:
    """Archives for another platform are refused, whether the file says so or their URLs do."""
    from envmgr.models.channel import split_url

    hint = "Name the platform with --platform, if that is meant."
    for platform, path in pieces.platforms:
        if platform not in (None, subdir):
            raise UsageError(f"{path} is for {platform}, not for {subdir}.", hint=hint)
    for package in pieces.explicit:
        found = split_url(package.url)[1]
        if found not in ("", "noarch", subdir):
            raise UsageError(
                f"{package.source}: {split_url(package.url)[2]} is for {found}, not for {subdir}.", hint=hint
            )


def _check_archives(packages: Sequence[ExplicitPackage], context: Context) -> None:
    """Archives that are named by URL obey the lists of allowed and denied channels, too."""
    from envmgr.models.channel import split_url

    lists = channel_lists(context)
    for package in packages if lists.restricts else ():
        lists.check_url(package.url, f"the archive {split_url(package.url)[2]}", str(package.source))


def _written_channel(requirement: Requirement) -> str:
    """The channel of `CHANNEL::name` as it was typed; the spec itself keeps no credentials."""
    written, mark, _ = requirement.source.text.strip().partition("::")
    subdir = requirement.spec.subdir
    return written.rstrip("/").removesuffix(f"/{subdir}") if mark else ""


def _channels(
    asked: Asked, file: EnvironmentFile, requirements: Sequence[Requirement], context: Context
) -> tuple[Channel, ...]:
    """Command line first, then the file's, then the configured ones unless `nodefaults` (CEP 24, channels).

    A channel that only a spec names (`channel::name`) is searched last, as conda does.
    """
    written = _written_channels(asked, file, context)
    # Where nothing is solved, no channel is asked.
    channels = permitted_channels(written, context) if requirements else find_channels(written, context)
    named: dict[str, WrittenChannel] = {}
    for each in requirements:
        text = each.spec.channel
        if text and "*" not in text and not is_regex(text):
            named.setdefault(text, WrittenChannel(text, str(each.source)))
    for channel in permitted_channels([named[text] for text in sorted(named)], context):
        if not any(f"/{known.url}".endswith(f"/{channel.name}") for known in channels):
            channels = (*channels, channel)
    return channels


def _written_channels(asked: Asked, file: EnvironmentFile, context: Context) -> list[WrittenChannel]:
    no_defaults = asked.override_channels or "nodefaults" in asked.channels
    configured = [] if no_defaults else configured_channels(context)
    places = {each.text: each.place for each in configured}
    places |= {name: str(source) for name, source in file.channel_sources.items()}
    places |= dict.fromkeys(asked.channels, "command line")
    names = [*asked.channels, *file.all_channels([each.text for each in configured])]
    return [WrittenChannel(name, places.get(name, "")) for name in names if name != "nodefaults"]
