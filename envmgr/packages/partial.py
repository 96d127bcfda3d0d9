"""Downloads that ended too early, kept for the next run (effects: files).

A download goes on in ``<place>/partial/`` of a work area: the bytes as they came, and beside them what the rest
can be asked for with. What is left there when the area ends, or is found in the area of a process that was killed,
moves to ``<layer>/.envmgr-partial/<checksum>/`` by one rename; whoever wants the archive takes it from there by
another. So nobody ever writes to bytes that somebody else may be writing to. Only the checksum of the whole says
whether they were any good (see download.py).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import time
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from envmgr.models.channel import without_credentials
from envmgr.packages.homes import make_home
from envmgr.packages.identity import checksum_key

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.record import PackageRecord

FOLDER = ".envmgr-partial"
LEAST_BYTES = 1_000_000
"""Less is not worth keeping."""
KEPT_SECONDS = 7 * 86_400.0

_INSIDE = "partial"
_ARCHIVE = "archive"
_SOURCE = "source.json"


class Source(Struct, frozen=True):
    """Which archive a partial file belongs to (``key`` is its checksum), and the validator of what was sent."""

    key: str
    url: str
    validator: str


def claim_partial(layer: Path, record: PackageRecord, place: Path) -> Path:
    """Where *record*'s archive is to be downloaded to in *place*: nothing, or what an earlier run brought of it."""
    inside, key = place / _INSIDE, checksum_key(record)
    if key is not None:
        kept = layer / FOLDER / key
        try:
            kept.rename(inside)
        except OSError:
            pass
        else:
            _forget_empty(layer)
            if not _is_own(inside):
                shutil.rmtree(inside, ignore_errors=True)
    inside.mkdir(exist_ok=True)
    return inside / _ARCHIVE


def read_source(archive: Path, record: PackageRecord) -> Source | None:
    """What stands beside the partial file *archive*; None where it is not about *record*."""
    try:
        source = msgspec.json.decode((archive.parent / _SOURCE).read_bytes(), type=Source)
    except (OSError, msgspec.DecodeError):
        return None
    fits = source.key == checksum_key(record) and source.url == without_credentials(record.url)
    return source if fits else None


def write_source(archive: Path, record: PackageRecord, validator: str | None) -> None:
    """Note what the rest of *archive* can be asked for with; None notes that it cannot."""
    place, key = archive.parent / _SOURCE, checksum_key(record)
    if validator is None or key is None:
        place.unlink(missing_ok=True)
        return
    place.write_bytes(msgspec.json.encode(Source(key, without_credentials(record.url), validator)))


def keep_partials(area: Path, layer: Path) -> None:
    """Save from the work area *area*, which is about to go, what downloads had brought; errors lose it."""
    with contextlib.suppress(OSError), os.scandir(area) as entries:
        for entry in entries:
            with contextlib.suppress(OSError, msgspec.DecodeError):
                inside = area / entry.name / _INSIDE
                if os.lstat(inside / _ARCHIVE).st_size >= LEAST_BYTES:
                    source = msgspec.json.decode((inside / _SOURCE).read_bytes(), type=Source)
                    _keep(inside, layer, source.key)


def _keep(inside: Path, layer: Path, key: str) -> None:
    """Move *inside* to its place in *layer*, unless more of the same archive lies there."""
    if not key.isalnum():
        return
    target = make_home(layer / FOLDER, layer) / key
    try:
        inside.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        if os.lstat(target / _ARCHIVE).st_size < os.lstat(inside / _ARCHIVE).st_size:
            target.rename(inside.with_name("shorter"))
            inside.rename(target)


def iter_partials(layer: Path) -> list[Path]:
    """What is kept in *layer*, by checksum."""
    try:
        return sorted((layer / FOLDER).iterdir())
    except OSError:
        return []


def remove_stale_partials(layer: Path) -> None:
    """Remove what nobody went on with for a week; errors are of no account here."""
    for kept in iter_partials(layer):
        with contextlib.suppress(OSError):
            places = [kept, kept / _ARCHIVE] if (kept / _ARCHIVE).exists() else [kept]
            if time.time() - max(os.lstat(each).st_mtime for each in places) > KEPT_SECONDS:
                shutil.rmtree(kept, ignore_errors=True)
                _forget_empty(layer)


def _forget_empty(layer: Path) -> None:
    with contextlib.suppress(OSError):
        (layer / FOLDER).rmdir()


def _is_own(inside: Path) -> bool:
    """Whether no other user can write to what was claimed, who might do so after it was checked."""
    if not hasattr(os, "geteuid"):
        return True
    try:
        return all(os.lstat(each).st_uid == os.geteuid() for each in (inside, inside / _ARCHIVE))
    except OSError:
        return False
