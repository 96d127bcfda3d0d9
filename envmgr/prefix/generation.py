"""Generations: what an environment held after each change, as a complete lock of its own. Pure.

Each change has a number, from 1 on. A generation holds every package with all that is needed to bring it back,
who asked for what, and from which channels. The files are ``conda-meta/envmgr/generations/NUMBER.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from envmgr.errors import DataError
from envmgr.models.channel import without_credentials, without_credentials_in_word
from envmgr.models.record import Origin, PackageRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.prefix.installed import InstalledPackage

FOLDER = "conda-meta/envmgr/generations"
_OURS = ("channel", "subdir_of_channel", "base_url", "fn", "requested")


class Generation(Struct, frozen=True):
    """One state of an environment; *moment* is in seconds since the Unix epoch.

    ``command`` is the command line that made it, empty where another tool did. ``specs`` and ``removed`` are what
    the user asked for, ``channels`` the URLs that were searched, ``shared`` the paths that several packages
    bring, with their names, the winner last. ``packages`` are records as channels publish them, each with
    ``channel``, ``base_url``, ``fn`` and ``requested``.
    """

    number: int
    moment: float
    command: tuple[str, ...] = ()
    version: str = ""
    subdir: str = ""
    specs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    packages: list[dict[str, Any]] = field(default_factory=list)

    def records(self) -> tuple[PackageRecord, ...]:
        """The packages as records, in the order in which they were kept."""
        return tuple(record_of(entry) for entry in self.packages)

    def requested(self) -> dict[str, tuple[str, ...]]:
        """The specs by which packages were asked for, by name."""
        return {entry["name"]: tuple(entry.get("requested", ())) for entry in self.packages}


def entries_of(packages: Iterable[InstalledPackage]) -> list[dict[str, Any]]:
    """The entries of a generation for *packages*."""
    return [entry_of(package.record, package.requested) for package in packages]


def entry_of(record: PackageRecord, requested: Sequence[str] = ()) -> dict[str, Any]:
    """One package of a generation."""
    origin = record.origin
    ours: dict[str, Any] = {"fn": record.file_name}
    if origin is not None:
        ours |= {
            "channel": origin.channel,
            "subdir_of_channel": origin.subdir,
            "base_url": without_credentials(origin.base_url),
        }
    if requested:
        ours["requested"] = list(requested)
    return {**record.to_dict(), **ours}


def record_of(entry: dict[str, Any]) -> PackageRecord:
    """The record of an entry; raises DataError for one that is not valid."""
    plain = {key: value for key, value in entry.items() if key not in _OURS}
    channel = entry.get("channel")
    origin = (
        Origin(str(channel), str(entry.get("subdir_of_channel", "noarch")), str(entry.get("base_url", "")))
        if channel
        else None
    )
    return PackageRecord.parse(plain, fn=str(entry.get("fn", "")), origin=origin)


def write_generation(generation: Generation) -> bytes:
    """The file of *generation*."""
    clean = msgspec.structs.replace(
        generation, command=tuple(map(without_credentials_in_word, generation.command))
    )
    return msgspec.json.encode(clean)


def read_generation(data: bytes, place: str) -> Generation:
    """The generation in a file; raises DataError naming *place*."""
    try:
        return msgspec.json.decode(data, type=Generation)
    except msgspec.DecodeError as error:
        raise DataError(f"{place} is not a generation of an environment: {error}.", file=place) from None
