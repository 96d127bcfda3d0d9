"""Brings packages into the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.packages.store import CachedPackage


def obtain(records: Sequence[PackageRecord], context: Context) -> dict[PackageRecord, CachedPackage]:
    """Every record's package, downloaded, verified and unpacked where it was not cached, in the same order."""
    from envmgr.packages.store import PackageCache

    settings = context.settings
    return PackageCache(settings.pkgs_dirs).obtain(
        records,
        context.transport,
        context.reporter,
        threads=settings.download_threads,
        offline=settings.offline,
    )
