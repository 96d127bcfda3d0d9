"""Tables of names that were asked for before, ready for the solver: one small file each, beside the stored index.

A table is made of a name's records when a solve first needs the name. It is only ever a copy of what the index
holds: written aside and renamed, checked when it is read, and made anew where it cannot be. The folder's name holds
the token of the index, so that tables of an older index are never read. No locks are needed.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from envmgr.models.record_table import Columns

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT_VERSION = 1
_COMPRESSION_LEVEL = 1

_decode = msgspec.msgpack.Decoder(Columns).decode
_encode = msgspec.msgpack.Encoder().encode


class TableFolder:
    """The tables of the index file *index* that bears *token*."""

    def __init__(self, index: Path, token: str) -> None:
        self._folder = f"{_stem(index)}{LAYOUT_VERSION}-{token}"

    def read(self, name: str) -> Columns | None:
        """The table of *name*; None where there is none that is whole."""
        import zstandard

        try:
            with open(self._path(name), "rb") as file:
                text = file.read()
            return _decode(zstandard.ZstdDecompressor().decompress(text))
        except (OSError, zstandard.ZstdError, msgspec.DecodeError, MemoryError):
            return None

    def write(self, name: str, columns: Columns) -> None:
        """Keep a table for the next time; what cannot be written is merely made again."""
        import zstandard

        text = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True).compress(
            _encode(columns)
        )
        path = self._path(name)
        aside = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.new"
        with contextlib.suppress(OSError):
            os.makedirs(self._folder, exist_ok=True)
            try:
                with open(aside, "wb") as file:
                    file.write(text)
                os.replace(aside, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(aside)
                raise

    def _path(self, name: str) -> str:
        return f"{self._folder}/{quote(name, safe='')}"


def remove_tables(index: Path) -> None:
    """Remove the tables of all fillings of the index file *index*."""
    import shutil

    stem = os.path.basename(_stem(index))
    with contextlib.suppress(OSError):
        for folder in list(os.scandir(index.parent)):
            if folder.name.startswith(stem):
                shutil.rmtree(folder.path, ignore_errors=True)


def _stem(index: Path) -> str:
    return f"{str(index).removesuffix('.sqlite')}.tables-"
