"""Tables of names that were asked for before, ready for the solver: one small file each (effects: files).

A table is made of a name's records in all subdirs of a channel when a solve first needs the name. Its file is
named by the digests of what it was made of: a table of older records is never read, and an update of a channel
loses only the tables of names that changed. It is written aside and renamed, checked when it is read, and made
anew where that fails. No locks are needed.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from typing import TYPE_CHECKING

import msgspec

from envmgr.channels.kept_files import KeptFolder
from envmgr.models.record_table import Columns

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT_VERSION = 2
_COMPRESSION_LEVEL = 1
_LONGEST_WAIT_SECONDS = 10.0

_decode = msgspec.msgpack.Decoder(Columns).decode
_encode = msgspec.msgpack.Encoder().encode


class TableFolder:
    """The tables below *folder*, which is made when it is first needed, and those that are in *others*."""

    def __init__(self, folder: Path, *others: Path) -> None:
        self._kept = KeptFolder(folder, *others)
        self._writing: queue.SimpleQueue[tuple[str, Columns] | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None

    def read(self, key: str, name: str) -> Columns | None:
        """The table of *name* that was kept under *key*; None where there is none that is whole."""
        import zstandard

        for file in self._kept.read(_file_name(key)):
            try:
                columns = _decode(zstandard.ZstdDecompressor().decompress(file.data))
            except (zstandard.ZstdError, msgspec.DecodeError, MemoryError):
                continue
            if columns.name.lower() == name:
                file.note_used()
                return columns
        return None

    def write(self, key: str, columns: Columns) -> None:
        """Keep a table for the next time, from a thread of its own; what cannot be written is merely made again."""
        if self._writer is None:
            self._writer = threading.Thread(target=self._write_all, daemon=True)
            self._writer.start()
        self._writing.put((key, columns))

    def flush(self) -> None:
        """Wait until all tables are written."""
        if self._writer is not None:
            self._writing.put(None)
            self._writer.join(_LONGEST_WAIT_SECONDS)
            self._writer = None

    def _write_all(self) -> None:
        import zstandard

        compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True)
        while (waiting := self._writing.get()) is not None:
            key, columns = waiting
            # Whatever befalls one table, the others are still to be kept.
            with contextlib.suppress(Exception):
                self._kept.write(_file_name(key), compressor.compress(_encode(columns)))


def _file_name(key: str) -> str:
    return f"{key}.{LAYOUT_VERSION}"
