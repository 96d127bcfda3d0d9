"""Writes package folders as archives (CEP 35), the same bytes for the same folder on every machine.

Members are sorted; owners are root, times are one argument, modes are 0755 for what is executable and 0644 for
the rest. Hard links become files of their own. The archive appears under its name only when it is complete.
"""

from __future__ import annotations

import bz2
import contextlib
import json
import os
import secrets
import stat
import tarfile
import time
from typing import IO, TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.errors import BuildError
from envmgr.packages.archive import FORMAT_VERSION

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# A zip cannot name an earlier time.
_FIRST_ZIP_SECOND = 315_532_800


def write_conda(folder: Path, target: Path, *, level: int = 19, mtime: int = 0) -> None:
    """Pack *folder*, an unpacked package with its ``info/``, as the ``.conda`` file *target*.

    *level* is zstandard's (1 to 22), *mtime* the time of every member in seconds since the Unix epoch. Raises
    BuildError when the folder is no package called like *target*, or holds what a package may not; OSError.
    """
    import zipfile

    stem = _stem(folder, target, ".conda")
    members = _members(folder)
    with _replacing(target) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        metadata = json.dumps({"conda_pkg_format_version": FORMAT_VERSION}).encode()
        archive.writestr(_entry("metadata.json", mtime), metadata)
        for role, is_info in (("pkg", False), ("info", True)):
            part = [member for member in members if _is_info(member) == is_info]
            _write_part(archive, _entry(f"{role}-{stem}.tar.zst", mtime), _Tar(folder, part, mtime), level)


def write_tar_bz2(folder: Path, target: Path, *, level: int = 9, mtime: int = 0) -> None:
    """Pack *folder* as the ``.tar.bz2`` file *target*; *level* is bzip2's (1 to 9). See `write_conda`."""
    _stem(folder, target, ".tar.bz2")
    members = sorted(_members(folder), key=lambda member: not _is_info(member))
    with _replacing(target) as out, bz2.BZ2File(out, "wb", compresslevel=level) as compressed:
        _Tar(folder, members, mtime).write(compressed)


class _Tar(Struct, frozen=True):
    folder: Path
    members: Sequence[str]
    mtime: int

    def write(self, out: IO[bytes] | Any) -> None:
        with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT, bufsize=1 << 18) as tar:
            for path in self.members:
                full = f"{self.folder}/{path}"
                member = self._describe(path, os.lstat(full))
                if member.isreg():
                    with open(full, "rb") as file:
                        tar.addfile(member, file)
                else:
                    tar.addfile(member)

    def _describe(self, path: str, status: os.stat_result) -> tarfile.TarInfo:
        member = tarfile.TarInfo(path)
        member.mtime = self.mtime
        if stat.S_ISLNK(status.st_mode):
            member.type, member.mode = tarfile.SYMTYPE, 0o777
            member.linkname = os.readlink(f"{self.folder}/{path}")
        elif stat.S_ISDIR(status.st_mode):
            member.type, member.mode = tarfile.DIRTYPE, 0o755
        elif stat.S_ISREG(status.st_mode):
            member.size = status.st_size
            member.mode = 0o755 if status.st_mode & 0o100 else 0o644
        else:
            raise BuildError(
                f"{path} is neither file, folder nor symlink; no package may hold it.", member=path
            )
        return member


def _write_part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, tar: _Tar, level: int) -> None:
    import zstandard

    # Several workers write the same bytes as one, but none writes others.
    compressor = zstandard.ZstdCompressor(level=level, threads=-1)
    with (
        archive.open(entry, "w", force_zip64=True) as plain,
        compressor.stream_writer(plain, closefd=False) as packed,
    ):
        tar.write(packed)


def _entry(name: str, mtime: int) -> zipfile.ZipInfo:
    import zipfile

    entry = zipfile.ZipInfo(name, time.gmtime(max(mtime, _FIRST_ZIP_SECOND))[:6])
    entry.compress_type = zipfile.ZIP_STORED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry


def _members(folder: Path) -> list[str]:
    """Files, symlinks and empty folders below *folder*, sorted; the cache's own record is left out."""
    found = []
    for place, folders, files in os.walk(folder):
        inside = os.path.relpath(place, folder).replace(os.sep, "/")
        base = "" if inside == "." else f"{inside}/"
        links = [each for each in folders if os.path.islink(f"{place}/{each}")]
        found += [base + each for each in [*files, *links]]
        if base and not files and not folders:
            found.append(inside)
    return sorted(path for path in found if path != "info/repodata_record.json")


def _is_info(path: str) -> bool:
    return path == "info" or path.startswith("info/")


def _stem(folder: Path, target: Path, extension: str) -> str:
    """The name-version-build of *target*, after comparing it with the package's index.json."""
    stem = target.name.removesuffix(extension)
    try:
        index = json.loads((folder / "info/index.json").read_bytes())
        expected = "-".join(str(index[key]) for key in ("name", "version", "build"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BuildError(f"{folder} is no package: info/index.json cannot be used ({error}).") from None
    if stem == target.name or stem != expected:
        raise BuildError(f"the package in {folder} must be called {expected}{extension}, not {target.name}.")
    return stem


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    """A new file that takes *target*'s place when the block ends well, and vanishes when it does not."""
    aside = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    try:
        with open(aside, "xb") as out:
            yield out
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
