"""The notices that a channel has for its users: what `notices.json` says (CEP 6). Pure.

What comes from the network is made harmless here: a message keeps its line breaks but no other control or
formatting character, and no more than `LONGEST_MESSAGE` characters. Keys that are missing or odd get the meaning
that conda gives them; beyond the standard, conda's `expired_at` and `interval` are read.
"""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import date, datetime, time, timezone
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable

Level = Literal["info", "warning", "critical"]

LONGEST_MESSAGE = 2000
MOST_NOTICES = 100
_LEVELS: Final[dict[str, Level]] = {"info": "info", "warning": "warning", "critical": "critical"}
_UNFIT = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


class Notice(msgspec.Struct, frozen=True):
    """One message of the channel called *channel*; moments are seconds since the Unix epoch, None for unknown."""

    id: str
    channel: str
    message: str
    level: Level = "info"
    created_at: float | None = None
    expires_at: float | None = None
    interval: int | None = None

    def is_expired(self, now: float) -> bool:
        """Whether it should no longer be shown at *now*."""
        return self.expires_at is not None and self.expires_at <= now


def parse_notices(content: bytes, channel: str) -> tuple[Notice, ...]:
    """The notices in the text of a `notices.json`, in its order; raises DataError when it is none.

    Entries without a message are left out, and so is what comes after the first `MOST_NOTICES`. A notice without
    an id gets one made from its message.
    """
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"it is not JSON: {error}.") from None
    except RecursionError:
        raise DataError("it is nested too deeply.") from None
    listed = document.get("notices", []) if isinstance(document, dict) else None
    if not isinstance(listed, list):
        raise DataError("it has no list of notices.")
    found = (_parse(each, channel) for each in listed[:MOST_NOTICES] if isinstance(each, dict))
    return tuple(notice for notice in found if notice is not None)


def _parse(entry: dict[str, Any], channel: str) -> Notice | None:
    written = entry.get("message")
    message = clean_text(written) if isinstance(written, str) else ""
    if not message:
        return None
    given, level, interval = entry.get("id"), entry.get("level"), entry.get("interval")
    expires = entry.get("expires_at", entry.get("expired_at"))
    return Notice(
        id=_id(given) or hashlib.sha256(message.encode()).hexdigest()[:32],
        channel=channel,
        message=message,
        level=_LEVELS.get(str(level), "info"),
        created_at=_moment(entry.get("created_at")),
        expires_at=_moment(expires),
        interval=interval if isinstance(interval, int) and not isinstance(interval, bool) else None,
    )


def _id(given: object) -> str:
    """The id that was given; empty for what can be none."""
    return clean_text(str(given)) if isinstance(given, (str, int, float)) else ""


def clean_text(text: str) -> str:
    r"""*text* without what a terminal could obey or that would hide something; line breaks stay.

    >>> clean_text("a\x1b[31m red\r\n\tb\u202e")
    'a[31m red\n b'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", " ")
    kept = "".join(each for each in text if each == "\n" or unicodedata.category(each) not in _UNFIT)
    return kept.strip()[:LONGEST_MESSAGE]


def _moment(written: object) -> float | None:
    """An ISO 8601 date or time, without a zone UTC, in seconds since the Unix epoch; None for what is none."""
    if not isinstance(written, str):
        return None
    text = written.strip()
    for kind in (datetime, date):
        try:
            found = msgspec.convert(text, kind)
        except msgspec.ValidationError:
            continue
        moment = found if isinstance(found, datetime) else datetime.combine(found, time())
        try:
            # The first and the last hours of the calendar are outside of it in UTC.
            utc = moment if moment.tzinfo is None else moment.astimezone(timezone.utc)
        except OverflowError:
            return None
        return utc.replace(tzinfo=timezone.utc).timestamp()
    return None


def moment_text(moment: float | None) -> str | None:
    """*moment* as ISO 8601 in UTC; None for none, and for one outside of the calendar.

    >>> moment_text(1_650_541_834.0)
    '2022-04-21T11:50:34+00:00'
    """
    if moment is None:
        return None
    try:
        return datetime.fromtimestamp(moment, timezone.utc).isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def current(notices: Iterable[Notice], now: float) -> list[Notice]:
    """Those that are not expired at *now*."""
    return [notice for notice in notices if not notice.is_expired(now)]
