"""Which groups of a lock a package is in: those that ask for it, and for what needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.lock.locked import MAIN
from envmgr.models.record import PYPI_PREFIX
from envmgr.ops.locked import joined_depends

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.lock_inputs import Target


def groups_reached(
    target: Target, records: Sequence[PackageRecord], unknown: Collection[str] = ()
) -> dict[str, set[str]]:
    """The groups of each package by its record's name: those of who needs it; none where nobody does.

    Of the distributions in *unknown* nobody knows what they need; each other one may be needed by them.
    """
    needs = {record.name: [name for name, _ in joined_depends(record.depends)] for record in records}
    pypi = [name for name in needs if name.startswith(PYPI_PREFIX)]
    for name in unknown:
        needs[f"{PYPI_PREFIX}{name}"] += pypi
    found: dict[str, set[str]] = {name: set() for name in needs}
    roots = {name: set(asked_in(target, name)) for name in needs}
    if target.wanted.pypi and "python" in roots:
        roots["python"] |= set(groups_of_pypi(target))
    waiting = [(name, group) for name, groups in roots.items() for group in groups]
    while waiting:
        name, group = waiting.pop()
        if group in found[name]:
            continue
        found[name].add(group)
        waiting += [(need, group) for need in needs[name] if need in needs]
    return found


def asked_in(target: Target, name: str) -> tuple[str, ...]:
    """The groups that ask for *name* themselves, which is ``pypi:NAME`` for a distribution."""
    return ordered(target.groups[name]) if name in target.groups else ()


def groups_of_pypi(target: Target) -> tuple[str, ...]:
    """The groups that ask for any distribution."""
    asked = {
        group for name, groups in target.groups.items() if name.startswith(PYPI_PREFIX) for group in groups
    }
    return ordered(asked)


def ordered(groups: Iterable[str]) -> tuple[str, ...]:
    """The groups as a lock writes them: ``main`` alone where it is among them, and for what is in none."""
    found = sorted(groups)
    return (MAIN,) if MAIN in found or not found else tuple(found)
