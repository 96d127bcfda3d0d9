"""Keeps the index folder small: what nothing needs goes, and the oldest where there is too much (effects: files).

It runs after an update, once a day. Shards that no index names are removed (the former one of a name counts while
its newest is not here), tables that nobody has used for a month, and what killed processes left. Then, while all
files together are larger than the cap, those that were not used for the longest time: tables, shards, and at last
whole indexes. Whoever misses a file makes or fetches it again, so nothing has to be locked; files of the last day
stay, as someone may be about to use them.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from envmgr.channels.index_file import LAYOUT_VERSION
from envmgr.channels.kept_files import STAMP, WHOLE, like
from envmgr.channels.shard_rows import pairs_in
from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DAY = 86_400.0
_TABLE_DAYS = 30


class _File(NamedTuple):
    path: str
    size: int
    used: float

    @property
    def digest(self) -> bytes:
        """What a shard is called by; nothing that is a shard's where the file is none."""
        try:
            return bytes.fromhex(os.path.basename(self.path))
        except ValueError:
            return b""


class Collected(Struct, frozen=True):
    """How many files were removed, and how many bytes were in them."""

    files: int
    bytes: int


def collect(folder: Path, most_bytes: int, now: float | None = None) -> Collected:
    """Remove what is not needed below *folder*, down to *most_bytes* in all where that is possible.

    The store of whole indexes in it counts as a part of it, and so do the folders that users have beside others'.
    """
    now = time.time() if now is None else now
    with contextlib.suppress(OSError):
        (folder / STAMP).touch()
        os.utime(folder / STAMP, (now, now))
    stores = [folder, folder / WHOLE]
    indexes = [file for store in stores for file in _files(store)]
    tables, shards = (
        [file for store in stores for place in like(store / kind) for file in _files(place)]
        for kind in ("tables", "shards")
    )
    here = {file.digest for file in shards}
    named = _named_shards((file.path for file in indexes if file.path.endswith(".sqlite")), here)
    gone = [
        *_old(tables, now, _TABLE_DAYS),
        *(file for file in _old(shards, now, 1) if named is not None and file.digest not in named),
        *(file for file in _old([*indexes, *tables, *shards], now, 1) if file.path.endswith(".new")),
    ]
    kept = [
        [file for file in files if file not in set(gone)]
        for files in (tables, shards, [file for file in indexes if file.path.endswith(".sqlite")])
    ]
    total = sum(file.size for files in kept for file in files)
    for files in kept:
        for file in sorted(_old(files, now, 1), key=lambda file: file.used):
            if total <= most_bytes:
                break
            gone.append(file)
            total -= file.size
    removed = [file for file in dict.fromkeys(gone) if _remove(file.path)]
    return Collected(len(removed), sum(file.size for file in removed))


def _files(folder: Path) -> Iterator[_File]:
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    status = entry.stat()
                    yield _File(entry.path, status.st_size, status.st_mtime)


def _old(files: list[_File], now: float, days: int) -> list[_File]:
    return [file for file in files if now - file.used > days * _DAY]


def _named_shards(indexes: Iterator[str], here: set[bytes]) -> set[bytes] | None:
    """Those of *here* that the indexes name; None where one cannot be read, so that nothing is known."""
    found: set[bytes] = set()
    for path in indexes:
        try:
            connection = sqlite3.connect(f"file:{path.replace('%', '%25')}?mode=ro&immutable=1", uri=True)
            try:
                if connection.execute("PRAGMA user_version").fetchone() != (LAYOUT_VERSION,):
                    continue  # Nobody reads it any more.
                former = dict(connection.execute("SELECT name, digest FROM former"))
                for row in connection.execute("SELECT names, digests FROM shard"):
                    for name, digest in pairs_in(*row):
                        kept = digest if digest in here else former.get(name)
                        if kept in here:
                            found.add(kept)
            finally:
                connection.close()
        except (sqlite3.Error, DataError):
            return None
    return found


def _remove(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True
