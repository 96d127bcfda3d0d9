"""Takes a text with the conflict markers of git apart into what each side has. Pure."""

from __future__ import annotations

import re

from msgspec import Struct

# Git makes them longer where merges are nested, and people where they tell git to.
_MARKER = re.compile(r"([<|=>])\1{6,}(?: |$)")


class Sides(Struct, frozen=True):
    """The whole text as each side has it; ``base`` is None where the markers do not tell it."""

    ours: str
    theirs: str
    base: str | None


def split_sides(text: str) -> Sides | None:
    """The sides of *text*; None where it has no markers, or they do not come in their order."""
    ours: list[str] = []
    theirs: list[str] = []
    base: list[str] = []
    state, count, told = "", 0, 0
    for line in text.splitlines(keepends=True):
        mark = _MARKER.match(line.rstrip("\r\n"))
        sign = mark[1] if mark is not None else ""
        if sign and sign != ">" and (state, sign) not in (("", "<"), ("<", "|"), ("<", "="), ("|", "=")):
            return None
        if sign == ">" and state != "=":
            return None
        if sign:
            state = "" if sign == ">" else sign
            count += sign == "<"
            told += sign == "|"
            continue
        for side, states in ((ours, "<"), (base, "|"), (theirs, "=")):
            if not state or state == states:
                side.append(line)
    if state or not count:
        return None
    return Sides("".join(ours), "".join(theirs), "".join(base) if told == count else None)
