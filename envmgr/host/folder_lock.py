"""Advisory locks on folders (effects): several may use a folder at once, one may clear it while nobody does.

The lock is the system's own on the open folder (`flock`), so nothing is written, a read-only folder will do, and
a process that dies lets go. Where folders cannot be locked (Windows, some network file systems) everybody gets the
lock: it saves from accidents and never decides what is true.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@contextlib.contextmanager
def using_folders(folders: Sequence[Path]) -> Iterator[None]:
    """Inside the block the *folders* that exist are in use; waits while one is being cleared, which is short."""
    with contextlib.ExitStack() as stack:
        for folder in folders:
            handle = _opened(folder, stack)
            if handle is not None and fcntl is not None:
                with contextlib.suppress(OSError):
                    fcntl.flock(handle, fcntl.LOCK_SH)
        yield


@contextlib.contextmanager
def folder_alone(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Whether nobody else uses *folder*, which holds inside the block; with *wait* that is waited for."""
    with contextlib.ExitStack() as stack:
        yield _take_alone(_opened(folder, stack), wait=wait) is not False


@contextlib.contextmanager
def folder_locked(folder: Path) -> Iterator[bool | None]:
    """Whether this process has *folder* alone inside the block; None where the system cannot lock it."""
    with contextlib.ExitStack() as stack:
        yield _take_alone(_opened(folder, stack), wait=False)


def _take_alone(handle: int | None, *, wait: bool) -> bool | None:
    if handle is None or fcntl is None:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _opened(folder: Path, stack: contextlib.ExitStack) -> int | None:
    if fcntl is None:
        return None
    try:
        handle = os.open(folder, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError:
        return None
    stack.callback(os.close, handle)
    return handle
