"""Which paths and links an archive may hold: nothing that names or leads to a place outside of it.

All rules are lexical or work on the archive's own list of links; no file system is asked, so nothing that
lies on the disk can change the answer.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

# As many links as Linux follows in one path.
_MOST_LINKS = 40


def safe_path(path: str, archive: str, *, windows: bool = os.name == "nt") -> str:
    """*path* without ``./`` and doubled or trailing slashes; the empty string for the root itself.

    Raises DataError for an absolute path, for ``..``, for NUL, for what conda reserves (``conda-meta/``, CEP 34
    "Additional restrictions"), and where *windows* for drives and backslashes.
    """
    if "\0" in path:
        raise _refused(archive, path, "holds a NUL character")
    if windows and ("\\" in path or ":" in path):
        raise _refused(archive, path, "holds a character that Windows gives a meaning")
    if path[:1] in ("", "/", ".") or path[-1] == "/" or "//" in path or "/." in path:
        path = _normal(path, archive)
    if path[:10].lower() == "conda-meta" and path[10:11] in ("", "/"):
        raise _refused(archive, path, "lies in conda-meta/, which belongs to the environment")
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


def check_links(links: Mapping[str, str], archive: str) -> None:
    """Follows every symlink of an archive inside of it, and raises DataError for one that leads out.

    *links* maps safe paths to targets as written. Links to paths that the archive does not hold are fine: another
    package may bring them. Links are followed through each other, since ``a/../..`` means something else when
    ``a`` is itself a link.
    """
    for path, target in links.items():
        if not target:
            raise DataError(
                f"{archive} is damaged at its source: the symlink {path!r} has an empty target.",
                hint="Report it to the channel, or choose another build of the package.",
                member=path,
            )
        if "\0" in target or _leads_out(path, links):
            raise DataError(
                f"{archive}: the symlink {path!r} points to {target!r}, out of the package.",
                member=path,
                target=target,
            )


def _leads_out(path: str, links: Mapping[str, str]) -> bool:
    """Whether resolving *path* ever stands above the root."""
    todo = path.split("/")[::-1]
    stand: list[str] = []
    followed = 0
    while todo:
        part = todo.pop()
        if part == "..":
            if not stand:
                return True
            stand.pop()
        elif part not in ("", "."):
            stand.append(part)
            target = links.get("/".join(stand))
            if target is not None:
                followed += 1
                if target.startswith("/"):
                    return True
                if followed > _MOST_LINKS:
                    return False
                stand.pop()
                todo.extend(target.split("/")[::-1])
    return False


def _refused(archive: str, path: str, why: str) -> DataError:
    return DataError(f"{archive}: the member {path!r} {why}.", member=path)
