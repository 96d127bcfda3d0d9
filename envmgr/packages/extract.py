"""Unpacks archives onto the disk.

The rules that make it safe, whatever the archive holds:

- The target is a new folder, and the only folders written to are those that this run itself made (or the target):
  their paths are kept in a set, so no link of the archive can stand where a folder is believed to be.
- Every file is created with O_EXCL, so nothing is overwritten and no link followed; a path that occurs twice is an
  error.
- Links are checked at the end against each other (`member_paths.check_links`), and the whole target is removed
  after any error.
- Files get their mode without setuid, setgid and sticky bits, minus the umask; they are always readable by their
  owner. Folders get the usual mode. Times, owners and extended attributes are not kept.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from typing import IO, TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from envmgr.errors import DataError
from envmgr.packages.archive import Part, default_limits, iter_parts, one_buffer, read_metadata
from envmgr.packages.folder import INDEX_JSON, parse_index
from envmgr.packages.identity import RECORD_JSON
from envmgr.packages.link_plan import PLAN_JSON
from envmgr.packages.member_paths import case_twin, check_links, quoted
from envmgr.packages.read_ahead import processors, read_ahead
from envmgr.packages.tar import Kind, Limits, Member, TarReader
from envmgr.packages.verify import Contents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from envmgr.packages.wheel import WheelReader

_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_CREATE |= getattr(os, "O_BINARY", 0)

_ZEROS = memoryview(bytes(1 << 20))

# The cache writes its own; an old tool left the first in some archives (CEP 34, "Additional restrictions").
_NOT_UNPACKED = frozenset((RECORD_JSON, PLAN_JSON))
_BELOW_THEM = tuple(f"{path}/" for path in _NOT_UNPACKED)


class Extraction(Struct, frozen=True):
    """How to unpack.

    Attributes:
        name: the archive's file name where the file itself has another one, as a fresh download does.
        limits: None takes `archive.default_limits` of the file's size.
        hashed: whether the SHA-256 of every file is computed on the way.
        check: called often; may raise to stop the work.
        alone: whether no other archive is unpacked meanwhile, so that another processor can decompress.
    """

    name: str | None = None
    limits: Limits | None = None
    hashed: bool = False
    check: Callable[[], None] | None = None
    alone: bool = True


def extract_archive(archive: Path, target: Path, request: Extraction | None = None) -> Contents:
    """Unpack the package *archive* into the new folder *target* and tell what it holds.

    Raises DataError for a damaged or hostile archive and OSError when *target* cannot be written (FileExistsError
    when it is there already); *target* then does not exist.
    """
    with open(archive, "rb") as file:
        request = request or Extraction()
        return extract_file(file, request.name or archive.name, target, request)


def extract_file(file: IO[bytes], name: str, target: Path, request: Extraction) -> Contents:
    """`extract_archive` for an open file that stands at its beginning."""
    target.mkdir()
    try:
        limits = limits_of(file, request)
        unpacker = _Unpacker(str(target), name, request)
        pump = read_ahead if request.alone and processors() > 1 else one_buffer
        with contextlib.closing(iter_parts(file, name, limits, pump)) as parts:
            for part in parts:
                unpacker.unpack(part)
        check_links(unpacker.contents.links, name)
        return unpacker.contents
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def limits_of(file: IO[bytes], request: Extraction) -> Limits:
    """The limits for the open archive *file*."""
    return request.limits or default_limits(os.fstat(file.fileno()).st_size)


def extract_wheel(wheel: WheelReader, target: Path, request: Extraction) -> Contents:
    """Write the files of *wheel* into the new folder *target*; as `extract_archive`. The reader has the sums."""
    target.mkdir()
    try:
        unpacker = _Unpacker(str(target), request.name or "", request)
        unpacker.unpack_wheel(wheel)
        return unpacker.contents
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def read_index_json(archive: Path) -> dict[str, Any]:
    """``info/index.json`` of a package archive as it is written there, without unpacking the archive.

    Raises DataError when the archive is damaged, or its index is none or belongs to a file of another name.
    """
    with open(archive, "rb") as file:
        text = read_metadata(file, archive.name, INDEX_JSON)
    parse_index(text, archive.name)
    index: dict[str, Any] = msgspec.json.decode(text)
    return index


def sums_of_file(path: Path) -> dict[str, Any]:
    """``md5``, ``sha256`` and ``size`` (bytes) of a file, as a channel's record states them (CEP 36)."""
    size, md5, sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            size += len(chunk)
            md5.update(chunk)
            sha256.update(chunk)
    return {"md5": md5.hexdigest(), "sha256": sha256.hexdigest(), "size": size}


def inspect_folder(folder: Path, *, hashed: bool = False) -> Contents:
    """What an unpacked package holds, by looking at every file; raises OSError."""
    contents = Contents()
    root = str(folder)
    for place, folders, files in os.walk(root, onerror=_raise):
        inside = os.path.relpath(place, root).replace(os.sep, "/")
        base = "" if inside == "." else f"{inside}/"
        contents.folders.update(base + each for each in folders)
        for each in [*files, *folders]:
            full = f"{place}{os.sep}{each}"
            if os.path.islink(full):
                contents.links[base + each] = os.readlink(full)
                contents.folders.discard(base + each)
        for each in files:
            full = f"{place}{os.sep}{each}"
            if base + each not in contents.links:
                contents.sizes[base + each] = os.lstat(full).st_size
                if hashed:
                    contents.hashes[base + each] = file_sha256(full)
    return contents


def file_sha256(path: str | Path) -> str:
    """The SHA-256 of a file's content, lower-case hex."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class _Unpacker(Struct):
    """Writes members below *root*; ``contents`` grows with every one."""

    root: str
    name: str
    request: Extraction
    contents: Contents = field(default_factory=Contents)

    def unpack(self, part: Part) -> None:
        reader, check = part.reader, self.request.check
        for member in reader:
            if check is not None:
                check()
            path = part.safe_path(member.path, self.name)
            if path in _NOT_UNPACKED or path.startswith(_BELOW_THEM):
                continue
            if not path and member.kind is not Kind.DIRECTORY:
                raise DataError(f"{self.name}: a member takes the place of the package's own folder.")
            try:
                self._write(path, member, part)
            except OSError as error:
                raise self._explained(path, error) from None

    def unpack_wheel(self, wheel: WheelReader) -> None:
        """Write all files of *wheel*."""
        check, folders = self.request.check, self.contents.folders
        for member in wheel:
            if check is not None:
                check()
            path = member.path
            try:
                folder = path.rpartition("/")[0]
                if folder not in folders:
                    self._make_folder(folder)
                self._write_file(path, member, wheel.content())
            except OSError as error:
                raise self._explained(path, error) from None

    def _explained(self, path: str, error: OSError) -> Exception:
        """What to raise where *path* could not be made: the archive's fault, or the disk's."""
        if isinstance(error, FileExistsError):
            return self._taken(path)
        if error.errno not in (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL):
            return error
        return DataError(f"{self.name}: {quoted(path)} is no possible file name here: {error.strerror}.")

    def _write(self, path: str, member: Member, part: Part) -> None:
        if member.kind is Kind.DIRECTORY:
            self._make_folder(path)
            return
        folder = path.rpartition("/")[0]
        if folder and folder not in self.contents.folders:
            self._make_folder(folder)
        if member.kind is Kind.FILE and member.extents is None:
            self._write_file(path, member, part.reader.content())
        elif member.kind is Kind.FILE:
            self._write_sparse(path, member, part.reader)
        elif member.kind is Kind.SYMLINK:
            if not member.target or "\0" in member.target:
                check_links({path: member.target}, self.name)
            os.symlink(member.target, f"{self.root}/{path}")  # noqa: PTH211 - there may be thousands.
            self.contents.links[path] = member.target
        else:
            self._link_again(path, part.safe_path(member.target, self.name), part.reader)

    def _make_folder(self, path: str) -> None:
        """Makes *path* and the folders above it that this run has not made yet."""
        made = self.contents.folders
        at = 0
        while path and at >= 0:
            at = path.find("/", at + 1)
            step = path if at < 0 else path[:at]
            if step not in made:
                os.mkdir(f"{self.root}/{step}")  # noqa: PTH102 - there may be thousands.
                made.add(step)

    def _write_file(self, path: str, member: Member, pieces: Iterator[bytes | memoryview]) -> None:
        digest = hashlib.sha256() if self.request.hashed else None
        handle = os.open(f"{self.root}/{path}", _CREATE, member.mode & 0o777 | 0o400)
        try:
            for piece in pieces:
                if digest is not None:
                    digest.update(piece)
                written = os.write(handle, piece)
                while written < len(piece):
                    written += os.write(handle, piece[written:])
        finally:
            os.close(handle)
        self.contents.sizes[path] = member.size
        if digest is not None:
            self.contents.hashes[path] = digest.hexdigest()

    def _write_sparse(self, path: str, member: Member, reader: TarReader) -> None:
        """Writes what a sparse file holds and leaves its holes to the file system; the sum counts their zeros."""
        digest = hashlib.sha256() if self.request.hashed else None
        handle = os.open(f"{self.root}/{path}", _CREATE, member.mode & 0o777 | 0o400)
        end = 0
        try:
            for offset, piece in reader.segments(member.extents or ()):
                self._hash_zeros(digest, offset - end)
                if digest is not None:
                    digest.update(piece)
                if offset != end:
                    os.lseek(handle, offset, os.SEEK_SET)
                end = offset + len(piece)
                written = 0
                while written < len(piece):
                    written += os.write(handle, piece[written:])
            self._hash_zeros(digest, member.size - end)
            os.ftruncate(handle, member.size)
        finally:
            os.close(handle)
        self.contents.sizes[path] = member.size
        if digest is not None:
            self.contents.hashes[path] = digest.hexdigest()

    def _hash_zeros(self, digest: hashlib._Hash | None, count: int) -> None:
        while digest is not None and count:
            if self.request.check is not None:
                self.request.check()
            digest.update(_ZEROS[:count])
            count -= min(count, len(_ZEROS))

    def _taken(self, path: str) -> DataError:
        made = self.contents
        twin = case_twin(path, {**made.sizes, **made.links}, made.folders)
        if twin is None:
            return DataError(
                f"{self.name}: the member {quoted(path)} needs a place that another one has taken.",
                member=path,
            )
        return DataError(
            f"{self.name}: {quoted(path)} and {quoted(twin)} differ in case only, "
            "and the file system here takes them for one.",
            hint="Set pkgs_dirs to a folder on a file system that tells upper from lower case.",
            member=path,
        )

    def _link_again(self, path: str, target: str, reader: TarReader) -> None:
        """A tar hard link: only to a file that this archive brought before."""
        if target not in self.contents.sizes:
            raise DataError(
                f"{self.name}: the hard link {quoted(path)} names {quoted(target)}, "
                "which is no earlier file of the archive.",
                member=path,
            )
        source, place = f"{self.root}/{target}", f"{self.root}/{path}"
        try:
            os.link(source, place, follow_symlinks=False)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):
            reader.spend(self.contents.sizes[target], path)
            with open(source, "rb") as old, open(place, "xb") as new:
                shutil.copyfileobj(old, new)
            with contextlib.suppress(OSError):
                shutil.copymode(source, place)
        self.contents.sizes[path] = self.contents.sizes[target]
        if target in self.contents.hashes:
            self.contents.hashes[path] = self.contents.hashes[target]


def _raise(error: OSError) -> None:
    raise error
