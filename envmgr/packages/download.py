"""Brings one archive from its URL to a file, hashing it on the way.

The transport owns time-outs, redirects and retries of requests; this module owns the body. One that breaks off is
continued where it ended (RFC 9110, section 14) if the server said by a strong validator which file it sent and the
record has a checksum to judge the whole by; otherwise, and when what came is not the file that the record
describes, it is asked for from the beginning, past any cache on the way. All of that a few times only. What was
brought when the download ends all the same stays, with that validator beside it, and another run goes on with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from envmgr.errors import ChannelError
from envmgr.models.channel import login_hint, without_credentials
from envmgr.packages.folder import is_bare
from envmgr.packages.identity import is_vouched_for
from envmgr.packages.partial import LEAST_BYTES, read_source, write_source
from envmgr.packages.verify import ArchiveDigest
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ports import Reporter, Response, Transport

ATTEMPTS = 3
"""Tries in a row that bring less than a megabyte."""
MOST_ATTEMPTS = 30
_PROGRESS_BYTES = 1_000_000
_CHUNK_BYTES = 1 << 18
_PLAIN = {"accept-encoding": "identity"}
_FRESH = {**_PLAIN, "cache-control": "no-cache"}


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
        """Download *record*'s archive to the file *place*, or the rest of it where a part lies there.

        Raises ChannelError when the URL has no such file, or no sound one after several attempts; OSError when
        *place* cannot be written. After a failure only what can be continued is left at *place*
        (`envmgr.packages.partial`).
        """
        if not record.url:
            raise ChannelError(f"no URL is known for the package {record.file_name}.")
        part = _Part(record)
        fruitless = 0
        try:
            if self._take_up(part, place):
                return Arrived(part.digest.size, part.digest.sha256)
            for attempt in range(1, MOST_ATTEMPTS + 1):
                before = part.digest.size
                try:
                    return self._attempt(part, place, is_first=attempt == 1)
                except _Broken as broken:
                    gained = part.digest.size - before
                    fruitless = 0 if gained >= _PROGRESS_BYTES and part.can_continue else fruitless + 1
                    if fruitless == ATTEMPTS or attempt == MOST_ATTEMPTS:
                        raise broken.error from None
                    if not part.can_continue:
                        self._forget(part)
        except BaseException as error:
            if isinstance(error, OSError) or part.validator is None or not _is_worth_keeping(place):
                place.unlink(missing_ok=True)
            raise
        raise AssertionError("unreachable")

    def _take_up(self, part: _Part, place: Path) -> bool:
        """Go on with what lies at *place*, if anything does; whether it is the whole archive."""
        source = read_source(place, part.record)
        if source is None or not place.is_file():
            place.unlink(missing_ok=True)
            return False
        part.validator = source.validator
        with open(place, "rb") as file:
            while chunk := file.read(1 << 20):
                self.check()
                part.digest.update(chunk)
        self.reporter.phase_advanced(Phase.DOWNLOAD, part.digest.size)
        if part.record.size is None or part.digest.size < part.record.size:
            return False
        try:
            part.digest.check(part.record.url)
        except ChannelError:
            self._forget(part)
            return False
        return True

    def _attempt(self, part: _Part, place: Path, *, is_first: bool) -> Arrived:
        """Bring what is missing; _Broken when the next attempt may do better."""
        record = part.record
        headers = part.continuation() or (_PLAIN if is_first else _FRESH)
        with self.transport.open(record.url, headers) as response:
            if not part.is_continued_by(response):
                if response.status == 206 or (response.status == 416 and part.digest.size):
                    part.validator = None
                    raise _Broken(_wrong_part(record, response))
                if response.status != 200:
                    raise _no_file(record, response.status)
                self._forget(part)
                part.begin(response)
                is_worth_it = (record.size or LEAST_BYTES) >= LEAST_BYTES and not record.url.startswith(
                    "file:"
                )
                write_source(place, record, part.validator if is_worth_it else None)
            with open(place, "r+b" if part.digest.size else "wb") as file:
                file.seek(part.digest.size)
                self._receive(part, response, file)
        try:
            part.digest.check(record.url)
        except ChannelError as error:
            part.validator = None
            response.reject(str(error))
            raise _Broken(error) from None
        return Arrived(part.digest.size, part.digest.sha256)

    def _receive(self, part: _Part, response: Response, file: BinaryIO) -> None:
        size = part.record.size
        try:
            for chunk in response.iter_bytes(_CHUNK_BYTES):
                self.check()
                file.write(chunk)
                part.digest.update(chunk)
                self.reporter.phase_advanced(Phase.DOWNLOAD, len(chunk))
                if size is not None and part.digest.size > size:
                    break
        except ChannelError as error:
            raise _Broken(error) from None

    def _forget(self, part: _Part) -> None:
        """Begin anew; the bytes that were reported will come once more."""
        if part.digest.size:
            self.reporter.phase_grew(Phase.DOWNLOAD, part.digest.size)
        part.reset()


class _Part:
    """How much of an archive is there, and by which validator the rest of the same file can be asked for."""

    def __init__(self, record: PackageRecord) -> None:
        self.record = record
        self.reset()

    def reset(self) -> None:
        """Nothing is there."""
        self.digest = ArchiveDigest(self.record)
        self.validator: str | None = None

    def begin(self, response: Response) -> None:
        """A whole file is about to come."""
        if is_vouched_for(self.record) and not response.headers.get("content-encoding"):
            self.validator = _strong_validator(response.headers)

    @property
    def can_continue(self) -> bool:
        """Whether the rest can be asked for."""
        return self.validator is not None and self.digest.size > 0

    def continuation(self) -> dict[str, str] | None:
        """The headers that ask for the rest, or the whole if the file is another one by now."""
        if not self.can_continue:
            return None
        return {**_PLAIN, "range": f"bytes={self.digest.size}-", "if-range": str(self.validator)}

    def is_continued_by(self, response: Response) -> bool:
        """Whether *response* is the rest of the same file, from the byte that was asked for."""
        if response.status != 206 or not self.can_continue or response.headers.get("content-encoding"):
            return False
        place = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("content-range", "").strip())
        if place is None or int(place[1]) != self.digest.size:
            return False
        if self.record.size is not None and place[2] not in ("*", str(self.record.size)):
            return False
        tag = response.headers.get("etag")
        return tag is None or not str(self.validator).startswith('"') or tag == self.validator


def _strong_validator(headers: Mapping[str, str]) -> str | None:
    """What names this very file in If-Range (RFC 9110, sections 8.8.2.2 and 13.1.5); None without such a thing."""
    tag = headers.get("etag", "")
    if tag:
        return tag if tag.startswith('"') else None
    import email.utils

    modified = headers.get("last-modified")
    try:
        sent = email.utils.parsedate_to_datetime(headers.get("date", ""))
        changed = email.utils.parsedate_to_datetime(modified or "")
        return modified if (sent - changed).total_seconds() >= 1 else None
    except (ValueError, TypeError):
        return None


def _is_worth_keeping(place: Path) -> bool:
    return place.exists() and place.stat().st_size >= LEAST_BYTES


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
    """A body that may come better the next time."""

    def __init__(self, error: ChannelError) -> None:
        super().__init__(str(error))
        self.error = error


def _wrong_part(record: PackageRecord, response: Response) -> ChannelError:
    url = without_credentials(record.url)
    return ChannelError(
        f"{url} sent another part of the file than it was asked for.", url=url, status=response.status
    )


def _no_file(record: PackageRecord, status: int) -> ChannelError:
    """What to say where there is no archive; only a record of an index can disagree with the channel."""
    url = without_credentials(record.url)
    if status not in (404, 410):
        hint = login_hint(url) if status in (401, 403) else None
        return ChannelError(f"{url} answered with the status {status}.", hint=hint, url=url, status=status)
    if is_bare(record):
        return ChannelError(f"{url} does not exist.", url=url, status=status)
    return ChannelError(
        f"{url} does not exist, though the channel's index names it.",
        hint="Try again later: the channel may be about to be updated.",
        url=url,
        status=status,
    )
