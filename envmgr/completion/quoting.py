"""Words of a command line as a person types them, perhaps only half: read, and written back. Pure."""

from __future__ import annotations

_SPECIAL = frozenset(" \t'\"\\$`!&;|<>()[]{}*?#~")
_IN_DOUBLE = frozenset('"\\$`')


def unquoted(text: str, *, escapes_in_single: bool = False) -> str:
    """What the word *text* means; a quote that was opened may still be open. Variables stay as they are.

    *escapes_in_single* is how fish has it: a backslash counts between single quotes, before ' and itself.

    >>> unquoted("'my e"), unquoted(r"my\\ e"), unquoted('a"b c"d')
    ('my e', 'my e', 'ab cd')
    """
    found, quote, place = [], "", 0
    while place < len(text):
        letter = text[place]
        after = text[place + 1 : place + 2]
        place += 1
        if letter == "\\" and _is_escape(after, quote, escapes_in_single=escapes_in_single):
            found.append(after)
            place += 1
        elif letter == quote:
            quote = ""
        elif not quote and letter in "'\"":
            quote = letter
        else:
            found.append(letter)
    return "".join(found)


def _is_escape(after: str, quote: str, *, escapes_in_single: bool) -> bool:
    if quote == "'":
        return escapes_in_single and after in ("'", "\\")
    return after in _IN_DOUBLE if quote else bool(after)


def open_quote(text: str) -> str:
    """The quote that *text* begins with and does not end, as in ``'my e``; "" where there is none."""
    first = text[:1]
    return first if first in ("'", '"') and (len(text) == 1 or not text.endswith(first)) else ""


def posix_quoted(text: str, quote: str = "") -> str:
    """*text* for bash, to stand after the opening *quote* that is there already, or else bare.

    >>> print(posix_quoted("it's $1"), posix_quoted("it's", "'"), posix_quoted("a $1", '"'))
    it\\'s\\ \\$1 it'\\''s a \\$1
    """
    if quote == "'":
        return text.replace("'", "'\\''")
    special = _IN_DOUBLE if quote else _SPECIAL
    return "".join(f"\\{letter}" if letter in special else letter for letter in text)
