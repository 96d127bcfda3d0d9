"""Small files that are kept to save work, and may vanish at any time (effects: files).

Several users may share the folders. What one of them may read, all use; who may not write into a folder keeps
files in one of his own beside it, which bears the user's number.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import time
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STAMP = ".collected"
WHOLE = "whole"
"""The folder, in that of all indexes, of those that are kept for questions about all names."""
_DAY_SECONDS = 86_400.0
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class KeptFile(NamedTuple):
    """A file that was read: where it is, what it holds, and when it was noted as used."""

    path: str
    data: bytes
    used: float

    def note_used(self) -> None:
        """Note that it was used, at most once a day."""
        if not is_used_today(self.used):
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def remove(self) -> None:
        """Let go of a file that is damaged."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)


class KeptFolder:
    """Files by name in *folder*, which is made when it is first needed; those in *others* are read, too."""

    def __init__(self, folder: Path, *others: Path) -> None:
        self.refusal: str | None = None
        """Why a file was not kept anywhere, if that happened."""
        self._places = [str(place) for each in (folder, *others) for place in (each, own_folder(each))]

    def read(self, name: str) -> Iterator[KeptFile]:
        """The files called *name*, one after the other, until the caller has found one that is whole."""
        for place in self._places:
            path = f"{place}/{name}"
            try:
                with open_regular(path) as file:
                    data, used = file.read(), os.fstat(file.fileno()).st_mtime
            except OSError:
                continue
            yield KeptFile(path, data, used)

    def write(self, name: str, data: bytes) -> bool:
        """Keep *data* in the folder or in the user's own one beside it; False where neither takes it."""
        for place in self._places[:2]:
            reason = write_aside(f"{place}/{name}", data)
            if reason is None:
                return True
        self.refusal = reason
        return False

    def holds(self, name: str) -> bool:
        """Whether there is a file called *name*."""
        return any(os.path.exists(f"{place}/{name}") for place in self._places)

    def names(self) -> set[str]:
        """The names of all files."""
        found: set[str] = set()
        for place in self._places:
            with contextlib.suppress(OSError):
                found.update(os.listdir(place))
        return found


def own_folder(folder: Path) -> Path:
    """The folder beside *folder* that is this user's."""
    return folder.with_name(f"{folder.name}-{os.getuid() if hasattr(os, 'getuid') else 'own'}")


def like(folder: Path) -> list[Path]:
    """*folder*, and those of single users beside it."""
    return [folder, *folder.parent.glob(f"{folder.name}-*")]


def open_regular(path: str) -> BinaryIO:
    """Open a file for reading; OSError where there is something else, such as a pipe, for which one would wait."""
    descriptor = os.open(path, os.O_RDONLY | _AT_ONCE)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is no regular file", path)
    return open(descriptor, "rb")


def write_aside(path: str, data: bytes) -> str | None:
    """Put *data* at *path* in one step, making its folder; the reason where that is not possible."""
    aside = f"{path}.{os.getpid()}.{os.urandom(4).hex()}.new"
    try:
        try:
            file = open(aside, "xb")  # noqa: SIM115 (the folder may be missing, which is seldom)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            file = open(aside, "xb")  # noqa: SIM115
        with file:
            file.write(data)
        os.replace(aside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        return (error.strerror or str(error)).lower()
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    return None


def is_used_today(modified: float) -> bool:
    """Whether a file that bears the time *modified* was noted as used less than a day ago."""
    return time.time() - modified < _DAY_SECONDS


def is_collection_due(folder: Path, now: float) -> bool:
    """Whether a day has passed since *folder* was last collected; a folder that has no stamp yet gets one."""
    stamp = folder / STAMP
    try:
        return not 0 <= now - stamp.stat().st_mtime < _DAY_SECONDS
    except OSError:
        with contextlib.suppress(OSError):
            stamp.touch()
        return False
