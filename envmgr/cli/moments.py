"""Dates on the command line."""

from __future__ import annotations

from datetime import datetime, timezone

from envmgr.errors import UsageError


def parse_moment(text: str) -> int:
    """*text* as milliseconds since the Unix epoch: a date means its first moment, without a zone UTC.

    >>> parse_moment("2024-01-01"), parse_moment("2024-01-01T00:00:00+01:00")
    (1704067200000, 1704063600000)
    """
    try:
        moment = datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)
    except ValueError:
        raise UsageError(
            f"'{text}' is not a date.", hint="Write 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1000)
