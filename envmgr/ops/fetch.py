"""Brings packages into the cache."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.packages.store import CachedPackage


def obtain(records: Sequence[PackageRecord], context: Context) -> dict[PackageRecord, CachedPackage]:
    """Every record's package, downloaded, verified and unpacked where it was not cached, in the same order.

    Raises ChannelError, before anything is downloaded, for a package whose channel may not be used.
    """
    from envmgr.ops.channels import channel_lists
    from envmgr.packages.store import PackageCache

    settings = context.settings
    channel_lists(context).check_records(records)
    return PackageCache(settings.pkgs_dirs).obtain(
        records,
        context.transport,
        context.reporter,
        threads=settings.download_threads,
        offline=settings.offline,
    )


@contextlib.contextmanager
def cache_in_use(context: Context) -> Iterator[None]:
    """Inside the block no `clean` of another process takes packages out of the cache.

    To be held from before packages are looked up until they are linked. Waits while one is being cleaned.
    """
    from envmgr.host.folder_lock import using_folders

    layers = context.settings.pkgs_dirs
    for layer in layers[:1]:
        with contextlib.suppress(OSError):  # Who brings packages there says what is wrong with it.
            layer.mkdir(parents=True, exist_ok=True)
    with using_folders(layers):
        yield
