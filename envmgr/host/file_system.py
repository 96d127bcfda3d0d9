"""Looks at the file system on which a prefix is, or will be (effects; found once, passed on as a value)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from envmgr.models.file_system import WINDOWS, FileSystem

# Folders have hundreds of thousands of entries at times.
_MOST_LOOKED_AT = 50


def file_system_at(place: Path, subdir: str) -> FileSystem:
    """What the nearest existing folder at or above *place* can hold, for packages of *subdir*.

    Packages for Windows end up on Windows, whatever this machine is. Whether capitals differ from small letters
    is told by an entry of the folder, or by a file that is made there for a moment; a folder that is not
    writable and has no entry with letters is taken for one that tells them apart.
    """
    if subdir.startswith("win-"):
        return (
            WINDOWS
            if not _has_long_paths()
            else FileSystem(folds_case=True, path_most=32_767, counts_utf16=True)
        )
    folder = next(each for each in (place, *place.parents) if each.is_dir())
    return FileSystem(
        folds_case=_folds_case(folder),
        name_most=_limit(folder, "PC_NAME_MAX", 255),
        path_most=_limit(folder, "PC_PATH_MAX", 4096),
    )


def _limit(folder: Path, name: str, otherwise: int) -> int:
    try:
        found = os.pathconf(folder, name)
    except (AttributeError, OSError, ValueError):
        return otherwise
    return found if found > 0 else otherwise


def _folds_case(folder: Path) -> bool:
    with os.scandir(folder) as entries:
        for _, entry in zip(range(_MOST_LOOKED_AT), entries, strict=False):
            if entry.name.swapcase() != entry.name:
                return _is_same(folder / entry.name, folder / entry.name.swapcase())
    import tempfile

    try:
        with tempfile.NamedTemporaryFile(prefix=".envmgr-CASE-", dir=folder) as file:
            made = Path(file.name)
            return _is_same(made, made.with_name(made.name.swapcase()))
    except OSError:
        return False


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(os.lstat(one), os.lstat(other))
    except OSError:
        return False


def _has_long_paths() -> bool:
    """Whether this is a Windows that lets programs use paths beyond MAX_PATH."""
    if sys.platform != "win32":
        return False
    import winreg

    key = r"SYSTEM\CurrentControlSet\Control\FileSystem"
    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key) as handle:
            return bool(winreg.QueryValueEx(handle, "LongPathsEnabled")[0])
    except OSError:
        return False
