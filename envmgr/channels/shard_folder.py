"""Shards on disk (CEP 16), each in a file that is named by the SHA-256 of its content (effects: files).

So a shard is right or it is not there: what is read is checked against its name, and a file that fails goes. Shards
are shared by all channels and processes, written aside and renamed, and need no locks.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING

from envmgr.channels.kept_files import is_used_today, write_aside

if TYPE_CHECKING:
    from pathlib import Path


class ShardFolder:
    """The shards below *folder*, which is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self, digest: bytes) -> bytes | None:
        """The shard of *digest*; None where there is none that is whole."""
        path = self._path(digest)
        try:
            with open(path, "rb") as file:
                data = file.read()
                used = os.fstat(file.fileno()).st_mtime
        except OSError:
            return None
        if not is_shard_of(data, digest):
            with contextlib.suppress(OSError):
                os.unlink(path)
            return None
        if not is_used_today(used):
            with contextlib.suppress(OSError):
                os.utime(path)
        return data

    def write(self, digest: bytes, data: bytes) -> bool:
        """Keep *data*, which is known to be the shard of *digest*; False where the folder does not take it."""
        return write_aside(self._path(digest), data)

    def holds(self, digest: bytes) -> bool:
        """Whether there is a file for *digest*."""
        return os.path.exists(self._path(digest))

    def digests(self) -> set[bytes]:
        """The digests of all shards that there are files for."""
        found = set()
        with contextlib.suppress(OSError):
            for name in os.listdir(self.folder):
                with contextlib.suppress(ValueError):
                    found.add(bytes.fromhex(name))
        return found

    def _path(self, digest: bytes) -> str:
        return f"{self.folder}/{digest.hex()}"


def is_shard_of(data: bytes, digest: bytes) -> bool:
    """Whether *data* is what *digest* stands for."""
    return hashlib.sha256(data).digest() == digest
