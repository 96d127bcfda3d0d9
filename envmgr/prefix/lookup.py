"""Looks at what stands in a prefix, and never takes a disk that fails for a file that is not there (effects).

`os.path.lexists`, `os.path.islink`, `Path.is_dir` and `os.walk` answer "nothing" to every error. A change that asks
them would leave files behind, or lose them, where the disk has an error for a moment. Here only an absent path is
absent; all else is an OSError.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    StrPath = str | os.PathLike[str]


def exists(path: StrPath) -> bool:
    """Whether something is at *path*, a symlink that leads nowhere included."""
    return _mode(path) is not None


def is_folder(path: StrPath) -> bool:
    """Whether a folder is at *path*, and no symlink to one."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def leads_to_folder(path: StrPath) -> bool:
    """Whether a folder is at *path*, or a symlink to one."""
    try:
        return stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise


def is_link(path: StrPath) -> bool:
    """Whether a symlink is at *path*."""
    mode = _mode(path)
    return mode is not None and stat.S_ISLNK(mode)


def names_in(folder: StrPath) -> list[str]:
    """The names in *folder*; none where there is no such folder."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def iter_files(folder: StrPath) -> Iterator[str]:
    """The paths of all files and symlinks below *folder*, relative to it, with forward slashes."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from (f"{entry.name}/{path}" for path in iter_files(entry.path))
            else:
                yield entry.name


def iter_folders(folder: StrPath) -> Iterator[str]:
    """The paths of all folders below *folder*, relative to it, with forward slashes."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield entry.name
                yield from (f"{entry.name}/{path}" for path in iter_folders(entry.path))


def _mode(path: StrPath) -> int | None:
    try:
        return os.lstat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
