"""Which paths and links an archive may hold: nothing that names or leads to a place outside of it.

All rules are lexical or work on the archive's own list of links; no file system is asked, so nothing that
lies on the disk can change the answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

# As many links as Linux follows in one path.
_MOST_LINKS = 40
_MOST_SHOWN = 120
# Many programs go through folders by recursion, those that remove them included.
_MOST_FOLDERS = 128
# What all links together may take, in steps of a path for each path above: no real package comes near.
_FREE_STEPS, _STEPS_PER_LINK = 1_000_000, 300


def safe_path(path: str, archive: str, *, windows: bool = os.name == "nt") -> str:
    """*path* without ``./`` and doubled or trailing slashes; the empty string for the root itself.

    Raises DataError for an absolute path, for ``..``, for NUL, for what conda reserves (``conda-meta/``, CEP 34
    "Additional restrictions"), for more than 128 folders in each other, and where *windows* for drives and
    backslashes.
    """
    if "\0" in path:
        raise _refused(archive, path, "holds a NUL character")
    if windows and ("\\" in path or ":" in path):
        raise _refused(archive, path, "holds a character that Windows gives a meaning")
    if path[:1] in ("", "/", ".") or path[-1] == "/" or "//" in path or "/." in path:
        path = _normal(path, archive)
    if path[:10].lower() == "conda-meta" and path[10:11] in ("", "/"):
        raise _refused(archive, path, "lies in conda-meta/, which belongs to the environment")
    if len(path) > 2 * _MOST_FOLDERS and path.count("/") > _MOST_FOLDERS:
        raise _refused(archive, path, f"lies in more than {_MOST_FOLDERS} folders")
    return path


def _normal(path: str, archive: str) -> str:
    if path.startswith("/"):
        raise _refused(archive, path, "is absolute")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise _refused(archive, path, "climbs out of the package with '..'")
    if not parts and not path:
        raise _refused(archive, path, "has no name")
    return "/".join(parts)


def quoted(name: str) -> str:
    """*name* as messages show it: in quotes, without control characters, and not longer than a reader can bear."""
    return repr(name if len(name) <= _MOST_SHOWN else f"{name[:_MOST_SHOWN]}...")


def fold_case(path: str) -> str:
    """*path* as a file system sees it that tells neither case nor the ways to write an accent apart."""
    if path.isascii():
        return path.lower()
    import unicodedata

    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())


def case_twin(path: str, files: Collection[str], folders: Collection[str]) -> str | None:
    """Which of *files* and *folders* is *path*, or a folder above it, in other case only.

    None when there is no such one, or when the place is taken whatever the case.
    """
    steps = [path[:at] for at, letter in enumerate(path) if letter == "/"] + [path]
    if path in folders or any(step in files for step in steps):
        return None
    folded = {fold_case(step): step for step in steps}
    twins = (each for each in (*files, *folders) if folded.get(fold_case(each), each) != each)
    return min(twins, key=len, default=None)


def check_links(links: Mapping[str, str], archive: str) -> None:
    """Follows every symlink of an archive inside of it, and raises DataError for one that leads out.

    *links* maps safe paths to targets as written. Links to paths that the archive does not hold are fine: another
    package may bring them. Links are followed through each other, since ``a/../..`` means something else when
    ``a`` is itself a link. A step that no link has, but one in other case, is taken for that one, as some file
    systems do. Links that lead through each other without end are refused as well.
    """
    walk = _Walk(links)
    for path, target in links.items():
        if not target:
            raise DataError(
                f"{archive} is damaged at its source: the symlink {quoted(path)} has an empty target.",
                hint="Report it to the channel, or choose another build of the package.",
                member=path,
            )
        if "\0" in target or walk.leads_out(path):
            raise DataError(
                f"{archive}: the symlink {quoted(path)} points to {quoted(target)}, out of the package.",
                member=path,
                target=target,
            )
        if walk.steps < 0:
            raise _refused(archive, path, "is a symlink that leads through others without end")


class _Walk:
    """Follows links, and counts the steps that it may still take."""

    def __init__(self, links: Mapping[str, str]) -> None:
        self._links = links
        self._folded = {fold_case(path): target for path, target in links.items()}
        self.steps = _FREE_STEPS + _STEPS_PER_LINK * len(links)

    def leads_out(self, path: str) -> bool:
        """Whether resolving *path* ever stands above the root."""
        todo = path.split("/")[::-1]
        stand: list[str] = []
        followed = 0
        while todo and self.steps >= 0:
            part = todo.pop()
            self.steps -= len(stand) + 1
            if part == "..":
                if not stand:
                    return True
                stand.pop()
            elif part not in ("", "."):
                stand.append(part)
                target = self._target("/".join(stand))
                if target is not None:
                    followed += 1
                    if target.startswith("/"):
                        return True
                    if followed > _MOST_LINKS:
                        return False
                    stand.pop()
                    todo.extend(target.split("/")[::-1])
        return False

    def _target(self, path: str) -> str | None:
        target = self._links.get(path)
        return self._folded.get(fold_case(path)) if target is None else target


def _refused(archive: str, path: str, why: str) -> DataError:
    return DataError(f"{archive}: the member {quoted(path)} {why}.", member=path)
