"""The package cache on disk: archives and unpacked packages, shared by environments, processes and users.

The layout is conda's and mamba's: ``<layer>/<name-version-build>.conda`` beside ``<layer>/<name-version-build>/``,
which holds ``info/repodata_record.json``, and ``<layer>/urls.txt``. An entry is used only when that record names
the same archive as the wanted one; a different package of the same name lives in ``<layer>/.by-hash/<key>/`` with
the same layout, so that two channels never mix and no entry that another process may be using is ever replaced.

Several layers may be given; all are read, the first writable one receives new packages. No locks are needed:
a package is prepared in a private folder, checked, and published by one rename; who comes second uses what is
there. See docs/internals/package-cache.md.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import ChannelError, DataError, PrefixError
from envmgr.models.channel import without_credentials
from envmgr.packages.crew import Phases, Stage, Stop, run_stages
from envmgr.packages.download import Arrived, Downloader, hash_archive
from envmgr.packages.extract import inspect_folder
from envmgr.packages.folder import completed, is_bare, package_files, parse_cached_record
from envmgr.packages.homes import make_home
from envmgr.packages.identity import RECORD_JSON, distribution, homes_in, is_vouched_for
from envmgr.packages.intact import first_change
from envmgr.packages.layers import Layers
from envmgr.packages.link_plan import PLAN_JSON, LinkPlan, difference_warning, parse_plan, render_plan
from envmgr.packages.partial import claim_partial
from envmgr.packages.prepare import Preparation, make_plan, prepare_package, reader
from envmgr.packages.verify import Finding, check_manifest
from envmgr.packages.work_area import WorkArea, remove_abandoned, work_area
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.models.package_files import PackageFiles
    from envmgr.models.record import PackageRecord
    from envmgr.packages.link_plan import Measured
    from envmgr.ports import Reporter, Transport

_MOST_UNPACKERS = 4
# Below this many bytes of archives the start of processes costs more than they save.
WORTH_PROCESSES = 24 << 20
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR)
_FORBIDDEN = (errno.EPERM, errno.EACCES)


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
        processes_from: archives of this many bytes together, or more, are unpacked by processes, fewer by threads.
    """

    threads: int = 8
    keep_archives: bool = True
    offline: bool = False
    hashed: bool = False
    strict: bool = False
    processes_from: int = WORTH_PROCESSES


class PackageCache(Layers):
    """Finds packages in its layers, and brings in those that are missing."""

    def find(self, record: PackageRecord) -> CachedPackage | None:
        """The unpacked package, or None; an entry that cannot be read counts as none."""
        for home, cached in self.located(record):
            with contextlib.suppress(DataError, OSError):
                return _read_package(record, home, cached)
        return None

    def obtain(
        self,
        records: Sequence[PackageRecord],
        transport: Transport,
        reporter: Reporter,
        options: ObtainOptions | None = None,
    ) -> dict[PackageRecord, CachedPackage]:
        """Every record's package, in the order of *records*; what is missing is downloaded, checked and unpacked.

        Raises ChannelError when an archive cannot be had, DataError when one is damaged, PrefixError when the cache
        cannot be written. Nothing half-made stays behind; packages that were complete by then do.
        """
        options = options or ObtainOptions()
        found = {record: self.find(record) for record in records}
        missing = [record for record, package in found.items() if package is None]
        for package in found.values():
            _warn_of_differences(package, reporter)
        if missing:
            if options.offline:
                self._check_offline(missing)
            with self._work_area() as (layer, area):
                phases = Phases(reporter, len(missing))
                intake = _Intake(self, layer, area, transport, reporter, phases, options)
                found.update(intake.run(missing))
        return {record: package for record, package in found.items() if package is not None}

    def check(self, package: CachedPackage, *, hashed: bool = True) -> tuple[Finding, ...]:
        """Looks at every file of an unpacked package; what it finds differs from the package's manifest.

        A difference that was there from the beginning, and warned of, is none.
        """
        contents = inspect_folder(package.folder, hashed=hashed)
        return tuple(check_manifest(package.files.paths, contents, vouched=False))

    def check_quickly(self, package: CachedPackage) -> Finding | None:
        """The first difference that times and sizes tell of, by a look at every file but mostly at no content."""
        return first_change(str(package.folder), package.files.paths)

    def discard(self, package: CachedPackage, inode: int) -> bool:
        """Takes an unpacked package that was found damaged out of its layer; its archive stays.

        *inode* is that of the folder that was looked at, since somebody else may have put a good one there by now.
        Where the layer cannot be written, it is passed over from now on, and False is returned. Who is linking it
        at this moment fails and changes nothing.
        """
        layer = next(each for each in self.layers if package.folder.is_relative_to(each))
        try:
            with work_area(layer) as area, contextlib.suppress(FileNotFoundError):
                if package.folder.stat().st_ino == inode:
                    package.folder.rename(area.make_place() / "discarded")
        except OSError:
            self.avoid(package.folder)
            return False
        return True

    def _check_offline(self, missing: Sequence[PackageRecord]) -> None:
        remote = [
            each for each in missing if not each.url.startswith("file:") and not any(self.archives(each))
        ]
        if remote:
            names = ", ".join(record.file_name for record in remote[:5]) + (
                ", ..." if len(remote) > 5 else ""
            )
            raise ChannelError(
                f"offline, and {len(remote)} package(s) are not in the package cache: {names}.",
                hint="Run the command once without --offline.",
                packages=[record.file_name for record in remote],
            )

    @contextlib.contextmanager
    def _work_area(self) -> Iterator[tuple[Path, WorkArea]]:
        """A work area in the first layer that can be written."""
        refused: list[OSError] = []
        with contextlib.ExitStack() as stack:
            for layer in self.layers:
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
                    raise _unwritable(layer, error) from error
                return
        if not refused:
            raise PrefixError("no package cache is configured.", hint="Set pkgs_dirs.")
        raise _unwritable(self.layers[0], refused[0])


class _Job(Struct, frozen=True):
    """A missing package with the folder in which it is prepared, and what was fetched for it."""

    record: PackageRecord
    place: Path
    archive: Path
    arrived: Arrived | None = None
    downloaded: bool = False


class _Intake(Struct):
    """One run of bringing packages into *layer*."""

    cache: PackageCache
    layer: Path
    area: WorkArea
    transport: Transport
    reporter: Reporter
    phases: Phases
    options: ObtainOptions
    stop: Stop = field(default_factory=Stop)
    prepare: Callable[[Preparation, Callable[[], None]], None] = prepare_package

    def run(self, missing: Sequence[PackageRecord]) -> dict[PackageRecord, CachedPackage]:
        """Fetches the largest first, so that no long download starts last."""
        ordered = sorted(missing, key=lambda record: -(record.size or 0))
        for record in ordered:
            distribution(record)
        total = sum(record.size or 0 for record in missing)
        self.phases.begin(total)
        unpackers = min(_MOST_UNPACKERS, _processors(), len(missing))
        with contextlib.ExitStack() as stack:
            stack.callback(self.phases.end)
            if unpackers > 1 and total >= self.options.processes_from:
                self._start_processes(unpackers, stack)
            first, second = Stage(self._fetch, self.options.threads), Stage(self._unpack, unpackers)
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
            where = "came without a checksum" if is_bare(record) else "has no checksum in its channel"
            self.reporter.warned(f"{record.file_name} {where}; it was not verified.")
        return _Job(record, place, archive, arrived, downloaded=True)

    def _unpack(self, job: _Job) -> tuple[PackageRecord, CachedPackage]:
        """The second stage: unpack, check and publish."""
        assert job.arrived is not None
        self.phases.unpacking()
        folder = str(job.place / "package")
        arrived = job.arrived
        order = Preparation(
            job.record, str(job.archive), folder, arrived.sha256, arrived.size, hashed=self.options.hashed
        )
        self.prepare(order, self.stop)
        package = self._publish(job, job.place / "package")
        _warn_of_differences(package, self.reporter)
        self.reporter.phase_advanced(Phase.UNPACK, 1)
        return job.record, package

    def _publish(self, job: _Job, folder: Path) -> CachedPackage:
        """Moves the package to its home in one step, or takes the equal one that stands there already."""
        record, name = job.record, distribution(job.record)
        if self.options.strict:
            os.sync()
        for home in homes_in(self.layer, record):
            make_home(home, self.layer)
            if not self._move_folder(folder, home / name):
                winner = self.cache.find(record)
                if winner is None and home == self.layer:
                    continue
                if winner is not None:
                    return winner
                # What bears our own key and is not ours is what somebody half removed.
                (home / name).rename(job.place / "removed")
                if not self._move_folder(folder, home / name):
                    continue
            archive = self._keep_archive(job, home)
            cached = (home / name / RECORD_JSON).read_bytes()
            return replace(_read_package(record, home, cached), archive=archive)
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


def _note_url(layer: Path, url: str) -> None:
    """Adds a line to urls.txt, by which conda also knows a folder as a package cache."""
    with contextlib.suppress(OSError):
        handle = os.open(layer / "urls.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        with contextlib.closing(os.fdopen(handle, "ab", buffering=0)) as file:
            file.write(f"{url}\n".encode())


def _processors() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _read_package(record: PackageRecord, home: Path, cached: bytes) -> CachedPackage:
    """The package in *home*, whose repodata_record.json is *cached*; raises DataError and OSError."""
    folder, archive = home / distribution(record), home / record.file_name
    plan = parse_plan(reader(folder)(PLAN_JSON))
    if plan is None:
        # Conda or mamba unpacked it.
        plan = make_plan(folder, package_files(reader(folder)))
        _keep_plan(folder, plan)
    whole = completed(record, parse_cached_record(cached, record, reader(folder)), **_sums(cached))
    return CachedPackage(whole, folder, archive if archive.is_file() else None, plan.files, plan.differing)


def _keep_plan(folder: Path, plan: LinkPlan) -> None:
    """Spare the next one the work, where the layer can be written."""
    aside = folder / f"{PLAN_JSON}.{secrets.token_hex(6)}"
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


def _warn_of_differences(package: CachedPackage | None, reporter: Reporter) -> None:
    if package is not None and package.differing:
        reporter.warned(difference_warning(package.record.file_name, package.differing))


def _unwritable(layer: Path, error: OSError) -> PrefixError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
    return PrefixError(
        f"the package cache {layer} cannot be written: {(error.strerror or str(error)).lower()}.",
        hint="Free some space, or set pkgs_dirs to a folder elsewhere." if full else None,
        path=str(layer),
    )
