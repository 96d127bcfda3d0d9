"""Compares an environment with its records: files that are missing, modified, or of nobody."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from envmgr.errors import PrefixError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.ops.context import Context
    from envmgr.prefix.check import CacheFolder, Checked, Finding
    from envmgr.prefix.generation import Generations
    from envmgr.prefix.installed import InstalledPackage
    from envmgr.prefix.plan import PrefixPlan
    from envmgr.prefix.store import PrefixStore


class Verified(Struct, frozen=True):
    """What was found at *prefix*: ``damaged`` are the names of packages with findings.

    ``pip`` are the files of distributions that pip installed, by ``name version``; ``foreign`` those of nobody.
    """

    prefix: Path
    checked: Checked
    damaged: frozenset[str]
    pip: Mapping[str, tuple[str, ...]]
    foreign: tuple[str, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is not as the records say."""
        return self.checked.findings


def verify(prefix: Path, context: Context, *, fast: bool = False) -> Verified:
    """Compare every file with the records (CEP 32), and tell the files of nobody and those of pip.

    With *fast*, files are not read that are the cache's own and were not written to since they were unpacked. What
    another process changed meanwhile is compared again. Raises PrefixError where that does not end.
    """
    from envmgr.ops.environments import read_steadily

    return read_steadily(prefix, context, lambda: compare(prefix, fast=fast))


def compare(prefix: Path, *, fast: bool = False) -> Verified:
    """Like `verify`, and without regard to who is changing the environment meanwhile."""
    from envmgr.prefix.check import check_prefix
    from envmgr.prefix.installed import package_name
    from envmgr.prefix.store import PrefixStore

    records = PrefixStore(prefix).readable_records()
    packages = records.packages
    checked = check_prefix(prefix, records, trusted=_cache_folders(packages) if fast else {}, foreign=True)
    name_of = {package.record.dist_name: package.record.name for package in packages}
    damaged = {
        name_of[finding.package]
        if finding.kind != "record"
        else package_name(finding.path.removeprefix("conda-meta/"))
        for finding in checked.findings
    }
    foreign = frozenset(checked.foreign)
    noted = _pip_files(prefix, packages) if foreign else {}
    pip = {name: tuple(path for path in paths if path in foreign) for name, paths in noted.items()}
    of_pip = {path for paths in pip.values() for path in paths}
    nobodys = tuple(path for path in checked.foreign if path not in of_pip)
    return Verified(prefix, checked, frozenset(damaged), pip, nobodys)


def _cache_folders(packages: Iterable[InstalledPackage]) -> dict[str, CacheFolder]:
    """The unpacked packages that are still those that the records tell of, by ``name-version-build``.

    The last file of an unpacked package that is written is its repodata_record.json.
    """
    from envmgr.packages.identity import RECORD_JSON, describes_same_archive
    from envmgr.prefix.check import CacheFolder

    found = {}
    for package in packages:
        place = f"{package.source}/{RECORD_JSON}"
        try:
            with open(place, "rb") as file:
                known, status = msgspec.json.decode(file.read()), os.fstat(file.fileno())
        except (OSError, msgspec.DecodeError):
            continue
        if isinstance(known, dict) and describes_same_archive(known, package.record):
            found[package.record.dist_name] = CacheFolder(package.source, status.st_mtime_ns)
    return found


def _pip_files(prefix: Path, packages: Sequence[InstalledPackage]) -> dict[str, list[str]]:
    """The files, relative to *prefix*, that distributions of no package note as theirs, by ``name version``."""
    from envmgr.ops.list import foreign_distributions, pip_files, python_folder

    distributions = foreign_distributions(prefix, packages)
    files = pip_files(prefix, python_folder(packages), distributions)
    return {f"{each.name} {each.version}": files[each.metadata] for each in distributions}


def installed_for_repair(store: PrefixStore, past: Generations) -> tuple[InstalledPackage, ...]:
    """The installed packages; those whose records cannot be read as the newest generation that has them tells.

    Such a package comes without files: `with_own_files` tells which they are once it is known. Raises DataError
    for a record of a package that no generation has.
    """
    from envmgr.prefix.generation import record_of
    from envmgr.prefix.installed import InstalledPackage, Listing

    read = store.readable_records()
    found = list(read.packages)
    for name, error in read.damaged.items():
        entries = (entry for each in reversed(past.known) for entry in each.packages)
        for entry in entries:
            package = InstalledPackage(record_of(entry), Listing(), tuple(entry.get("requested", ())))
            if package.document_name == name:
                found.append(package)
                break
        else:
            error.hint = "No generation knows the package: remove the file, and install the package anew."
            raise error
    return tuple(found)


def with_own_files(plan: PrefixPlan) -> PrefixPlan:
    """*plan* with the files of packages whose records could not be read: what linking them brings again."""
    from msgspec.structs import replace

    from envmgr.prefix.installed import Listing

    coming = {link.package.record: link for link in plan.link}

    def filled(package: InstalledPackage) -> InstalledPackage:
        link = coming.get(package.record)
        if package.paths or package.files or link is None:
            return package
        own = (*(target for _, target in link.pairs()), *link.written)
        return replace(package, listing=Listing(own))

    return replace(plan, unlink=tuple(map(filled, plan.unlink)))


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
