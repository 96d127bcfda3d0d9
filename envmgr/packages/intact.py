"""Whether the files of an unpacked package are still as they were published (effects: reads folders).

Environments share their files with the cache by hardlinks, so a program that writes into a file of an environment
in place writes into the cache. No file is younger than the channel's record beside it, which is written last,
unless somebody did that; so a look at times and sizes finds what has to be hashed, and mostly that is nothing.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envmgr.models.package_files import HARDLINK
from envmgr.packages.identity import RECORD_JSON
from envmgr.packages.verify import Finding

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.package_files import PathEntry

_MISSING = "is missing"


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
    complete, look, start = published_ns(folder), os.lstat, f"{folder}/"
    for entry in entries:
        try:
            status = look(start + entry.path)
        except OSError:
            return Finding(entry.path, _MISSING, damage=True)
        suspicious = status.st_mtime_ns > complete or status.st_size != entry.size
        if suspicious and entry.path_type == HARDLINK:
            found = _difference(start + entry.path, status.st_size, entry)
            if found is not None:
                return Finding(entry.path, found, damage=True)
    return None


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
