"""The order in which the records of a solution are linked: dependencies first, ties by name.

Where packages need each other in a circle, the one with the fewest open dependencies goes first; an interpreter
(``python``) goes before the packages that it needs in return.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from envmgr.solver.universe import target_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.models.record import PackageRecord


def in_link_order(
    chosen: Mapping[str, PackageRecord], extras: Iterable[tuple[str, str]] = ()
) -> tuple[PackageRecord, ...]:
    """The records of *chosen* (by name), each after those that it depends on; *extras* are (name, extra)."""
    open_needs = {name: _names(record.depends, chosen) - {name} for name, record in chosen.items()}
    for name, extra in extras:
        open_needs[name] |= _names(chosen[name].extra_depends.get(extra, ()), chosen) - {name}
    needed_by: dict[str, list[str]] = {name: [] for name in chosen}
    for name, needs in open_needs.items():
        for need in needs:
            needed_by[need].append(name)
    ready = [name for name, needs in open_needs.items() if not needs]
    heapq.heapify(ready)
    ordered: list[PackageRecord] = []
    while open_needs:
        name = heapq.heappop(ready) if ready else _opener(open_needs)
        del open_needs[name]
        ordered.append(chosen[name])
        for user in needed_by[name]:
            if user in open_needs:
                open_needs[user].discard(name)
                if not open_needs[user]:
                    heapq.heappush(ready, user)
    return tuple(ordered)


def _names(entries: Iterable[str], chosen: Mapping[str, PackageRecord]) -> set[str]:
    return {name for name in map(target_name, entries) if name in chosen}


def _opener(open_needs: Mapping[str, set[str]]) -> str:
    """The member to link first of a circle that waits for nothing outside itself."""
    needed_by: dict[str, set[str]] = {name: set() for name in open_needs}
    for name, needs in open_needs.items():
        for need in needs:
            needed_by[need].add(name)
    name = min(open_needs)
    while True:
        below = _reachable(name, open_needs)
        circle = below & _reachable(name, needed_by)
        if circle == below:
            return min(circle, key=lambda one: (one != "python", len(open_needs[one]), one))
        name = min(below - circle)


def _reachable(start: str, edges: Mapping[str, set[str]]) -> set[str]:
    seen = {start}
    stack = [start]
    while stack:
        fresh = edges[stack.pop()] - seen
        seen |= fresh
        stack += fresh
    return seen
