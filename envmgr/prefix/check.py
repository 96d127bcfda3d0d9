"""Checks every file of a prefix against the sums in its records (CEP 32, sha256_in_prefix)."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.prefix.store import PrefixStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.prefix.installed import InstalledPackage


class Finding(Struct, frozen=True):
    """One file that is not as its package left it; *kind* is "missing", "modified" or "unreadable"."""

    path: str
    package: str
    kind: str
    expected: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        return f"{self.path} of {self.package} is {self.kind}"


def verify_prefix(prefix: Path) -> tuple[Finding, ...]:
    """What differs from the records, by path; empty for a prefix in order.

    A path that several packages claim may hold the content of any of them. Bytecode is not compared, since
    Python renews it. Reads every file; raises what `PrefixStore.records` raises.
    """
    claims: dict[str, list[tuple[InstalledPackage, dict[str, Any]]]] = {}
    for package in PrefixStore(prefix).records():
        for entry in package.paths:
            claims.setdefault(entry["_path"], []).append((package, entry))
    findings = (
        None if _leads_to_another(prefix, path, claims) else _check(prefix, path, owners)
        for path, owners in sorted(claims.items())
    )
    return tuple(finding for finding in findings if finding is not None)


def _leads_to_another(prefix: Path, path: str, claims: Mapping[str, object]) -> bool:
    """Whether *path* is a symlink to a file that is checked by itself; packages' sums of such links vary."""
    place = prefix / path
    if not place.is_symlink():
        return False
    target = os.path.relpath(os.path.realpath(place), os.path.realpath(prefix)).replace(os.sep, "/")
    return target != path and target in claims


def _check(prefix: Path, path: str, owners: list[tuple[InstalledPackage, dict[str, Any]]]) -> Finding | None:
    package, entry = owners[0]
    name = package.record.dist_name
    place = prefix / path
    if not os.path.lexists(place):
        return None if entry.get("path_type") == "pyc_file" else Finding(path, name, "missing")
    wanted = [
        each.get("sha256_in_prefix") or (None if each.get("prefix_placeholder") else each.get("sha256"))
        for _, each in owners
        if each.get("path_type") not in ("pyc_file", "directory")
    ]
    sums = [digest for digest in wanted if digest]
    if not sums or place.is_dir() or (place.is_symlink() and not place.exists()):
        return None
    try:
        found = _digest(place)
    except OSError:
        return Finding(path, name, "unreadable", sums[0])
    return None if found in sums else Finding(path, name, "modified", sums[0], found)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
