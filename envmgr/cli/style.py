"""Colour for people at a terminal: whether there is any, and the few colours that have a meaning.

``NO_COLOR`` (not empty) turns it off wherever it is set, as no-color.org asks. Without it, ``FORCE_COLOR`` or
``CLICOLOR_FORCE`` (neither empty nor 0) turn it on, also in a pipe. Else a stream has colour where it is a
terminal, unless ``TERM=dumb`` or ``CLICOLOR=0``. Nothing is told by colour alone.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

_CODES: Final = {
    "added": "32",
    "removed": "31",
    "upgraded": "36",
    "downgraded": "33",
    "changed": "35",
    "title": "1",
    "quiet": "2",
    "failure": "1;31",
    "warning": "33",
    "hint": "36",
}


def has_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether text on *stream* may be coloured, by the rules of this module."""
    if environ.get("NO_COLOR"):
        return False
    if any(environ.get(name, "0") not in ("", "0") for name in ("FORCE_COLOR", "CLICOLOR_FORCE")):
        return True
    return obeys_escapes(stream, environ) and environ.get("CLICOLOR") != "0"


def obeys_escapes(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether *stream* is a terminal that knows how to go back in a line."""
    return environ.get("TERM") != "dumb" and stream.isatty()


def styled(text: str, style: str | None, stream: TextIO | None = None) -> str:
    """*text* in the colour of *style*, where *stream* (standard error for None) has colours."""
    where = sys.stderr if stream is None else stream
    if style is None or not text or not has_colour(where, os.environ):
        return text
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"


def columns_of(stream: TextIO) -> int | None:
    """How many columns the terminal behind *stream* has; None where it is none, and text may be of any width."""
    try:
        if not stream.isatty():
            return None
        written = os.environ.get("COLUMNS", "")
        if written.isdecimal() and int(written):
            return int(written)
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return None
