"""Brings packages into the cache, and hands out none whose files were changed there since."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from envmgr.errors import PrefixError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.packages.store import PackageCache
    from envmgr.packages.unpacked import CachedPackage

_MOST_ROUNDS = 5


def obtain(
    records: Sequence[PackageRecord],
    context: Context,
    *,
    hashed: bool = False,
    cache: PackageCache | None = None,
    begun: Callable[[], None] | None = None,
) -> dict[PackageRecord, CachedPackage]:
    """Every record's package, downloaded, verified and unpacked where it was not cached, in the same order.

    Environments share their files with the cache, so what was written to one of them may be in both. Unpacked
    packages with such files are taken out of the cache, or passed over where it cannot be written, and brought in
    anew. Times tell which files to compare; with *hashed*, all are. *cache* is the caller's, which may have read
    some of them. *begun* is called as `ObtainOptions` say. Raises ChannelError, before anything is downloaded, for
    a package whose channel may not be used.
    """
    from envmgr.ops.channels import channel_lists
    from envmgr.packages.store import PackageCache
    from envmgr.packages.unpacked import ObtainOptions

    settings = context.settings
    channel_lists(context).check_records(records)
    cache = cache or PackageCache(settings.pkgs_dirs)
    options = ObtainOptions(
        threads=settings.download_threads,
        offline=settings.offline,
        hashed=hashed or settings.extra_safety_checks,
        strict=settings.durability == "power",
        begun=begun,
    )
    sound: dict[PackageRecord, CachedPackage] = {}
    missing, started = list(records), time.time_ns()
    vanished: PrefixError | None = None
    for _ in range(_MOST_ROUNDS):
        packages: dict[PackageRecord, CachedPackage] = {}
        try:
            packages = cache.obtain(missing, context.transport, context.reporter, options)
        except PrefixError as error:
            # Where folders cannot be locked, a cleaning may take what was about to be used.
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            vanished = error
        same = set() if hashed else _unchanged(packages.values(), since=started)
        sound |= {
            record: package
            for record, package in packages.items()
            if (package.folder in same or _is_sound(package, cache, context, hashed=hashed, since=started))
            and _note_use(package)
        }
        missing = [record for record in records if record not in sound]
        if not missing:
            return {record: sound[record] for record in records}
    if vanished is not None:
        raise vanished
    raise PrefixError(
        f"{missing[0].dist_name} is damaged in the package cache again and again.",
        hint="Is another program writing there, or is the disk failing?",
    )


def _unchanged(packages: Iterable[CachedPackage], *, since: int) -> set[Path]:
    """The folders of those that were unpacked before this run began, and of which nothing was changed since."""
    from envmgr.packages.intact import published_ns, unchanged

    folders = {str(package.folder): package for package in packages}
    same = unchanged(
        [(name, each.files.paths) for name, each in folders.items() if 0 < published_ns(name) < since]
    )
    return {folders[name].folder for name in same}


def _is_sound(
    package: CachedPackage, cache: PackageCache, context: Context, *, hashed: bool, since: int
) -> bool:
    """Whether the package's files are as they were published; what is not is taken out, with a warning."""
    try:
        inode = package.folder.stat().st_ino
    except FileNotFoundError:
        return False
    damage = _damage(package, cache, hashed=hashed, since=since)
    if damage is None:
        return True
    does = "is unpacked anew" if cache.discard(package, inode) else "is passed over"
    context.reporter.warned(f"{package.folder} is damaged in the package cache: {damage}; it {does}.")
    return False


def _damage(package: CachedPackage, cache: PackageCache, *, hashed: bool, since: int) -> str | None:
    from envmgr.packages.intact import published_ns

    try:
        if hashed:
            finding = next(iter(cache.check(package)), None)
        elif published_ns(str(package.folder)) >= since:
            return None  # This run unpacked it.
        else:
            finding = cache.check_quickly(package)
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    return f"{finding.path} {finding.what}" if finding is not None else None


def _note_use(package: CachedPackage) -> bool:
    """Note by the folder's time that the package is used now; False where it went in this moment.

    A layer that we may not write to has nobody who goes by that.
    """
    try:
        os.utime(package.folder)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def cache_in_use(context: Context) -> Iterator[None]:
    """Inside the block no `clean` of another process takes packages out of the cache.

    To be held from before packages are looked up until they are linked. Waits while one is being cleaned. After a
    block that ended well, the cache is kept within its limit.
    """
    from envmgr.host.folder_lock import using_folders

    layers = context.settings.pkgs_dirs
    for layer in layers[:1]:
        with contextlib.suppress(OSError):  # Who brings packages there says what is wrong with it.
            layer.mkdir(parents=True, exist_ok=True)
    with using_folders(layers):
        yield
    if context.settings.pkgs_size_limit is not None:
        from envmgr.ops.collect import collect_packages

        collect_packages(context)
