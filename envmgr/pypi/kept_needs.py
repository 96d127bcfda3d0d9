"""Keeps on disk what wheels need, so that an index is asked once for the metadata of each (effects: files).

A file for each wheel, which never changes: its key is of its URL and its SHA-256 together, since one index may
claim another's sums. What was not used for months goes when something new comes. Nothing depends on what is here.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import time
from typing import TYPE_CHECKING, Final

import msgspec

from envmgr.pypi.records import WheelNeeds

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.record import PackageRecord

FOLDER: Final = "pypi-needs"
"""Below the folder of indexes."""

_LARGEST_BYTES: Final = 1_000_000
_USED_SECONDS: Final = 86_400.0
_KEPT_SECONDS: Final = 90 * 86_400.0
_LOOKED_SECONDS: Final = 7 * 86_400.0


class KeptNeeds:
    """What is kept below *folder*, which need not be there nor be writable."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, record: PackageRecord) -> WheelNeeds | None:
        """What the wheel of *record* needs; None where it is not known."""
        place = self._place(record)
        if place is None:
            return None
        try:
            with place.open("rb") as file:
                content = file.read(_LARGEST_BYTES)
                if time.time() - os.fstat(file.fileno()).st_mtime > _USED_SECONDS:
                    os.utime(place)
            return msgspec.json.decode(content, type=WheelNeeds)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return None

    def keep(self, record: PackageRecord, needs: WheelNeeds) -> None:
        """Note it; a disk that takes nothing is no reason to stop."""
        place = self._place(record)
        if place is None:
            return
        with contextlib.suppress(OSError):
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, exist_ok=True)
            aside = self._folder / f".{secrets.token_hex(8)}"
            aside.write_bytes(msgspec.json.encode(needs))
            aside.replace(place)

    def forget_old(self) -> None:
        """Remove what was not used for months; looks at all files once a week at most."""
        mark, now = self._folder / ".looked", time.time()
        with contextlib.suppress(OSError):
            if mark.exists() and now - mark.stat().st_mtime < _LOOKED_SECONDS:
                return
            mark.touch()
            os.utime(mark)
            for entry in os.scandir(self._folder):
                if entry.name != mark.name and now - entry.stat().st_mtime > _KEPT_SECONDS:
                    os.unlink(entry.path)

    def _place(self, record: PackageRecord) -> Path | None:
        if not record.sha256:
            return None
        key = hashlib.sha256(f"{record.url}\n{record.sha256}".encode()).hexdigest()
        return self._folder / key[:40]
