"""Uses the lock beside environment files in their place, where it is current or the command says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec.structs import replace

from envmgr.errors import DataError, UsageError
from envmgr.lock.inputs import differences, inputs_in
from envmgr.lock.locked import LARGEST_LOCK_BYTES
from envmgr.models.named_file import is_on_server
from envmgr.models.wheel_name import normalized_name
from envmgr.ops.lock_inputs import (
    LOCK_NAME,
    Asking,
    as_recorded,
    option_texts,
    options_of,
    read_target,
    relative_sources,
)
from envmgr.ops.lock_selection import recorded_groups

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.lock.locked import Lock
    from envmgr.ops.context import Context
    from envmgr.ops.request import Asked, EnvironmentRequest
    from envmgr.ops.resolve import ResolveOptions

LockUse: TypeAlias = Literal["fresh", "locked", "frozen", "none"]
"""``fresh``: where it is current; ``locked``: it has to be current; ``frozen``: as it is; ``none``: not at all."""


def with_lock_beside(
    asked: Asked, wanted: EnvironmentRequest, options: ResolveOptions, use: LockUse, context: Context
) -> EnvironmentRequest:
    """*wanted*, with the exact packages of the lock beside the files of *asked*; a plan tells which are used.

    Raises UsageError and DataError where *use* asks for a lock that is not there, or not current.
    """
    if use == "none" or wanted.locked is not None or wanted.pylock is not None:
        return wanted
    place = _place(asked, wanted, use, context)
    if place is None:
        return wanted
    lock = _read(place, use, context)
    if lock is None or (use == "fresh" and not _is_of(lock, place, asked, context)):
        return wanted
    asked = as_recorded(asked, lock.notes)
    why = () if use == "frozen" else _outdated(lock, asked, wanted, options, context)
    if why:
        more = f", and {len(why) - 1} more" if len(why) > 1 else ""
        told = f"{place} is not current: {why[0]}{more}"
        if use == "locked":
            raise DataError(f"{told}.", hint="envmgr lock makes it current.", outdated=list(why))
        context.reporter.warned(f"{told}. It is not used; envmgr lock makes it current.")
        return wanted
    return _with(lock, asked, wanted, use, context)


def _with(
    lock: Lock, asked: Asked, wanted: EnvironmentRequest, use: LockUse, context: Context
) -> EnvironmentRequest:
    from envmgr.errors import SolveError
    from envmgr.ops.locked import locked_environment

    # What the files ask for is in all groups of the lock, but for those that `--group` names for each use.
    named = {normalized_name(each) for each in asked.groups}
    optional = {each for each in recorded_groups(lock.notes) if normalized_name(each) not in named}
    groups = [each for each in lock.groups if each not in optional]
    try:
        found = locked_environment(lock, wanted.subdir, groups, context)
    except SolveError as error:
        if use != "fresh":
            raise
        context.reporter.warned(f"{lock.file} is not used: {error}")
        return wanted
    from envmgr.ops.channels import parse_channels

    return replace(
        wanted,
        channels=parse_channels(lock.channels, context) if asked.channels else wanted.channels,
        explicit=found.packages.conda,
        locked=found.packages,
        written_urls=(*wanted.written_urls, *found.packages.written_urls),
    )


def _place(asked: Asked, wanted: EnvironmentRequest, use: LockUse, context: Context) -> Path | None:
    """Where the lock is; None where there is none, or the request is about more than files."""
    from envmgr.ops.environments import expanded

    must = use in ("locked", "frozen")
    if asked.specs or asked.pypi or wanted.explicit or not asked.files:
        if must:
            raise UsageError(
                f"--{use} is for environment files that have a lock beside them.",
                hint="Name the file with -f, and write what else is wanted into it.",
            )
        return None
    if is_on_server(asked.files[0]):
        if must:
            raise UsageError(
                f"--{use} is for environment files on this machine that have a lock beside them.",
                hint="A lock may be named itself: -f URL.",
            )
        return None
    place = expanded(asked.files[0], context).parent / LOCK_NAME
    if place.is_file():
        return place
    if must:
        raise DataError(f"there is no lock {place}.", hint="envmgr lock makes it.", file=str(place))
    return None


def _read(place: Path, use: LockUse, context: Context) -> Lock | None:
    from envmgr.lock.read import read_lock

    try:
        with place.open("rb") as file:
            return read_lock(file.read(LARGEST_LOCK_BYTES + 1), file=str(place))
    except OSError as error:
        failure = DataError(f"{place} cannot be read: {(error.strerror or str(error)).lower()}.")
    except DataError as error:
        failure = error
    if use != "fresh":
        raise failure
    context.reporter.warned(f"the lock beside the file is not used: {failure}")
    return None


def _is_of(lock: Lock, place: Path, asked: Asked, context: Context) -> bool:
    """Whether *lock* says that it was made of the files of *asked*; others may lie beside it."""
    return set(relative_sources(asked.files, place.parent, context)) == set(lock.sources)


def _outdated(
    lock: Lock, asked: Asked, wanted: EnvironmentRequest, options: ResolveOptions, context: Context
) -> tuple[str, ...]:
    subdir = wanted.subdir
    if subdir not in lock.platforms:
        return (f"it has no packages for {subdir}",)
    then = inputs_in(lock, subdir)
    if then is None:
        return ("another tool made it, so that it cannot be told what for",)
    made_with = recorded_groups(lock.notes)
    known = {normalized_name(each) for each in made_with}
    if lacking := [each for each in asked.groups if normalized_name(each) not in known]:
        return (f"it was made without the group {lacking[0]} (envmgr lock --group {lacking[0]})",)
    options, asked = options_of(then.options, options), replace(asked, groups=made_with)
    try:
        now = read_target(Asking(asked, options, known={subdir: then}), subdir, context).inputs
    except DataError as error:
        # What no lock can hold was not there when this one was made.
        return (str(error).rstrip("."),)
    if option_texts(options) == then.options and lock.content_hash.get(subdir) == now.content_hash:
        return ()
    return tuple(differences(then, now)) or ("its content hash is another one",)
