"""What a reader of a plan wants to know beside who comes and goes: why each package moves, and bytes on the disk.

Both cost a look at records and the cache, so they are told when a plan is shown and not when it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.change_request import Kind
    from envmgr.ops.context import Context
    from envmgr.packages.layers import Layers

_GROWTH: Final = {".conda": 4.0, ".bz2": 3.5}
"""How many times the size of its archive a package has on the disk, about: measured on published packages."""

_WHOLE: Final[dict[str, str]] = {"rollback": "as it was then", "repair": "it is damaged"}
"""Why all packages move, in changes that are not made by what packages need."""


class Moves(Struct, frozen=True):
    """What moves: the records before and after, all of each, and the packages that were named now.

    ``kind`` is that of the change, None for a new environment. ``again`` are linked anew where they stay.
    ``requested`` are the Python distributions that PyPI items name themselves, None where none was resolved;
    ``built`` those that come once they are built from sources.
    """

    before: Sequence[PackageRecord]
    after: Sequence[PackageRecord]
    asked: Sequence[Requirement] = ()
    kind: Kind | None = None
    requested: frozenset[str] | None = None
    again: frozenset[str] = field(default_factory=frozenset)
    built: frozenset[str] = field(default_factory=frozenset)


class DiskSize(Struct, frozen=True):
    """Bytes of a package's files; *is_exact* is False where they were estimated from its archive."""

    size: int
    is_exact: bool


def tell_reasons(moves: Moves, context: Context) -> dict[str, str]:
    """Why each package moves, in a few words, by its name (`envmgr.solver.moves`)."""
    now = {record.name: record for record in moves.before}
    then = {record.name: record for record in moves.after}
    moving = sorted(
        name for name in now.keys() | then.keys() if now.get(name) != then.get(name) or name in moves.again
    )
    if moves.kind in _WHOLE:
        return dict.fromkeys(moving, _WHOLE[moves.kind])
    reasons = _reasons(moves, context)
    return {name: reasons[name] for name in moving if name in reasons}


def _reasons(moves: Moves, context: Context) -> dict[str, str]:
    from envmgr.host.probe import virtual_packages
    from envmgr.ops.chosen import machine_of
    from envmgr.solver.moves import ASKED, tell_moves

    records = (*moves.before, *moves.after)
    found = (record.subdir for record in records if record.subdir not in (None, "noarch"))
    virtual = virtual_packages(next(found, None) or context.settings.subdir, context.environ)
    named = {record.name for record in records if _is_named(record, moves)}
    reasons = tell_moves(moves.before, moves.after, named, lines=moves.asked, machine=machine_of(virtual))
    if moves.requested is None:
        return reasons
    anew = {
        record.name: "is built anew"
        for record in moves.before
        if record.is_pypi and record.shown_name in moves.built
    }
    return (reasons | anew) | {
        record.name: ASKED if record.shown_name in moves.requested else "needed by a PyPI package"
        for record in moves.after
        if record.is_pypi
    }


def _is_named(record: PackageRecord, moves: Moves) -> bool:
    """Whether the request names it; a removal takes names of conda packages and of Python distributions alike."""
    from envmgr.models.wheel_name import normalized_name

    if record.is_pypi and moves.kind == "remove":
        return any(normalized_name(line.spec.name) == record.shown_name for line in moves.asked)
    return any(line.spec.matches_name(record.name) for line in moves.asked)


def disk_sizes(records: Iterable[PackageRecord], context: Context) -> Mapping[str, DiskSize]:
    """What each package has, or will have, on the disk, by its ``name-version-build``.

    It is exact for one that lies unpacked in the cache, and else estimated: channels do not tell it. One whose
    archive has no known size either is left out.
    """
    from envmgr.packages.layers import Layers

    cache = Layers(context.settings.pkgs_dirs)
    found: dict[str, DiskSize] = {}
    for record in records:
        exact = _unpacked_size(record, cache)
        if exact is not None:
            found[record.dist_name] = DiskSize(exact, is_exact=True)
        elif record.size:
            growth = _GROWTH.get(f".{record.file_name.rpartition('.')[2]}", 4.0)
            found[record.dist_name] = DiskSize(int(record.size * growth), is_exact=False)
    return found


def _unpacked_size(record: PackageRecord, cache: Layers) -> int | None:
    from envmgr.errors import DataError
    from envmgr.packages.identity import distribution
    from envmgr.packages.layers import reader
    from envmgr.packages.link_plan import PLAN_JSON, size_of_files

    try:
        for home, _ in cache.located(record):
            return size_of_files(reader(home / distribution(record))(PLAN_JSON))
    except (DataError, OSError):
        pass
    return None
