"""Glob patterns of recipes over paths with ``/``.

``*`` and ``?`` stay inside one folder, ``**`` crosses folders, ``[...]`` is a set of characters. A pattern that
names a folder (with or without a slash at its end) stands for everything below it, as in CEP 41's example.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_TOKEN = re.compile(r"\*\*/?|\*|\?|\[!?[^\]]+\]|[^*?\[]+|\[")


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    pieces = []
    for token in _TOKEN.findall(pattern.removeprefix("./").rstrip("/")):
        if token == "**/":
            pieces.append("(?:.*/)?")
        elif token == "**":
            pieces.append(".*")
        elif token in "*?":
            pieces.append("[^/]*" if token == "*" else "[^/]")
        elif len(token) > 2 and token[0] == "[":
            inner = token[1:-1].replace("\\", "\\\\")
            pieces.append(f"[^{inner[1:]}]" if inner[0] == "!" else f"[{inner}]")
        else:
            pieces.append(re.escape(token))
    return re.compile("".join(pieces) + r"(?:/.*)?\Z", re.DOTALL)


def matches_any(path: str, patterns: Iterable[str]) -> bool:
    """Whether *path* fits one of *patterns*.

    >>> matches_any("lib/liblua.so.5", ["lib/*.so*"]), matches_any("lib/a/b.h", ["lib/*.h"])
    (True, False)
    """
    return any(_compiled(pattern).match(path) is not None for pattern in patterns)


def matches_flag(path: str, choice: bool | tuple[str, ...]) -> bool:
    """Whether *choice*, which is for all paths or lists patterns, holds for *path*."""
    return choice if isinstance(choice, bool) else matches_any(path, choice)
