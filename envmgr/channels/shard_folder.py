"""Shards on disk (CEP 16), each in a file that is named by the SHA-256 of its content (effects: files).

So a shard is right or it is not there: what is read is checked against its name, and a file that fails goes. Shards
are shared by all channels, processes and users, written aside and renamed, and need no locks.
"""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from envmgr.channels.kept_files import KeptFolder

if TYPE_CHECKING:
    from pathlib import Path


class ShardFolder:
    """The shards below *folder*, which is made when it is first needed, and those that are in *others*."""

    def __init__(self, folder: Path, *others: Path) -> None:
        self._kept = KeptFolder(folder, *others)

    @property
    def refusal(self) -> str | None:
        """Why a shard was not kept, if that happened."""
        return self._kept.refusal

    def read(self, digest: bytes) -> bytes | None:
        """The shard of *digest*; None where there is none that is whole."""
        for file in self._kept.read(digest.hex()):
            if is_shard_of(file.data, digest):
                file.note_used()
                return file.data
            file.remove()
        return None

    def write(self, digest: bytes, data: bytes) -> bool:
        """Keep *data*, which is known to be the shard of *digest*; False where no folder takes it."""
        return self._kept.write(digest.hex(), data)

    def holds(self, digest: bytes) -> bool:
        """Whether there is a file for *digest*."""
        return self._kept.holds(digest.hex())

    def digests(self) -> set[bytes]:
        """The digests of all shards that there are files for."""
        found = set()
        for name in self._kept.names():
            with contextlib.suppress(ValueError):
                found.add(bytes.fromhex(name))
        return found


def is_shard_of(data: bytes, digest: bytes) -> bool:
    """Whether *data* is what *digest* stands for."""
    return hashlib.sha256(data).digest() == digest
