"""Compares what arrived with what was promised: an archive with its record, an unpacked package with its manifest.

Pure: bytes and names come in, findings go out.

How strict the manifest check is depends on who vouches for the archive. What no installation could use (a promised
file that is missing, is empty, or is a folder) is damage always. A file whose size or sum differs from the manifest
in an archive that matches its channel's checksum was published like this; conda and mamba install such packages
with a warning, and so does envmgr. Without a checksum nobody vouches, and the same difference is damage.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials
from envmgr.models.package_files import DIRECTORY, SOFTLINK
from envmgr.packages.folder import is_bare

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmgr.models.package_files import PathEntry
    from envmgr.models.record import PackageRecord


class Contents(Struct):
    """What an archive or an unpacked folder holds, by path.

    ``sizes`` (bytes) has every regular file, ``links`` every symlink with its target as written, ``hashes`` the
    SHA-256 of the files where they were computed.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)
    hashes: dict[str, str] = field(default_factory=dict)


class Finding(Struct, frozen=True):
    """One difference between a package and its manifest; *damage* when the package cannot be used with it."""

    path: str
    what: str
    damage: bool


class ArchiveDigest:
    """Counts and hashes an archive while it arrives.

    SHA-256 is always computed; MD5 only when the record states nothing better.
    """

    def __init__(self, record: PackageRecord) -> None:
        self._record = record
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if record.md5 and not record.sha256 else None
        self.size = 0

    def update(self, chunk: bytes | memoryview) -> None:
        """Takes the next bytes."""
        self.size += len(chunk)
        self._sha256.update(chunk)
        if self._md5 is not None:
            self._md5.update(chunk)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what came so far, lower-case hex."""
        return self._sha256.hexdigest()

    def check(self, source: str) -> None:
        """Raises ChannelError, naming *source*, when the archive is not the record's (CEP 32, step 2).

        *source* is a path or URL; what is told of it holds no credentials.
        """
        record, source = self._record, without_credentials(source)
        for what, expected, found in (
            ("size", record.size, self.size),
            ("sha256", _lower(record.sha256), self.sha256),
            ("md5", _lower(record.md5) if self._md5 else None, self._md5.hexdigest() if self._md5 else None),
        ):
            if expected is not None and expected != found:
                facts: dict[str, Any] = {"url": source, "expected": expected, "found": found}
                if is_bare(record):
                    raise ChannelError(f"{source}: {what} is {found}, but {expected} was expected.", **facts)
                raise ChannelError(
                    f"{source} is not the file that the channel describes: "
                    f"its {what} is {found}, expected {expected}.",
                    hint="Try again; if it stays so, the channel's index and its files disagree.",
                    **facts,
                )


def check_manifest(entries: Iterable[PathEntry], contents: Contents, *, vouched: bool) -> Iterator[Finding]:
    """Every difference between the manifest (CEP 34, paths.json) and what was unpacked.

    *vouched* tells that the archive as a whole matched a checksum. Files that the manifest does not name are no
    difference: they are not linked. Sums are compared where *contents* has them. The size and sum of a symlink
    are those of its target, which may be another package's, and are not looked at; a regular file in the place
    of a symlink is accepted when it has the target's size.
    """
    for entry in entries:
        path = entry.path
        size = contents.sizes.get(path)
        if size is None:
            what = _without_file(entry, contents)
            if what is not None:
                yield Finding(path, what, damage=True)
            continue
        if entry.path_type == DIRECTORY:
            yield Finding(path, "is a file, where the manifest promises a folder", damage=True)
        elif entry.size is not None and size != entry.size:
            lost = size == 0 or entry.path_type == SOFTLINK
            yield Finding(path, _wrong_size(entry, size), damage=lost or not vouched)
        elif entry.sha256 and contents.hashes.get(path, _lower(entry.sha256)) != _lower(entry.sha256):
            yield Finding(path, "has another sha256 than the manifest states", damage=not vouched)


def _without_file(entry: PathEntry, contents: Contents) -> str | None:
    """What is wrong with an entry that is no regular file on the disk."""
    if entry.path_type == DIRECTORY:
        return None if entry.path in contents.folders else "is missing"
    if entry.path in contents.links:
        return None if contents.links[entry.path] else "is a symlink with an empty target"
    if entry.path in contents.folders:
        return "is a folder, where the manifest promises a file"
    return "is missing"


def _wrong_size(entry: PathEntry, size: int) -> str:
    if entry.path_type == SOFTLINK:
        kind = "an empty file" if size == 0 else f"a file of {size} bytes"
        return f"is {kind}, where the manifest promises a symlink"
    return f"has {size} bytes, where the manifest states {entry.size}"


def _lower(text: str | None) -> str | None:
    return text.lower() if text else None
