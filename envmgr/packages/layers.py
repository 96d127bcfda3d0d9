"""Where packages may lie in the cache, and whether they do: the part that a plan needs, quick to import.

A layer is a folder as conda and mamba keep one (see store.py). A different package of the same file name lives in
``<layer>/.by-hash/<key>/``, and newer versions of mamba keep every package in folders named by its URL, so each
record has three homes in each layer.
"""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from envmgr.errors import DataError
from envmgr.packages.identity import (
    RECORD_JSON,
    describes_same_archive,
    distribution,
    homes_in,
    is_vouched_for,
    nested_home,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from envmgr.models.record import PackageRecord


# Who reads a fifo would wait for its other end.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
# A manifest has about 200 bytes for each file; an archive of some KB may hold one that fills the memory.
_MOST_BYTES = 256 << 20


class Layers:
    """Finds packages in cache folders, the first layer first."""

    def __init__(self, layers: Sequence[Path]) -> None:
        self.layers = tuple(Path(layer) for layer in layers)
        self._avoided: set[Path] = set()

    def avoid(self, folder: Path) -> None:
        """From now on the unpacked package in *folder* counts as not there."""
        self._avoided.add(folder)

    def holds(self, record: PackageRecord) -> bool:
        """Whether *record* needs no download: it is unpacked here, or its archive lies here (by size)."""
        if not any(map(os.path.isdir, self.layers)):
            return False
        return any(self.located(record)) or any(self.archives(record))

    def homes(self, record: PackageRecord) -> Iterator[Path]:
        """The folders where *record*'s archive and unpacked package may lie, most likely first."""
        for layer in self.layers:
            yield from homes_in(layer, record)
            nested = nested_home(layer, record)
            if nested is not None:
                yield nested

    def located(self, record: PackageRecord) -> Iterator[tuple[Path, bytes]]:
        """The homes that hold *record* unpacked, each with its repodata_record.json."""
        name = distribution(record)
        for home in self.homes(record):
            if home / name in self._avoided:
                continue
            with contextlib.suppress(OSError, msgspec.DecodeError):
                text = (home / name / RECORD_JSON).read_bytes()
                cached = msgspec.json.decode(text)
                if isinstance(cached, dict) and describes_same_archive(cached, record):
                    yield home, text

    def archives(self, record: PackageRecord) -> Iterator[Path]:
        """Files that may be *record*'s archive; only one with a checksum can ever be told."""
        if not is_vouched_for(record):
            return
        for home in self.homes(record):
            with contextlib.suppress(OSError):
                path = home / record.file_name
                if path.is_file() and record.size in (None, path.stat().st_size):
                    yield path


def reader(folder: Path) -> Callable[[str], bytes | None]:
    """What gives the content of a path below *folder*, None if there is none.

    It raises OSError, and DataError for what describes no package: no regular file, or more than 256 MiB.
    """

    def read(path: str) -> bytes | None:
        try:
            handle = os.open(folder / path, _READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        with open(handle, "rb") as file:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise DataError(f"{path} is no regular file.")
            if status.st_size > _MOST_BYTES:
                raise DataError(f"{path} has {status.st_size} bytes, where {_MOST_BYTES} are allowed.")
            return file.read()

    return read
