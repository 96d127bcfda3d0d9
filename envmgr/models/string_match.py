"""Patterns for the string fields of records (CEP 29, "String matching").

Three kinds: a regular expression between ``^`` and ``$``, a glob with ``*``, or the string itself. Case never
matters. Lookaround and backreferences are refused, as the standard advises: specs come from channels too.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Callable

_REFUSED = lazy_pattern(r"\(\?(?!:)|(?<!\\)(?:\\\\)*\\[1-9]")


class StringMatch:
    """One parsed pattern; equal when the canonical texts are equal.

    ``matches`` takes the text of a field and is the compiled test itself, so that a call costs one frame.

    >>> StringMatch.parse("py3*").matches("PY312_0")
    True
    """

    __slots__ = ("matches", "text")

    text: str
    matches: Callable[[str], bool]

    def __init__(self, text: str, matches: Callable[[str], bool]) -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "matches", matches)

    @classmethod
    def parse(cls, text: str) -> StringMatch:
        """Read a pattern; raises DataError for a regular expression that is broken or refused."""
        return _parse(text.strip())

    @property
    def is_exact(self) -> bool:
        """Whether exactly one string, up to case, matches."""
        return "*" not in self.text and not is_regex(self.text)

    @property
    def is_any(self) -> bool:
        """Whether everything matches."""
        return self.text == "*"

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a StringMatch cannot change its {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return StringMatch.parse, (self.text,)

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, StringMatch) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"StringMatch({self.text!r})"


def is_regex(text: str) -> bool:
    """Whether CEP 29 reads *text* as a regular expression: it begins with ``^`` and ends with ``$``."""
    return len(text) > 1 and text[0] == "^" and text[-1] == "$"


@functools.lru_cache(maxsize=1 << 14)
def _parse(text: str) -> StringMatch:
    if is_regex(text):
        return StringMatch(text, _regex_test(text))
    text = text.lower()
    if "*" in text:
        return StringMatch(text, _glob_test(*text.split("*")))
    return StringMatch(text, lambda field: field.lower() == text)


def _glob_test(first: str, *others: str) -> Callable[[str], bool]:
    *middle, last = others
    if not any(middle):
        shortest = len(first) + len(last)

        def is_between(field: str) -> bool:
            return len(field) >= shortest and (low := field.lower()).startswith(first) and low.endswith(last)

        return is_between

    def matches(field: str) -> bool:
        low, place = field.lower(), len(first)
        for part in middle:
            place = low.find(part, place)
            if place < 0:
                return False
            place += len(part)
        return low.startswith(first) and low.endswith(last) and len(low) - len(last) >= place

    return matches


def _regex_test(text: str) -> Callable[[str], bool]:
    if _REFUSED.search(text):
        raise DataError(
            f"the regular expression {text!r} uses lookaround, a group option or a backreference."
        )
    try:
        return _search(re.compile(text, re.IGNORECASE))
    except re.error as error:
        raise DataError(f"the regular expression {text!r} is not valid: {error}.") from None


def _search(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    search = pattern.search
    return lambda field: search(field) is not None
