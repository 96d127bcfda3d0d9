"""The explanation of a refusal as a value: a sentence, and a tree of causes; prose and JSON are written from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from envmgr.models.visible_text import visible
from envmgr.solver.ranges import join_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.models.requirement import Requirement

CauseKind = Literal["line", "need", "limit", "nothing", "more"]
Outcome = Literal["", "missing", "no version", "machine", "line", "excluded", "itself", "unreadable"]

MOST_LINES = 3
KEPT_ABOVE = 4  # of a chain that is cut: the links at its beginning,
KEPT_BELOW = 2  # and those at its end, where the cause is


class Cause(Struct, frozen=True):
    """One sentence of an explanation with its facts, and what follows from it.

    *kind*: ``line`` is a line of the user; ``need`` and ``limit`` say what the records of *package* in *versions*
    (ranges in words) ask of *target*, by ``depends`` and by ``constrains``; ``nothing`` says that no record fits
    *line*; ``more`` stands for what is not told. *entries* are the records' own texts, and *allowed* the versions
    of the target that they leave, as ranges. *outcome* is what stands against the need: the target is missing, has
    no such version, is not what the machine has, or not what the lines *against* ask for; an earlier cause excludes
    it; it is the package itself; the entries cannot be read. Empty: the causes below go on.
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


def cut(roots: Sequence[Cause], most: int, *, is_whole: bool = True) -> tuple[Cause, ...]:
    """The trees in *most* sentences: long chains lose their middle, and then the end of it all goes.

    What was left out is counted; *is_whole* is False where the trees are not all that there would be to tell.
    """
    shorter = [_without_middle(root) for root in roots]
    count = sum(map(_size, shorter))
    if count <= most and is_whole:
        return tuple(shorter)
    left = [min(count, most - 1)]
    kept = [root for root in (_first(root, left) for root in shorter) if root is not None]
    more = count - min(count, most - 1)
    return (*kept, Cause("more", f"... and {'' if is_whole else 'more than '}{more} more"))


def _without_middle(cause: Cause) -> Cause:
    """A chain of causes that have one consequence each, from this one on, without most of it."""
    chain = [cause]
    while len(chain[-1].causes) == 1:
        chain.append(chain[-1].causes[0])
    last = chain.pop()
    end = replace(last, causes=tuple(map(_without_middle, last.causes)))
    middle = len(chain) + 1 - KEPT_ABOVE - KEPT_BELOW
    if middle > 1:
        chain[KEPT_ABOVE : KEPT_ABOVE + middle] = [Cause("more", f"... {middle} more on the way ...")]
    for above in reversed(chain):
        end = replace(above, causes=(end,))
    return end


def _size(cause: Cause) -> int:
    return 1 + sum(map(_size, cause.causes))


def _first(cause: Cause, left: list[int]) -> Cause | None:
    """The cause with as many of those below it, in order, as *left* (one number) allows."""
    if not left[0]:
        return None
    left[0] -= 1
    below = [_first(each, left) for each in cause.causes]
    return replace(cause, causes=tuple(each for each in below if each is not None))


def with_further(explanation: Explanation, lines: Sequence[Requirement]) -> Explanation:
    """*explanation* with a word on other conflicts that *lines*, which it does not tell of, are in."""
    if not lines:
        return explanation
    told = [f"{line.source.text} ({line.source})" for line in lines[:MOST_LINES]]
    words = join_words(told, more=len(lines) - MOST_LINES)
    further = Cause("more", visible(f"there are further conflicts, with {words}"))
    return replace(explanation, causes=(*explanation.causes, further))


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
