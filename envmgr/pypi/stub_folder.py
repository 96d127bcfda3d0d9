"""Keeps indexes of stub wheels on disk, each in a folder that is named after its content."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.pypi.stubs import stub_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.pypi.resolution import Candidate


def stub_folder(stubs: Mapping[str, tuple[Candidate, ...]], parent: Path) -> Path:
    """The index of *stubs* below *parent*: as it was made before, else written aside and renamed."""
    files = stub_index(stubs)
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    folder = parent / f"stubs-{digest.hexdigest()[:32]}"
    if folder.is_dir():
        return folder
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
