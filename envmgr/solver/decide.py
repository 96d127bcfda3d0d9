"""Choosing what to try next: which name, and which of its candidates.

The order makes answers good (docs/internals/solver.md): first the best version of each package that the user
asked for, in the user's order; then what is installed stays, where it is if it can; then the best build of what was
asked for; after that the needed name that was found first.
Among builds of equal rank the one whose own dependencies can be newest wins, then the newest in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.solver.links import Link
    from envmgr.solver.search import Search

PUZZLE_CONFLICTS = 100


class Choice(NamedTuple):
    """Keep only the values *mask* of *variable*."""

    variable: int
    mask: int


class Wanted(NamedTuple):
    """The variables that are chosen before others: *explicit* has a line each, *kept* is installed and shall stay.

    Variables in *staying* shall at least not go, in whatever version.
    """

    explicit: Sequence[int]
    kept: Sequence[int] = ()
    staying: Sequence[int] = ()


def choose(search: Search, wanted: Wanted) -> Choice | None:
    """The next decision, or None when every needed name has one candidate left."""
    domains, explicit = search.domains, wanted.explicit
    for variable in explicit:
        domain = domains[variable]
        if not domain & 1 and domain & (domain - 1):
            group = _best_versions(search, variable)
            if domain & ~group:
                return Choice(variable, group)
    choice = _choose_installed(search, wanted)
    if choice is not None:
        return choice
    for variable in explicit:
        domain = domains[variable]
        if not domain & 1 and domain & (domain - 1):
            return Choice(variable, best_candidate(search, variable))
    variable = _next_needed(search)
    return None if variable < 0 else Choice(variable, best_candidate(search, variable))


def _choose_installed(search: Search, wanted: Wanted) -> Choice | None:
    """Let no installed package go, and then keep its record where it is."""
    domains, variables = search.domains, search.universe.variables
    for variable in wanted.staying:
        domain = domains[variable]
        if domain & 1 and domain != 1:
            return Choice(variable, domain & ~1)
    for variable in wanted.kept:
        domain, kept = domains[variable], variables[variable].candidates.kept
        if domain & kept and domain != kept and not domain & 1:
            return Choice(variable, kept)
    return None


def _best_versions(search: Search, variable: int) -> int:
    domain = search.domains[variable]
    return search.universe.variables[variable].candidates.version_group(_first(domain))


def _first(domain: int) -> int:
    """The place of the best candidate in a domain without bit 0."""
    return (domain & -domain).bit_length() - 2


def _next_needed(search: Search) -> int:
    """The open name that was found to be needed first, and so stands nearest to what the user asked for.

    A search that meets many conflicts is a puzzle rather than a request: then the name with the fewest
    candidates left, weighed by the conflicts that it took part in, ends it soonest.
    """
    domains = search.domains
    is_open = (v for names in (search.always, search.needed) for v in names if domains[v] & (domains[v] - 1))
    if search.conflicts < PUZZLE_CONFLICTS:
        return next(is_open, -1)
    weights = search.weights
    return min(is_open, key=lambda v: domains[v].bit_count() / (1 + weights[v]), default=-1)


def best_candidate(search: Search, variable: int) -> int:
    """The mask of the candidate to try first among those that remain."""
    domain = search.domains[variable]
    group = domain & search.universe.variables[variable].candidates.build_group(_first(domain))
    if not group & (group - 1):
        return group
    places = [place for place in range(_first(group), group.bit_length() - 1) if group >> (place + 1) & 1]
    scores = dict.fromkeys(places, 0)
    for link in search.links(variable):
        if not group & ~link.required:
            _score(search, link, group, scores)
    return 2 << min(places, key=lambda place: (scores[place], place))


def _score(search: Search, link: Link, group: int, scores: dict[int, int]) -> None:
    """Add to each candidate's score how many better versions of the link's target other candidates reach."""
    target = search.variable(link.name)
    candidates = search.universe.variables[target].candidates
    domain = search.domains[target]
    reach: list[tuple[int, int]] = []
    for carriers, allowed in link.all_classes():
        if carriers & group:
            best = allowed & domain & ~1
            reach.append((carriers & group, candidates.version_group(_first(best)) if best else 0))
    groups = sorted({best & -best if best else candidates.full + 1 for _, best in reach})
    if len(groups) > 1:
        for carriers, best in reach:
            rank = groups.index(best & -best if best else candidates.full + 1)
            for place in scores:
                if carriers >> (place + 1) & 1:
                    scores[place] += rank
