"""Tells the formats of locks apart by what they hold, and reads each with its module."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from envmgr.errors import DataError
from envmgr.lock.conda_lock_blocks import read_blocks, split_blocks
from envmgr.lock.conda_lock_v1 import read_conda_lock
from envmgr.lock.fields import Fields
from envmgr.lock.locked import LARGEST_LOCK_BYTES
from envmgr.lock.pixi_v6 import NEWEST, read_pixi_lock
from envmgr.lock.plain_yaml import read_plain_lock
from envmgr.models.document import LINE_BREAK, decode_document
from envmgr.models.yaml_document import read_yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.lock.conda_lock_v1 import Placed
    from envmgr.lock.locked import Lock
    from envmgr.models.yaml_document import Node

_LAST_WITH_PACKAGE_LIST = 3


def read_lock(content: str | bytes, *, file: str) -> Lock:
    """The lock in *content*, conda-lock.yml or pixi.lock of any version.

    Raises DataError with *file* and the line for a text that is none, also for a conflict of a merge in it.
    """
    text = decode_document(content, file=file, largest=LARGEST_LOCK_BYTES)
    parts = split_blocks(text)
    if parts is not None:
        packages = read_blocks(parts[1], file=file, line=len(LINE_BREAK.split(parts[0])))
        head = read_yaml(parts[0], file=file) if packages is not None else None
        if head is not None:
            return _lock_in(head, file, packages)
    # What is wrong is told by the reader of all YAML, which knows each place.
    with contextlib.suppress(DataError):
        plain = read_plain_lock(text, file=file)
        if plain is not None:
            return _lock_in(plain, file)
    root = read_yaml(text, file=file, most_bytes=LARGEST_LOCK_BYTES)
    if root is None:
        raise DataError(f"{file} is empty, and no lock file.", file=file)
    return _lock_in(root, file)


def _lock_in(root: Node, file: str, packages: Sequence[Placed] | None = None) -> Lock:
    """The lock in *root*; *packages* are those of it, where they were read already."""
    top = Fields(root, file, "a lock file")
    version = top.number("version")
    if version is None:
        version = 1
    if "environments" in top.nodes and packages is None:
        if version > NEWEST:
            top.refuse_key("version", f"{NEWEST} or lower")
        return read_pixi_lock(root, file=file)
    if not 1 <= version <= _LAST_WITH_PACKAGE_LIST:
        top.refuse_key("version", "1")
    return read_conda_lock(root, file=file, packages=packages)
