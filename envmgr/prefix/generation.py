"""Generations: what an environment held after each change, as a complete lock of its own. Pure.

Each change has a number, from 1 on. A generation holds every package with all that is needed to bring it back,
who asked for what, and from which channels. The files are ``conda-meta/envmgr/generations/NUMBER.json``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Struct, field

from envmgr.errors import DataError, EnvmgrError
from envmgr.models.channel import without_credentials
from envmgr.models.named_file import shown_word
from envmgr.models.record import Origin, PackageRecord

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


FOLDER = "conda-meta/envmgr/generations"
_OURS = ("channel", "subdir_of_channel", "base_url", "fn", "requested")


# In seconds since the Unix epoch, until the year 9000.
Moment = Annotated[float, msgspec.Meta(ge=0, le=221_845_392_000)]


class AskedFor(Struct, frozen=True, omit_defaults=True):
    """One spec or item that the user wrote, and where: None for the command line. ``file`` is absolute."""

    spec: str
    file: str | None = None
    line: int | None = None


class Asking(Struct, frozen=True, omit_defaults=True):
    """What one command asked for: *specs*, items for pip (*pypi*), and the environment *files* that it named.

    ``logins`` are the URLs in these that were written with a login or a token, without it. ``channel_priority`` is
    that of the solve, empty for the usual strict one.
    """

    specs: tuple[AskedFor, ...] = ()
    pypi: tuple[AskedFor, ...] = ()
    files: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    channel_priority: str = ""


class PypiIntent(Struct, frozen=True, omit_defaults=True):
    """What an environment is to hold of PyPI, over all commands so far, in the grammar of pip's requirement files.

    *requirements* are lines, with absolute paths, and where each was written; *constraints* and *options* (of
    indexes, mostly) hold for all. None has credentials.
    """

    requirements: tuple[AskedFor, ...] = ()
    constraints: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


class SourceFile(Struct, frozen=True):
    """The environment.yml that an environment was made from: its absolute path, and its text without secrets."""

    file: str
    text: str

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self.file.replace("\\", "/").rpartition("/")[2]


class Generation(Struct, frozen=True):
    """One state of an environment; *moment* is in seconds since the Unix epoch.

    ``command`` is the command line that made it, empty where another tool did; ``prefix`` is where the
    environment then was. ``specs`` and ``removed`` are what the user asked for, ``asking`` the same with its
    places, ``pypi`` is what it is to hold of PyPI from then on, and ``source`` the file that this
    began with, where one alone did. ``channels`` are the URLs that were searched,
    ``shared`` the paths that several packages bring, with their names, the winner last.
    ``packages`` are records as channels publish them, each with ``channel``, ``base_url``, ``fn`` and
    ``requested``.
    """

    number: int
    moment: Moment
    command: tuple[str, ...] = ()
    version: str = ""
    subdir: str = ""
    prefix: str = ""
    specs: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    asking: Asking = Asking()
    pypi: PypiIntent = PypiIntent()
    source: SourceFile | None = None
    channels: tuple[str, ...] = ()
    shared: dict[str, tuple[str, ...]] = field(default_factory=dict)
    packages: list[dict[str, Any]] = field(default_factory=list)

    def records(self) -> tuple[PackageRecord, ...]:
        """The packages as records, in the order in which they were kept; raises DataError for one not valid."""
        return tuple(record_of(entry) for entry in self.packages)

    def requested(self) -> dict[str, tuple[str, ...]]:
        """The specs by which packages were asked for, by name."""
        return {entry["name"]: tuple(entry.get("requested", ())) for entry in self.packages}

    def holds(self, records: Iterable[PackageRecord]) -> bool:
        """Whether these *records* are its packages; False where its own cannot be read."""
        try:
            return set(self.records()) == set(records)
        except DataError:
            return False


class Generations(Struct, frozen=True):
    """The generations of an environment that can be read, the oldest first, and what is wrong with the others."""

    known: tuple[Generation, ...] = ()
    damaged: dict[int, EnvmgrError] = field(default_factory=dict)

    @property
    def last(self) -> Generation | None:
        """The newest that can be read."""
        return self.known[-1] if self.known else None

    @property
    def next_number(self) -> int:
        """The number of the next one: no file of an earlier one is ever written again."""
        return max((each for each in (*self.damaged, *(one.number for one in self.known))), default=0) + 1


def shared_by(names: Collection[str], shared: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Those of the *shared* paths that several of the packages *names* bring, the winner last."""
    left = {path: tuple(name for name in owners if name in names) for path, owners in shared.items()}
    return {path: owners for path, owners in left.items() if len(owners) > 1}


class _Entry(Struct):
    """What is read of a package before its record is."""

    name: str
    requested: tuple[str, ...] = ()


def entries_of(
    records: Iterable[PackageRecord], requested: Mapping[str, tuple[str, ...]]
) -> list[dict[str, Any]]:
    """The entries of a generation for *records*, which were asked for by the specs *requested*."""
    return [entry_of(record, requested.get(record.name, ())) for record in records]


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
    clean = msgspec.structs.replace(generation, command=tuple(map(shown_word, generation.command)))
    return msgspec.json.encode(clean)


def read_generation(data: bytes, place: str, number: int) -> Generation:
    """The generation *number* in a file; raises DataError naming *place*.

    The packages' records are read when they are asked for (`Generation.records`): most never are.
    """
    try:
        generation = msgspec.json.decode(data, type=Generation)
        for entry in generation.packages:
            msgspec.convert(entry, _Entry)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        complaint = str(error).removesuffix(".")
        raise DataError(f"{place} is not a generation of an environment: {complaint}.", file=place) from None
    if generation.number != number:
        raise DataError(f"{place} says that it is generation {generation.number}.", file=place)
    return generation
