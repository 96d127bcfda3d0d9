"""Gives an environment another name or place: the same packages linked there, everything else taken along.

The new place is built as a new environment is, completely or not at all; the old one goes last. So whatever
happens, one of them is whole. Files that packages did not bring, and those that were changed, come along by
`envmgr.prefix.carry`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.verify import Verified
    from envmgr.prefix.carry import Carrying
    from envmgr.prefix.generation import Generation
    from envmgr.prefix.installed import InstalledPackage

_MOST_SHOWN = 5


class RenameRequest(Struct, frozen=True):
    """Which environment, by *name* or *prefix*, and *new*: a name, or a path with a slash, ``~`` or a dot first."""

    new: str
    name: str | None = None
    prefix: str | None = None
    dry_run: bool = False
    override_frozen: bool = False
    command_line: tuple[str, ...] = ()


class RenamePlan(Struct, frozen=True):
    """What will be done: *link* are all packages, *fetch* those that are not cached.

    *carried* counts the files of no package, those of *pip* (``name version``) among them; *changed* are the files
    that are not as packages brought them, which stay so.
    """

    old: Path
    new: Path
    link: tuple[PackageRecord, ...]
    fetch: tuple[PackageRecord, ...]
    carried: int
    pip: tuple[str, ...]
    changed: tuple[str, ...]


class Renamed(Struct, frozen=True):
    """What was done; ``done`` is False for a dry run and a refusal by `confirm`."""

    plan: RenamePlan
    done: bool
    messages: tuple[str, ...] = ()


def rename_environment(
    request: RenameRequest, context: Context, confirm: Callable[[RenamePlan], bool]
) -> Renamed:
    """Rename the environment; *confirm* sees the plan and may refuse it.

    Raises UsageError, DataError, ChannelError or PrefixError; the environment then is where it was, and nothing is
    at the new place.
    """
    from envmgr.ops.change import check_frozen
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.prefix_lock import prefix_alone

    old = locate_existing(request.name, request.prefix, context)
    new = _new_place(request, old, context)
    if not (request.override_frozen or request.dry_run):
        check_frozen(old)
    if request.dry_run:
        return _rename(request, old, new, context, confirm)
    with prefix_alone(old, context, request.command_line):
        return _rename(request, old, new, context, confirm)


def _new_place(request: RenameRequest, old: Path, context: Context) -> Path:
    from envmgr.ops.environments import check_name, prefix_path
    from envmgr.prefix.target import check_target

    if request.new.startswith(("~", ".")) or "/" in request.new:
        new = prefix_path(request.new, context)
    else:
        folders = context.settings.envs_dirs
        new = (old.parent if old.parent in folders else folders[0]) / check_name(request.new)
    if new == old:
        raise UsageError(f"the environment is at {old} already.", hint="Give it another name or place.")
    if old in new.parents or new in old.parents:
        raise UsageError(f"{new} and {old} lie in each other.", hint="Choose a place beside it.")
    if context.environ.get("CONDA_PREFIX") == str(old):
        raise UsageError(f"{old} is active here, and cannot be renamed.", hint="Deactivate it first.")
    check_target(new)
    return new


def _rename(
    request: RenameRequest, old: Path, new: Path, context: Context, confirm: Callable[[RenamePlan], bool]
) -> Renamed:
    from envmgr.ops.activation import refresh
    from envmgr.ops.environments import registry_file
    from envmgr.ops.fetch import cache_in_use
    from envmgr.ops.verify import compare
    from envmgr.packages.layers import Layers
    from envmgr.prefix.apply import remove_prefix
    from envmgr.prefix.store import PrefixStore

    store = PrefixStore(old)
    state = _State(tuple(store.records()), store.generations(newest=1).last, compare(old, fast=True))
    cache, verified = Layers(context.settings.pkgs_dirs), state.verified
    plan = RenamePlan(
        old,
        new,
        state.records,
        tuple(record for record in state.records if not cache.holds(record)),
        len(verified.foreign) + sum(map(len, verified.pip.values())),
        tuple(verified.pip),
        tuple(dict.fromkeys(each.path for each in verified.findings if each.kind != "clobbered")),
    )
    if not confirm(plan) or request.dry_run:
        return Renamed(plan, done=False)
    with cache_in_use(context):
        messages = _link(plan, state, request.command_line, context)
    refresh(new, context)
    try:
        remove_prefix(old, registry_file(context), context.reporter)
    except PrefixError as error:
        error.hint = f"{new} is complete; what is left of {old} can be removed."
        raise
    return Renamed(plan, done=True, messages=messages)


class _State(Struct, frozen=True):
    """What the environment holds: its packages, its newest generation, and what differs from the records."""

    installed: tuple[InstalledPackage, ...]
    last: Generation | None
    verified: Verified

    @property
    def records(self) -> tuple[PackageRecord, ...]:
        """In the order in which they were linked, which decides who wins paths that several bring."""
        from envmgr.solver.order import in_link_order

        known = {package.record: package.record for package in self.installed}
        if self.last is not None and self.last.command and self.last.holds(known):
            return tuple(known[record] for record in self.last.records())
        return in_link_order({record.name: record for record in known})


def _link(
    plan: RenamePlan, state: _State, command_line: tuple[str, ...], context: Context
) -> tuple[str, ...]:
    from envmgr.ops.activation import refresh
    from envmgr.ops.environments import joined_registry
    from envmgr.ops.fetch import obtain
    from envmgr.ops.linking import LinkRequest, link_packages
    from envmgr.prefix.carry import Carrying
    from envmgr.prefix.store import PrefixStore

    subdirs = (record.subdir for record in state.records if record.subdir not in (None, "noarch"))
    subdir = (state.last.subdir if state.last else "") or next(subdirs, None) or context.settings.subdir
    carrying = Carrying(plan.old, plan.new, subdir)
    request = LinkRequest(
        prefix=plan.new,
        subdir=subdir,
        requested=PrefixStore(plan.old).asked(state.installed),
        variables=PrefixStore(plan.old).state_variables(),
        command_line=command_line,
        registry=joined_registry(context),
        channels=state.last.channels if state.last else (),
    )
    packages = obtain(state.records, context)
    messages = link_packages(request, packages, context, lambda _: _carry(carrying, plan, state))
    refresh(plan.new, context)
    refresh(plan.new, context)
    _tell(carrying, context)
    return messages


def _carry(carrying: Carrying, plan: RenamePlan, state: _State) -> None:
    """Take along what packages did not bring, then what the environment knows of itself."""
    from envmgr.ops.list import foreign_distributions, pip_files, python_folder
    from envmgr.prefix.foreign import foreign_files
    from envmgr.pypi.installed import renew_record

    folder = python_folder(state.installed)
    distributions = foreign_distributions(plan.old, state.installed)
    of_pip = pip_files(plan.old, folder, distributions)
    owned = {path for package in state.installed for path in package.files}
    carrying.folders()
    texts = {path for paths in of_pip.values() for path in paths}
    carrying.files(foreign_files(plan.old, owned, bytecode=True), texts)
    carrying.changes(plan.changed)
    patched = set(carrying.patched)
    for each in distributions if folder is not None else ():
        renew_record(plan.new, plan.new / str(folder), each, patched)
    carrying.metadata()


def _tell(carrying: Carrying, context: Context) -> None:
    """What a rename could not do, in a warning each."""
    for paths, what in (
        (carrying.stale, f"still name {carrying.old}, which may be meant"),
        (carrying.skipped, "are no files, and were left out"),
    ):
        if paths:
            shown = ", ".join(sorted(paths)[:_MOST_SHOWN])
            more = f" and {len(paths) - _MOST_SHOWN} more" if len(paths) > _MOST_SHOWN else ""
            context.reporter.warned(f"{shown}{more} {what}.")
