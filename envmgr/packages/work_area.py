"""A private folder inside a package cache, where packages are prepared before they are published by a rename.

It lies in the same file system as what it will become. It is told apart from one whose process was killed by an
advisory lock that the system frees with the process; the lock decides only who may clean up, never what is true.
Where locks do not exist, the process's id decides, and age where the folder was made by another machine. A clock
that jumps takes nobody's area away: ages are told by the times of the file system that holds the areas. Those of
other users are theirs to clean up. What a download had brought by then is kept (`envmgr.packages.partial`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.packages.partial import keep_partials, remove_stale_partials

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = ".envmgr-work-"

_SETTLED_SECONDS = 60.0
_FORGOTTEN_SECONDS = 86_400.0
_LOCK = ".lock"
_NO_LOCK = ".no-lock"


class WorkArea(Struct, frozen=True):
    """Hands out unique paths below its folder."""

    folder: Path

    def make_place(self) -> Path:
        """A new empty folder."""
        place = self.folder / secrets.token_hex(6)
        place.mkdir()
        return place

    def clear(self) -> None:
        """Remove all of it, downloads that could go on as well: the disk is full."""
        _remove(self.folder)


@contextlib.contextmanager
def work_area(layer: Path) -> Iterator[WorkArea]:
    """A work area in *layer*, which exists only inside the block; raises OSError when none can be made."""
    folder = layer / f"{PREFIX}{_machine()}-{os.getpid()}-{secrets.token_hex(6)}"
    lock = None
    try:
        folder.mkdir(mode=0o700)
        # Nobody may see the lock file before it is locked, so it gets its name afterwards.
        lock = os.open(folder / f"{_LOCK}-new", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o600)
        with contextlib.suppress(OSError):
            (folder / f"{_LOCK}-new").rename(folder / (_LOCK if _take(lock) else _NO_LOCK))
        yield WorkArea(folder)
    finally:
        try:
            keep_partials(folder, layer)
        finally:
            _remove(folder)
            if lock is not None:
                os.close(lock)


def remove_abandoned(layer: Path) -> None:
    """Removes the work areas of processes that are gone; errors are of no account here."""
    for folder in abandoned_areas(layer):
        keep_partials(folder, layer)
        _remove(folder)
    remove_stale_partials(layer)


def abandoned_areas(layer: Path) -> list[Path]:
    """The work areas in *layer* whose processes are gone; none where that cannot be read."""
    try:
        # It was that late, by the clock that dates the areas, too, when something last came into the layer or went.
        now = os.stat(layer).st_mtime
        with os.scandir(layer) as entries:
            areas = [entry for entry in entries if entry.name.startswith(PREFIX)]
    except OSError:
        return []
    return [Path(entry.path) for entry in areas if _is_abandoned(entry, now)]


def _remove(folder: Path) -> None:
    """Remove *folder*, as far as that is possible, also when an interrupt comes on the way."""
    # With a disk that fails, `rmtree` raises some errors all the same.
    with contextlib.suppress(OSError):
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except KeyboardInterrupt:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def _is_abandoned(entry: os.DirEntry[str], now: float) -> bool:
    """Whether nobody is at work in an area any more; *now* is a time by the clock that dates it."""
    try:
        status = entry.stat(follow_symlinks=False)
        if not entry.is_dir(follow_symlinks=False) or not _may_remove(status):
            return False
    except OSError:
        return False
    age = now - status.st_mtime
    free = _is_free(entry.path)
    if not entry.name.startswith(f"{PREFIX}{_machine()}-"):
        return age > _FORGOTTEN_SECONDS and free is not False
    if free is not None:
        return free
    # Its process may not have come to lock it yet; one that cannot says so by a file.
    is_made = any(os.path.lexists(f"{entry.path}/{name}") for name in (_LOCK, _NO_LOCK))
    return age > (_FORGOTTEN_SECONDS if is_made else _SETTLED_SECONDS) and not _is_running(entry.name)


def _is_running(name: str) -> bool:
    """Whether the process that an area of this machine is called after still runs."""
    try:
        os.kill(int(name[len(PREFIX) :].split("-")[1]), 0)
    except (ValueError, IndexError, ProcessLookupError):
        return False
    except OSError:
        return True
    return True


def _may_remove(status: os.stat_result) -> bool:
    """Whether a work area is ours: only its owner and root can look into it."""
    return not hasattr(os, "geteuid") or os.geteuid() in (0, status.st_uid)


def _take(lock: int) -> bool:
    """Take the lock of a new area; False where files cannot be locked."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_free(folder: str) -> bool | None:
    """Whether nobody holds the area's lock; None where that cannot be told."""
    if fcntl is None:
        return None
    try:
        lock = os.open(f"{folder}/{_LOCK}", os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    finally:
        os.close(lock)
    return True


def _machine() -> str:
    """This machine's name as part of a file name."""
    return "".join(letter for letter in socket.gethostname() if letter.isalnum())[:32] or "unnamed"
