"""Logical expressions over specs, as the key ``when`` holds them (CEP 43, "Syntax").

``and`` binds closer than ``or``; parentheses override that. This module knows only the logic: what a spec is, its
callers say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, NoReturn, TypeVar

from msgspec import Struct

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Spec = TypeVar("Spec")


class And(Struct, Generic[Spec], frozen=True):
    """A condition that holds when all its parts do."""

    parts: tuple[Spec | And[Spec] | Or[Spec], ...]

    def __str__(self) -> str:
        return render_expression(self, str)


class Or(Struct, Generic[Spec], frozen=True):
    """A condition that holds when one of its parts does."""

    parts: tuple[Spec | And[Spec] | Or[Spec], ...]

    def __str__(self) -> str:
        return render_expression(self, str)


def parse_expression(text: str, parse_spec: Callable[[str], Spec]) -> Spec | And[Spec] | Or[Spec]:
    """Read an expression whose specs *parse_spec* reads; raises DataError that quotes *text*."""
    return _Parser(text, parse_spec).parse()


def render_expression(condition: Spec | And[Spec] | Or[Spec], render_spec: Callable[[Spec], str]) -> str:
    """Write an expression with as few parentheses as its meaning needs."""
    if isinstance(condition, Or):
        return " or ".join(render_expression(part, render_spec) for part in condition.parts)
    if not isinstance(condition, And):
        return render_spec(condition)
    texts = ((part, render_expression(part, render_spec)) for part in condition.parts)
    return " and ".join(f"({text})" if isinstance(part, Or) else text for part, text in texts)


class _Parser(Generic[Spec]):
    """Recursive descent over words and parentheses."""

    def __init__(self, text: str, parse_spec: Callable[[str], Spec]) -> None:
        self._text = text
        self._parse_spec = parse_spec
        self._tokens = list(_iter_tokens(text))
        self._place = 0

    def parse(self) -> Spec | And[Spec] | Or[Spec]:
        condition = self._any_of()
        if self._next() is not None:
            self._refuse(f"found '{self._next()}' without a partner")
        return condition

    def _next(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _any_of(self) -> Spec | And[Spec] | Or[Spec]:
        parts = [self._all_of()]
        while self._next() == "or":
            self._place += 1
            parts.append(self._all_of())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _all_of(self) -> Spec | And[Spec] | Or[Spec]:
        parts = [self._atom()]
        while self._next() == "and":
            self._place += 1
            parts.append(self._atom())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _atom(self) -> Spec | And[Spec] | Or[Spec]:
        if self._next() == "(":
            self._place += 1
            condition = self._any_of()
            if self._next() != ")":
                self._refuse("a parenthesis is not closed")
            self._place += 1
            return condition
        words = []
        while (word := self._next()) is not None and word not in ("and", "or", "(", ")"):
            words.append(word)
            self._place += 1
        if not words:
            self._refuse("a spec is missing " + (f"before '{word}'" if word else "at its end"))
        return self._parse_spec(" ".join(words))

    def _refuse(self, reason: str) -> NoReturn:
        raise DataError(f"the condition '{self._text.strip()}' cannot be read: {reason}.")


def _iter_tokens(text: str) -> Iterator[str]:
    """Words and parentheses; what stands between square brackets stays together."""
    depth, word = 0, ""
    for character in text:
        depth += (character == "[") - (character == "]")
        if depth == 0 and (character in "()" or character.isspace()):
            yield from filter(None, (word, character.strip()))
            word = ""
        else:
            word += character
    if word:
        yield word
