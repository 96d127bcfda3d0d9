"""From written channel names to channels, by the settings, and whether these may be used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.config.settings import Settings
    from envmgr.models.channel import Channel
    from envmgr.models.channel_lists import ChannelLists
    from envmgr.models.channel_names import ChannelNames
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context


class WrittenChannel(Struct, frozen=True):
    """A channel as someone wrote it, and where: `command line`, `env.yml:3`, `setting channels (~/.condarc:2)`."""

    text: str
    place: str


def channel_names(context: Context) -> ChannelNames:
    """What channel names mean by the settings."""
    from envmgr.models.channel_names import ChannelNames

    settings = context.settings
    return ChannelNames(
        alias=settings.channel_alias,
        custom=settings.custom_channels,
        groups={"defaults": settings.default_channels, **settings.custom_multichannels},
        local=settings.local_channel_dir.as_uri(),
        cwd=str(context.cwd),
    )


def channel_lists(context: Context) -> ChannelLists:
    """The channels that may and may not be used; raises DataError for an entry that is no channel."""
    from envmgr.models.channel_lists import ChannelLists

    settings = context.settings
    if not (settings.allowlist_channels or settings.denylist_channels):
        return ChannelLists()
    names = channel_names(context)
    sources = {key: setting_place(key, context) for key in ("allowlist_channels", "denylist_channels")}
    return ChannelLists(
        allowed=_urls(settings.allowlist_channels, names, sources["allowlist_channels"]),
        denied=_urls(settings.denylist_channels, names, sources["denylist_channels"]),
        allowed_source=sources["allowlist_channels"],
        denied_source=sources["denylist_channels"],
    )


def _urls(entries: Sequence[str], names: ChannelNames, place: str) -> tuple[str, ...]:
    found: list[str] = []
    for entry in entries:
        found += [channel.url for channel in _find(WrittenChannel(entry, place), names)]
    return tuple(found)


def setting_place(key: str, context: Context) -> str:
    """A setting by name, with its place where it is not the default: `channels (~/.condarc:2)`."""
    source = context.setting_sources.get(key)
    return f"{key} ({source})" if source else key


def configured_channels(context: Context) -> list[WrittenChannel]:
    """The channels of requests that name none, with their setting as the place."""
    place = f"setting {setting_place('channels', context)}"
    return [WrittenChannel(name, place) for name in context.settings.channels]


def parse_channels(names: Sequence[str], context: Context) -> tuple[Channel, ...]:
    """The channels called *names*, each once, in order; nothing is asked of the lists of allowed ones."""
    return find_channels([WrittenChannel(name, "") for name in names], context)


def find_channels(written: Iterable[WrittenChannel], context: Context) -> tuple[Channel, ...]:
    """The channels that *written* stands for, each once, in order; multichannels become their members.

    Raises DataError with the place for what is no channel.
    """
    return tuple({channel.url: channel for channel in _found(written, context)}.values())


def permitted_channels(written: Sequence[WrittenChannel], context: Context) -> tuple[Channel, ...]:
    """`find_channels`; raises ChannelError with the place for a channel that may not be used."""
    lists = channel_lists(context)
    for each in written if lists.restricts else ():
        lists.check(find_channels([each], context), each.place)
    return find_channels(written, context)


def _found(written: Iterable[WrittenChannel], context: Context) -> Iterable[Channel]:
    from envmgr.models.path_text import expand_path

    names = channel_names(context)
    seen: set[str] = set()
    for each in written:
        expanded = replace(each, text=expand_path(each.text, context.environ))
        for channel in _find(expanded, names):
            if channel.url not in seen:
                seen.add(channel.url)
                yield channel


def _find(written: WrittenChannel, names: ChannelNames) -> tuple[Channel, ...]:
    try:
        return names.find(written.text)
    except DataError as error:
        if not written.place:
            raise
        raise DataError(f"{written.place}: {error}", hint=error.hint) from None


def with_real_channel(requirement: Requirement, context: Context) -> Requirement:
    """*requirement* with the URLs of its channel, where that is a name that only the settings give a meaning.

    `local::name` gets the URL of this machine's channel, a multichannel a pattern of its members' URLs.
    """
    from envmgr.models.match_spec import ANACONDA_CHANNELS

    written = requirement.spec.channel
    names = channel_names(context)
    if written is None or (written != "local" and not names.is_group(written)):
        return requirement
    urls = [channel.url for channel in names.find(written)]
    if written == "defaults" and all(url.startswith(ANACONDA_CHANNELS) for url in urls):
        return requirement  # A spec knows these by that name.
    pattern = urls[0] if len(urls) == 1 else f"^({'|'.join(map(re.escape, urls))})$"
    return replace(requirement, spec=replace(requirement.spec, channel=pattern))


def credential_urls(settings: Settings) -> tuple[str, ...]:
    """The URLs in the settings of channels, which may hold credentials."""
    return (
        settings.channel_alias,
        *settings.channels,
        *settings.default_channels,
        *(f"{base}/{name}" for name, base in settings.custom_channels.items()),
        *(member for members in settings.custom_multichannels.values() for member in members),
    )
