"""What lies in a cache layer, and how much of it no environment shares (effects: reads folders).

Only what is told apart as ours or conda's by its content counts: an unpacked package has its index and the
channel's record inside, a folder of compiled Python files holds nothing else. Everything else in the folder is
somebody's and is not named here.
"""

from __future__ import annotations

import os
import re
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.packages.folder import INDEX_JSON
from envmgr.packages.identity import BY_HASH, RECORD_JSON, WHEELS

if TYPE_CHECKING:
    from collections.abc import Iterator

_STALE_SECONDS = 3600.0
_SCHEMES = ("https", "http", "file", "oci", "s3")
_MOST_DEPTH = 10
_ARCHIVES = (".conda", ".tar.bz2", ".whl")
_BYTECODE = re.compile(r".+-[0-9a-f]{24}")
_BYTECODE_ASIDE = re.compile(r"\..+-[0-9a-f]{24}\.[0-9]+-[0-9a-f]{8}")
_BYTECODE_FILE = re.compile(r"[0-9]+\.pyc")


class Extent(Struct, frozen=True):
    """Bytes, each file counted once: ``size`` is what removing it frees, ``total`` what it holds.

    ``is_linked`` is whether other places share files of it.
    """

    size: int
    total: int
    is_linked: bool


def iter_packages(layer: Path) -> Iterator[Path]:
    """The unpacked packages of *layer*, by name."""
    for entry in _entries(layer):
        if entry.is_dir(follow_symlinks=False) and all(
            os.path.isfile(f"{entry.path}/{name}") for name in (INDEX_JSON, RECORD_JSON)
        ):
            yield Path(entry.path)


def iter_archives(layer: Path) -> Iterator[Path]:
    """The archives of packages that *layer* keeps, by name."""
    for entry in _entries(layer):
        if entry.name.endswith(_ARCHIVES) and entry.is_file(follow_symlinks=False):
            yield Path(entry.path)


def iter_bytecode(layer: Path) -> Iterator[Path]:
    """The folders of compiled Python files, one for each package and Python (`envmgr.prefix.bytecode`)."""
    for tag in _scan(layer):
        for entry in _scan(tag.path) if tag.is_dir(follow_symlinks=False) else ():
            if _BYTECODE.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                files = _scan(entry.path)
                if files and all(_BYTECODE_FILE.fullmatch(file.name) for file in files):
                    yield Path(entry.path)


def iter_bytecode_remains(layer: Path) -> Iterator[Path]:
    """Folders of compiled files that a process was about to fill when it was killed, more than an hour ago."""
    newest = time.time() - _STALE_SECONDS
    for tag in _scan(layer):
        if tag.name.startswith("cpython-") and tag.is_dir(follow_symlinks=False):
            for entry in _scan(tag.path):
                if (
                    _BYTECODE_ASIDE.fullmatch(entry.name)
                    and entry.stat(follow_symlinks=False).st_mtime < newest
                ):
                    yield Path(entry.path)


def measure(path: Path) -> Extent:
    """The extent of a file or folder; symlinks are not followed. What cannot be read counts as nothing."""
    found = list(_statuses(path))
    times: dict[tuple[int, int], int] = {}
    for status in found:
        if status.st_nlink > 1:
            place = status.st_dev, status.st_ino
            times[place] = times.get(place, 0) + 1
    size = total = 0
    is_linked = False
    counted: set[tuple[int, int]] = set()
    for status in found:
        place = status.st_dev, status.st_ino
        is_shared = status.st_nlink > times.get(place, 1)
        is_linked |= is_shared
        if place not in counted:
            counted.add(place)
            total += status.st_size
            size += 0 if is_shared else status.st_size
    return Extent(size, total, is_linked)


def _statuses(path: Path) -> Iterator[os.stat_result]:
    """The status of every file at or below *path*, folders left out."""
    try:
        status = os.lstat(path)
    except OSError:
        return
    if not stat.S_ISDIR(status.st_mode):
        yield status
        return
    waiting = [str(path)]
    while waiting:
        for entry in _scan(waiting.pop()):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
                continue
            try:
                yield entry.stat(follow_symlinks=False)
            except OSError:
                continue


def _entries(layer: Path) -> Iterator[os.DirEntry[str]]:
    """What lies in the homes of packages: the layer, the folders of those whose place was taken, and mamba's."""
    own = (layer, layer / WHEELS)
    by_hash = (entry.path for home in own for entry in _scan(home / BY_HASH))
    for home in (*map(str, own), *by_hash, *_nested_homes(layer)):
        for entry in _scan(home):
            if not entry.name.startswith("."):
                yield entry


def _nested_homes(layer: Path) -> Iterator[str]:
    """The folders below ``<layer>/<scheme>/``, as deep as URLs are, that are no packages."""
    waiting = [(f"{layer}/{scheme}", _MOST_DEPTH) for scheme in _SCHEMES]
    while waiting:
        folder, depth = waiting.pop()
        if depth and not os.path.isdir(f"{folder}/info"):
            yield folder
            inside = [entry.path for entry in _scan(folder) if entry.is_dir(follow_symlinks=False)]
            waiting += [(path, depth - 1) for path in inside]


def _scan(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        return []
