"""Choosing what to try next: which name, and which of its candidates.

The order makes answers good (docs/internals/solver.md): first the best version of each package that the user
asked for, in the user's order; then what is installed stays, where it is if it can; then the best build of what was
asked for; after that the versions of all else that is needed, and their builds.
Among builds of equal rank the one whose own dependencies can be newest wins, then the newest in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.solver.links import Link
    from envmgr.solver.search import Search

PUZZLE_CONFLICTS = 100
HUB_SHARE = 4  # A package that more than a quarter of the others need is chosen first.
FEW_NEEDS = 1  # A package that needs no more than that comes next: its newest version holds little back.


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
    return _choose_needed(search)


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


def _choose_needed(search: Search) -> Choice | None:
    """The versions of what else is needed, and then the builds, so that no build costs another package its version.

    The order is that in which names were found to be needed: nearest to the user's lines first. But a package
    that many others need, such as an interpreter, goes before them, and then what needs hardly anything. A search
    that meets many conflicts is a puzzle rather than a request: then the name with the fewest candidates left,
    weighed by the conflicts that it took part in, ends it soonest.
    """
    domains = search.domains
    needed = (*search.always, *search.needed)
    is_open = [variable for variable in needed if domains[variable] & (domains[variable] - 1)]
    if not is_open:
        return None
    if search.conflicts >= PUZZLE_CONFLICTS:
        weights = search.weights
        hardest = min(is_open, key=lambda variable: domains[variable].bit_count() / (1 + weights[variable]))
        return Choice(hardest, best_candidate(search, hardest))
    many, variables = len(needed) // HUB_SHARE, search.universe.variables
    firm = first = None
    for variable in is_open:
        known = variables[variable]
        if not domains[variable] & ~known.group:
            continue  # All that is left is of one version, as it was at an earlier look.
        is_hub = _users(search, variable, many) > many
        is_firm = firm is None and known.needs <= FEW_NEEDS
        if is_hub or is_firm or first is None:
            group = known.group = _best_versions(search, variable)
            if domains[variable] & ~group:
                choice = Choice(variable, group)
                if is_hub:
                    return choice
                firm = choice if is_firm else firm
                first = first or choice
    return firm or first or Choice(is_open[0], best_candidate(search, is_open[0]))


def _users(search: Search, variable: int, enough: int) -> int:
    """How many needed packages say something of *variable*; not counted where that cannot be more than *enough*."""
    incoming = search.universe.variables[variable].incoming
    if len(incoming) <= enough:
        return 0
    domains = search.domains
    return sum(not domains[link.source] & 1 for link in incoming)


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
