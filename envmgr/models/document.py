"""Text files as people hand them over: bytes in, text out, and how a piece of text is quoted in a sentence.

Rules: UTF-8 is the encoding of every text format that envmgr reads; a byte order mark also admits UTF-16 and
UTF-32, which some Windows editors and shells write. Whatever cannot be read is refused with file and line.
This module opens no files and knows no format.
"""

from __future__ import annotations

import codecs

from envmgr.errors import DataError
from envmgr.models.credentials import without_credentials_in_text
from envmgr.models.lazy_pattern import lazy_pattern

LARGEST_DOCUMENT_BYTES = 2_000_000
"""More than any file that a person writes or a tool exports; a longer text is refused before it is parsed."""

_LONGEST_QUOTE = 80
_LONGEST_LOGIN = 4000
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# What YAML calls not printable, and the byte order mark; the same set suits every text format.
_UNPRINTABLE = lazy_pattern("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufeff\ufffe\uffff]")
LINE_BREAK = lazy_pattern("\r\n|[\r\n\x85\u2028\u2029]")
"""The line breaks by which YAML counts lines."""


def decode_document(source: str | bytes, *, file: str, largest: int = LARGEST_DOCUMENT_BYTES) -> str:
    """The text of *source* without byte order mark; *file* is the name that errors show.

    Raises DataError with the line for text of more than *largest* bytes, not in UTF-8, or holds control characters.
    """
    size = len(source)
    if size > largest:
        limit = f"{largest // 1_000_000} MB"
        raise DataError(
            f"{file} has {size / 1e6:.1f} MB, and no such file may be larger than {limit}.", file=file
        )
    text = source.removeprefix("\ufeff") if isinstance(source, str) else _decode(source, file)
    wrong = _UNPRINTABLE.search(text)
    if wrong is not None:
        line = line_at(text, wrong.start())
        code = f"U+{ord(wrong[0]):04X}"
        raise DataError(
            f"{file}:{line}: the character {code} is not allowed in a text file.", file=file, line=line
        )
    return text


def glanced_text(source: bytes, most_bytes: int) -> str:
    """The beginning of *source*, for telling what it is.

    What is no text is replaced, and each line ends in ``\\n``.
    """
    mark, encoding = _encoding_of(source)
    text = source[len(mark) : most_bytes].decode(encoding, "replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding_of(source: bytes) -> tuple[bytes, str]:
    return next((pair for pair in _BYTE_ORDER_MARKS if source.startswith(pair[0])), (b"", "utf-8"))


def _decode(source: bytes, file: str) -> str:
    mark, encoding = _encoding_of(source)
    body = source[len(mark) :]
    try:
        return body.decode(encoding)
    except UnicodeDecodeError as error:
        line = line_at(body[: error.start].decode(encoding, errors="replace"), None)
        found = f"the byte 0x{body[error.start]:02x} is not {encoding.upper()}"
        raise DataError(
            f"{file}:{line}: {found} text.",
            hint="Save the file with the encoding UTF-8.",
            file=file,
            line=line,
        ) from None


def line_at(text: str, position: int | None) -> int:
    """The number, from 1, of the line that holds the character at *position* (None: the end of *text*)."""
    return 1 + sum(1 for _ in LINE_BREAK.finditer(text, 0, len(text) if position is None else position))


def quoted(text: str) -> str:
    """*text* as it may stand inside a sentence: on one line, not too long, without credentials, in backticks.

    >>> quoted("numpy  - scipy")
    '`numpy  - scipy`'
    """
    text = without_credentials_in_text(text.strip()[:_LONGEST_LOGIN])  # Half of a login could not be told.
    one_line = " ".join(LINE_BREAK.split(text[: _LONGEST_QUOTE + 1]))
    shortened = one_line if len(one_line) <= _LONGEST_QUOTE else f"{one_line[: _LONGEST_QUOTE - 3]}..."
    return f"`{shortened}`"
