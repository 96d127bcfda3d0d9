"""Edits of a request, as values: what is changed, the request that results, and the sentence that offers it.

An `Edit` changes one line, or one circumstance (the machine, the channel priority, the date, pins, locks). A
`Proposal` is a set of edits with which the whole request was solved. This module knows no solver; repair.py finds
the edits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from envmgr.models.virtual_package import override
from envmgr.models.visible_text import visible
from envmgr.solver.problem import FROZEN, is_lock, is_pin
from envmgr.solver.ranges import join_words
from envmgr.solver.target_machine import HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.record_table import RecordTable
    from envmgr.models.requirement import Requirement
    from envmgr.solver.problem import Problem
    from envmgr.solver.target_machine import TargetMachine

    Load = Callable[[str], Sequence[PackageRecord | RecordTable]]

EditKind = Literal["version", "relax", "rename", "drop", "override", "priority", "date", "pins", "freeze"]

MAX_SHOWN = 4
FAR = 100  # added to the distance of a version in another major series: an override or a channel is milder
GENERAL_HINT = "Loosen or leave out one of these lines."

_RANKS: dict[EditKind, int] = {
    "rename": 0,
    "priority": 1,
    "pins": 1,
    "version": 2,
    "relax": 2,
    "date": 3,
    "freeze": 3,
    "override": 4,
    "drop": 5,
}

LIFTED: Final[dict[EditKind, Callable[[Requirement], bool]]] = {"pins": is_pin, "freeze": is_lock}
"""The edits that lift all lines of one kind."""


class Edit(Struct, frozen=True):
    """One change.

    *kind* says what becomes of *line*: another version in its place (``version``), a wider range or fewer demands
    (``relax``), another name (``rename``), nothing (``drop``); *new* is the line that stands there then. Where no
    line is edited, *name* is the virtual package whose version becomes *value* (``override``), or *value* is the
    channel priority (``priority``); ``date`` lifts the limit on how new a record may be, ``pins`` the configured
    pins, and ``freeze`` the locks on what is installed. *distance* counts the versions between the wanted and the
    new one, so that nearer ones are offered first.
    """

    kind: EditKind
    line: Requirement | None = None
    new: Requirement | None = None
    name: str = ""
    value: str = ""
    distance: int = 0
    machine: TargetMachine = HERE

    @property
    def rank(self) -> tuple[float, int]:
        """How much of the request is lost; less is better."""
        rank = _RANKS[self.kind]
        return rank + 2.5 * (self.kind == "version" and self.distance >= FAR), self.distance

    @property
    def old_text(self) -> str | None:
        """The line as the user wrote it."""
        return None if self.line is None else self.line.source.text or str(self.line.spec)

    @property
    def new_text(self) -> str | None:
        """What is to be written instead; None where a line is dropped or a limit lifted."""
        if self.kind == "override":
            return self.machine.setting(self.name, self.value)
        if self.kind == "priority":
            return f"--channel-priority {self.value}"
        if self.kind == "pins":
            return "--no-pin"
        return None if self.new is None else self.new.source.text

    def __str__(self) -> str:
        place = ""
        if self.line is not None and self.line.source.file is not None:
            place = f"{self.line.source}: "
        if self.kind == "drop":
            return f"{place}drop {self.old_text}"
        if self.kind == "relax":
            return f"{place}relax {self.old_text} to {self.new_text}"
        if self.kind == "override":
            return f"solve for another machine with {self.new_text}"
        if self.kind in ("priority", "pins"):
            return f"use {self.new_text}"
        if self.kind == "freeze":
            return f"leave out {FROZEN}"
        if self.kind == "date":
            return "allow newer packages than the date given"
        return f"{place}{self.new_text} instead of {self.old_text}"


class Proposal(Struct, frozen=True):
    """Edits with which the whole request has an answer.

    *versions* are the (name, version) pairs that the answer has for the packages of the user's lines, in the order
    of the lines; *shown* are the names that the sentence tells.
    """

    edits: tuple[Edit, ...]
    versions: tuple[tuple[str, str], ...]
    shown: tuple[str, ...] = ()

    @property
    def result(self) -> str:
        """The answer in few words: ``pandas 2.2.3 with numpy 2.1.0``; empty where no shown package is left."""
        versions = dict(self.versions)
        told = [f"{name} {versions[name]}" for name in self.shown if name in versions][:MAX_SHOWN]
        if len(told) < 2:
            return "".join(told)
        return f"{told[0]} with {join_words(told[1:])}"

    def __str__(self) -> str:
        drops = [edit for edit in self.edits if edit.kind == "drop"]
        told = [str(edit) for edit in self.edits if edit.kind != "drop"]
        edits = ", and ".join([*told, *([_told_drops(drops)] if drops else [])])
        return visible(f"{edits} (gives {self.result})" if self.result else edits)


def _told_drops(drops: Sequence[Edit]) -> str:
    """One drop as it is told, or several in few words: ``drop a and b (env.yml:5, 6)``."""
    if len(drops) == 1:
        return str(drops[0])
    words = join_words([f"{edit.old_text}" for edit in drops[:MAX_SHOWN]], more=len(drops) - MAX_SHOWN)
    files: dict[str, list[str]] = {}
    for edit in drops[:MAX_SHOWN]:
        if edit.line is not None and edit.line.source.file is not None:
            files.setdefault(edit.line.source.file, []).append(str(edit.line.source.line))
    places = "; ".join(f"{file}:{', '.join(numbers)}" for file, numbers in files.items())
    return f"drop {words} ({places})" if places else f"drop {words}"


def apply_edits(problem: Problem, edits: Sequence[Edit]) -> Problem:
    """*problem* with these *edits*; lines that are not edited stay the same objects."""
    lines = {id(edit.line): edit.new for edit in edits if edit.line is not None}
    machine = {edit.name: edit.value for edit in edits if edit.kind == "override"}
    priorities = [edit.value for edit in edits if edit.kind == "priority"]
    dated = any(edit.kind == "date" for edit in edits)
    lifted = [LIFTED[edit.kind] for edit in edits if edit.kind in LIFTED]
    changed: dict[str, Any] = {
        "requirements": _replaced(_others(problem.requirements, lifted), lines),
        "constraints": _replaced(_others(problem.constraints, lifted), lines),
        "load": _loading(problem.load, machine) if machine else problem.load,
        "channel_priority": priorities[-1] if priorities else problem.channel_priority,
        "exclude_newer": None if dated else problem.exclude_newer,
    }
    return replace(problem, **changed)


def _others(
    lines: Sequence[Requirement], lifted: Sequence[Callable[[Requirement], bool]]
) -> list[Requirement]:
    """The lines that are of none of the *lifted* kinds."""
    return [line for line in lines if not any(is_of_kind(line) for is_of_kind in lifted)]


def _replaced(lines: Sequence[Requirement], new: dict[int, Requirement | None]) -> tuple[Requirement, ...]:
    kept = (new.get(id(line), line) for line in lines)
    return tuple(line for line in kept if line is not None)


def _loading(load: Load, machine: dict[str, str]) -> Load:
    def loaded(name: str) -> Sequence[PackageRecord | RecordTable]:
        record = override(name, machine[name]) if name in machine else None
        return load(name) if record is None else [record]

    return loaded


def lines_beside(proposals: Sequence[Proposal], told: Sequence[Requirement]) -> list[Requirement]:
    """The lines that *proposals* edit and that are none of *told*, each once: other conflicts are about these."""
    edited = {id(edit.line): edit.line for each in proposals for edit in each.edits if edit.line is not None}
    known = {id(line) for line in told}
    return [line for key, line in edited.items() if key not in known]


def hint_beside(hint: str | None, proposals: Sequence[Proposal]) -> str | None:
    """*hint* where it says more than the proposals: where there is none that keeps every package."""
    if any(all(edit.kind != "drop" for edit in proposal.edits) for proposal in proposals):
        return None
    return None if proposals and hint == GENERAL_HINT else hint


def proposals_as_json(proposals: Sequence[Proposal]) -> list[dict[str, Any]]:
    """Plain dictionaries; a proposal of one edit has the edit's keys, one of several has kind ``several``."""
    return [_proposal_as_json(proposal) for proposal in proposals]


def _proposal_as_json(proposal: Proposal) -> dict[str, Any]:
    edits = [_edit_as_json(edit) for edit in proposal.edits]
    empty = {"kind": "several", "file": None, "line": None, "old": None, "new": None}
    return {
        **(edits[0] if len(edits) == 1 else empty),
        "edits": edits,
        "result": dict(proposal.versions),
        "text": str(proposal),
    }


def _edit_as_json(edit: Edit) -> dict[str, Any]:
    source = None if edit.line is None else edit.line.source
    return {
        "kind": edit.kind,
        "file": source and source.file,
        "line": source and source.line,
        "old": edit.old_text,
        "new": edit.new_text,
    }
