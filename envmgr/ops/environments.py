"""Names and folders of environments: from what the user typed to a prefix, and the list of all that are known."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct

from envmgr.errors import EnvmgrError, PrefixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmgr.ops.context import Context

_T = TypeVar("_T")

# CEP 24, name and prefix: characters that no environment name holds.
_FORBIDDEN = ("/", " ", ":", "#")
_RESERVED = ("base", "root")
_MOST_READINGS = 5
_MOST_NAMES = 5  # environments that a hint names


class KnownEnvironment(Struct, frozen=True):
    """An environment that was found; ``name`` is None where it lies outside the named ones."""

    prefix: Path
    name: str | None


def check_name(name: str) -> str:
    """*name*, if it can name an environment; raises UsageError with what is wrong otherwise (CEP 24)."""
    bad = [character for character in _FORBIDDEN if character in name]
    if bad:
        shown = ", ".join("a space" if character == " " else f"'{character}'" for character in bad)
        hint = f"For a folder say: -p {name}" if "/" in name else None
        raise UsageError(f"an environment's name cannot hold {shown}: '{name}'.", hint=hint)
    if not name.isprintable():
        raise UsageError(
            f"an environment's name cannot hold control characters: {name!r}.",
            hint="Choose a name of letters, digits, - and _.",
        )
    if name in _RESERVED:
        raise UsageError(f"'{name}' is a reserved name.", hint="Choose another name, or a folder with -p.")
    if name in ("", ".", "..") or name.startswith("-"):
        raise UsageError(
            f"'{name}' cannot name an environment.", hint="Choose a name of letters, digits, - and _."
        )
    return name


def is_name(text: str) -> bool:
    """Whether *text* can name an environment."""
    try:
        check_name(text)
    except UsageError:
        return False
    return True


def locate(name: str | None, prefix: str | None, context: Context) -> Path:
    """The absolute prefix for -n *name* or -p *prefix*, existing or not; without both the active environment.

    A name is looked for in every ``envs_dirs`` and belongs to the first when none has it.
    """
    if prefix is not None:
        return prefix_path(prefix, context)
    if name is not None:
        check_name(name)
        places = [folder / name for folder in context.settings.envs_dirs]
        return next((place for place in places if place.exists()), places[0])
    active = context.environ.get("CONDA_PREFIX")
    if active:
        return Path(active)
    raise UsageError("no environment was named and none is active.", hint=_naming_hint(context))


def locate_existing(name: str | None, prefix: str | None, context: Context) -> Path:
    """Like `locate`, for an environment that must be there; PrefixError with near names otherwise.

    A change of it that was interrupted is ended first, and its scripts for activation are made anew where they are
    stale.
    """
    from envmgr.ops.activation import refresh_own

    place = locate_standing(name, prefix, context)
    settle(place, context)
    refresh_own(place, context)
    return place


def locate_standing(name: str | None, prefix: str | None, context: Context) -> Path:
    """Like `locate_existing`, for an environment that may be in the middle of a change."""
    from envmgr.prefix.store import PrefixStore

    place = locate(name, prefix, context)
    store = PrefixStore(place)
    if not store.is_environment():
        _await_creation(place, context)
    if store.is_environment():
        return place
    if place.exists():
        raise PrefixError(f"{place} is not an environment: it has no conda-meta/history.", prefix=str(place))
    raise PrefixError(
        f"there is no environment at {place}.", hint=_near(name, prefix, context), prefix=str(place)
    )


def _await_creation(prefix: Path, context: Context) -> None:
    """Wait for the creation of *prefix* that is at its last steps; PrefixError for one that died there."""
    from envmgr.prefix.marker import MARKER, is_abandoned

    if not os.path.lexists(prefix / MARKER):
        return
    from envmgr.ops.prefix_lock import await_creation

    await_creation(prefix, context)
    if is_abandoned(prefix):
        raise PrefixError(
            f"{prefix} is not an environment: its creation was interrupted.",
            hint="envmgr create makes it anew.",
            prefix=str(prefix),
        )


def settle(prefix: Path, context: Context) -> None:
    """Wait for a change of *prefix* that is under way, and end one that was interrupted.

    A process that the change itself started, such as a link script's, goes on at once.
    """
    from envmgr.prefix.journal import is_pending

    if not is_pending(prefix):
        return
    from envmgr.ops.prefix_lock import is_changed_by_ancestor, prefix_alone
    from envmgr.prefix.change import recover

    if is_changed_by_ancestor(prefix):
        return
    with prefix_alone(prefix, context):
        done = recover(prefix, context.runner, context.environ, root_prefix=str(context.settings.root))
    if done is not None:
        context.reporter.warned(f"an earlier change of {prefix} had been interrupted; it {done}.")


def read_steadily(prefix: Path, context: Context, read: Callable[[], _T]) -> _T:
    """What *read* finds in the environment at *prefix*, read once more where somebody changed it meanwhile.

    Raises what *read* raises of an environment that stayed as it was, and PrefixError where that does not end.
    """
    from envmgr.ops.prefix_lock import is_changed_by_ancestor

    for _ in range(_MOST_READINGS):
        settle(prefix, context)
        before = _moment_of(prefix)
        if before.is_pending and not is_changed_by_ancestor(prefix):
            continue
        try:
            found = read()
        except EnvmgrError:
            if _moment_of(prefix) == before:
                raise
            continue
        if _moment_of(prefix) == before:
            return found
    raise PrefixError(f"{prefix} is changed again and again, so it cannot be read.", prefix=str(prefix))


class _Moment(Struct, frozen=True):
    """What is another after each change, which replaces the history, and while one is under way."""

    inode: int
    size: int
    changed_ns: int
    is_pending: bool


def _moment_of(prefix: Path) -> _Moment:
    from envmgr.prefix.journal import is_pending

    status = os.stat(prefix / "conda-meta" / "history")
    return _Moment(status.st_ino, status.st_size, status.st_mtime_ns, is_pending(prefix))


def prefix_path(prefix: str, context: Context) -> Path:
    """The absolute path for ``-p`` *prefix*; an empty word is refused, as an unset variable gives one."""
    if not prefix.strip():
        raise UsageError("-p was given an empty path.", hint="Is a variable unset?")
    return expanded(prefix, context)


def expanded(path: str, context: Context) -> Path:
    """*path* as an absolute path: ``~`` and variables expanded, relative to the working directory.

    A ``file:`` URL of this machine is such a path, too.
    """
    from envmgr.models.named_file import local_path
    from envmgr.models.path_text import expand_path

    return Path(os.path.normpath(context.cwd / expand_path(local_path(path), context.environ)))


def list_environments(context: Context) -> list[KnownEnvironment]:
    """All environments: those in ``envs_dirs`` by name, then those of the registry, that still exist."""
    from envmgr.prefix.registry import read_registry
    from envmgr.prefix.store import PrefixStore

    found: dict[Path, KnownEnvironment] = {}
    for folder in context.settings.envs_dirs:
        for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
            if PrefixStore(entry).is_environment():
                found.setdefault(entry, KnownEnvironment(entry, entry.name))
    for prefix in read_registry(registry_file(context)):
        if PrefixStore(prefix).is_environment():
            found.setdefault(prefix, KnownEnvironment(prefix, None))
    return list(found.values())


def registry_file(context: Context) -> Path:
    """Conda's list of environments, shared with the other tools (CEP 32, "Creating a conda environment")."""
    return context.home / ".conda" / "environments.txt"


def joined_registry(context: Context) -> Path | None:
    """The list that environments join; None where the setting ``register_envs`` keeps them off it."""
    return registry_file(context) if context.settings.register_envs else None


def _naming_hint(context: Context) -> str:
    """How to name an environment, with the names that there are."""
    names = [known.name for known in list_environments(context) if known.name]
    if not names:
        return "Name one with -n NAME or -p PREFIX; envmgr create makes one."
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"Name one with -n NAME or -p PREFIX; there are: {', '.join(names[:_MOST_NAMES])}{more}."


def _near(name: str | None, prefix: str | None, context: Context) -> str | None:
    import difflib

    if prefix is not None and any((folder / prefix).is_dir() for folder in context.settings.envs_dirs):
        return f"For the environment of that name say: -n {prefix}"
    names = [known.name for known in list_environments(context) if known.name]
    near = difflib.get_close_matches(name or "", names, n=1)
    if near:
        return f"Did you mean '{near[0]}'?"
    return "envmgr env list shows the environments." if names else "envmgr create makes one."
