"""Learning from a conflict: which earlier choices cannot stand together, and where to go back to.

The clause in conflict is resolved with the reason of its newest change, again and again, until one term alone
belongs to the newest level: the first unique implication point of CDCL, over domains instead of literals. If
v in A contradicts the rest of one clause, and v in B the rest of another, then v in (A or B) contradicts both
rests together; a term whose mask covers every value is dropped. A conflict that needs no decision is resolved
down to nothing: the empty clause, whose premises are the proof that there is no answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from envmgr.solver.clause import Clause, Learned

if TYPE_CHECKING:
    from envmgr.solver.search import Search


class Lesson(NamedTuple):
    """A clause that follows from the facts, and the level to return to; an empty clause ends the search."""

    clause: Clause
    level: int


def analyse(search: Search, conflict: Clause) -> Lesson:
    """What *conflict* teaches; every term of it holds in the search's present state."""
    full = [variable.full for variable in search.universe.variables]
    terms = {variable: mask for variable, mask in conflict.terms() if mask != full[variable]}
    premises = [conflict]
    closed = {variable: search.satisfier(variable, mask) for variable, mask in terms.items()}
    while terms:
        variable = max(closed, key=lambda one: closed[one])
        newest = closed.pop(variable)
        level = _level(search, newest)
        rest = max((_level(search, entry) for entry in closed.values()), default=0)
        if rest < level:
            return Lesson(_learned(terms, premises), rest)
        closed[variable] = newest
        reason = _reason(search, variable, newest, terms[variable])
        premises.append(reason)
        _resolve(terms, reason, variable, full[variable])
        for changed in {variable, *reason.variables}:
            if changed in terms:
                closed[changed] = search.satisfier(changed, terms[changed])
            else:
                closed.pop(changed, None)
    return Lesson(_learned({}, premises), 0)


def _level(search: Search, entry: int) -> int:
    return search.trail_level[entry] if entry >= 0 else 0


def _learned(terms: dict[int, int], premises: list[Clause]) -> Clause:
    return Clause(terms.items(), Learned(tuple(premises)))


def _reason(search: Search, variable: int, entry: int, mask: int) -> Clause:
    """The clause behind the change that brought *variable* inside *mask*."""
    if entry < 0:
        for before, fact in reversed(search.base[variable]):
            if before & ~mask:
                return fact
        raise AssertionError("a term that always holds was not dropped")
    reason = search.trail_reason[entry]
    assert reason is not None, "a decision ends the analysis of its level"
    return search.reason_clause(reason, variable, search.trail_before[entry] & ~mask)


def _resolve(terms: dict[int, int], reason: Clause, pivot: int, full: int) -> None:
    """Replace *terms* by their resolvent with *reason* on the variable *pivot*."""
    for variable, mask in reason.terms():
        if variable != pivot:
            terms[variable] = terms.get(variable, -1) & mask
        else:
            terms[pivot] |= mask
    if terms[pivot] == full:
        del terms[pivot]
