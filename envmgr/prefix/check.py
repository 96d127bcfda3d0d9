"""Checks every file of a prefix against the sums in its records (CEP 32, sha256_in_prefix)."""

from __future__ import annotations

import contextlib
import hashlib
import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.prefix.store import PrefixStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.prefix.installed import InstalledPackage

    _Claim = tuple[InstalledPackage, dict[str, Any]]

# What may be a symlink that leads nowhere, or to a folder, or of which nothing is known.
_FOLLOWED = frozenset({"softlink", "directory", "pyc_file", None})


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
    claims: dict[str, list[_Claim]] = {}
    for package in PrefixStore(prefix).records():
        for entry in package.paths:
            claims.setdefault(entry["_path"], []).append((package, entry))
    findings = (_check(prefix, path, owners, claims) for path, owners in sorted(claims.items()))
    return tuple(finding for finding in findings if finding is not None)


def _check(
    prefix: Path, path: str, owners: list[_Claim], claims: Mapping[str, list[_Claim]]
) -> Finding | None:
    package, entry = owners[0]
    name = package.record.dist_name
    place = prefix / path
    noted = [each.get("path_type") for _, each in owners]
    kinds = {kind if isinstance(kind, str) else None for kind in noted}
    if not os.path.lexists(place):
        return None if entry.get("path_type") == "pyc_file" else Finding(path, name, "missing")
    sums = [digest for _, each in owners if (digest := _sum_in_prefix(each))]
    if place.is_symlink():
        if "softlink" in kinds and (not place.is_file() or _target_in(prefix, place) in claims):
            led_astray = _leads_elsewhere(prefix, path, owners, claims)
            return Finding(path, name, "modified", next(iter(sums), None)) if led_astray else None
        if not kinds & _FOLLOWED and not place.is_file():
            return Finding(path, name, "modified", next(iter(sums), None))
    elif place.is_dir() and not kinds & {"directory", "pyc_file", None}:
        return Finding(path, name, "modified", next(iter(sums), None))
    if not sums or place.is_dir() or (place.is_symlink() and not place.exists()):
        return None
    try:
        found = _digest(place)
    except OSError:
        return Finding(path, name, "unreadable", sums[0])
    return None if found in sums else Finding(path, name, "modified", sums[0], found)


def _sum_in_prefix(entry: dict[str, Any]) -> str | None:
    if entry.get("path_type") in ("pyc_file", "directory"):
        return None
    digest = entry.get("sha256_in_prefix")
    return digest or (None if entry.get("prefix_placeholder") else entry.get("sha256"))


def _target_in(prefix: Path, place: Path) -> str:
    return os.path.relpath(os.path.realpath(place), os.path.realpath(prefix)).replace(os.sep, "/")


def _leads_elsewhere(
    prefix: Path, path: str, owners: list[_Claim], claims: Mapping[str, list[_Claim]]
) -> bool:
    """Whether the symlink *path* is not the one that a package brought.

    Records do not say where symlinks lead, and the sums that tools note for them are of their targets, from
    before or after these were patched, or of another package's older file. So one that leads to what has a sum
    in common with it is right, and of the others only the text in the package cache decides.
    """
    own = {digest for _, entry in owners for digest in _sums(entry)}
    target = claims.get(_target_in(prefix, prefix / path), ())
    if any(digest in own for _, entry in target for digest in _sums(entry)):
        return False
    text = os.readlink(prefix / path)
    known = []
    for package, _ in owners:
        with contextlib.suppress(OSError, ValueError):
            known.append(os.readlink(os.path.join(package.source, path)) if package.source else text)
    return bool(known) and text not in known


def _sums(entry: dict[str, Any]) -> list[Any]:
    return [entry[key] for key in ("sha256", "sha256_in_prefix") if isinstance(entry.get(key), str)]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
