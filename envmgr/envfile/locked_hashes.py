"""Lines of locked Python packages with the hashes of the files that one platform can use. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.envfile.environment_file import Item
from envmgr.models.platform import operating_system

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAGS: Final = {"linux": "linux", "osx": "macosx", "win": "win"}
_HASH: Final = re.compile(r"sha(256|384|512):[0-9a-fA-F]{64,128}")


class Locked(Struct, frozen=True):
    """A line, and (file name or None, ``sha256:...``) of each file that may stand for it."""

    item: Item
    files: tuple[tuple[str | None, str], ...] = ()


def hashed_items(packages: Sequence[Locked], file: str, subdir: str) -> tuple[list[Item], list[str]]:
    """The lines with ``--hash``, and warnings.

    pip asks for a hash of each package as soon as one has any, so that one without, such as a repository,
    leaves all without; a warning says so.
    """
    bare = [
        each.item.text.removeprefix("-e ").partition(" ")[0] for each in packages if not _hashes(each, subdir)
    ]
    if bare:
        some = any(each.files for each in packages)
        told = f"{file}: the hashes of its packages are not enforced, since {bare[0]} has none."
        return [each.item for each in packages], [told] if some else []
    items = []
    for each in packages:
        hashes = " ".join(f"--hash={digest}" for digest in _hashes(each, subdir))
        items.append(Item(f"{each.item.text} {hashes}", each.item.source))
    return items, []


def _hashes(package: Locked, subdir: str) -> list[str]:
    known = [(name, digest.lower()) for name, digest in package.files if _HASH.fullmatch(digest)]
    fitting = [digest for name, digest in known if name is None or _may_run(name, subdir)]
    return list(dict.fromkeys(fitting or [digest for _, digest in known]))


def _may_run(name: str, subdir: str) -> bool:
    """Whether a file is a source distribution, or a wheel for any platform or this system (PEP 427)."""
    if not name.endswith(".whl"):
        return True
    tag = name.removesuffix(".whl").rpartition("-")[2]
    system = _TAGS.get(operating_system(subdir), "")
    return any(
        part == "any" or (part.startswith(system) if system == "win" else system in part)
        for part in tag.split(".")
    )
