"""Compares an environment with its records: files that are missing, modified, or of nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.prefix.check import Finding

_OURS = ("conda-meta/", ".messages.txt")


class Verified(Struct, frozen=True):
    """What was found at *prefix*: ``damaged`` are the names of packages with findings, ``files`` were compared."""

    prefix: Path
    findings: tuple[Finding, ...]
    damaged: frozenset[str]
    foreign: tuple[str, ...]
    files: int


def verify(prefix: Path, *, foreign: bool = False) -> Verified:
    """Compare every file with the sums in the records (CEP 32); with *foreign*, list the files of nobody, too."""
    from envmgr.prefix.check import verify_prefix
    from envmgr.prefix.store import PrefixStore

    packages = PrefixStore(prefix).records()
    name_of = {package.record.dist_name: package.record.name for package in packages}
    owned = {path for package in packages for path in package.files}
    findings = verify_prefix(prefix)
    return Verified(
        prefix,
        findings,
        frozenset(name_of[finding.package] for finding in findings),
        tuple(_foreign(prefix, owned)) if foreign else (),
        len(owned),
    )


def _foreign(prefix: Path, owned: set[str]) -> list[str]:
    found = []
    for parent, folders, names in os.walk(prefix):
        inside = os.path.relpath(parent, prefix).replace(os.sep, "/")
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in [*names, *links]:
            path = name if inside == "." else f"{inside}/{name}"
            bytecode = path.endswith(".pyc") and "__pycache__/" in path
            if path not in owned and not path.startswith(_OURS) and not bytecode:
                found.append(path)
    return sorted(found)
