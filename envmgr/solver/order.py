"""The order in which the records of a solution are linked: dependencies first, ties by name.

Where packages need each other in a circle, the one with the fewest open dependencies goes first; an interpreter
(``python``) goes before the packages that it needs in return.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from envmgr.solver.universe import target_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.models.record import PackageRecord


def in_link_order(chosen: Mapping[str, PackageRecord]) -> tuple[PackageRecord, ...]:
    """The records of *chosen* (by name), each after the records that it depends on."""
    open_needs = {name: _needs(record, chosen) for name, record in chosen.items()}
    needed_by: dict[str, list[str]] = {name: [] for name in chosen}
    for name, needs in open_needs.items():
        for need in needs:
            needed_by[need].append(name)
    ready = [name for name, needs in open_needs.items() if not needs]
    heapq.heapify(ready)
    ordered: list[PackageRecord] = []
    while open_needs:
        name = (
            heapq.heappop(ready) if ready else min(open_needs, key=lambda one: _circle_rank(one, open_needs))
        )
        if name not in open_needs:
            continue
        del open_needs[name]
        ordered.append(chosen[name])
        for user in needed_by[name]:
            if user in open_needs:
                open_needs[user].discard(name)
                if not open_needs[user]:
                    heapq.heappush(ready, user)
    return tuple(ordered)


def _needs(record: PackageRecord, chosen: Mapping[str, PackageRecord]) -> set[str]:
    names = {target_name(text) for text in record.depends}
    for texts in record.extra_depends.values():
        names |= {target_name(text) for text in texts}
    return {name for name in names if name in chosen and name != record.name}


def _circle_rank(name: str, open_needs: Mapping[str, set[str]]) -> tuple[bool, int, str]:
    return name != "python", len(open_needs[name]), name
