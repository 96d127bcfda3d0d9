"""Fetches the notices of channels and remembers them: what a channel said, when, and what was shown of it (CEP 6).

One small file for each channel, in the folder `notices` of the index. A file that cannot be read counts as
absent, and where none can be written nothing is remembered: notices never make a command fail.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from typing import TYPE_CHECKING

import msgspec

from envmgr.channels.notices import Notice, parse_notices
from envmgr.errors import ChannelError, DataError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from envmgr.models.channel import Channel
    from envmgr.ports import Transport

FOLDER = "notices"
LARGEST_BYTES = 1 << 20
_ABSENT = frozenset((403, 404, 410))


class KeptNotices(msgspec.Struct, frozen=True):
    """What the server of a channel said at *checked* (seconds since the Unix epoch); *shown* are ids."""

    url: str
    checked: float
    etag: str | None = None
    last_modified: str | None = None
    notices: tuple[Notice, ...] = ()
    shown: tuple[str, ...] = ()


def notices_url(channel: Channel) -> str:
    """Where a channel has its notices (CEP 6)."""
    return f"{channel.url}/notices.json"


class NoticeStore:
    """The remembered notices below the folder of the index."""

    def __init__(self, index_dir: Path) -> None:
        self._folder = index_dir / FOLDER

    def load(self, channel: Channel) -> KeptNotices | None:
        """What is known of *channel*; None when nothing is."""
        url = notices_url(channel)
        try:
            kept = msgspec.json.decode(self._path(url).read_bytes(), type=KeptNotices)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        return kept if kept.url == url else None

    def save(self, kept: KeptNotices) -> None:
        """Remember *kept* in place of what was known of its channel, where that can be written."""
        temporary: str | None = None
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=self._folder, prefix=".new-")
            with open(descriptor, "wb") as file:
                file.write(msgspec.json.encode(kept))
            os.replace(temporary, self._path(kept.url))
            return
        if temporary is not None:
            with contextlib.suppress(OSError):
                os.unlink(temporary)

    def mark_shown(self, channel: Channel, ids: Iterable[str]) -> None:
        """Remember that the notices called *ids* were shown; ids of notices that are gone are forgotten."""
        kept = self.load(channel)
        if kept is not None:
            shown = {*kept.shown, *ids}
            still = tuple(notice.id for notice in kept.notices if notice.id in shown)
            if still != kept.shown:
                self.save(msgspec.structs.replace(kept, shown=still))

    def _path(self, url: str) -> Path:
        return self._folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.json"


def fetch_notices(
    channel: Channel, kept: KeptNotices | None, transport: Transport, now: float
) -> KeptNotices:
    """What the channel says now; *kept* is not sent again where it has not changed.

    A channel without notices is silent. Raises ChannelError when the server does not answer, or with something
    else.
    """
    url = notices_url(channel)
    conditions: dict[str, str] = {}
    if kept is not None:
        known = {"If-None-Match": kept.etag, "If-Modified-Since": kept.last_modified}
        conditions = {key: value for key, value in known.items() if value}
    shown = kept.shown if kept is not None else ()
    with transport.open(url, conditions) as response:
        if response.status == 304 and kept is not None:
            return msgspec.structs.replace(kept, checked=now)
        if response.status in _ABSENT:
            return KeptNotices(url, now, shown=shown)
        if response.status != 200:
            raise ChannelError(f"{url} answered with HTTP status {response.status}.", url=url)
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > LARGEST_BYTES:
                raise ChannelError(f"{url} is larger than {LARGEST_BYTES >> 20} MB.", url=url)
        headers = response.headers
    try:
        notices = parse_notices(bytes(content), channel.name)
    except DataError as error:
        raise ChannelError(f"{url} holds no notices: {error}", url=url) from None
    return KeptNotices(url, now, headers.get("etag"), headers.get("last-modified"), notices, shown)
