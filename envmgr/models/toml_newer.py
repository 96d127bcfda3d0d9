"""Rewrites what TOML 1.1 added as TOML 1.0 says it, which is all that Python's own parser knows before 3.15. Pure.

Inline tables over several lines, with comments and a last comma, are put on one line, and the escapes ``\\e`` and
``\\xHH`` spelt as ``\\u``. pixi, uv and cargo read such files. Joined lines leave empty ones behind them, so that
places in what follows stay the same.
"""

from __future__ import annotations

import re
from typing import Final

_TOKEN: Final = re.compile(
    r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*(?:"{3,5}|\Z)|\'\'\'[\s\S]*?(?:\'{3,5}|\Z)'
    r'|"(?:[^"\\\n]|\\.)*"?|\'[^\'\n]*\'?|#[^\n]*|[\[\]{},\n]|[^"\'#\[\]{},\n]+'
)
_ESCAPE: Final = re.compile(r"\\(?:e|x([0-9a-fA-F]{2})|[\s\S])")


def as_toml_1_0(text: str) -> str:
    """*text*, whose lines end in ``\\n``, without what only TOML 1.1 has; the same text where it has none of it.

    >>> as_toml_1_0("a = {\\n  b = 1,  # why\\n}\\nc = 2\\n")
    'a = {  b = 1  }\\n\\n\\nc = 2\\n'
    """
    pieces: list[str] = []
    opened: list[str] = []
    joined = 0
    comma: int | None = None
    before = ""
    for match in _TOKEN.finditer(text):
        token = match[0]
        is_inside = bool(opened) and opened[-1] == "{"
        if token in "[{":
            opened.append(token)
        elif token in "]}" and opened:
            opened.pop()
            if token == "}" and comma is not None:
                pieces[comma] = ""
        elif token == "\n" and "{" in opened:
            joined += 1
            token = ""
        elif token == "\n":
            token, joined = "\n" * (joined + 1), 0
        elif token[0] == "#" and "{" in opened:
            token = ""
        elif token[0] == '"' and "\\" in token:
            token = _ESCAPE.sub(_respelt, token)
        if token.strip():
            comma = len(pieces) if token == "," and is_inside and before not in ("{", ",") else None
            before = token
        pieces.append(token)
    return "".join(pieces)


def _respelt(escape: re.Match[str]) -> str:
    if escape[0] == "\\e":
        return "\\u001b"
    return f"\\u00{escape[1]}" if escape[1] else escape[0]
