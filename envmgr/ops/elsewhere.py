"""Where a package is that the searched channels do not have: on another channel that is known here, or for another
platform. Nothing is asked of the network: it looks into the indexes on the disk and into channels that are folders.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.errors import EnvmgrError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from envmgr.models.channel import Channel
    from envmgr.ops.context import Context

_MOST_FILES: Final = 200  # indexes on the disk that are looked into, the newest first
_MOST_BYTES: Final = 64 << 20  # of a folder's repodata.json
_MOST_TOLD: Final = 3


class Place(Struct, frozen=True, order=True):
    """A channel's URL and the subdir in which it has a package."""

    channel: str
    subdir: str


def hint_elsewhere(
    names: Iterable[str], searched: Sequence[Channel], subdir: str, context: Context
) -> str | None:
    """What to do about packages that no channel of *searched* has for *subdir*; None where nothing is known."""
    hints = [_hint(name, find_places(name, searched, context), searched, subdir) for name in names]
    return " ".join(hint for hint in hints if hint) or None


def find_places(name: str, searched: Sequence[Channel], context: Context) -> list[Place]:
    """Every place that is known to have a package called *name*, sorted."""
    from envmgr.ops.channels import configured_channels, find_channels

    found = set(_stored(name, context.settings.index_dir))
    try:
        configured = find_channels(configured_channels(context), context)
    except EnvmgrError:
        configured = ()
    for channel in {*searched, *configured}:
        if channel.url.startswith("file:"):
            found.update(_in_folder(name, channel.url))
    return sorted(found)


def _hint(name: str, places: Sequence[Place], searched: Sequence[Channel], subdir: str) -> str | None:
    from envmgr.solver.ranges import join_words

    here = {channel.url: channel.name for channel in searched}
    others = [
        each.channel for each in places if each.channel not in here and each.subdir in (subdir, "noarch")
    ]
    if others:
        urls = list(dict.fromkeys(map(_short, others)))
        channels = " or ".join(f"-c {url}" for url in urls[:_MOST_TOLD])
        return f"Another channel has {name}: add {channels}."
    platforms = sorted({each.subdir for each in places if each.channel in here})
    if not platforms:
        return None
    told = join_words(platforms[:_MOST_TOLD], more=len(platforms) - _MOST_TOLD)
    return f"{name} is there for {told} only, not for {subdir}."


def _short(url: str) -> str:
    from envmgr.models.channel import DEFAULT_ALIAS

    return url.removeprefix(f"{DEFAULT_ALIAS}/")


def _stored(name: str, folder: Path) -> Iterator[Place]:
    from envmgr.channels.store import stored_sources

    for source in stored_sources(folder, _MOST_FILES):
        try:
            if name in source.names():
                yield Place(source.source.channel.url, source.source.subdir)
        except EnvmgrError:
            continue
        finally:
            source.close()


def _in_folder(name: str, url: str) -> Iterator[Place]:
    """The subdirs of a channel folder whose repodata.json names the package, as a quick look tells."""
    from pathlib import Path
    from urllib.parse import unquote, urlsplit

    pattern = re.compile(rb'"name"\s*:\s*"' + re.escape(name.encode()) + rb'"')
    try:
        files = sorted(Path(unquote(urlsplit(url).path)).glob("*/repodata.json"))
        for file in files:
            if file.stat().st_size <= _MOST_BYTES and pattern.search(file.read_bytes()):
                yield Place(url, file.parent.name)
    except (OSError, ValueError):
        return
