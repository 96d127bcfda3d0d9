"""What the search knows to be impossible, and why.

A `Clause` is an incompatibility: its terms cannot all hold at once. A term says that a variable (a package
name, by its number in the `Universe`) takes a value inside a mask; bit 0 of a mask stands for "not installed",
bit i+1 for candidate i. Every clause keeps its cause, so a failed search ends in a derivation that starts at
the user's own lines (docs/internals/solver.md). Hot path: plain ints and lists, no dictionaries per term.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmgr.models.requirement import Requirement
    from envmgr.solver.links import Link, Rule


class Asked(Struct, frozen=True):
    """A line of the user asks for this package; *optional* when it only limits a package that others bring."""

    requirement: Requirement
    optional: bool = False


class Needs(Struct, frozen=True):
    """Candidates *carriers* of the link's source take the link's target only from *allowed*."""

    link: Link
    carriers: int
    allowed: int


class Conditional(Struct, frozen=True):
    """A dependency with a condition (CEP 43)."""

    rule: Rule


class Present(Struct, frozen=True):
    """The machine has this virtual package, whatever is asked (CEP 30)."""


class Learned(Struct, frozen=True):
    """The clause follows from these: the first was found violated, each next one resolved with it."""

    premises: tuple[Clause, ...]


Cause = Asked | Needs | Conditional | Present | Learned


class Clause:
    """Not all of: variable ``variables[i]`` in ``masks[i]``. The search may reorder the terms to watch two."""

    __slots__ = ("cause", "masks", "variables")

    def __init__(self, terms: Iterable[tuple[int, int]], cause: Cause) -> None:
        pairs = tuple(terms)
        self.variables = [variable for variable, _ in pairs]
        self.masks = [mask for _, mask in pairs]
        self.cause = cause

    def terms(self) -> Iterable[tuple[int, int]]:
        """The terms as (variable, mask)."""
        return zip(self.variables, self.masks, strict=True)


def leaves(proof: Clause) -> list[Clause]:
    """The clauses that were not learned, among all that *proof* follows from; each once, in a fixed order."""
    found: list[Clause] = []
    seen: set[int] = set()
    stack = [proof]
    while stack:
        clause = stack.pop()
        if id(clause) in seen:
            continue
        seen.add(id(clause))
        if isinstance(clause.cause, Learned):
            stack += reversed(clause.cause.premises)
        else:
            found.append(clause)
    return found
