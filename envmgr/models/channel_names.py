"""Channel names as they are configured: names with a URL of their own, and names that stand for several channels.

The rules are conda's: a custom channel's name is appended to its URL, a label behind it included; the longest
configured name counts; a URL that is a member of a multichannel is known by its path, too, so that `pkgs/main` is
where `defaults` says; `local` is this machine's. Beyond conda, members of a multichannel may be custom channels or
multichannels themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct, field

from envmgr.errors import DataError
from envmgr.models.channel import (
    DEFAULT_ALIAS,
    Channel,
    is_channel_name,
    is_url,
    without_credentials,
)
from envmgr.models.platform import KNOWN_SUBDIRS

if TYPE_CHECKING:
    from collections.abc import Mapping


class ChannelNames(Struct, frozen=True):
    """What names mean: *alias* for all that are not configured, *custom* names and *groups* of channels.

    *local* is the URL of the channel of that name, *cwd* the absolute folder that relative paths start from.

    >>> names = ChannelNames(custom={"ours": "https://example.org/conda"}, groups={"all": ("ours", "conda-forge")})
    >>> [channel.url for channel in names.find("all")]
    ['https://example.org/conda/ours', 'https://conda.anaconda.org/conda-forge']
    """

    alias: str = DEFAULT_ALIAS
    custom: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    local: str = ""
    cwd: str = ""

    def find(self, text: str) -> tuple[Channel, ...]:
        """The channels that *text* stands for, best first: one, but for a multichannel.

        Raises DataError for text that is neither a name, a URL nor a path, and for multichannels that hold
        themselves.
        """
        return tuple(dict.fromkeys(self._find(text, ())))

    def is_group(self, text: str) -> bool:
        """Whether *text* is the name of a multichannel."""
        return self._bare(text) in self.groups

    def _bare(self, text: str) -> str:
        """A name without a subdir and slashes around it; other text as it is."""
        text = text.strip()
        if not is_channel_name(text.rstrip("/")):
            return text
        head, slash, last = text.rstrip("/").rpartition("/")
        return head if slash and last in KNOWN_SUBDIRS else text.rstrip("/")

    def _find(self, text: str, above: tuple[str, ...]) -> list[Channel]:
        name = self._bare(text)
        if name == "local" and self.local:
            return [Channel("local", self.local)]
        if name not in self.groups:
            return [self._single(text, name)]
        if name in above:
            path = " -> ".join((*above[above.index(name) :], name))
            raise DataError(f"the multichannel '{name}' holds itself: {path}.")
        return [channel for member in self.groups[name] for channel in self._find(member, (*above, name))]

    def _single(self, text: str, name: str) -> Channel:
        if not is_channel_name(name):
            channel = Channel.parse(text, alias=self.alias, cwd=self.cwd)
            return Channel(self._name_of(channel), channel.url)
        known = name
        while known:
            base = self.custom.get(known)
            if base is not None:
                return Channel(name, f"{without_credentials(base).rstrip('/')}/{name}")
            base = self._members().get(known)
            if base is not None:
                return Channel(name, base + name.removeprefix(known))
            known = known.rpartition("/")[0]
        return Channel.parse(name, alias=self.alias)

    def _name_of(self, channel: Channel) -> str:
        """The short name of a channel that was given as a URL, where it has one."""
        for name, written in self.custom.items():
            base = without_credentials(written).rstrip("/")
            if f"{channel.url}/".startswith(f"{base}/{name}/"):
                return channel.url.removeprefix(f"{base}/")
        return channel.name

    def _members(self) -> dict[str, str]:
        """URL of each member of a multichannel that was written as one, by the name that its path is."""
        found: dict[str, str] = {}
        for members in self.groups.values():
            for member in members:
                if is_url(member):
                    url = Channel.parse(member).url
                    path = url.removeprefix(f"{without_credentials(self.alias).rstrip('/')}/")
                    found.setdefault(urlsplit(path).path.strip("/") if is_url(path) else path, url)
        found.pop("", None)
        return found
