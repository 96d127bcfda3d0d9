"""Whether the files of an unpacked package are still as they were published (effects: reads folders).

Environments share their files with the cache by hardlinks, so a program that writes into a file of an environment
in place writes into the cache. No file is younger than the channel's record beside it, which is written last,
unless somebody did that; so a look at times and sizes finds what has to be hashed, and mostly that is nothing.
"""

from __future__ import annotations

import contextlib
import os
from functools import partial
from typing import TYPE_CHECKING

from envmgr.models.package_files import HARDLINK
from envmgr.packages.identity import RECORD_JSON
from envmgr.packages.second_process import second_process
from envmgr.packages.verify import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from envmgr.models.package_files import PathEntry

_MISSING = "is missing"
# So many files are looked at in one go, so that two processes share the work of a large package, too.
_PIECE = 512
# A fork for fewer files costs more than it saves.
_WORTH_A_FORK = 8000


def published_ns(folder: str) -> int:
    """When the package was complete, in nanoseconds since the Unix epoch; 0 where it is not."""
    try:
        return os.lstat(f"{folder}/{RECORD_JSON}").st_mtime_ns
    except OSError:
        return 0


def first_change(folder: str, entries: Sequence[PathEntry]) -> Finding | None:
    """The first file that was changed or removed since the package was published; None for none.

    One look at each file; only the content of those is read that are younger than the package, or have another size
    than its manifest says. An empty file that should not be empty, as a loss of power leaves it, is a change.
    """
    complete = published_ns(folder)
    with _looking_in(folder) as look:
        for entry in entries:
            try:
                status = look(entry.path)
            except OSError:
                return Finding(entry.path, _MISSING, damage=True)
            suspicious = status.st_mtime_ns > complete or status.st_size != entry.size
            if suspicious and entry.path_type == HARDLINK:
                found = _difference(f"{folder}/{entry.path}", status.st_size, entry)
                if found is not None:
                    return Finding(entry.path, found, damage=True)
    return None


@contextlib.contextmanager
def _looking_in(folder: str) -> Iterator[Callable[[str], os.stat_result]]:
    """`os.lstat` of paths in *folder*, by way of the open folder where the system can: that takes a sixth off."""
    opened = None
    if os.stat in os.supports_dir_fd:
        with contextlib.suppress(OSError):
            opened = os.open(folder, getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if opened is None:
            yield lambda path: os.lstat(f"{folder}/{path}")
        else:
            yield partial(os.stat, dir_fd=opened, follow_symlinks=False)
    finally:
        if opened is not None:
            os.close(opened)


def unchanged(packages: Sequence[tuple[str, Sequence[PathEntry]]]) -> set[str]:
    """The folders of those *packages* (folder, entries) of which `first_change` tells nothing.

    A second process looks from the other end, where there is a second processor: a look is too short for threads,
    which would wait for each other's turns. It changes nothing, and where it ends early, more is looked at here.
    """
    pieces = [
        (position, folder, entries[start : start + _PIECE])
        for position, (folder, entries) in enumerate(packages)
        for start in range(0, len(entries), _PIECE)
    ]
    changed: set[int] = set()
    several = sum(len(entries) for _, entries in packages) >= _WORTH_A_FORK
    look = second_process if several else _no_second_process
    with look(lambda at: first_change(*pieces[at][1:]) is None, len(pieces)) as known:
        for at, (position, folder, entries) in enumerate(pieces):
            found = known(at)
            if found is None:
                found = first_change(folder, entries) is None
            if not found:
                changed.add(position)
    return {folder for position, (folder, _) in enumerate(packages) if position not in changed}


@contextlib.contextmanager
def _no_second_process(_ask: Callable[[int], bool], _count: int) -> Iterator[Callable[[int], bool | None]]:
    yield lambda _: None


def _difference(path: str, size: int, entry: PathEntry) -> str | None:
    if not size:
        return "is empty" if entry.size else None
    if entry.sha256 is None or os.path.islink(path) or os.path.isdir(path):
        return None
    from envmgr.packages.extract import file_sha256

    try:
        return None if file_sha256(path) == entry.sha256 else "has another sha256 than the manifest states"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
