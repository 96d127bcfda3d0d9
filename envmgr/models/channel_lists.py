"""Which channels may be used: the lists of allowed and denied channels, as rules about URLs.

An entry stands for the channel and what lies below its URL, so that the URL of a server stands for all of its
channels. Labels of a channel are denied with it, but not allowed with it, as they hold other packages: a channel
`name/label/x` is allowed by its own entry. A denied channel is denied over http and https and however its URL is
spelt; an allowed one only by the scheme and the letters of its entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from envmgr.errors import ChannelError
from envmgr.models.channel import split_url, without_credentials

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmgr.models.channel import Channel
    from envmgr.models.record import PackageRecord

_DEFAULT_PORTS = {"http": 80, "https": 443}


class ChannelLists(Struct, frozen=True):
    """The allowed channels (empty: all are) and the denied ones, by URL; the *sources* are for messages."""

    allowed: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    allowed_source: str = "allowlist_channels"
    denied_source: str = "denylist_channels"

    @property
    def restricts(self) -> bool:
        """Whether any channel may not be used."""
        return bool(self.allowed or self.denied)

    def check(self, channels: Iterable[Channel], place: str = "") -> None:
        """Raise ChannelError for the first of *channels* that may not be used; *place* is where it was written."""
        for channel in channels if self.restricts else ():
            self.check_url(channel.url, f"the channel {channel.name}", place)

    def check_records(self, records: Iterable[PackageRecord]) -> None:
        """Raise ChannelError for a record whose channel, or whose file elsewhere (CEP 15), may not be used."""
        for record in records if self.restricts else ():
            # An index of Python distributions is no channel.
            if record.origin is not None and not record.is_pypi:
                subject = f"the package {record.dist_name} of {record.origin.channel}"
                self.check_url(record.origin.channel, subject)
                self.check_url(record.url or record.origin.channel, subject)

    def check_url(self, url: str, subject: str, place: str = "") -> None:
        """Raise ChannelError when *url* lies in a channel that may not be used; the message calls it *subject*."""
        if not self.restricts:
            return
        channel = split_url(url)[0]
        what = f"{place}: {subject}" if place else subject
        if channel and channel not in subject:
            what = f"{what} ({channel})"
        if any(_is_denied(channel, entry) for entry in self.denied):
            raise ChannelError(
                f"{what} may not be used: {self.denied_source} denies it.",
                url=channel,
                setting="denylist_channels",
            )
        if self.allowed and not any(_is_allowed(channel, entry) for entry in self.allowed):
            raise ChannelError(
                f"{what} may not be used: {self.allowed_source} does not allow it.",
                url=channel,
                setting="allowlist_channels",
            )


def _is_denied(url: str, entry: str) -> bool:
    return _rest(_loose(url), _loose(entry)) is not None


def _is_allowed(url: str, entry: str) -> bool:
    rest = _rest(_strict(url), _strict(entry))
    return rest is not None and rest[:1] != ("label",)


_Place = tuple[str, str, tuple[str, ...]]


def _strict(url: str) -> _Place:
    """Scheme, host and the parts of the path, in the one spelling that all URLs of the same place share."""
    parts = urlsplit(without_credentials(url))
    host = (parts.hostname or "").rstrip(".")
    port = parts.port
    if port is not None and port != _DEFAULT_PORTS.get(parts.scheme):
        host = f"{host}:{port}"
    path: list[str] = []
    for part in unquote(parts.path).replace("\\", "/").split("/"):
        if part == "..":
            path[-1:] = []
        elif part not in ("", "."):
            path.append(part)
    return parts.scheme.lower(), host, tuple(path)


def _loose(url: str) -> _Place:
    """The same for both schemes of the web, and without case."""
    scheme, host, path = _strict(url)
    return "https" if scheme == "http" else scheme, host, tuple(part.lower() for part in path)


def _rest(place: _Place, entry: _Place) -> tuple[str, ...] | None:
    """The parts of the path of *place* below *entry*; None where it is not there or below."""
    below = place[:2] == entry[:2] and place[2][: len(entry[2])] == entry[2]
    return place[2][len(entry[2]) :] if below else None
