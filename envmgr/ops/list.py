"""Lists what an environment holds: conda packages by their records, PyPI distributions that pip brought."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.prefix.store import InstalledPackage
    from envmgr.prefix.usage import Usage
    from envmgr.pypi.installed import Distribution


class Listed(Struct, frozen=True):
    """What the environment at *prefix* holds, each kind by name; ``site_packages`` is where pip puts things."""

    prefix: Path
    installed: tuple[InstalledPackage, ...]
    pypi: tuple[Distribution, ...]
    site_packages: str | None = None

    @property
    def packages(self) -> tuple[PackageRecord, ...]:
        """The records of the packages: conda's, and the wheels that envmgr linked."""
        return tuple(package.record for package in self.installed)

    def in_link_order(self) -> tuple[PackageRecord, ...]:
        """The records, dependencies first."""
        from envmgr.solver.order import in_link_order

        return in_link_order({record.name: record for record in self.packages})

    def usage(self) -> dict[str, Usage]:
        """The bytes of each package by ``name-version-build``, and of each distribution by its metadata folder."""
        from envmgr.prefix.usage import disk_usage

        return disk_usage(self.prefix, self.installed, pip_files(self.prefix, self.site_packages, self.pypi))


def list_packages(
    prefix: Path,
    context: Context,
    pattern: str | None = None,
    *,
    full_name: bool = False,
    pip: bool = True,
) -> Listed:
    """What *prefix* holds whose name matches the regular expression *pattern* (None for everything).

    With *full_name* the whole name has to match. Without *pip* there are conda packages only. The lists of files
    are not read. Raises UsageError for a pattern that is no regular expression.
    """
    from envmgr.ops.environments import read_steadily
    from envmgr.prefix.store import PrefixStore

    try:
        wanted = re.compile(pattern or "", re.IGNORECASE)
    except re.error as error:
        raise UsageError(
            f"'{pattern}' is not a regular expression: {error}.",
            hint="Put a backslash before signs that are meant as they are.",
        ) from None
    matches = wanted.fullmatch if full_name and pattern else wanted.search

    def read() -> tuple[list[InstalledPackage], list[Distribution]]:
        installed = PrefixStore(prefix).records()
        return installed, foreign_distributions(prefix, installed) if pip else []

    installed, foreign = read_steadily(prefix, context, read)
    installed.sort(key=lambda package: package.record.shown_name)
    return Listed(
        prefix,
        tuple(
            package
            for package in installed
            if (pip or not package.record.is_pypi) and matches(package.record.shown_name)
        ),
        tuple(each for each in foreign if matches(each.name)),
        python_folder(installed),
    )


def foreign_distributions(prefix: Path, installed: Sequence[InstalledPackage]) -> list[Distribution]:
    """The Python distributions in *prefix* that belong to no conda package."""
    from envmgr.pypi.installed import metadata_folders, read_distributions

    folder = python_folder(installed)
    if folder is None or not metadata_folders(prefix / folder):
        return []
    owned = {
        path.removeprefix(f"{folder}/")
        for each in installed
        for path in ((each.metadata,) if each.metadata else each.listing.folders_with("METADATA"))
    }
    return read_distributions(prefix / folder, but=owned)


def pip_files(
    prefix: Path, folder: str | None, distributions: Sequence[Distribution]
) -> dict[str, list[str]]:
    """The files, relative to *prefix*, that each of *distributions* notes as its own, by its metadata folder.

    *folder* is that of `python_folder`.
    """
    from envmgr.pypi.installed import recorded_files

    if folder is None:
        return {}
    return {
        each.metadata: [
            os.path.normpath(f"{folder}/{path}").replace(os.sep, "/")
            for path in recorded_files(prefix / folder, each)
        ]
        for each in distributions
    }


def python_folder(installed: Sequence[InstalledPackage]) -> str | None:
    """The site-packages folder relative to the prefix; None without python."""
    from envmgr.prefix.noarch import site_packages_path

    python = next((each.record for each in installed if each.record.name == "python"), None)
    return site_packages_path(python, python.subdir or "") if python is not None else None
