"""The explanation of a refusal as a value: a sentence, and a tree of causes; prose and JSON are written from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.models.requirement import Requirement

CauseKind = Literal["line", "need", "limit", "nothing", "more"]
Outcome = Literal["", "missing", "no version", "machine", "line", "excluded", "itself"]


class Cause(Struct, frozen=True):
    """One sentence of an explanation with its facts, and what follows from it.

    *kind*: ``line`` is a line of the user; ``need`` and ``limit`` say what the records of *package* in *versions*
    (ranges in words) ask of *target*, by ``depends`` and by ``constrains``; ``nothing`` says that no record fits
    *line*; ``more`` stands for what is not told. *entries* are the records' own texts, and *allowed* the versions
    of the target that they leave, as ranges. *outcome* is what stands against the need: the target is missing, has
    no such version, is not what the machine has, or not what the lines *against* ask for; an earlier cause excludes
    it; it is the package itself. Empty: the causes below go on.
    """

    kind: CauseKind
    sentence: str
    line: Requirement | None = None
    package: str = ""
    versions: str = ""
    entries: tuple[str, ...] = ()
    target: str = ""
    allowed: str = ""
    outcome: Outcome = ""
    against: tuple[Requirement, ...] = ()
    causes: tuple[Cause, ...] = ()


class Explanation(Struct, frozen=True):
    """Why a request cannot be fulfilled: one *sentence*, then the *causes*, and what can be done.

    *requirements* are the lines to blame, as `Conflict` has them.
    """

    sentence: str
    causes: tuple[Cause, ...]
    requirements: tuple[Requirement, ...]
    hint: str | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """The causes as an indented tree, one sentence a line."""
        return tuple(_indented(self.causes, ""))

    def __str__(self) -> str:
        return "\n".join((self.sentence, *(f"  {line}" for line in self.lines)))


def nested(flat: Sequence[tuple[int, Cause]]) -> tuple[Cause, ...]:
    """The tree of causes that are given in order, each with its depth."""
    stack: list[tuple[int, Cause, list[Cause]]] = []
    roots: list[Cause] = []

    def close(depth: int) -> None:
        while stack and stack[-1][0] >= depth:
            _, cause, below = stack.pop()
            (stack[-1][2] if stack else roots).append(replace(cause, causes=tuple(below)))

    for depth, cause in flat:
        close(depth)
        stack.append((depth, cause, []))
    close(-1)
    return tuple(roots)


def causes_as_json(causes: Iterable[Cause]) -> list[dict[str, Any]]:
    """The tree as plain dictionaries; what does not apply to a cause is left out."""
    return [_cause_as_json(cause) for cause in causes]


def _cause_as_json(cause: Cause) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": cause.kind, "sentence": cause.sentence}
    if cause.line is not None:
        told |= _line_as_json(cause.line)
    for name in ("package", "versions", "target", "allowed", "outcome"):
        if getattr(cause, name):
            told[name] = getattr(cause, name)
    if cause.entries:
        told["entries"] = list(cause.entries)
    if cause.against:
        told["against"] = [_line_as_json(line) for line in cause.against]
    return {**told, "causes": causes_as_json(cause.causes)}


def _line_as_json(line: Requirement) -> dict[str, Any]:
    return {"spec": line.source.text or str(line.spec), "file": line.source.file, "line": line.source.line}


def _indented(causes: Iterable[Cause], margin: str) -> Iterable[str]:
    for cause in causes:
        yield margin + cause.sentence
        yield from _indented(cause.causes, f"{margin}  ")
