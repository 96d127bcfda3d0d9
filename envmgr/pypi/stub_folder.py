"""Keeps indexes of stub wheels on disk, each in a folder that is named after its content."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.pypi.stubs import stub_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.pypi.resolution import Candidate

_KEPT_SECONDS = 7 * 86_400.0


def stub_folder(stubs: Mapping[str, tuple[Candidate, ...]], parent: Path) -> Path:
    """The index of *stubs* below *parent*: as it was made before, else written aside and renamed."""
    files = stub_index(stubs)
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    folder = parent / f"stubs-{digest.hexdigest()[:32]}"
    if folder.is_dir():
        os.utime(folder)
        return folder
    _forget_old(parent)
    parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".stubs-", dir=parent))
    for name, content in files.items():
        path = aside / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    try:
        aside.replace(folder)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        if not folder.is_dir():
            raise
    return folder


def _forget_old(parent: Path) -> None:
    """Remove what no command has used for days; one that runs has used its index just before."""
    end = time.time() - _KEPT_SECONDS
    for pattern in ("stubs-*", ".stubs-*"):
        for folder in parent.glob(pattern):
            try:
                if folder.stat().st_mtime < end:
                    shutil.rmtree(folder, ignore_errors=True)
            except OSError:
                continue
