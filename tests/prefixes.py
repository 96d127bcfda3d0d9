"""Unpacks packages and creates prefixes from them, for tests; the unpacking shares no code with envmgr."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import zipfile
from typing import TYPE_CHECKING, Any

import zstandard

from envmgr.models.package_files import PackageFiles, parse_legacy, parse_link_json, parse_paths_json
from envmgr.models.record import Origin, PackageRecord
from envmgr.ports import Finished, FixedClock, RecordingReporter
from envmgr.prefix.apply import CreatedPrefix, PrefixCreation, create_prefix
from envmgr.prefix.plan import PackageToLink, plan_prefix
from tests.builders import Pkg, archive_bytes, pkg

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CHANNEL = "https://conda.anaconda.org/test"


class ProcessRunner:
    """Runs programs for real."""

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        timeout_seconds: float | None = None,
    ) -> Finished:
        done = subprocess.run(
            list(command),
            env=dict(env),
            cwd=cwd,
            timeout=timeout_seconds,
            capture_output=True,
            text=True,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)


def unpack_bytes(archive: bytes, name: str, folder: Path) -> None:
    """Unpack a .conda or .tar.bz2 archive into *folder*."""
    folder.mkdir(parents=True)
    if name.endswith(".conda"):
        with zipfile.ZipFile(io.BytesIO(archive)) as outer:
            inner = [outer.read(each) for each in outer.namelist() if each.endswith(".tar.zst")]
        tars = [zstandard.ZstdDecompressor().decompressobj().decompress(each) for each in inner]
        for each in tars:
            with tarfile.open(fileobj=io.BytesIO(each)) as tar:
                tar.extractall(folder, filter="fully_trusted")
    else:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:bz2") as tar:
            tar.extractall(folder, filter="fully_trusted")


def to_link(folder: Path, fn: str, requested: tuple[str, ...] = (), **changes: Any) -> PackageToLink:
    """The package unpacked in *folder* from an archive *fn*; *changes* overwrite keys of its record."""
    info = folder / "info"
    index = json.loads((info / "index.json").read_text()) | changes
    subdir = index.get("subdir", "noarch")
    record = PackageRecord.parse(index, fn=fn, origin=Origin(CHANNEL, subdir, f"{CHANNEL}/{subdir}/"))
    if (info / "paths.json").exists():
        paths = parse_paths_json((info / "paths.json").read_bytes())
    else:
        old = [
            (info / name).read_text() if (info / name).exists() else ""
            for name in ("files", "has_prefix", "no_link")
        ]
        paths = parse_legacy(*old)
    noarch, entry_points = None, ()
    if (info / "link.json").exists():
        noarch, entry_points = parse_link_json((info / "link.json").read_bytes())
    return PackageToLink(
        record, folder, folder.with_name(fn), PackageFiles(paths, noarch, entry_points), requested
    )


def unpack(package: Pkg, cache: Path, requested: tuple[str, ...] = ()) -> PackageToLink:
    """*package* from the builders, unpacked below *cache*."""
    folder = cache / f"{package.name}-{package.version}-{package.build}"
    if not folder.exists():
        unpack_bytes(archive_bytes(package), package.file_name, folder)
    return to_link(folder, package.file_name, requested)


def unpack_archive(archive: Path, cache: Path) -> PackageToLink:
    """The real archive at *archive*, unpacked below *cache*."""
    folder = cache / archive.name.removesuffix(".conda").removesuffix(".tar.bz2")
    unpack_bytes(archive.read_bytes(), archive.name, folder)
    return to_link(folder, archive.name)


def request_for(prefix: Path, packages: Sequence[PackageToLink], **options: Any) -> PrefixCreation:
    """A request to create *prefix* from *packages*, for linux-64."""
    subdir = options.pop("subdir", "linux-64")
    plan = plan_prefix([], packages, prefix=str(prefix), subdir=subdir)
    defaults = {"command_line": ("envmgr", "create"), "version": "0.1", "environ": {"PATH": os.defpath}}
    return PrefixCreation(prefix, plan, **{**defaults, **options})


def create(
    prefix: Path, packages: Sequence[PackageToLink], reporter: RecordingReporter | None = None, **options: Any
) -> CreatedPrefix:
    """Create *prefix* from *packages*."""
    after_link = options.pop("after_link", None)
    request = request_for(prefix, packages, **options)
    return create_prefix(
        request, ProcessRunner(), reporter or RecordingReporter(), FixedClock(1e9), after_link
    )


def python_package(version: str = "3.11.0", **options: Any) -> Pkg:
    """A package called python without any files."""
    return pkg("python", version, **options)
