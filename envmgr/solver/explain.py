"""A conflict in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.models.requirement import Requirement
    from envmgr.solver.solve import Conflict


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a request cannot be fulfilled: one *sentence*, then *lines* of an indented tree, and what can be done."""

    sentence: str
    lines: tuple[str, ...]
    requirements: tuple[Requirement, ...]
    hint: str | None = None


def explain(conflict: Conflict, *, names: Iterable[str] = (), channels: Sequence[str] = ()) -> Explanation:
    """The explanation of *conflict*; *names* are all names of the channels, *channels* those searched."""
    lines = tuple(f"- {requirement.spec} ({requirement.source})" for requirement in conflict.requirements)
    return Explanation("these lines cannot be fulfilled together.", lines, conflict.requirements)
