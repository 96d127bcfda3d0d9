"""Small files that are kept to save work, and may vanish at any time (effects: files)."""

from __future__ import annotations

import contextlib
import os
import time

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
