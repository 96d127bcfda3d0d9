"""Which file names a channel may list, and which of two archives of the same package counts. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeVar

from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.record import ARCHIVE_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

_Value = TypeVar("_Value")

# What has no place in a file name, for names that each stand on a line of their own.
_UNSAFE = lazy_pattern(r"[/\\\0 \t\r]|^\.", re.MULTILINE)
_UNSAFE_TEXTS = ("/", "\\", "\0", " ", "\t", "\r", "\n.")


class Identity(Protocol):
    """What a record says that it is."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def build(self) -> str: ...


def are_suspicious(file_names: Mapping[str, object]) -> bool:
    """Whether one of the keys may be no plain file name."""
    listed = "\n" + "\n".join(file_names)
    return listed.count("\n") > len(file_names) or any(each in listed for each in _UNSAFE_TEXTS)


def is_sound(fn: str, identity: Identity) -> bool:
    """Whether the archive is of a known kind, and no path made from its names can leave its folder."""
    if not fn.endswith(ARCHIVE_EXTENSIONS):
        return False
    names = f"{fn}\n{identity.name}-{identity.version}-{identity.build}"
    return names.count("\n") == 1 and _UNSAFE.search(names) is None


def without_superseded(files: Mapping[str, _Value]) -> dict[str, _Value]:
    """*files* without each ``.tar.bz2`` whose package is there as a ``.conda`` file too."""
    return {
        fn: value
        for fn, value in files.items()
        if not fn.endswith(".tar.bz2") or f"{fn[:-8]}.conda" not in files
    }
