"""What a change to an installed environment may move: the modes that users know, as fields of a `Problem`.

By default everything stays that can. ``named`` lets the named packages take their newest, ``dependencies`` also all
that they need, ``all`` everything; ``freeze`` lets nothing move but what is named, even if that means no answer.
Removing is no solve: what needs a removed package goes with it, and what remains is as valid as it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from envmgr.models.match_spec import MatchSpec
from envmgr.models.requirement import Requirement, Source
from envmgr.solver.universe import target_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from envmgr.models.record import PackageRecord

UpdateMode = Literal["keep", "named", "dependencies", "all", "freeze"]


class Update(Struct, frozen=True):
    """What may move: ``free`` and ``locks`` are meant for `Problem.free` and `Problem.constraints`."""

    free: frozenset[str] = frozenset()
    locks: tuple[Requirement, ...] = ()


def plan_update(mode: UpdateMode, installed: Sequence[PackageRecord], named: Iterable[str] = ()) -> Update:
    """The fields for *mode*; *named* are the packages that the user named for a change."""
    names = frozenset(named)
    match mode:
        case "keep":
            return Update()
        case "named":
            return Update(free=names)
        case "dependencies":
            return Update(free=names | needed_by(installed, names))
        case "all":
            return Update(free=frozenset(record.name for record in installed))
        case "freeze":
            return Update(locks=lock_lines(record for record in installed if record.name not in names))


def lock_lines(records: Iterable[PackageRecord]) -> tuple[Requirement, ...]:
    """Lines that hold *records* exactly where they are, for `Problem.constraints`."""
    return tuple(
        Requirement(
            MatchSpec.parse(f"{record.name}=={record.version}={record.build}"),
            Source(None, None, f"{record.name} {record.version} {record.build}, which is frozen"),
        )
        for record in records
    )


def keep_order(installed: Sequence[PackageRecord]) -> tuple[str, ...]:
    """The installed names in the order in which they are kept: what most others need first, then by name.

    Where not all can stay, moving a package that many need would move these as well.
    """
    users = dict.fromkeys(sorted(record.name for record in installed), 0)
    for record in installed:
        for name in _targets(record):
            if name in users:
                users[name] += 1
    return tuple(sorted(users, key=lambda name: -users[name]))


def needed_by(installed: Sequence[PackageRecord], names: Iterable[str]) -> frozenset[str]:
    """All installed names that *names* depend on, directly or not; *names* only where one needs another."""
    needs = {record.name: _targets(record) for record in installed}
    return _reached(names, needs) & needs.keys()


def with_dependants(installed: Sequence[PackageRecord], names: Iterable[str]) -> frozenset[str]:
    """The installed packages among *names*, and all that cannot stay without them."""
    gone = {record.name for record in installed} & frozenset(names)
    return frozenset(gone | _reached(gone, _users(installed)))


def unneeded(installed: Sequence[PackageRecord], requested: Collection[str]) -> frozenset[str]:
    """The installed names that neither are requested nor needed by what is."""
    names = {record.name for record in installed}
    return frozenset(
        names - names.intersection(requested) - needed_by(installed, names.intersection(requested))
    )


def _targets(record: PackageRecord) -> frozenset[str]:
    return frozenset(target_name(text) for text in record.depends)


def _users(installed: Sequence[PackageRecord]) -> dict[str, set[str]]:
    users: dict[str, set[str]] = {record.name: set() for record in installed}
    for record in installed:
        for name in _targets(record) & users.keys():
            users[name].add(record.name)
    return users


def _reached(start: Iterable[str], edges: Mapping[str, Collection[str]]) -> frozenset[str]:
    """What can be reached from *start* in one step or more."""
    seen: set[str] = set()
    stack = list(start)
    while stack:
        for name in edges.get(stack.pop(), ()):
            if name not in seen:
                seen.add(name)
                stack.append(name)
    return frozenset(seen)
