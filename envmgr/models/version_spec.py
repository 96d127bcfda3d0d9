"""Version specifiers: ``>=1.2,<2|3.*`` and everything else that CEP 29, "Version matching", allows.

The grammar is small: alternatives separated by ``|``, each a list of clauses separated by ``,``, parentheses
where another order is wanted. Spaces do not matter. A specifier is compiled once into nested functions, so
that testing a version is a few tuple comparisons; a solver tests each distinct version of a name once.

Where the letter of the standard and both conda and rattler differ, this follows the tools: ``!=1.2`` excludes
exactly 1.2, and ``.*`` after an ordered comparison is dropped.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.string_match import StringMatch
from envmgr.models.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable

    Test = Callable[[Version], bool]

_TOKEN = lazy_pattern(r"\^[^$]*\$|[()|,]|[^()|,]+")
_CLAUSE = lazy_pattern(r"(===?|=|!=|<=|>=|<|>|~=)?(.*)", re.DOTALL)
_SPACE_BEHIND_OPERATOR = lazy_pattern(r"(?<=[=<>!~])\s+|\s+(?=![0-9])")
_NO_LITERAL = lazy_pattern(r"^!|[\s=<>~;@]")
_MISTAKES: Final = {
    "=<": "Write <= for 'at most'.",
    "=>": "Write >= for 'at least'.",
    "<>": "Write != for 'not'.",
}


class VersionSpec:
    """One parsed specifier; equal when the canonical texts are equal.

    ``matches`` takes a Version and is the compiled test itself, so that a call costs no extra frame. ``kind``
    is the operator of a single clause (``".*"`` for fuzzy equality), or the ``,`` or ``|`` that joins
    clauses.

    >>> VersionSpec.parse(">=1.2,<2|3.*").matches(Version.parse("3.1"))
    True
    """

    __slots__ = ("kind", "matches", "text")

    text: str
    matches: Test
    kind: str

    def __init__(self, text: str, matches: Test, kind: str = "") -> None:
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "matches", matches)
        object.__setattr__(self, "kind", kind)

    @classmethod
    def parse(cls, text: str) -> VersionSpec:
        """Read a specifier; raises DataError that quotes the clause and says what was expected.

        A bare literal means exactly that version, as in ``name[version=1.8]``. Results are remembered: a channel
        repeats its specifiers.
        """
        return _parse(text)

    @property
    def is_exact(self) -> bool:
        """Whether it is one ``==`` clause."""
        return self.kind == "=="

    @property
    def is_fuzzy(self) -> bool:
        """Whether it is one clause like ``1.2.*``."""
        return self.kind == ".*"

    @property
    def is_any(self) -> bool:
        """Whether every version matches."""
        return self.text == "*"

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a VersionSpec cannot change its {name}")

    def __reduce__(self) -> tuple[Any, ...]:
        return VersionSpec.parse, (self.text,)

    def __eq__(self, other: object) -> bool:
        return self.text == other.text if isinstance(other, VersionSpec) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.text)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"VersionSpec({self.text!r})"


@functools.lru_cache(maxsize=1 << 16)
def _parse(text: str) -> VersionSpec:
    return _Parser(text).parse()


class _Parser:
    """Recursive descent over the tokens of one specifier."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = [token.strip() for token in _TOKEN.findall(text) if token.strip()]
        self._place = 0

    def parse(self) -> VersionSpec:
        if not self._tokens:
            raise DataError("a version specifier is empty; expected something like 1.2.* or >=1.2,<2.")
        spec = self._alternatives()
        if self._place < len(self._tokens):
            raise self._error(f"found {self._tokens[self._place]!r} without a partner")
        return spec

    def _next(self) -> str | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _alternatives(self) -> VersionSpec:
        parts = [self._all_of()]
        while self._next() == "|":
            self._place += 1
            parts.append(self._all_of())
        return _join(parts, "|")

    def _all_of(self) -> VersionSpec:
        parts = [self._clause()]
        while self._next() == ",":
            self._place += 1
            parts.append(self._clause())
        return _join(parts, ",")

    def _clause(self) -> VersionSpec:
        token = self._next()
        if token is None or token in "|,)":
            raise self._error("a version is missing " + (f"before {token!r}" if token else "at its end"))
        self._place += 1
        if token != "(":
            return _parse_clause(token)
        spec = self._alternatives()
        if self._next() != ")":
            raise self._error("a parenthesis is not closed")
        self._place += 1
        return spec

    def _error(self, reason: str) -> DataError:
        return DataError(f"the version specifier '{self._text.strip()}' cannot be read: {reason}.")


def _join(parts: list[VersionSpec], mark: str) -> VersionSpec:
    if len(parts) == 1:
        return parts[0]
    texts = [f"({part})" if mark == "," and part.kind == "|" else part.text for part in parts]
    return VersionSpec(mark.join(texts), _combine([part.matches for part in parts], mark), mark)


def _combine(tests: list[Test], mark: str) -> Test:
    if len(tests) == 2:
        first, second = tests
        if mark == ",":
            return lambda version: first(version) and second(version)
        return lambda version: first(version) or second(version)
    if mark == ",":
        return lambda version: all(test(version) for test in tests)
    return lambda version: any(test(version) for test in tests)


@functools.lru_cache(maxsize=1 << 16)
def _parse_clause(clause: str) -> VersionSpec:
    if clause[0] == "^" or clause[-1] == "$":
        return _pattern(clause)
    found = _CLAUSE.fullmatch(_SPACE_BEHIND_OPERATOR.sub("", clause))
    sign, literal = found.groups() if found else (None, clause)
    sign = "==" if sign == "===" else sign
    _check_literal(clause, literal)
    if sign in _ORDERED:
        return _ordered(sign, literal)
    if sign == "~=":
        return _compatible(literal)
    if literal.strip("*.") == "" and sign != "!=":
        return ANY_VERSION
    if "*" in literal.rstrip("*"):
        return _inner_glob(sign, literal)
    if literal.endswith("*"):
        return _fuzzy(literal, excluded=sign == "!=")
    if sign == "=":
        return _fuzzy(literal, excluded=False)
    return _exact(literal, excluded=sign == "!=")


def _check_literal(clause: str, literal: str) -> None:
    if literal and not _NO_LITERAL.search(literal):
        return
    if not literal:
        problem = "has no version behind its operator"
    elif literal[0] in "=<>!~":
        problem = "does not begin with one of the operators == = != < <= > >= ~="
    else:
        problem = "is not one operator and one version"
    raise DataError(f"the version clause '{clause}' {problem}.", hint=_hint(clause))


def _hint(clause: str) -> str | None:
    if ";" in clause:
        return "Conda specs have no environment markers; use a selector or a [when=...] condition."
    if re.search(r"\S\s*[<>]", clause[1:].lstrip("=<>!~ ")):
        return "Separate clauses by a comma, as in >=1.2,<2."
    if re.match(r"~\d", clause):
        return f"Write ~={clause[1:]} or ={clause[1:]}."
    return next((advice for mistake, advice in _MISTAKES.items() if mistake in clause), None)


def _pattern(clause: str) -> VersionSpec:
    if clause[0] != "^" or clause[-1] != "$":
        raise DataError(
            f"the version clause '{clause}' must begin with ^ and end with $ to be a regular expression."
        )
    test = StringMatch.parse(clause).matches
    return VersionSpec(clause, lambda version: test(version.text))


def _inner_glob(sign: str | None, literal: str) -> VersionSpec:
    pattern = StringMatch.parse(literal)
    test = pattern.matches
    if sign == "!=":
        return VersionSpec(f"!={pattern}", lambda version: not test(version.text))
    return VersionSpec(pattern.text, lambda version: test(version.text))


def _trimmed(literal: str) -> Version:
    """The version before a trailing ``*`` or ``.*``, if it has one."""
    return Version.parse(literal.rstrip("*").rstrip(".") if literal.endswith("*") else literal)


def _exact(literal: str, *, excluded: bool) -> VersionSpec:
    version = Version.parse(literal)
    key = version.key
    if excluded:
        return VersionSpec(f"!={version.text.lower()}", lambda other: other.key != key)
    return VersionSpec(f"=={version.text.lower()}", lambda other: other.key == key, "==")


def _fuzzy(literal: str, *, excluded: bool) -> VersionSpec:
    prefix = _trimmed(literal)
    text = f"{prefix.text.lower()}.*"
    if excluded:
        return VersionSpec(f"!={text}", lambda version: not version.starts_with(prefix))
    return VersionSpec(text, lambda version: version.starts_with(prefix), ".*")


def _compatible(literal: str) -> VersionSpec:
    if "*" in literal:
        raise DataError(f"the version clause '~={literal}' must name a version without '*'.")
    version = Version.parse(literal)
    key, family = version.key, version.without_last()
    if len(version.segments) == 1:
        raise DataError(
            f"the version clause '~={literal}' must name a version of at least two segments.",
            hint=f"Write >={literal} for that version and all later ones.",
        )
    return VersionSpec(
        f"~={version.text.lower()}", lambda other: other.key >= key and other.starts_with(family)
    )


def _ordered(sign: str, literal: str) -> VersionSpec:
    if literal.strip("*.") == "":
        if sign == ">=":
            return ANY_VERSION
        raise DataError(f"the version clause '{sign}{literal}' has no version behind its operator.")
    version = _trimmed(literal)
    return VersionSpec(f"{sign}{version.text.lower()}", _COMPARE[sign](version.key))


_COMPARE: Final[dict[str, Callable[[Any], Test]]] = {
    "<": lambda key: lambda version: version.key < key,
    "<=": lambda key: lambda version: version.key <= key,
    ">": lambda key: lambda version: version.key > key,
    ">=": lambda key: lambda version: version.key >= key,
}
_ORDERED: Final = frozenset(_COMPARE)

ANY_VERSION: Final = VersionSpec("*", lambda _: True)
