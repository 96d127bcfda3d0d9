"""Brings one archive from its URL to a file, hashing it on the way.

The transport owns time-outs, redirects and retries of requests; this module owns the body: one that breaks off, or
is not the file that the record describes, is asked for again a few times, past any cache on the way.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials
from envmgr.packages.folder import is_bare
from envmgr.packages.verify import ArchiveDigest
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ports import Reporter, Transport

ATTEMPTS = 3
_FRESH = {"cache-control": "no-cache"}


class Arrived(Struct, frozen=True):
    """What was downloaded: its size in bytes and its SHA-256."""

    size: int
    sha256: str


class Downloader(Struct, frozen=True):
    """How archives are fetched; *check* is called for every chunk and may raise to stop."""

    transport: Transport
    reporter: Reporter
    check: Callable[[], None]

    def fetch(self, record: PackageRecord, place: Path) -> Arrived:
        """Download *record*'s archive to the file *place*.

        Raises ChannelError when the URL has no such file, or no sound one after several attempts; OSError when
        *place* cannot be written.
        """
        if not record.url:
            raise ChannelError(f"no URL is known for the package {record.file_name}.")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._attempt(record, place, _FRESH if attempt > 1 else None)
            except _Broken as broken:
                if attempt == ATTEMPTS:
                    raise broken.error from None
                self.reporter.phase_grew(Phase.DOWNLOAD, broken.advanced)
        raise AssertionError("unreachable")

    def _attempt(self, record: PackageRecord, place: Path, headers: Mapping[str, str] | None) -> Arrived:
        digest = ArchiveDigest(record)
        with self.transport.open(record.url, headers) as response:
            if response.status != 200:
                raise _no_file(record, response.status)
            try:
                with open(place, "wb") as file:
                    for chunk in response.iter_bytes():
                        self.check()
                        file.write(chunk)
                        digest.update(chunk)
                        self.reporter.phase_advanced(Phase.DOWNLOAD, len(chunk))
                        if record.size is not None and digest.size > record.size:
                            break
                digest.check(record.url)
            except ChannelError as error:
                os.unlink(place)
                raise _Broken(error, digest.size) from None
        return Arrived(digest.size, digest.sha256)


def hash_archive(path: Path, record: PackageRecord, check: Callable[[], None]) -> Arrived:
    """Reads an archive that lies on the disk already; raises ChannelError when it is not *record*'s."""
    digest = ArchiveDigest(record)
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            check()
            digest.update(chunk)
    digest.check(str(path))
    return Arrived(digest.size, digest.sha256)


class _Broken(Exception):  # noqa: N818 - it carries the error.
    """A body that may come better the next time; *advanced* bytes of it were reported."""

    def __init__(self, error: ChannelError, advanced: int) -> None:
        super().__init__(str(error))
        self.error = error
        self.advanced = advanced


def _no_file(record: PackageRecord, status: int) -> ChannelError:
    """What to say where there is no archive; only a record of an index can disagree with the channel."""
    url = without_credentials(record.url)
    if status not in (404, 410):
        return ChannelError(f"{url} answered with the status {status}.", url=url, status=status)
    if is_bare(record):
        return ChannelError(f"{url} does not exist.", url=url, status=status)
    return ChannelError(
        f"{url} does not exist, though the channel's index names it.",
        hint="Try again later: the channel may be about to be updated.",
        url=url,
        status=status,
    )
