"""Text from elsewhere as it may stand in a sentence: what a terminal obeys or a reader cannot see is spelt out."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""*text* with every character that is not printable as an escape: controls, marks of direction, odd spaces.

    >>> visible("zz\x1b[31mred"), visible("a\u202eb")
    ('zz\\x1b[31mred', 'a\\u202eb')
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def visible_lines(text: str) -> str:
    r"""*text* made visible line by line; lines after the first are indented, so that none passes for one of ours.

    >>> visible_lines("a\x1b[2J\nhint: b")
    'a\\x1b[2J\n    hint: b'
    """
    return text if text.isprintable() else "\n    ".join(map(visible, text.split("\n")))


def shortened(text: str, most: int) -> str:
    """*text* made visible, and cut behind *most* characters of it."""
    return visible(text) if len(text) <= most else f"{visible(text[:most])}..."


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")
