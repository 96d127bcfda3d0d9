"""Brings missing packages into the cache: download, check, unpack, publish.

Nothing of a package can be seen before all of it is there: it is made in a work area and renamed. Downloads and
unpacking go on at the same time (`envmgr.packages.crew`); what is large is unpacked by processes.
"""

from __future__ import annotations

import contextlib
import errno
import os
from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import ChannelError, PrefixError
from envmgr.models.channel import without_credentials
from envmgr.packages.crew import Phases, Stage, Stop, run_stages
from envmgr.packages.download import Arrived, Downloader, hash_archive
from envmgr.packages.folder import is_bare
from envmgr.packages.fork import can_fork
from envmgr.packages.homes import make_home
from envmgr.packages.identity import RECORD_JSON, distribution, homes_in, is_vouched_for
from envmgr.packages.link_plan import difference_warning
from envmgr.packages.partial import claim_partial
from envmgr.packages.preparation import Preparation
from envmgr.packages.prepare import prepare_package
from envmgr.packages.read_ahead import processors
from envmgr.packages.unpacked import CachedPackage, ObtainOptions, UnpackedPackages, read_package
from envmgr.packages.work_area import WorkArea, remove_abandoned, work_area
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ports import Reporter, Transport

# Threads take turns for most of the work; more of them would only wait.
_MOST_THREADS, _MOST_PROCESSES = 4, 16
# Below this many bytes of archives the start of processes costs more than they save.
_WORTH_FORKS, _WORTH_PROCESSES = 1 << 20, 24 << 20
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
_FORBIDDEN = (errno.EPERM, errno.EACCES)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def bring_in(
    cache: UnpackedPackages,
    missing: Sequence[PackageRecord],
    transport: Transport,
    reporter: Reporter,
    options: ObtainOptions,
) -> dict[PackageRecord, CachedPackage]:
    """The *missing* packages, in the first layer of *cache* that can be written (`PackageCache.obtain`)."""
    with _open_area(cache.layers) as (layer, area):
        phases = Phases(reporter, len(missing))
        return _Intake(cache, layer, area, transport, reporter, phases, options, len(missing) == 1).run(
            missing
        )


@contextlib.contextmanager
def _open_area(layers: Sequence[Path]) -> Iterator[tuple[Path, WorkArea]]:
    """A work area in the first layer that can be written."""
    refused: list[OSError] = []
    with contextlib.ExitStack() as stack:
        for layer in layers:
            try:
                layer.mkdir(parents=True, exist_ok=True)
                area = stack.enter_context(work_area(layer))
            except OSError as error:
                refused.append(error)
                continue
            remove_abandoned(layer)
            try:
                yield layer, area
            except OSError as error:
                if error.errno in _FULL:
                    area.clear()
                raise _unwritable(layer, error) from error
            return
    if not refused:
        raise PrefixError("no package cache is configured.", hint="Set pkgs_dirs.")
    raise _unwritable(layers[0], refused[0])


class _Job(Struct, frozen=True):
    """A missing package with the folder in which it is prepared, and what was fetched for it."""

    record: PackageRecord
    place: Path
    archive: Path
    arrived: Arrived | None = None
    downloaded: bool = False


class _Intake(Struct):
    """One run of bringing packages into *layer*."""

    cache: UnpackedPackages
    layer: Path
    area: WorkArea
    transport: Transport
    reporter: Reporter
    phases: Phases
    options: ObtainOptions
    alone: bool
    stop: Stop = field(default_factory=Stop)
    prepare: Callable[[Preparation, Callable[[], None]], None] = prepare_package

    def run(self, missing: Sequence[PackageRecord]) -> dict[PackageRecord, CachedPackage]:
        """Fetches the largest and the smallest in turns.

        So no long download starts last, and unpacking has something to do from the beginning. What is there is
        unpacked by size, so that no large package is the last, with one processor at work.
        """
        ordered = _from_both_ends(sorted(missing, key=lambda record: -(record.size or 0)))
        for record in ordered:
            distribution(record)
        total = sum(record.size or 0 for record in missing)
        least = self.options.processes_from
        if least is None:
            least = _WORTH_FORKS if can_fork() else _WORTH_PROCESSES
        by_processes = processors() > 1 and len(missing) > 1 and total >= least
        most = _MOST_PROCESSES if by_processes else _MOST_THREADS
        unpackers = min(most, processors(), len(missing))
        with contextlib.ExitStack() as stack:
            stack.callback(self.phases.end)
            if by_processes:
                self._start_processes(unpackers, stack)
            if self.options.begun is not None:
                self.options.begun()
            self.phases.begin(total)
            first = Stage(self._fetch, self.options.threads)
            second = Stage(self._unpack, unpackers, weight=lambda job: job.record.size or 0)
            return dict(run_stages(ordered, first, second, self.stop))

    def _start_processes(self, count: int, stack: contextlib.ExitStack) -> None:
        from envmgr.packages.unpack_process import UnpackProcesses

        processes = stack.enter_context(contextlib.closing(UnpackProcesses(count)))
        self.stop.when_set(processes.kill)
        self.prepare = processes.prepare

    def _fetch(self, record: PackageRecord) -> _Job:
        """The first stage, of which the phases are told."""
        job = self._bring(record)
        self.phases.fetched()
        return job

    def _bring(self, record: PackageRecord) -> _Job:
        """The archive as a file whose checksum is right."""
        place = self.area.make_place()
        for path in self.cache.archives(record):
            try:
                arrived = hash_archive(path, record, self.stop)
            except (OSError, ChannelError) as error:
                self.reporter.warned(f"an archive in the package cache is passed over: {error}")
                continue
            self.reporter.phase_advanced(Phase.DOWNLOAD, record.size or 0)
            return _Job(record, place, path, arrived)
        if record.size is None:
            self.reporter.phase_grew(Phase.DOWNLOAD, 0)
        archive = claim_partial(self.layer, record, place)
        arrived = Downloader(self.transport, self.reporter, self.stop).fetch(record, archive)
        if not is_vouched_for(record):
            source = "index" if record.is_pypi else "channel"
            where = "came without a checksum" if is_bare(record) else f"has no checksum in its {source}"
            self.reporter.warned(f"{record.file_name} {where}; it was not verified.")
        return _Job(record, place, archive, arrived, downloaded=True)

    def _unpack(self, job: _Job) -> tuple[PackageRecord, CachedPackage]:
        """The second stage: unpack, check and publish."""
        assert job.arrived is not None
        self.phases.unpacking()
        folder = str(job.place / "package")
        arrived = job.arrived
        order = Preparation(
            job.record,
            str(job.archive),
            folder,
            arrived.sha256,
            arrived.size,
            hashed=self.options.hashed,
            alone=self.alone,
        )
        self.prepare(order, self.stop)
        package = self._publish(job, job.place / "package")
        if package.differing:
            self.reporter.warned(difference_warning(job.record.file_name, package.differing))
        self.reporter.phase_advanced(Phase.UNPACK, 1)
        return job.record, package

    def _publish(self, job: _Job, folder: Path) -> CachedPackage:
        """Moves the package to its home in one step, or takes the equal one that stands there already."""
        record, name = job.record, distribution(job.record)
        if self.options.strict:
            os.sync()
        homes = homes_in(self.layer, record)
        for home in homes:
            make_home(home, self.layer)
            if not self._move_folder(folder, home / name):
                winner = self.cache.find(record)
                if winner is None and home == homes[0]:
                    continue
                if winner is not None:
                    return winner
                # What bears our own key and is not ours is what somebody half removed.
                (home / name).rename(job.place / "removed")
                if not self._move_folder(folder, home / name):
                    continue
            archive = self._keep_archive(job, home)
            cached = (home / name / RECORD_JSON).read_bytes()
            return replace(read_package(record, home, cached), archive=archive)
        raise PrefixError(f"the package cache {self.layer} has no room for {name}: its place is taken.")

    def _move_folder(self, source: Path, target: Path) -> bool:
        """Renames; False when something stands at *target*."""
        try:
            source.rename(target)
        except OSError as error:
            # Of a folder with the sticky bit the system says first that what stands there is another user's.
            if error.errno not in _TAKEN and not (error.errno in _FORBIDDEN and os.path.lexists(target)):
                raise
            return False
        return True

    def _keep_archive(self, job: _Job, home: Path) -> Path | None:
        if not job.downloaded:
            return job.archive
        if not self.options.keep_archives:
            job.archive.unlink()
            return None
        target = home / job.record.file_name
        try:
            os.replace(job.archive, target)
        except PermissionError:
            return None  # Another user's lies there, in a folder with the sticky bit.
        if home == self.layer:
            _note_url(self.layer, without_credentials(job.record.url))
        return target


def _from_both_ends(records: Sequence[PackageRecord]) -> list[PackageRecord]:
    half = (len(records) + 1) // 2
    pairs = zip_longest(records[:half], reversed(records[half:]))
    return [record for pair in pairs for record in pair if record is not None]


def _note_url(layer: Path, url: str) -> None:
    """Adds a line to urls.txt, by which conda also knows a folder as a package cache."""
    with contextlib.suppress(OSError):
        handle = os.open(layer / "urls.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        with contextlib.closing(os.fdopen(handle, "ab", buffering=0)) as file:
            file.write(f"{url}\n".encode())


def _unwritable(layer: Path, error: OSError) -> PrefixError:
    return PrefixError(
        f"the package cache {layer} cannot be written: {(error.strerror or str(error)).lower()}.",
        hint="Free some space, or set pkgs_dirs to a folder elsewhere." if error.errno in _FULL else None,
        path=str(layer),
    )
