"""How many bytes packages have in a prefix, and how many of them are there alone (effects: it looks at files).

A file that has more names than the prefix knows is shared: with the package cache, or with other environments.
That is what link counts tell. Reflinks are not told by them: such a file counts as one of its own.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.prefix.installed import SOFTLINK

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from envmgr.prefix.installed import InstalledPackage


class Usage(Struct, frozen=True):
    """Sizes of files in bytes; of all of them, and of those that nothing else holds."""

    total: int = 0
    unique: int = 0

    @property
    def shared(self) -> int:
        """What stays on the disk, or was there before, without this environment."""
        return self.total - self.unique


def disk_usage(
    prefix: Path, packages: Iterable[InstalledPackage], others: Mapping[str, Iterable[str]]
) -> dict[str, Usage]:
    """The usage of each of *packages* by its ``name-version-build``, and of *others*, paths by a word.

    A file that several have counts for the first of them. Missing files count nothing; symlinks only where the
    package was linked by symlinks, and then as shared. Raises DataError for a record that lists no paths.
    """
    count = _Count(prefix)
    for package in packages:
        count.add(package.record.dist_name, package.files, by_symlinks=package.link_type == SOFTLINK)
    for word, paths in others.items():
        count.add(word, paths, by_symlinks=False)
    return count.usages()


class _Count:
    def __init__(self, prefix: Path) -> None:
        self._root = str(prefix)
        self._seen: set[str] = set()
        # By owner: bytes in all, and bytes that are unique.
        self._sums: dict[str, list[int]] = {}
        # By device and inode of a file with several names: its first owner, size, names here, names in all.
        self._linked: dict[tuple[int, int], list[str | int]] = {}

    def add(self, owner: str, paths: Iterable[str], *, by_symlinks: bool) -> None:
        sums = self._sums.setdefault(owner, [0, 0])
        for path in paths:
            if path in self._seen:
                continue
            self._seen.add(path)
            try:
                status = os.lstat(f"{self._root}/{path}")
                if stat.S_ISLNK(status.st_mode) and by_symlinks:
                    status = os.stat(f"{self._root}/{path}")
                    sums[0] += status.st_size
                    continue
            except OSError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            if status.st_nlink == 1:
                sums[0] += status.st_size
                sums[1] += status.st_size
                continue
            known = self._linked.setdefault(
                (status.st_dev, status.st_ino), [owner, status.st_size, 0, status.st_nlink]
            )
            known[2] = int(known[2]) + 1

    def usages(self) -> dict[str, Usage]:
        found = {owner: Usage(*sums) for owner, sums in self._sums.items()}
        for owner, size, here, names in self._linked.values():
            before = found[str(owner)]
            alone = int(size) if here == names else 0
            found[str(owner)] = Usage(before.total + int(size), before.unique + alone)
        return found
