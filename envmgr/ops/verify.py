"""Compares an environment with its records: files that are missing, modified, or of nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.packages.store import CachedPackage, PackageCache
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


def undamaged(
    packages: dict[PackageRecord, CachedPackage], context: Context
) -> dict[PackageRecord, CachedPackage]:
    """The same packages; those whose unpacked files are not as published were unpacked or fetched again.

    Environments share their files with the cache, so what was written to one of them may be in both.
    """
    from envmgr.ops.fetch import obtain
    from envmgr.packages.store import PackageCache

    cache = PackageCache(context.settings.pkgs_dirs)
    again = []
    for record, package in packages.items():
        damage = _damage(cache, package)
        if damage is not None:
            context.reporter.warned(
                f"{package.folder} is damaged in the package cache: {damage}; it is unpacked anew."
            )
            cache.discard(package)
            again.append(record)
    return packages | (obtain(again, context) if again else {})


def _damage(cache: PackageCache, package: CachedPackage) -> str | None:
    try:
        findings = cache.check(package)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return f"{findings[0].path} {findings[0].what}" if findings else None


def check_repaired(prefix: Path) -> None:
    """Raises PrefixError where files of the environment are not as its records say after a repair."""
    from envmgr.prefix.check import verify_prefix

    findings = verify_prefix(prefix)
    if findings:
        more = f", and {len(findings) - 1} more" if len(findings) > 1 else ""
        raise PrefixError(
            f"{prefix} is not mended by the repair: {findings[0]}{more}.",
            hint="Another build of the package may do.",
            prefix=str(prefix),
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
