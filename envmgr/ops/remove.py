"""Removes a whole environment."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context


class RemovedEnvironment(Struct, frozen=True):
    """The environment that was removed, or would be, with the packages in it."""

    prefix: Path
    records: tuple[PackageRecord, ...]
    done: bool


def remove_environment(
    name: str | None,
    prefix: str | None,
    context: Context,
    confirm: Callable[[str], bool],
    *,
    dry_run: bool = False,
    override_frozen: bool = False,
) -> RemovedEnvironment:
    """Remove the environment with everything in its folder; *confirm* gets a sentence that says so.

    One that is damaged, or in the middle of a change that nobody ended, goes as well. Raises PrefixError,
    UsageError without a name: the active environment is never removed by accident.
    """
    from envmgr.ops.change import check_frozen
    from envmgr.ops.environments import locate_standing, registry_file
    from envmgr.ops.prefix_lock import prefix_alone
    from envmgr.prefix.apply import remove_prefix
    from envmgr.prefix.store import PrefixStore

    if name is None and prefix is None:
        raise UsageError(
            "--all needs the name of the environment.", hint="Name it with -n NAME or -p PREFIX."
        )
    place = locate_standing(name, prefix, context)
    if place.is_symlink():
        raise PrefixError(
            f"{place} is a symlink, and the environment is elsewhere.",
            hint=f"Remove it there: envmgr remove --all -p {place.resolve()}",
            prefix=str(place),
        )
    if not (override_frozen or dry_run):
        check_frozen(place)
    alone = prefix_alone(place, context, ("envmgr", "remove", "--all"))
    with contextlib.nullcontext() if dry_run else alone:
        records = tuple(package.record for package in PrefixStore(place).readable_records().packages)
        agreed = confirm(f"{place} is removed, with {len(records)} packages and all other files in it.")
        if dry_run or not agreed:
            return RemovedEnvironment(place, records, done=False)
        remove_prefix(place, registry_file(context), context.reporter)
    return RemovedEnvironment(place, records, done=True)
