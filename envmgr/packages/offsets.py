"""Finds where placeholders stand in the files of an unpacked package, once (effects: reads the files)."""

from __future__ import annotations

import errno
import mmap
import os
from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.models.placeholder import find_placeholder
from envmgr.packages.link_plan import LinkPlan

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.package_files import PackageFiles


def make_plan(folder: Path, files: PackageFiles) -> LinkPlan:
    """The plan of a package whose *files* nobody compared with what they really are."""
    return LinkPlan(replace(files, offsets=_offsets(folder, files)))


def _offsets(folder: Path, files: PackageFiles) -> dict[str, tuple[int, ...]]:
    """Where placeholders stand; nothing for files that cannot be read, which linking tells of."""
    found: dict[str, tuple[int, ...]] = {}
    for entry in files.paths:
        if entry.placeholder is not None:
            offsets = _offsets_in(f"{folder}/{entry.path}", entry.placeholder)
            if offsets is not None:
                found[entry.path] = offsets
    return found


def _offsets_in(path: str, placeholder: str) -> tuple[int, ...] | None:
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            return None
        raise
    with open(handle, "rb"):
        if os.fstat(handle).st_size == 0:
            return ()
        # Mapped and not read, because such a file may be larger than the memory.
        with mmap.mmap(handle, 0, access=mmap.ACCESS_READ) as data:
            return find_placeholder(data, placeholder)
