"""Paths inside a prefix as text: relative, with forward slashes, compared without touching the disk."""

from __future__ import annotations

import posixpath


def resolve_link(path: str, text: str) -> str | None:
    """Where the symlink *path* with the link text *text* points to, relative to the prefix.

    None when it leaves the prefix: an absolute text, or too many ``..``.

    >>> resolve_link("lib/libz.so", "libz.so.1"), resolve_link("bin/sh", "../../sh")
    ('lib/libz.so.1', None)
    """
    if text.startswith("/"):
        return None
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
    return None if target == ".." or target.startswith("../") else target


def parents_of(paths: list[str]) -> list[str]:
    """Every folder that *paths* need, each once, parents before children.

    >>> parents_of(["lib/a/b.so", "lib/c", "top"])
    ['lib', 'lib/a']
    """
    folders: set[str] = set()
    # There are many files in each folder, so that folders are told apart first.
    for below in {path.rpartition("/")[0] for path in paths}:
        folder = below
        while folder and folder not in folders:
            folders.add(folder)
            folder = folder.rpartition("/")[0]
    return sorted(folders)


def link_script(name: str, action: str, subdir: str) -> str:
    """Where the package *name* keeps its script for *action* ("pre-link", "post-link" ...; CEP 34)."""
    if subdir.startswith("win-"):
        return f"Scripts/.{name}-{action}.bat"
    return f"bin/.{name}-{action}.sh"
