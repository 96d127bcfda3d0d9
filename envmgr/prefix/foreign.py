"""Finds the files of a prefix that no record lists."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

_OURS = frozenset({"conda-meta", ".messages.txt"})


def foreign_files(prefix: Path, owned: Collection[str], *, bytecode: bool = False) -> tuple[str, ...]:
    """The paths of files and symlinks that are not among the *owned* ones, sorted.

    What an environment knows about itself (``conda-meta``) is none of them; bytecode whose source is there is one
    only with *bytecode*.
    Paths that are owned by way of a symlink to a folder count for the place where they really are.
    """
    files: set[str] = set()
    links_to_folders: list[str] = []
    for path, is_folder_link in _walk(str(prefix)):
        files.add(path)
        if is_folder_link:
            links_to_folders.append(path)
    left = files - set(owned)
    left -= set(_behind(prefix, links_to_folders, owned)) if left and links_to_folders else set()
    left -= set(_spelt_otherwise(prefix, left, files, owned)) if left else set()
    return tuple(sorted(path for path in left if bytecode or not _is_bytecode_of(path, files)))


def _walk(root: str) -> Iterator[tuple[str, bool]]:
    """Each file below *root* as a relative path, and whether it is a symlink to a folder."""
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            entries = list(os.scandir(f"{root}/{inside}"))
        except OSError:
            continue
        for entry in entries:
            path = f"{inside}{entry.name}"
            if path in _OURS:
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(f"{path}/")
            else:
                yield path, entry.is_symlink() and entry.is_dir()


def _behind(prefix: Path, links: list[str], owned: Collection[str]) -> Iterator[str]:
    """Where *owned* paths really are that go through one of the *links*."""
    root = os.path.realpath(prefix)
    through = tuple(f"{link}/" for link in links)
    for path in owned:
        if path.startswith(through):
            folder, _, name = path.rpartition("/")
            real = os.path.relpath(os.path.realpath(prefix / folder), root).replace(os.sep, "/")
            yield name if real == "." else f"{real}/{name}"


def _spelt_otherwise(prefix: Path, left: set[str], files: set[str], owned: Collection[str]) -> Iterator[str]:
    """Those of the files *left* that are owned by another spelling, where capitals do not count."""
    by_letters = {path.casefold(): path for path in left}
    for path in owned:
        found = by_letters.get(path.casefold())
        # Where capitals count, the owned spelling is a file of its own, or missing.
        if found is not None and path not in files and os.path.lexists(prefix / path):
            yield found


def _is_bytecode_of(path: str, files: set[str]) -> bool:
    """Whether *path* is bytecode of a source among *files* (PEP 3147), or stands beside it (Python 2)."""
    if not path.endswith(".pyc"):
        return False
    folder, _, name = path.rpartition("/")
    parent, _, last = f"/{folder}".rpartition("/")
    if last == "__pycache__":
        return f"{parent}/{name.partition('.')[0]}.py".lstrip("/") in files
    return path[:-1] in files
