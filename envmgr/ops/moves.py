"""What a reader of a plan wants to know beside who comes and goes: why each package moves, and bytes on the disk.

Both cost a look at records and the cache, so they are told when a plan is shown and not when it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct, field
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.change_request import Kind
    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart
    from envmgr.packages.layers import Layers

_GROWTH: Final = {".conda": 4.0, ".bz2": 3.5}
"""How many times the size of its archive a package has on the disk, about: measured on published packages."""

_WHOLE: Final[dict[str, str]] = {"rollback": "as it was then", "repair": "it is damaged"}
"""Why all packages move, in changes that are not made by what packages need."""


class Moves(Struct, frozen=True):
    """What moves: the records before and after, all of each, and the packages that were named now.

    ``kind`` is that of the change, None for a new environment. ``again`` are linked anew where they stay.
    ``pypi`` is PyPI's half of the plan, None where nothing was resolved; *requires* are the Requires-Dist lines, by
    name, of the distributions that were there before. *depends* is what a lock says that archives need, by URL,
    of which nothing more is known before they are fetched.
    """

    before: Sequence[PackageRecord]
    after: Sequence[PackageRecord]
    asked: Sequence[Requirement] = ()
    kind: Kind | None = None
    pypi: PypiPart | None = None
    again: frozenset[str] = field(default_factory=frozenset)
    requires: Mapping[str, Sequence[str]] = field(default_factory=dict)
    depends: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)


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
    from envmgr.models.record import PYPI_PREFIX
    from envmgr.ops.chosen import machine_of
    from envmgr.solver.moves import tell_moves

    records = (*moves.before, *moves.after)
    found = (record.subdir for record in records if record.subdir not in (None, "noarch"))
    subdir = next(found, None) or context.settings.subdir
    virtual = virtual_packages(subdir, context.environ)
    named = {record.name for record in records if _is_named(record, moves)}
    part = moves.pypi
    if part is not None:
        named |= {f"{PYPI_PREFIX}{name}" for name in part.answer.requested}
    before, after = _with_needs(moves, subdir)
    after = [_as_locked(record, moves.depends) for record in after]
    reasons = tell_moves(before, after, named, lines=moves.asked, machine=machine_of(virtual))
    if part is None:
        return reasons
    built = {each.name for each in part.sources}
    anew = {
        record.name: "is built anew"
        for record in moves.before
        if record.is_pypi and record.shown_name in built
    }
    unknown = "is in the lock" if part.fixed else f"needed by {' or '.join(sorted(built))}" if built else ""
    came = {record.name for record in moves.before}
    return (reasons | anew) | {
        record.name: unknown or "needed by a PyPI package"
        for record in moves.after
        if record.is_pypi and record.name not in reasons and record.name not in came
    }


def _with_needs(moves: Moves, subdir: str) -> tuple[Sequence[PackageRecord], Sequence[PackageRecord]]:
    """The records before and after, those from PyPI with what they need, as far as it is known."""
    if moves.pypi is None and not moves.requires:
        return moves.before, moves.after
    from envmgr.ops.distributions import Needing, planned_records, with_depends
    from envmgr.pypi.records import WheelNeeds

    earlier = {name: WheelNeeds(tuple(lines)) for name, lines in moves.requires.items()}

    def with_earlier(records: Sequence[PackageRecord]) -> Sequence[PackageRecord]:
        python = next((record for record in records if record.name == "python"), None)
        return with_depends(records, python, subdir, Needing(earlier))

    if moves.pypi is None:
        return with_earlier(moves.before), with_earlier(moves.after)
    return with_earlier(moves.before), planned_records(moves.pypi, moves.after, earlier)


def _as_locked(record: PackageRecord, depends: Mapping[str, Sequence[tuple[str, str]]]) -> PackageRecord:
    if record.depends or record.is_pypi or record.url not in depends:
        return record
    return replace(record, depends=[f"{name} {rest}".strip() for name, rest in depends[record.url]])


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
