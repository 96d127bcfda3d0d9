"""Finds unpacked packages in the layers of the cache, with what linking needs to know of them."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from envmgr.errors import DataError
from envmgr.packages.folder import completed, is_bare, package_files, parse_cached_record
from envmgr.packages.identity import distribution
from envmgr.packages.layers import Layers, reader
from envmgr.packages.link_plan import PLAN_JSON, LinkPlan, parse_plan, render_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from envmgr.models.package_files import PackageFiles
    from envmgr.models.record import PackageRecord
    from envmgr.packages.link_plan import Measured


class CachedPackage(Struct, frozen=True):
    """An unpacked, checked package.

    ``record`` is the record that was asked for, completed by what only the archive knows (its checksum; all else
    where the record was made of a URL alone). ``archive`` is None where the archive was not kept. ``differing`` are
    the files that are not what the package's manifest promises, by path.
    """

    record: PackageRecord
    folder: Path
    archive: Path | None
    files: PackageFiles
    differing: Mapping[str, Measured]


class ObtainOptions(Struct, frozen=True):
    """How packages are brought in.

    Attributes:
        threads: downloads at a time.
        keep_archives: whether archives stay beside what they unpack to.
        offline: nothing is downloaded.
        hashed: each unpacked file is held against the sum in its manifest, where otherwise the archive's own sum is
            enough (`Preparation`).
        strict: each package is on the disk before it is in the cache: a loss of power cannot empty its files.
        processes_from: archives of this many bytes together, or more, are unpacked by processes, fewer by threads;
            None: as many as make up for the start of processes.
        begun: called before the first download, if there is one; now is the time for other threads to start, since
            processes are forked before.
    """

    threads: int = 8
    keep_archives: bool = True
    offline: bool = False
    hashed: bool = False
    strict: bool = False
    processes_from: int | None = None
    begun: Callable[[], None] | None = None


class UnpackedPackages(Layers):
    """Layers whose unpacked packages can be read; what was read once is not read again while it is the same."""

    def __init__(self, layers: Sequence[Path]) -> None:
        super().__init__(layers)
        self._read: dict[Path, tuple[object, CachedPackage]] = {}

    def find(self, record: PackageRecord) -> CachedPackage | None:
        """The unpacked package, or None; an entry that cannot be read counts as none."""
        for home, cached in self.located(record):
            with contextlib.suppress(DataError, OSError):
                return self._package(record, home, cached)
        return None

    def _package(self, record: PackageRecord, home: Path, cached: bytes) -> CachedPackage:
        folder = home / distribution(record)
        state = (record, cached, _state(folder / PLAN_JSON), (home / record.file_name).is_file())
        if folder in self._read and self._read[folder][0] == state:
            return self._read[folder][1]
        package = read_package(record, home, cached)
        self._read[folder] = (state, package)
        return package


def _state(path: Path) -> tuple[int, ...]:
    """What is another for a file that was put there anew; nothing for none."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def read_package(record: PackageRecord, home: Path, cached: bytes) -> CachedPackage:
    """The package in *home*, whose repodata_record.json is *cached*; raises DataError and OSError."""
    folder, archive = home / distribution(record), home / record.file_name
    plan = parse_plan(reader(folder)(PLAN_JSON))
    if plan is None:
        # Conda or mamba unpacked it.
        from envmgr.packages.offsets import make_plan

        plan = make_plan(folder, package_files(reader(folder)))
        _keep_plan(folder, plan)
    source = parse_cached_record(cached, record, reader(folder)) if is_bare(record) else record
    whole = completed(record, source, **_sums(cached))
    return CachedPackage(whole, folder, archive if archive.is_file() else None, plan.files, plan.differing)


def _keep_plan(folder: Path, plan: LinkPlan) -> None:
    """Spare the next one the work, where the layer can be written."""
    aside = folder / f"{PLAN_JSON}.{os.urandom(6).hex()}"
    with contextlib.suppress(OSError):
        try:
            aside.write_bytes(render_plan(plan))
            aside.rename(folder / PLAN_JSON)
        except OSError:
            aside.unlink(missing_ok=True)


def _sums(text: bytes) -> dict[str, object]:
    """The facts of a repodata_record.json that a record may lack."""
    cached = msgspec.json.decode(text)
    return {key: cached[key] for key in ("sha256", "size") if cached.get(key) is not None}
