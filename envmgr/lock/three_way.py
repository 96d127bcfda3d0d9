"""Merges two locks that came from one, as values: packages by platform and name, inputs by what they are. Pure.

What one side alone changed wins. Where both changed the same thing differently, the lock that comes out is marked:
the platform has no ``content_hash``, so that it is planned again, with the newer of the two packages standing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.lock.inputs import INDEXES, is_input_of, joined_pairs, pairs_in
from envmgr.lock.locked import Lock
from envmgr.models.version import Version

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from envmgr.lock.locked import LockedPackage

_Value = TypeVar("_Value")


class MergedLock(Struct, frozen=True):
    """The merged *lock*; the platforms in ``mixed`` have changes of both sides, which may not fit."""

    lock: Lock
    mixed: frozenset[str] = frozenset()


def merge_locks(base: Lock | None, ours: Lock, theirs: Lock) -> MergedLock:
    """What *ours* and *theirs* make of *base* (None: it is not known, so that all that is different is contested).

    Raises DataError where both sides say for which machines the lock is, and not the same.
    """
    before = base or Lock(file=ours.file, format=ours.format, platforms={})
    notes = _merged_notes(base, ours, theirs)
    platforms: dict[str, tuple[LockedPackage, ...]] = {}
    hashes: dict[str, str] = {}
    mixed = set()
    for subdir in merged_list(*(tuple(lock.platforms) for lock in (before, ours, theirs))):
        sides = [() if lock is None else lock.platforms.get(subdir, ()) for lock in (base, ours, theirs)]
        packages, is_contested = _merged_packages(*sides)
        was, our, their = (_hash(lock, subdir) for lock in (base, ours, theirs))
        found = _merged(was, our, their)
        hashes[subdir] = "" if is_contested or found is None else found
        platforms[subdir] = packages
        made = _identity(packages), found
        if made in ((_identity(sides[1]), our), (_identity(sides[2]), their)):
            continue
        mixed.add(subdir)
        # What distributions need of each other, and of conda's packages, no lock of ours tells.
        if len({frozenset(each for each in _identity(side) if each[0] == "pypi") for side in sides}) > 1:
            hashes[subdir] = ""
    if INDEXES in notes and _pairs_merged(base, ours, theirs, INDEXES)[1]:
        hashes = dict.fromkeys(hashes, "")
    return MergedLock(
        replace(
            ours,
            platforms=platforms,
            channels=merged_list(before.channels, ours.channels, theirs.channels),
            sources=merged_list(before.sources, ours.sources, theirs.sources),
            content_hash=hashes,
            notes=notes,
        ),
        frozenset(mixed),
    )


def merged_list(
    base: Sequence[_Value], ours: Sequence[_Value], theirs: Sequence[_Value]
) -> tuple[_Value, ...]:
    """A list without what either side took away, and with what either brought.

    >>> merged_list("abc", "acx", "abcy")
    ('a', 'c', 'x', 'y')
    """
    if list(ours) == list(base):
        return tuple(theirs)
    kept = [each for each in ours if each in theirs or each not in base]
    return (*kept, *(each for each in theirs if each not in ours and each not in base))


def _merged_packages(
    base: Sequence[LockedPackage], ours: Sequence[LockedPackage], theirs: Sequence[LockedPackage]
) -> tuple[tuple[LockedPackage, ...], bool]:
    """The packages of one platform, and whether both sides have changed one of them differently."""
    before, our, their = ({each.key: each for each in side} for side in (base, ours, theirs))
    found: list[LockedPackage] = []
    is_contested = False
    for key in dict.fromkeys((*our, *their)):
        sides = before.get(key), our.get(key), their.get(key)
        was, mine, other = (None if each is None else _value(each) for each in sides)
        if mine == other or other == was:
            chosen = sides[1]
        elif mine == was:
            chosen = sides[2]
        else:
            chosen, is_contested = _newer(sides[1], sides[2]), True
        found += [chosen] if chosen is not None else []
    return tuple(found), is_contested


def _value(package: LockedPackage) -> LockedPackage:
    """*package* without what is of no account: where it stands, and in which order things are told."""
    from envmgr.models.requirement import Source

    return replace(
        package,
        source=Source(None, None, ""),
        dependencies=tuple(sorted(package.dependencies)),
        groups=tuple(sorted(package.groups)),
        record=None,
    )


def _identity(packages: Collection[LockedPackage]) -> frozenset[tuple[str, str, tuple[str, ...]]]:
    return frozenset((each.kind, each.url, tuple(sorted(each.groups))) for each in packages)


def _newer(ours: LockedPackage | None, theirs: LockedPackage | None) -> LockedPackage | None:
    if ours is None or theirs is None:
        return ours or theirs
    try:
        return theirs if Version.parse(theirs.version) > Version.parse(ours.version) else ours
    except DataError:
        return ours


def _hash(lock: Lock | None, subdir: str) -> str | None:
    return None if lock is None else lock.content_hash.get(subdir, "")


def _merged(base: _Value | None, ours: _Value, theirs: _Value) -> _Value | None:
    """The value that one side alone changed; None where both did."""
    if ours == theirs or theirs == base:
        return ours
    return theirs if ours == base else None


def _merged_notes(base: Lock | None, ours: Lock, theirs: Lock) -> dict[str, str]:
    found = {}
    for name in sorted({*ours.notes, *theirs.notes}):
        is_pairs = is_input_of(name, "virtual_packages") or is_input_of(name, "options") or name == INDEXES
        if is_pairs:
            pairs, contested = _pairs_merged(base, ours, theirs, name)
            if contested and name != INDEXES:
                raise _apart(name, contested[0], ours, theirs)
            text = joined_pairs(pairs)
        else:
            was = "" if base is None else base.notes.get(name, "")
            our, their = ours.notes.get(name, ""), theirs.notes.get(name, "")
            merged = _merged(was, our, their)
            text = our if merged is None else merged
        if text:
            found[name] = text
    return found


def _pairs_merged(base: Lock | None, ours: Lock, theirs: Lock, name: str) -> tuple[dict[str, str], list[str]]:
    """The pairs in the note *name*, and the names of those that both sides have changed differently."""
    sides = [pairs_in(lock.notes.get(name, "")) if lock is not None else {} for lock in (base, ours, theirs)]
    _, our, their = sides
    found, contested = {}, []
    for key in sorted({*our, *their}):
        was, mine, other = (each.get(key, "") for each in sides)
        chosen = _merged(was, mine, other)
        if chosen is None:
            contested.append(key)
            chosen = mine or other
        if chosen:
            found[key] = chosen
    return found, contested


def _apart(note: str, name: str, ours: Lock, theirs: Lock) -> DataError:
    our, their = (pairs_in(lock.notes.get(note, "")).get(name, "none") for lock in (ours, theirs))
    subdir = note.split(".")[1] if note.endswith("virtual_packages") else ""
    what = f"{name} of {subdir}" if subdir else f"the option {name}"
    return DataError(
        f"both sides changed {what} in the lock, one to {our} and the other to {their}.",
        hint="Say which with envmgr lock"
        + (f" --virtual {subdir}:{name}=VERSION." if subdir else f" --{name.replace('_', '-')}."),
    )
