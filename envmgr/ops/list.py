"""Lists what an environment holds: conda packages by their records, PyPI distributions that pip brought."""

from __future__ import annotations

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
    from envmgr.pypi.installed import Distribution


class Listed(Struct, frozen=True):
    """The packages by name, each kind by itself."""

    packages: tuple[PackageRecord, ...]
    pypi: tuple[Distribution, ...]


def list_packages(prefix: Path, context: Context, pattern: str | None = None) -> Listed:
    """What *prefix* holds whose name matches the regular expression *pattern* (None for everything).

    Raises UsageError for a pattern that is no regular expression.
    """
    from envmgr.ops.environments import read_steadily
    from envmgr.prefix.store import PrefixStore

    try:
        wanted = re.compile(pattern or "", re.IGNORECASE)
    except re.error as error:
        raise UsageError(f"'{pattern}' is not a regular expression: {error}.") from None

    def read() -> tuple[list[InstalledPackage], list[Distribution]]:
        installed = PrefixStore(prefix).records()
        return installed, foreign_distributions(prefix, installed)

    installed, foreign = read_steadily(prefix, context, read)
    packages = sorted((each.record for each in installed), key=lambda record: record.name)
    return Listed(
        tuple(record for record in packages if wanted.search(record.name)),
        tuple(each for each in foreign if wanted.search(each.name)),
    )


def foreign_distributions(prefix: Path, installed: Sequence[InstalledPackage]) -> list[Distribution]:
    """The Python distributions in *prefix* that belong to no conda package."""
    from envmgr.prefix.noarch import site_packages_path
    from envmgr.pypi.installed import read_distributions

    python = next((each.record for each in installed if each.record.name == "python"), None)
    if python is None:
        return []
    folder = site_packages_path(python, python.subdir or "")
    owned = {
        path.rsplit("/", 2)[-2] for each in installed for path in each.files if path.endswith("/METADATA")
    }
    return [each for each in read_distributions(prefix / folder) if each.metadata not in owned]
