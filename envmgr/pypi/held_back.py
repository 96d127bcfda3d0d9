"""Tells when what conda provides leads a resolution back to releases of long ago (pure).

A resolver keeps to what conda provides by going back, and releases from before an upper bound was written promise
to work with anything: boto3 of 2018 beside urllib3 2. Such a solution is none that a user would want. Where files
are `aged`, a second resolution without conda's versions tells what could be had, and which of conda's
distributions would have to move for it (`held_back`); a joint plan can then put these in question, as after a
refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from packaging.version import InvalidVersion, Version

from envmgr.models.record import PYPI_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmgr.pypi.resolution import Provided, PypiSolution

MOST_MILLISECONDS = 2 * 365 * 86_400_000
"""How old a file may be before it is looked at whether conda keeps it so old."""


class HeldBack(Struct, frozen=True):
    """*older* has each name that could be newer, with its version and the one that it could have.

    *movable* are the provided distributions that have another version where it has.
    """

    older: tuple[tuple[str, str, str], ...]
    movable: frozenset[str]


def aged(found: PypiSolution, now_ms: int) -> frozenset[str]:
    """The requested names whose file was uploaded long before *now_ms*, as far as indexes tell times.

    *now_ms* is in milliseconds since the Unix epoch: the time that nothing newer is taken after, or the present.
    """
    return frozenset(
        name
        for name, moment in found.uploaded.items()
        if name in found.requested and now_ms - moment > MOST_MILLISECONDS
    )


def held_back(
    found: PypiSolution, free: PypiSolution, provided: Iterable[Provided], names: Iterable[str]
) -> HeldBack | None:
    """What keeps *names* older in *found* than in *free*, which conda provides nothing for; None: nothing does."""
    had, could = _versions(found), _versions(free)
    older = tuple(
        (name, had[name], could[name])
        for name in sorted(names)
        if name in had and name in could and _is_lower(had[name], could[name])
    )
    movable = frozenset(
        each.name for each in provided if each.name in could and could[each.name] != each.version
    )
    return HeldBack(older, movable) if older and movable else None


def _versions(solution: PypiSolution) -> dict[str, str]:
    wheels = {record.name.removeprefix(PYPI_PREFIX): record.version for record in solution.wheels}
    return {**wheels, **{source.name: source.version for source in solution.sources if source.version}}


def _is_lower(one: str, other: str) -> bool:
    try:
        return Version(one) < Version(other)
    except InvalidVersion:
        return False
