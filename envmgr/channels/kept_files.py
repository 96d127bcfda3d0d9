"""Small files that are kept to save work, and may vanish at any time (effects: files)."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STAMP = ".collected"
_DAY_SECONDS = 86_400.0


def write_aside(path: str, data: bytes) -> bool:
    """Put *data* at *path* in one step, making its folder; False where that is not possible."""
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
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        return False
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(aside)
        raise
    return True


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
