"""Reads the bytes of files that a user names: also of pipes, as a shell's ``<(command)`` makes them.

Every wait ends: for a first writer of a named pipe, and for more of what one has begun to write.
"""

from __future__ import annotations

import os
import select
import stat
from typing import TYPE_CHECKING, Final

from envmgr.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

_WRITER_SECONDS: Final = 10
_SILENT_SECONDS: Final = 60
_PIECE_BYTES: Final = 1 << 16


def is_given_file(place: Path) -> bool:
    """Whether there is something at *place* whose bytes can be read: no folder."""
    return place.exists() and not place.is_dir()


def read_given_file(place: Path, largest: int) -> bytes:
    """The bytes at *place*, *largest* and one more at most; raises OSError, and DataError where nothing comes."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(place, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(f"{place} is a folder")
        is_stream = not stat.S_ISREG(mode) and hasattr(select, "poll")
        return b"".join(_pieces(descriptor, place, largest + 1, is_stream=is_stream))
    finally:
        os.close(descriptor)


def _pieces(descriptor: int, place: Path, most: int, *, is_stream: bool) -> list[bytes]:
    found: list[bytes] = []
    had_writer = not is_stream
    while most > 0:
        try:
            piece = os.read(descriptor, min(most, _PIECE_BYTES if is_stream else most))
        except BlockingIOError:
            had_writer = True
            _wait(descriptor, place, _SILENT_SECONDS)
            continue
        if not piece:
            if had_writer or not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
                break
            had_writer = True  # The next reading with nothing in it is the end.
            _wait(descriptor, place, _WRITER_SECONDS)
            continue
        had_writer = True
        found.append(piece)
        most -= len(piece)
    return found


def _wait(descriptor: int, place: Path, seconds: int) -> None:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLIN)
    if not waiting.poll(seconds * 1000):
        raise DataError(
            f"{place} is a pipe, and nothing came out of it for {seconds} seconds.", file=str(place)
        )
