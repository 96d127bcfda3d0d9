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
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

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
from envmgr.models.difference import Difference
from envmgr.models.record import PackageRecord
from envmgr.ops.adopt import Adopted
from envmgr.ops.change_request import Changed, ChangePlan, ChangeRequest
from envmgr.ops.create import Created, CreatePlan, CreateRequest
from envmgr.ops.diff import Differences
from envmgr.ops.environments import KnownEnvironment
from envmgr.ops.export_request import Exported, ExportFormat, ExportRequest, format_named
from envmgr.ops.list import Listed
from envmgr.ops.lock_request import Checked, Locked, LockRequest
from envmgr.ops.remove import RemovedEnvironment
from envmgr.ops.request import Asked
from envmgr.ops.resolve import ResolveOptions
from envmgr.ports import Phase, Reporter
from envmgr.session import find_settings, make_context

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.models.spec_style import VersionStyle
    from envmgr.ops.context import Context
    from envmgr.ops.python_requirements import Preference

__all__ = [
    "Adopted",
    "BuildError",
    "ChangePlan",
    "Changed",
    "ChannelError",
    "Checked",
    "ConfigError",
    "CreatePlan",
    "Created",
    "DataError",
    "Difference",
    "Differences",
    "EnvmgrError",
    "Exported",
    "KnownEnvironment",
    "Listed",
    "Locked",
    "PackageRecord",
    "Phase",
    "PrefixError",
    "RemovedEnvironment",
    "Reporter",
    "ResolveOptions",
    "Session",
    "SolveError",
    "UsageError",
    "adopt",
    "check_lock",
    "create",
    "diff",
    "export",
    "install",
    "list_environments",
    "list_packages",
    "lock_files",
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


def solve(  # noqa: PLR0913 - options of the command line, by their names.
    specs: Sequence[str] = (),
    *,
    files: Sequence[Environment] = (),
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    prefer: Preference = "pypi",
    channels: Sequence[str] | None = None,
    platform: str | None = None,
    options: ResolveOptions = _DEFAULT_OPTIONS,
    session: Session | None = None,
) -> tuple[PackageRecord, ...]:
    """The records that fulfil *specs* and environment *files*, dependencies first; nothing is installed.

    Of *files*, the *extras* and *groups* that are named count, too; *prefer* is where the Python requirements of
    projects' files come from. *channels* are searched and no others, but for those of the files; None means the
    configured ones. *platform* is a subdir such as `osx-arm64` (None: this machine's). Items for pip are not
    solved.

    Raises SolveError when nothing fits (`SolveError.explanation` says why), ChannelError when a channel cannot be
    reached, DataError for a spec or file that cannot be read, UsageError for an explicit file or a lock.
    """
    from envmgr.ops.chosen import ChosenRequest, choose

    asked = _asked(_Files(files, extras, groups, prefer), specs, channels, platform=platform)
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
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    prefer: Preference = "pypi",
    channels: Sequence[str] | None = None,
    options: ResolveOptions = _DEFAULT_OPTIONS,
    dry_run: bool = False,
    session: Session | None = None,
) -> Created:
    """Make a new environment of *specs* and *files* (environment.yml, files of projects, locks, explicit files).

    All or nothing. *pypi* are lines for pip, such as `"requests>=2"`. *extras*, *groups*, *prefer* and *channels*
    are as for `solve`. With *dry_run* only the plan is made. Raises what `solve` does, and PrefixError for a place
    that is taken or cannot be written.
    """
    from envmgr.ops.create import create

    name, prefix = _named(environment)
    request = CreateRequest(
        asked=_asked(_Files(files, extras, groups, prefer), specs, channels, pypi=pypi),
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
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    prefer: Preference = "pypi",
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
            asked=_asked(_Files(files, extras, groups, prefer), specs, channels, pypi=pypi),
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
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    prefer: Preference = "pypi",
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
            asked=_asked(_Files(files, extras, groups, prefer), specs, channels, pypi=pypi),
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


def lock_files(  # noqa: PLR0913 - options of one command, all named.
    files: Sequence[Environment] = (),
    *,
    lockfile: Environment | None = None,
    platforms: Sequence[str] = (),
    virtual: Sequence[str] = (),
    update: Sequence[str] = (),
    update_all: bool = False,
    pixi: Environment | None = None,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    prefer: Preference = "pypi",
    channels: Sequence[str] | None = None,
    options: ResolveOptions = _DEFAULT_OPTIONS,
    dry_run: bool = False,
    session: Session | None = None,
) -> Locked:
    """Write conda-lock.yml (CEP 37) of environment *files*, for all *platforms*; what need not move stays.

    *lockfile* is where it goes (None: `conda-lock.yml` beside the first file), *pixi* a second file with the same
    packages as pixi.lock. *virtual* are words such as `linux-64:__glibc=2.17`. The names in *update* may move, with
    *update_all* everything. Without *files*, those of the earlier lock. *extras*, *groups* and *prefer* are as in
    `solve`; groups are held beside what the files ask for without them. Raises what `solve` does.
    """
    from envmgr.ops.lock import lock

    request = LockRequest(
        _asked(_Files(files, extras, groups, prefer), channels=channels),
        platforms=_texts(platforms),
        file=None if lockfile is None else os.fspath(lockfile),
        virtual=_texts(virtual),
        update=_texts(update),
        update_all=update_all,
        dry_run=dry_run,
        pixi=None if pixi is None else os.fspath(pixi),
        options=options,
    )
    with _explained():
        return lock(request, _context(session))


def check_lock(
    files: Sequence[Environment] = (),
    *,
    lockfile: Environment | None = None,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    prefer: Preference = "pypi",
    channels: Sequence[str] | None = None,
    session: Session | None = None,
) -> Checked:
    """Whether a lock is what its files ask for, and why not; no channel is asked. Raises DataError, UsageError.

    *extras* and *groups* are those that it was made with, where none are named.
    """
    from envmgr.ops.lock import check_lock

    file = None if lockfile is None else os.fspath(lockfile)
    with _explained():
        asked = _asked(_Files(files, extras, groups, prefer), channels=channels)
        return check_lock(LockRequest(asked, file=file), _context(session))


def diff(
    before: Environment,
    after: Environment,
    *,
    platform: str | None = None,
    extras: Sequence[str] = (),
    groups: Sequence[str] = (),
    session: Session | None = None,
) -> Differences:
    """What is different between any two of environments, generations (`"NAME@3"`), files, locks and lists in JSON.

    Files are read for *platform* (None: this machine's), with *extras* and *groups*. Raises UsageError, PrefixError
    or DataError for a side that is not there or cannot be read.
    """
    from envmgr.ops.diff import DiffRequest, diff

    request = DiffRequest(os.fspath(before), os.fspath(after), platform, _texts(extras), _texts(groups))
    with _explained():
        return diff(request, _context(session))


def adopt(
    place: Environment,
    *,
    environment: Environment | None = None,
    versions: VersionStyle = "exact",
    prefer: Preference = "pypi",
    session: Session | None = None,
) -> Adopted:
    """A first environment.yml of a venv, an environment, or the imports of a project; nothing is written.

    *environment* is the one whose distributions tell which of them has a module (None: a venv in the project, or
    the active one). Paths in it are relative to the working folder. Raises UsageError, PrefixError or DataError.
    """
    from envmgr.ops.adopt import AdoptRequest, adopt

    with _explained():
        context = _context(session)
        request = AdoptRequest(
            os.fspath(place),
            context.cwd,
            environment=None if environment is None else os.fspath(environment),
            versions=versions,
            prefer=prefer,
        )
        return adopt(request, context)


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


class _Files(NamedTuple):
    """Files, and what counts of them."""

    files: Sequence[Environment]
    extras: Sequence[str] = ()
    groups: Sequence[str] = ()
    prefer: Preference = "pypi"


def _asked(
    given: _Files,
    specs: Sequence[str] = (),
    channels: Sequence[str] | None = None,
    *,
    platform: str | None = None,
    pypi: Sequence[str] = (),
) -> Asked:
    return Asked(
        specs=_texts(specs),
        pypi=_texts(pypi),
        files=tuple(os.fspath(file) for file in _several(given.files)),
        extras=_texts(given.extras),
        groups=_texts(given.groups),
        prefer=given.prefer,
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
