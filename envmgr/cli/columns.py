"""Text in columns as terminals show it: wide and combining characters, cells that are cut, tables that fit a width.

Pure. Widths are counted in terminal cells, as `unicodedata` has them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP: Final = "  "
_CUT: Final = "..."


def cell_width(text: str) -> int:
    """How many cells a terminal takes for *text*.

    >>> cell_width("abc"), cell_width("日本"), cell_width("e\\u0301")
    (3, 4, 1)
    """
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    return sum(
        0 if category(each) in ("Mn", "Me", "Cf") else 2 if east_asian_width(each) in ("W", "F") else 1
        for each in text
    )


def padded(text: str, width: int) -> str:
    """*text* filled up to *width* cells."""
    return text + " " * (width - cell_width(text))


def cut(text: str, width: int) -> str:
    """*text* in *width* cells at most, with dots where something is left out.

    >>> cut("a-long-name", 8), cut("日本語日本語", 8), cut("abc", 2)
    ('a-lon...', '日本...', 'ab')
    """
    if cell_width(text) <= width:
        return text
    dots = _CUT if width > len(_CUT) else ""
    room, kept = width - len(dots), ""
    for letter in text:
        room -= cell_width(letter)
        if room < 0:
            break
        kept += letter
    return kept + dots


def wrapped(text: str, width: int) -> list[str]:
    """*text* in lines of at most *width* cells, broken between words; a word that is wider is cut.

    >>> wrapped("needed by scipy and pandas", 10)
    ['needed by', 'scipy and', 'pandas']
    """
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if cell_width(longer) <= width or not lines[-1]:
            lines[-1] = cut(longer, width)
        else:
            lines.append(cut(word, width))
    return lines


def widths_of(rows: Sequence[Sequence[str]]) -> list[int]:
    """The width of each column of *rows*, which all have the same number of cells."""
    return [max(map(cell_width, column)) for column in zip(*rows, strict=True)]


def joined_row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """One line of a table."""
    pairs = zip(cells, widths, strict=True)
    return GAP.join(padded(cut(cell, width), width) for cell, width in pairs).rstrip()


def shrunk(widths: Sequence[int], room: int, least: int) -> list[int]:
    """*widths* made smaller, the widest first, until they fit *room* cells with their gaps or all are *least*.

    >>> shrunk([30, 10, 8], 40, 6)
    [18, 10, 8]
    """
    made = list(widths)
    while made and sum(made) + len(GAP) * (len(made) - 1) > room:
        widest = max(range(len(made)), key=lambda place: made[place])
        if made[widest] <= least:
            break
        made[widest] -= 1
    return made
