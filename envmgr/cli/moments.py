"""Dates on the command line."""

from __future__ import annotations

from datetime import date, datetime, time, timezone

from envmgr.errors import UsageError

_DAY = 24 * 3600 * 1000


def parse_moment(text: str) -> int:
    """*text*, the last moment that counts, as milliseconds since the Unix epoch.

    A date means its last moment in UTC, as conda, pixi and uv include the whole day that is given. A time without
    a zone is in UTC. Raises UsageError for anything else.

    >>> parse_moment("2023-12-31"), parse_moment("2024-01-01T00:00:00+01:00")
    (1704067199999, 1704063600000)
    """
    day = _date(text)
    if day is not None:
        return _milliseconds(datetime.combine(day, time())) + _DAY - 1
    try:
        return _milliseconds(datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text))
    except (ValueError, OverflowError):
        raise UsageError(
            f"'{text}' is not a date.", hint="Write 2026-01-31 or 2026-01-31T12:00:00Z."
        ) from None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _milliseconds(moment: datetime) -> int:
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)
