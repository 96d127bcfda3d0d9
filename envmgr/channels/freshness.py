"""How long an answer of a server stays fresh (RFC 9111), and how old one is in words. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def fresh_seconds(headers: Mapping[str, str]) -> int | None:
    """How many seconds more an answer with these headers stays fresh; None when they do not say (RFC 9111, 4.2).

    >>> fresh_seconds({"cache-control": "public, max-age=1200", "age": "200"})
    1000
    >>> fresh_seconds({"cache-control": "no-cache, max-age=1200"}), fresh_seconds({})
    (0, None)
    """
    control = headers.get("cache-control", "")
    directives = [part.strip().lower() for part in control.split(",")]
    if "no-cache" in directives or "no-store" in directives:
        return 0
    found = re.search(r"(?:^|,)\s*max-age=\"?(\d{1,9})", control, re.IGNORECASE)
    if found is None:
        return _seconds_to_expiry(headers)
    age = headers.get("age", "")
    return max(0, int(found.group(1)) - (int(age) if age.isdigit() and len(age) < 10 else 0))


def _seconds_to_expiry(headers: Mapping[str, str]) -> int | None:
    if "expires" not in headers:
        return None
    import email.utils

    try:
        expires, date = (email.utils.parsedate_to_datetime(headers[key]) for key in ("expires", "date"))
        return max(0, int((expires - date).total_seconds()))
    except (KeyError, ValueError, TypeError, OverflowError):
        return 0  # An Expires that cannot be read is in the past (RFC 9111, 5.3).


def age_text(seconds: float) -> str:
    """A time in the past in words.

    >>> age_text(30.0), age_text(7_300.0), age_text(90_000.0)
    ('less than a minute ago', '2 hours ago', '1 day ago')
    """
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = int(seconds // size)
        if count >= 1:
            return f"{count} {word}{'s' * (count > 1)} ago"
    return "less than a minute ago"
