"""Takes the text of a match spec apart (CEP 29, "Syntax"), without knowing what the parts mean.

``channel/subdir:namespace:name version build[key=value, ...]`` becomes `SpecText`. Text that is no spec is
refused with a DataError that says what was expected; frequent mistakes get a hint of their own.
"""

from __future__ import annotations

import re
from typing import Final, NoReturn, TypeAlias

from msgspec import Struct, field

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern

Value: TypeAlias = "str | tuple[str, ...]"

_LONGEST_SHOWN = 200
_KEY = lazy_pattern(r"\s*([A-Za-z_][A-Za-z0-9_-]*)\s*=\s*")
_BARE = lazy_pattern(r"[^,\s\[\]'\"]*")
_QUOTED = {quote: lazy_pattern(rf"{quote}((?:[^{quote}\\]|\\.)*){quote}", re.DOTALL) for quote in "'\""}
_QUOTED_OR_BRACKET = lazy_pattern(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[\[\]]", re.DOTALL)
_COMMA = lazy_pattern(r"\s*,?\s*")
_ESCAPE = lazy_pattern(r"\\([\\'\"])")
_NAME = lazy_pattern(r"\s*(\^[^$]*\$|[^\s=<>!~]*)(.*)", re.DOTALL)
_SEPARATOR = lazy_pattern(r"\s+=?\s*|=")
_OPERATORS: Final = "=!|,<>~"
_NOT_IN_BUILD = lazy_pattern(r"[-=,|<>~()\s]")
_AT_PIP: Final = "This is pip's syntax; put it below a 'pip:' item."
_LIST_KEYS: Final = frozenset(("extras", "flags", "track_features", "features"))


class SpecText(Struct):
    """The parts of a spec as written. *equals_form* tells that ``=`` is a separator and no operator.

    A part that is missing is None; *keys* holds the bracket section in its order.
    """

    name: str = ""
    version: str | None = None
    build: str | None = None
    equals_form: bool = False
    channel: str | None = None
    namespace: str | None = None
    keys: dict[str, Value] = field(default_factory=dict)


def split_spec(text: str) -> SpecText:
    """Take *text* apart; raises DataError that quotes it."""
    positional, brackets = _cut_brackets(text)
    parts = SpecText(keys=_Brackets(text, brackets).parse() if brackets is not None else {})
    rest = _cut_channel(positional, parts)
    found = _NAME.fullmatch(rest)
    assert found is not None, "the pattern matches every text"
    parts.name, tail = found.groups()
    _check_name(text, parts.name, tail)
    _split_version_and_build(text, tail, parts)
    return parts


def shown_spec(text: str) -> str:
    """*text* as a sentence can hold it."""
    stripped = text.strip()
    return stripped if len(stripped) <= _LONGEST_SHOWN else f"{stripped[:_LONGEST_SHOWN]}..."


def refuse(text: str, reason: str, hint: str | None = None) -> NoReturn:
    """Raise the DataError of the spec *text*."""
    raise DataError(f"the spec '{shown_spec(text)}' is not valid: {reason}.", hint=hint)


def _cut_brackets(text: str) -> tuple[str, str | None]:
    """The part before the bracket section, without a comment, and what stands between its brackets."""
    start = _bracket_start(text)
    if start < 0:
        positional = text.partition("#")[0]
        if "[" in positional and "^" not in positional:
            _refuse_brackets(text)
        return positional, None
    end = _bracket_end(text, start)
    if end < 0:
        refuse(text, "a bracket is not closed")
    behind = text[end + 1 :].partition("#")[0].strip()
    if behind:
        refuse(text, f"found '{behind}' behind the bracket section, which must come last")
    return text[:start].partition("#")[0], text[start + 1 : end]


def _refuse_brackets(text: str) -> NoReturn:
    inside = text.partition("[")[2].rpartition("]")[0].strip()
    hint = (
        f"For a package's extras write [extras=[{inside}]]." if re.fullmatch(r"[\w ,.+-]+", inside) else None
    )
    refuse(text, "expected key=value pairs between the brackets", hint)


def _bracket_start(text: str) -> int:
    for found in re.finditer(r"\[", text):
        if "#" in text[: found.start()]:
            return -1
        if _KEY.match(text, found.end()) or re.match(r"\s*\]", text[found.end() :]):
            return found.start()
    return -1


def _bracket_end(text: str, start: int) -> int:
    depth = 0
    for found in _QUOTED_OR_BRACKET.finditer(text, start):
        depth += {"[": 1, "]": -1}.get(found.group(), 0)
        if depth == 0:
            return found.start()
    return -1


class _Brackets:
    """Reads ``key=value, key='value', key=[a, b]``; spaces may stand in for commas, as of old."""

    def __init__(self, spec: str, text: str) -> None:
        self._spec = spec
        self._text = text
        self._place = 0

    def parse(self) -> dict[str, Value]:
        keys: dict[str, Value] = {}
        while self._text[self._place :].strip(", \t\n"):
            found = _KEY.match(self._text, self._place)
            if found is None:
                self._refuse_rest()
            key = found.group(1)
            if key in keys:
                refuse(self._spec, f"the key '{key}' is given twice")
            self._place = found.end()
            keys[key] = self._value(key)
            self._skip_separator()
        return keys

    def _refuse_rest(self) -> NoReturn:
        rest = self._text[self._place :].strip()
        hint = "Quote values that hold commas, spaces or brackets." if self._place else None
        refuse(self._spec, f"expected key=value between the brackets, found '{rest}'", hint)

    def _skip_separator(self) -> None:
        found = _COMMA.match(self._text, self._place)
        assert found is not None, "the pattern matches every text"
        if found.end() == self._place < len(self._text):
            self._refuse_rest()
        self._place = found.end()

    def _value(self, key: str) -> Value:
        if self._text[self._place : self._place + 1] == "[":
            return self._list(key)
        return self._string(key, _BARE)

    def _string(self, key: str, bare: re.Pattern[str]) -> str:
        quote = self._text[self._place : self._place + 1]
        if quote and quote in "'\"":
            return self._quoted(key, quote)
        found = bare.match(self._text, self._place)
        if found is None or not found.group():
            refuse(self._spec, f"the key '{key}' has no value")
        self._place = found.end()
        return found.group()

    def _quoted(self, key: str, quote: str) -> str:
        found = _QUOTED[quote].match(self._text, self._place)
        if found is None:
            refuse(self._spec, f"the quoted value of '{key}' is not closed")
        self._place = found.end()
        value = _ESCAPE.sub(r"\1", found.group(1))
        if not value.strip():
            refuse(self._spec, f"the key '{key}' has no value")
        return value

    def _list(self, key: str) -> tuple[str, ...]:
        if key not in _LIST_KEYS:
            refuse(self._spec, f"the key '{key}' takes one value, not a list")
        items: list[str] = []
        self._place += 1
        while True:
            self._skip_spaces()
            items.append(self._string(key, _BARE))
            self._skip_spaces()
            mark = self._text[self._place : self._place + 1]
            self._place += 1
            if mark == "]":
                return tuple(items)
            if mark != ",":
                refuse(self._spec, f"the list of '{key}' is not closed or lacks a comma")

    def _skip_spaces(self) -> None:
        while self._text[self._place : self._place + 1].isspace():
            self._place += 1


def _cut_channel(positional: str, parts: SpecText) -> str:
    """Put channel and namespace into *parts*; the rest of the text comes back."""
    before, mark, rest = positional.rpartition("::")
    if mark:
        parts.channel = before.strip() or None
        return rest
    if "://" in positional:
        refuse(positional, "a URL must end in .conda or .tar.bz2, or be a channel before '::'", _AT_PIP)
    before, mark, rest = positional.rpartition(":")
    if not mark or rest.lstrip().startswith(("=", "<", ">")):
        return positional
    channel, mark, parts.namespace = before.strip().rpartition(":")
    parts.channel = channel or None
    return rest


def _check_name(text: str, name: str, tail: str) -> None:
    if not name:
        reason = "it is empty" if not text.strip() else "a package name must come first"
        refuse(text, reason, "Write * for any name." if tail else None)
    if ";" in name or re.search(r";\s*\w+\s*[=<>!~]|;\s*(python|sys|platform|os|implementation)_", tail):
        refuse(text, "conda specs have no environment markers", "Use a selector, or a [when=...] condition.")
    if name.startswith("-"):
        refuse(text, f"'{name}' is not a package name", "Options of pip belong below a 'pip:' item.")
    if re.match(r"\s*@", tail) or "@" in name:
        refuse(text, "'@' has no meaning in a conda spec", _AT_PIP)


def _split_version_and_build(text: str, tail: str, parts: SpecText) -> None:
    spaced = tail[:1].isspace()
    tail = tail.strip()
    if not tail or tail == "=":
        return
    place, width = _build_separator(tail)
    version, build = (tail, "") if place < 0 else (tail[:place], tail[place + width :].strip())
    version = version.strip()
    _check_version(text, version)
    parts.version, parts.build = version, build or None
    parts.equals_form = version.startswith("=") and (not spaced or "=" in tail[place : place + width])


def _build_separator(tail: str) -> tuple[int, int]:
    """Where version and build are separated, and how widely; -1 where no build is given."""
    found = re.search(r"(?:\s+=?|=)(?=\^[^$]*\$$)", tail)
    if found and found.start():
        return found.start(), len(found.group())
    for found in _SEPARATOR.finditer(tail):
        before, behind = tail[: found.start()], tail[found.end() :]
        if not before or before[-1] in _OPERATORS + "(" or not behind:
            continue
        if not _NOT_IN_BUILD.search(behind):
            return found.start(), len(found.group())
    return -1, 0


def _check_version(text: str, version: str) -> None:
    """Refuse what lies between name and build when its spaces cannot stand between clauses."""
    if version[:1] == "^" or not re.search(r"[^\s|,(<>=!~]\s+(?!![0-9])[^\s|,)]", version):
        return
    if re.search(r"[^\s|,(<>=!~]\s+(?:[<>=~]|!=)", version):
        refuse(text, "two version clauses follow each other", "Separate clauses by a comma, as in >=1.2,<2.")
    refuse(text, "expected at most a name, a version and a build")
