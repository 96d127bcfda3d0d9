"""Mends what `doctor` finds and what can be mended without asking further: damage, and a prefix moved by hand.

Packages are linked anew as a repair does. In a moved prefix these are all that know the place they are at, and what
pip installed and scripts is fitted to it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envmgr.ops.change_request import Changed, ChangePlan
    from envmgr.ops.checkup import Checkup
    from envmgr.ops.context import Context
    from envmgr.prefix.carry import Refitting
    from envmgr.prefix.installed import InstalledPackage

# What `verify --repair` mends, of what `doctor` tells.
_DAMAGE = frozenset({"missing", "modified", "wrong-type", "redirected", "clobbered", "record"})
_MOST_SHOWN = 5


class FixRequest(Struct, frozen=True):
    """Mend what *checkup* found."""

    checkup: Checkup
    dry_run: bool = False
    override_frozen: bool = False
    command_line: tuple[str, ...] = ()


class FixPlan(Struct, frozen=True):
    """What will be done: *change* links packages anew; the rest is fitted where it *moved_from* (None: it did not).

    *fitted* counts the files of pip, which may name the old place.
    """

    change: ChangePlan
    moved_from: str | None
    fitted: int


def fix(request: FixRequest, context: Context, confirm: Callable[[FixPlan], bool]) -> Changed | None:
    """Mend it; None where nothing of what was found can be mended. *confirm* sees the plan and may refuse it.

    Raises what a repair raises.
    """
    from envmgr.ops.change import change
    from envmgr.ops.change_request import ChangeRequest
    from envmgr.prefix.store import PrefixStore

    prefix, moved_from = request.checkup.prefix, _moved_from(request.checkup)
    packages = PrefixStore(prefix).readable_records().packages
    again = _damaged(prefix, request.checkup)
    again |= frozenset(each.record.name for each in packages if moved_from and knows_its_place(each))
    if not again:
        return None
    fitting = _Fitting(prefix, moved_from, packages, context)

    def agreed(plan: ChangePlan) -> bool:
        if not confirm(FixPlan(plan, moved_from, len(fitting.paths))):
            return False
        if not request.dry_run:
            # Before the packages: their files tell whoever goes on after a kill that there is something to do.
            fitting.apply()
        return True

    repair = ChangeRequest(
        kind="repair",
        prefix=str(prefix),
        again=again,
        override_frozen=request.override_frozen,
        dry_run=request.dry_run,
        command_line=request.command_line,
    )
    changed = change(repair, context, agreed)
    if changed.done and moved_from:
        fitting.tell()
        _register(prefix, moved_from, context)
    return changed


def _moved_from(checkup: Checkup) -> str | None:
    return next(
        (str(each.facts["recorded_prefix"]) for each in checkup.findings if each.kind == "moved"), None
    )


def _damaged(prefix: Path, checkup: Checkup) -> frozenset[str]:
    from envmgr.ops.verify import compare

    if not any(finding.kind in _DAMAGE for finding in checkup.findings):
        return frozenset()
    return compare(prefix, fast=True).damaged


def knows_its_place(package: InstalledPackage) -> bool:
    """Whether files of *package* name the prefix, or a script of it may have written such files."""
    from envmgr.prefix.installed import is_fitted

    name = package.record.name
    scripts = {f"bin/.{name}-post-link.sh", f"bin/.{name}-pre-link.sh"}
    if not package.has_sums:
        return True  # Another tool did not note what is in them.
    return any(is_fitted(entry) or entry["_path"] in scripts for entry in package.paths)


class _Fitting:
    """What packages did not bring, in a prefix that *moved_from* another place (None: nothing is to be done)."""

    def __init__(
        self, prefix: Path, moved_from: str | None, packages: Sequence[InstalledPackage], context: Context
    ) -> None:
        from envmgr.ops.list import foreign_distributions, pip_files, python_folder

        self._prefix, self._moved_from, self._context = prefix, moved_from, context
        self._packages, self._folder = packages, python_folder(packages)
        self._distributions = foreign_distributions(prefix, packages) if moved_from else []
        of_pip = pip_files(prefix, self._folder, self._distributions)
        self._refitting: Refitting | None = None
        self.paths = frozenset(path for paths in of_pip.values() for path in paths)

    def apply(self) -> None:
        from envmgr.prefix.carry import Refitting
        from envmgr.prefix.foreign import foreign_files
        from envmgr.pypi.installed import renew_record

        if self._moved_from is None:
            return
        refitting = self._refitting = Refitting(self._prefix, self._moved_from, self._context.settings.subdir)
        owned = {path for package in self._packages for path in package.files}
        refitting.files(foreign_files(self._prefix, owned), self.paths)
        refitting.variables()
        for each in self._distributions if self._folder else ():
            renew_record(self._prefix, self._prefix / str(self._folder), each, refitting.patched)

    def tell(self) -> None:
        """Warn of files that name the old place still, now that link scripts have run."""
        stale = self._refitting.still_stale() if self._refitting is not None else []
        if stale:
            names = ", ".join(stale[:_MOST_SHOWN]) + (" and others" if len(stale) > _MOST_SHOWN else "")
            self._context.reporter.warned(f"{names} still name {self._moved_from}, which may be meant.")


def _register(prefix: Path, moved_from: str, context: Context) -> None:
    """Have the list of environments tell the place where it is, and no longer one where nothing is."""
    from envmgr.ops.environments import registry_file
    from envmgr.prefix.registry import register, unregister

    registry = registry_file(context)
    register(registry, prefix, context.reporter.warned)
    if not os.path.lexists(moved_from):
        unregister(registry, Path(moved_from), context.reporter.warned)
