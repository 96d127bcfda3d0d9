"""What msgspec raises for bytes that it cannot decode, and how that is told in a sentence."""

from __future__ import annotations

import msgspec

UNDECODABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Whatever decoding hostile bytes may raise; nesting is bounded by Python's own limit."""


def complaint_of(error: BaseException) -> str:
    """Why the bytes could not be decoded, as a clause without a full stop.

    >>> complaint_of(RecursionError())
    'it is nested too deeply'
    """
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, UnicodeDecodeError):
        return "its text is not UTF-8"
    return str(error).rstrip(".")
