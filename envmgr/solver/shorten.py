"""A short proof: as few links between packages as contradict the lines, the plainest ones kept.

A search ends with the conflict that it met, which may go through packages that another reason makes superfluous.
Most real conflicts follow from the lines and some links by propagation alone: no choice is tried. Where that is
so, links are left out, the farthest from the lines first, as long as the rest still contradicts. This module knows
masks and links; conflicts with conditions, or of packages that refuse themselves, are left as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envmgr.solver.clause import Asked, Needs, leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.solver.links import Link
    from envmgr.solver.solve import Conflict
    from envmgr.solver.universe import Universe

MAX_LINKS = 400


class ShortReason(NamedTuple):
    """The candidates *carriers* of the link's source stand against the rest."""

    link: Link
    carriers: int


def short_reasons(conflict: Conflict) -> list[ShortReason] | None:
    """A set of links of which none can be left out, with what they say; None where propagation is not enough."""
    start = _start(conflict)
    if start is None:
        return None
    used = _contradiction(start, _links_among(conflict.universe, start))
    if used is None:
        return None
    for link in sorted(used, key=_Distance(conflict, used), reverse=True):
        rest = [other for other in used if other is not link]
        smaller = _contradiction(start, rest) if link in used else None
        if smaller is not None:
            used = smaller
    return [ShortReason(link, _carriers(start, used, link)) for link in used]


def _start(conflict: Conflict) -> dict[int, int] | None:
    """The domains that the lines and the machine leave to the variables of the proof."""
    domains: dict[int, int] = {}
    variables = conflict.universe.variables
    for leaf in leaves(conflict.proof):
        cause = leaf.cause
        if isinstance(cause, Needs):
            if cause.link.source == cause.link.target:
                return None
        elif not isinstance(cause, Asked) and len(leaf.variables) != 1:
            return None
        for variable in leaf.variables:
            known = variables[variable]
            domains.setdefault(variable, known.full & ~1 if known.virtual and known.full > 1 else known.full)
        if isinstance(cause, Asked):
            domains[leaf.variables[0]] &= ~leaf.masks[0]
        elif isinstance(cause, Needs):
            target = cause.link.target
            domains.setdefault(target, variables[target].full)
    return domains if all(domains.values()) else None


def _links_among(universe: Universe, variables: dict[int, int]) -> list[Link]:
    links = [
        link
        for variable in variables
        for link in universe.variables[variable].outgoing or ()
        if link.target in variables and link.classes
    ]
    return links[:MAX_LINKS]


def _contradiction(start: dict[int, int], links: Sequence[Link]) -> list[Link] | None:
    """Propagate until a domain is empty, and give back the links that led there; None if none gets empty."""
    domains = dict(start)
    causes: dict[int, dict[int, Link]] = {variable: {} for variable in start}
    changed = True
    while changed:
        changed = False
        for link in links:
            for variable, left in (
                (link.target, _pushed(link, domains)),
                (link.source, _pulled(link, domains)),
            ):
                if left == domains[variable]:
                    continue
                changed = True
                domains[variable] = left
                other = link.source if variable == link.target else link.target
                causes[variable] |= {**causes[other], id(link): link}
                if not left:
                    order = set(causes[variable])
                    return [one for one in links if id(one) in order]
    return None


def _fixpoint(start: dict[int, int], links: Sequence[Link]) -> dict[int, int]:
    domains = dict(start)
    before = None
    while before != domains:
        before = dict(domains)
        for link in links:
            domains[link.target] = _pushed(link, domains)
            domains[link.source] = _pulled(link, domains)
    return domains


def _pushed(link: Link, domains: dict[int, int]) -> int:
    """What is left of the target: what some remaining candidate of the source accepts."""
    source, target = domains[link.source], domains[link.target]
    return target if source & link.without else target & link.accepted(source)


def _pulled(link: Link, domains: dict[int, int]) -> int:
    """What is left of the source: what accepts something that remains in the target."""
    source, target = domains[link.source], domains[link.target]
    for carriers, allowed in link.classes:
        if not allowed & target:
            source &= ~carriers
    return source


def _carriers(start: dict[int, int], used: Sequence[Link], link: Link) -> int:
    """The candidates of the link's source that stand against what the other links leave of its target.

    They are as many as that is true of, so that a sentence need not say which other reason concerns some of them.
    """
    domains = _fixpoint(start, [other for other in used if other is not link])
    target = domains[link.target]
    source = domains[link.source] & ~link.without
    refused = 0
    for carriers, allowed in link.classes:
        if not target & ~allowed:
            source &= ~carriers
        if not target & allowed:
            refused |= carriers
    return source | (refused & start[link.source])


class _Distance:
    """How far a link is from the lines, as a sort key: far links are left out first."""

    def __init__(self, conflict: Conflict, links: Sequence[Link]) -> None:
        universe = conflict.universe
        found = (universe.find(line.spec.name) for line in conflict.requirements)
        self._depths = {variable: 0 for variable in found if variable is not None}
        self._places = {id(link): place for place, link in enumerate(links)}
        waiting = list(self._depths)
        for variable in waiting:
            for link in links:
                if link.source == variable and link.target not in self._depths:
                    self._depths[link.target] = self._depths[variable] + 1
                    waiting.append(link.target)

    def __call__(self, link: Link) -> tuple[int, int, int]:
        far = len(self._depths)
        source, target = self._depths.get(link.source, far), self._depths.get(link.target, far)
        return source + target, target, self._places[id(link)]
