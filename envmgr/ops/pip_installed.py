"""What pip installed in an environment, as packages that can go: a wheel that comes takes the place of pip's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envmgr.ops.list import foreign_distributions, pip_files, python_folder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from envmgr.prefix.installed import InstalledPackage
    from envmgr.prefix.plan import PrefixPlan
    from envmgr.pypi.installed import Distribution


def installed_by_pip(prefix: Path, current: Sequence[InstalledPackage]) -> list[InstalledPackage]:
    """The distributions that pip installed in *prefix*, by name, with the files that their ``RECORD`` lists.

    *current* are the packages that *prefix* holds.
    """
    found = foreign_distributions(prefix, current)
    folder = python_folder(current)
    files = pip_files(prefix, folder, found)
    return [_as_package(each, f"{folder}/{each.metadata}", files[each.metadata]) for each in found]


def with_room_for_wheels(
    plan: PrefixPlan,
    prefix: Path,
    current: Sequence[InstalledPackage],
    also: Sequence[InstalledPackage] = (),
) -> PrefixPlan:
    """*plan*, in which distributions that pip installed in *prefix* go where wheels of the same names come.

    As when pip installs another version: what the ``RECORD`` of the old one lists goes, but for what a package
    owns. *current* are the packages that *prefix* holds; *also* are distributions of pip that go in any case.
    """
    from msgspec.structs import replace

    coming = {link.package.record.name for link in plan.link if link.package.record.is_pypi}
    found = installed_by_pip(prefix, current) if coming else []
    going = {each.record.name: each for each in (*found, *also) if each in also or each.record.name in coming}
    return replace(plan, unlink=(*plan.unlink, *going.values())) if going else plan


def _as_package(distribution: Distribution, metadata: str, files: Sequence[str]) -> InstalledPackage:
    from envmgr.models.record import PYPI_PREFIX, PackageRecord
    from envmgr.prefix.installed import InstalledPackage, Listing

    inside = [path for path in files if _is_inside(path)]
    record = PackageRecord(
        name=f"{PYPI_PREFIX}{distribution.name}", version=distribution.version, build="pypi_0"
    )
    return InstalledPackage(record, Listing(inside), metadata=metadata)


def _is_inside(path: str) -> bool:
    """Whether a path that a ``RECORD`` lists, relative to the prefix, is one that pip may have made in it."""
    return not os.path.isabs(path) and path.split("/", maxsplit=1)[0] not in ("..", ".", "", "conda-meta")
