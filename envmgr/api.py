"""The Python API, for scripts and notebooks: `import envmgr` gives these names.

Each function is one operation of the command line, with the same settings, files and guarantees. It prints nothing,
asks nothing, and changes nothing of the process. Values are frozen; failures are exceptions of `envmgr.errors`.

An environment is a name (`"science"`) or a folder (any path object, or a text with a slash in it or with `~` or `.`
at its start); None is the active one, by `CONDA_PREFIX`. Calls may be made in any thread; two that change one
environment wait for each other.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from envmgr.errors import (
    BuildError,
    ChannelError,
    ConfigError,
    DataError,
    EnvmgrError,
    PrefixError,
    SolveError,
    UsageError,
    explained_os_error,
)
from envmgr.models.record import PackageRecord
from envmgr.ops.change_request import Changed, ChangePlan, ChangeRequest
from envmgr.ops.create import Created, CreatePlan, CreateRequest
from envmgr.ops.environments import KnownEnvironment
from envmgr.ops.export_request import Exported, ExportFormat, ExportRequest, format_named
from envmgr.ops.list import Listed
from envmgr.ops.remove import RemovedEnvironment
from envmgr.ops.request import Asked
from envmgr.ops.resolve import ResolveOptions
from envmgr.ports import Phase, Reporter
from envmgr.session import find_settings, make_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.models.spec_style import VersionStyle
    from envmgr.ops.context import Context

__all__ = [
    "BuildError",
    "ChangePlan",
    "Changed",
    "ChannelError",
    "ConfigError",
    "CreatePlan",
    "Created",
    "DataError",
    "EnvmgrError",
    "Exported",
    "KnownEnvironment",
    "Listed",
    "PackageRecord",
    "Phase",
    "PrefixError",
    "RemovedEnvironment",
    "Reporter",
    "ResolveOptions",
    "Session",
    "SolveError",
    "UsageError",
    "create",
    "export",
    "install",
    "list_environments",
    "list_packages",
    "remove",
    "remove_environment",
    "solve",
    "update",
]

Environment: TypeAlias = "str | os.PathLike[str]"
"""A name, or a folder."""

_Value = TypeVar("_Value")
_DEFAULT_OPTIONS = ResolveOptions()


class Session:
    """Settings and connections that several calls share; without one each call makes its own.

    *root* is the folder that envmgr keeps everything in (None: as configured), *offline* forbids or allows the
    network (None: as configured). *reporter* gets the events of long work and the warnings; by default nobody
    does. All other settings come from files and variables, which are read now. Raises ConfigError.
    """

    __slots__ = ("_context",)

    def __init__(
        self,
        *,
        reporter: Reporter | None = None,
        root: os.PathLike[str] | str | None = None,
        offline: bool | None = None,
    ) -> None:
        from pathlib import Path

        folder = None if root is None else Path(root).expanduser().absolute()
        with _explained():
            loaded = find_settings({"root": folder, "offline": offline})
            self._context = make_context(loaded, reporter or Reporter())


def solve(
    specs: Sequence[str] = (),
    *,
    files: Sequence[Environment] = (),
    channels: Sequence[str] | None = None,
    platform: str | None = None,
    options: ResolveOptions = _DEFAULT_OPTIONS,
    session: Session | None = None,
) -> tuple[PackageRecord, ...]:
    """The records that fulfil *specs* and environment *files*, dependencies first; nothing is installed.

    *channels* are searched and no others, but for those of the files; None means the configured ones. *platform* is
    a subdir such as `osx-arm64` (None: this machine's). Items for pip are not solved.

    Raises SolveError when nothing fits (`SolveError.explanation` says why), ChannelError when a channel cannot be
    reached, DataError for a spec or file that cannot be read, UsageError for an explicit file.
    """
    from envmgr.ops.chosen import ChosenRequest, choose

    asked = _asked(specs, files, channels, platform)
    if not (asked.specs or asked.files):
        return ()
    with _explained():
        return choose(ChosenRequest(asked=asked, options=options), _context(session))[0].records


def create(  # noqa: PLR0913 - options of the command line, by their names.
    environment: Environment,
    specs: Sequence[str] = (),
    *,
    pypi: Sequence[str] = (),
    files: Sequence[Environment] = (),
    channels: Sequence[str] | None = None,
    options: ResolveOptions = _DEFAULT_OPTIONS,
    dry_run: bool = False,
    session: Session | None = None,
) -> Created:
    """Make a new environment of *specs* and *files* (environment.yml, lists of specs, explicit files).

    All or nothing. *pypi* are lines for pip, such as `"requests>=2"`. *channels* are as for `solve`. With *dry_run*
    only the plan is made. Raises what `solve` does, and PrefixError for a place that is taken or cannot be written.
    """
    from envmgr.ops.create import create

    name, prefix = _named(environment)
    request = CreateRequest(
        asked=_asked(specs, files, channels, pypi=pypi),
        name=name,
        prefix=prefix,
        options=options,
        dry_run=dry_run,
        command_line=("envmgr.create", os.fspath(environment), *specs),
    )
    with _explained():
        return create(request, _context(session), _agreed)


def install(  # noqa: PLR0913 - options of the command line, by their names.
    environment: Environment | None,
    specs: Sequence[str] = (),
    *,
    pypi: Sequence[str] = (),
    files: Sequence[Environment] = (),
    channels: Sequence[str] | None = None,
    options: ResolveOptions = _DEFAULT_OPTIONS,
    dry_run: bool = False,
    session: Session | None = None,
) -> Changed:
    """Bring packages into an environment, moving as little else as possible; all or nothing.

    *pypi* are lines for pip. *channels* are searched and no others; None means those that the environment was made
    from. Raises what `solve` does, and PrefixError for an environment that is not there, is frozen or cannot be
    written.
    """
    return _change(
        ChangeRequest(
            kind="install",
            asked=_asked(specs, files, channels, pypi=pypi),
            options=options,
            dry_run=dry_run,
            command_line=("envmgr.install", *specs),
        ),
        environment,
        session,
    )


def update(  # noqa: PLR0913 - options of the command line, by their names.
    environment: Environment | None,
    specs: Sequence[str] = (),
    *,
    pypi: Sequence[str] = (),
    files: Sequence[Environment] = (),
    channels: Sequence[str] | None = None,
    options: ResolveOptions = _DEFAULT_OPTIONS,
    dry_run: bool = False,
    session: Session | None = None,
) -> Changed:
    """Bring the named packages to their newest versions that fit; where none is named, everything.

    The rest is as for `install`.
    """
    return _change(
        ChangeRequest(
            kind="update",
            asked=_asked(specs, files, channels, pypi=pypi),
            options=options,
            mode="named" if specs or files or pypi else "all",
            dry_run=dry_run,
            command_line=("envmgr.update", *specs),
        ),
        environment,
        session,
    )


def remove(
    environment: Environment | None,
    specs: Sequence[str],
    *,
    dry_run: bool = False,
    session: Session | None = None,
) -> Changed:
    """Take packages out of an environment, with what needs them and what only they needed; all or nothing.

    Raises PrefixError for a package or an environment that is not there.
    """
    return _change(
        ChangeRequest(
            kind="remove",
            asked=Asked(_texts(specs)),
            prune=True,
            dry_run=dry_run,
            command_line=("envmgr.remove", *specs),
        ),
        environment,
        session,
    )


def remove_environment(environment: Environment, *, session: Session | None = None) -> RemovedEnvironment:
    """Remove a whole environment, with all files in its folder. Raises PrefixError."""
    from envmgr.ops.remove import remove_environment

    name, prefix = _named(environment)
    with _explained():
        return remove_environment(name, prefix, _context(session), lambda _: True)


def list_packages(environment: Environment | None = None, *, session: Session | None = None) -> Listed:
    """What an environment holds: conda packages as records, and what pip brought. Raises PrefixError, DataError."""
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.list import list_packages

    with _explained():
        context = _context(session)
        return list_packages(locate_existing(*_named(environment), context), context)


def list_environments(*, session: Session | None = None) -> tuple[KnownEnvironment, ...]:
    """The environments that are known: named ones, and those that conda, mamba and pixi noted."""
    from envmgr.ops.environments import list_environments

    with _explained():
        return tuple(list_environments(_context(session)))


def export(  # noqa: PLR0913 - options of one command, all named.
    environment: Environment | None = None,
    format: ExportFormat = "yaml",  # noqa: A002 - that is its name on the command line, too.
    *,
    from_history: bool = False,
    versions: VersionStyle = "asked",
    builds: bool = True,
    channels: Sequence[str] = (),
    platforms: Sequence[str] = (),
    override_channels: bool = False,
    ignore_channels: bool = False,
    hashes: bool = False,
    no_pin: bool = False,
    session: Session | None = None,
) -> Exported:
    """An environment as the text of a file for others, and what that does not hold.

    The formats and levels are those of `envmgr export`; *channels* are written first, or alone with
    *override_channels*. *hashes* is for the format `requirements`. *platforms* are written together, the others
    solved as a lock solves them. Raises UsageError for what does not go together, PrefixError and DataError; for
    platforms, ChannelError and SolveError, too.
    """
    from envmgr.ops.export import export

    name, prefix = _named(environment)
    request = ExportRequest(
        name=name,
        prefix=prefix,
        format=format_named(format),
        from_history=from_history,
        versions=versions,
        builds=builds,
        channels=_texts(channels),
        platforms=_texts(platforms),
        override_channels=override_channels,
        ignore_channels=ignore_channels,
        hashes=hashes,
        no_pin=no_pin,
    )
    with _explained():
        return export(request, _context(session))


def _change(request: ChangeRequest, environment: Environment | None, session: Session | None) -> Changed:
    from msgspec.structs import replace

    from envmgr.ops.change import change

    name, prefix = _named(environment)
    with _explained():
        return change(replace(request, name=name, prefix=prefix), _context(session), _agreed)


def _context(session: Session | None) -> Context:
    return (session or Session())._context


def _agreed(_: CreatePlan | ChangePlan) -> bool:
    return True


def _asked(
    specs: Sequence[str],
    files: Sequence[Environment],
    channels: Sequence[str] | None,
    platform: str | None = None,
    pypi: Sequence[str] = (),
) -> Asked:
    return Asked(
        specs=_texts(specs),
        pypi=_texts(pypi),
        files=tuple(os.fspath(file) for file in _several(files)),
        channels=_texts(channels or ()),
        override_channels=channels is not None,
        subdir=platform,
    )


def _texts(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(str, _several(values)))


def _several(values: Sequence[_Value]) -> Sequence[_Value]:
    """*values*, which a single text is not: it would be taken letter by letter."""
    if isinstance(values, (str, bytes, os.PathLike)):
        raise UsageError(
            f"{os.fspath(values)!r} stands where a list is expected.", hint="Put it in brackets."
        )
    return values


def _named(environment: Environment | None) -> tuple[str | None, str | None]:
    """The name or the folder."""
    if environment is None:
        return None, None
    text = os.fspath(environment)
    is_folder = (
        not isinstance(environment, str) or text.startswith(("~", ".")) or "/" in text or os.sep in text
    )
    return (None, text) if is_folder else (text, None)


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """What no operation worded is an EnvmgrError, too."""
    try:
        yield
    except OSError as error:
        raise explained_os_error(error) from error
