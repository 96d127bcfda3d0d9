"""Writes tables of TOML 1.0, in the layout in which people write files of projects and locks. Pure.

A table has its header on a line of its own, and each value has a line; lists of tables have one for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = re.compile('["\\\\\x00-\x1f\x7f]')
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def toml_table(header: str, values: Mapping[str, object]) -> str:
    """*values* below *header*, ``[x]`` or ``[[x]]``; "" for those of the document itself. None says nothing.

    >>> print(toml_table("[a]", {"b": "c", "d": ["e"], "f.g": {"h": True}, "i": None}), end="")
    [a]
    b = "c"
    d = ["e"]
    "f.g" = { h = true }
    """
    lines = [f"{toml_key(key)} = {_value(each)}\n" for key, each in values.items() if each is not None]
    return "".join([f"{header}\n" if header else "", *lines])


def toml_key(name: str) -> str:
    """*name* as a key, in quotes where it needs them."""
    return name if _BARE_KEY.fullmatch(name) else _text(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_pairs(value)) + " }" if value else "{}"
    assert isinstance(value, Sequence), f"a {type(value).__name__} is no value of these tables"
    if any(isinstance(each, Mapping) for each in value):
        return "[\n" + "".join(f"    {_value(each)},\n" for each in value) + "]"
    return "[" + ", ".join(map(_value, value)) + "]"


def _pairs(table: Mapping[str, object]) -> Iterator[str]:
    for key, each in table.items():
        if each is not None:
            yield f"{toml_key(key)} = {_value(each)}"


def _text(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda found: _SHORT.get(found[0], f"\\u{ord(found[0]):04x}"), text) + '"'
