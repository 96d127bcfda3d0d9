"""Folders inside a cache layer that several users share (effects: makes folders)."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def make_home(folder: Path, layer: Path) -> Path:
    """Make *folder*, which lies in *layer*, if it is not there; returns it. Raises OSError.

    It may be written by those who may write to the layer, whatever the umask of the one who makes it.
    """
    if folder == layer:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    try:
        folder.mkdir()
    except FileExistsError:
        return folder
    except FileNotFoundError:
        make_home(folder.parent, layer)
        folder.mkdir(exist_ok=True)
    with contextlib.suppress(OSError):
        folder.chmod(stat.S_IMODE(os.stat(layer).st_mode))
    return folder
