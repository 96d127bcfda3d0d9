"""What would work: the smallest edits of a request that cannot be fulfilled, each of them solved in full.

The search goes over sets of edits, smallest first. A set that does not help leaves another conflict, and every
set that does must touch one of its lines, or a circumstance of it (a hitting set over minimal conflicts). Here a
line is edited in the strongest way, by leaving it out. Only when such a set works, each of its lines is given
back as much as still solves (milder.py). The number of solves and the time are bounded (trial.py); when they end,
there are fewer proposals, but none that was not solved.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, TypeAlias

from envmgr.solver.edits import LIFTED, MAX_SHOWN, Edit, Proposal, apply_edits
from envmgr.solver.machine import override_values
from envmgr.solver.milder import Milder
from envmgr.solver.problem import FROZEN
from envmgr.solver.solve import Conflict, Solution
from envmgr.solver.trial import Ended, Trial, versions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Edits: TypeAlias = tuple[Edit, ...]

MAX_PROPOSALS = 5
MAX_EDITS = 4  # more lines than that to edit are no small change


def propose(conflict: Conflict, *, names: Iterable[str] = ()) -> tuple[Proposal, ...]:
    """Up to `MAX_PROPOSALS` edits of the request behind *conflict* that have an answer, the mildest first.

    *names* are all names of the channels, for lines whose package no channel has. All proposals have the same
    number of edits: there is none with fewer, unless the time ended before that was sure.
    """
    return _Repairer(conflict, names).proposals()


class _Repairer:
    """Looks for the edits of one request."""

    def __init__(self, conflict: Conflict, names: Iterable[str]) -> None:
        self.conflict = conflict
        self.trial = Trial(conflict.problem)
        self.milder = Milder(self.trial, conflict, names)

    def proposals(self) -> tuple[Proposal, ...]:
        """The proposals in the order in which they are told."""
        found: list[Proposal] = []
        try:
            for edits, solution in list(self._working_sets()):
                found += self._weakened(edits, solution)
        except Ended:
            pass
        return tuple(sorted(found, key=self._order)[:MAX_PROPOSALS])

    def _order(self, proposal: Proposal) -> tuple[list[tuple[float, int]], list[int]]:
        """Milder edits first, then those of later lines."""
        lines = [id(line) for line in self.trial.lines]
        places = [-lines.index(id(edit.line)) for edit in proposal.edits if edit.line is not None]
        return sorted((edit.rank for edit in proposal.edits), reverse=True), places

    # Sets of edits

    def _working_sets(self) -> Iterator[tuple[Edits, Solution]]:
        """Sets of the strongest edits that have an answer, all of the smallest size that has one."""
        waiting: deque[tuple[Edits, Conflict]] = deque([((), self.conflict)])
        seen: set[frozenset[tuple[str, int, str]]] = set()
        smallest = 0
        most = MAX_EDITS + (len(self.conflict.requirements) if _are_hopeless(self.conflict) else 0)
        with suppress(Ended):
            while waiting:
                edits, conflict = waiting.popleft()
                if smallest and len(edits) >= smallest:
                    return
                for step in self._steps(conflict, edits):
                    wider = (*edits, *step)
                    key = frozenset((edit.kind, id(edit.line), edit.name) for edit in wider)
                    if key in seen or len(wider) > most:
                        continue
                    seen.add(key)
                    outcome = self.trial.solve_with(wider)
                    if isinstance(outcome, Conflict):
                        waiting.append((wider, outcome))
                    else:
                        smallest = smallest or len(wider)
                        yield wider, outcome

    def _steps(self, conflict: Conflict, edits: Edits) -> Iterator[Edits]:
        """The ways out of a conflict; lines that fail each for itself must all go at once."""
        done = {(edit.kind, edit.name) for edit in edits}
        for edit in _circumstances(conflict):
            if (edit.kind, edit.name) not in done:
                yield (edit,)
        lines = conflict.requirements
        if _are_hopeless(conflict):
            yield tuple(Edit("drop", line) for line in lines)
            return
        for line in reversed(lines):
            if line.source.file != FROZEN:
                yield (Edit("drop", line),)

    # From dropped lines to milder ones

    def _weakened(self, edits: Edits, solution: Solution) -> Iterator[Proposal]:
        """A working set with every line given back as far as that solves; none where nothing would be left."""
        if len(edits) == 1 and edits[0].kind == "drop":
            offered = False
            for edit, outcome in self.milder.than(edits[0], ()):
                offered = True
                yield self._proposal((edit,), outcome)
                if edit.kind != "rename":
                    return
            if offered:
                return
        current = list(edits)
        for place, edit in enumerate(edits) if len(edits) > 1 else ():
            others = (*current[:place], *current[place + 1 :])
            if edit.kind == "drop":
                for milder, outcome in self.milder.than(edit, others):
                    current[place], solution = milder, outcome
                    break
        if apply_edits(self.trial.problem, current).requirements:
            yield self._proposal(tuple(current), solution)

    def _proposal(self, edits: Edits, solution: Solution) -> Proposal:
        chosen = versions_of(solution)
        lines = apply_edits(self.trial.problem, edits).requirements
        asked = [line.spec.name for line in lines if line.source.file != FROZEN]
        versions = tuple((name, chosen[name]) for name in dict.fromkeys(asked) if name in chosen)
        edited = [edit.new.spec.name for edit in edits if edit.new is not None]
        blamed = [line.spec.name for line in self.conflict.requirements]
        near = [name for name in dict.fromkeys([*edited, *blamed]) if name in chosen and name in asked]
        few = len(set(asked)) <= MAX_SHOWN or not near
        return Proposal(edits, versions, tuple(dict.fromkeys([*near, *asked] if few else near)))


def _are_hopeless(conflict: Conflict) -> bool:
    """Whether the lines of a conflict fail each for itself."""
    lines = conflict.requirements
    return len(lines) > 1 and all(map(conflict.universe.refused_alone, lines))


def _circumstances(conflict: Conflict) -> Iterator[Edit]:
    """What may be changed beside the lines."""
    reasons = {part.reason for known in conflict.universe.variables for part in known.hidden_parts}
    if "channel" in reasons:
        yield Edit("priority", value="flexible")
    if "newer" in reasons:
        yield Edit("date")
    for kind, is_of_kind in LIFTED.items():
        if any(map(is_of_kind, conflict.requirements)):
            yield Edit(kind)
    for name, value in override_values(conflict):
        yield Edit("override", name=name, value=value, machine=conflict.problem.machine)
