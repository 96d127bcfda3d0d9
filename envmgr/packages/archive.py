"""The two archive formats of conda (CEP 35) as tar streams: what is inside, and whether it is what it claims.

``.conda`` is a zip of two zstandard-compressed tars and ``metadata.json``; ``.tar.bz2`` is one tar. This module
takes an open binary file and gives `TarReader`s; it writes nothing.

It is lenient where real packages are: a ``.conda`` whose zip entries are deflated or lie in a folder is read, a
``.tar.bz2`` may have several bzip2 streams. It is strict where two readers could see two packages in one file:
inner names must be the archive's own, each part may occur once, the info part holds ``info/`` alone (the other
part may add to it: conda-build puts licenses there), and nothing lies behind the end of the zip or the last stream.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.packages.member_paths import quoted, safe_path
from envmgr.packages.tar import Kind, Limits, TarReader

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Generator, Iterator

FORMAT_VERSION = 2
# What zstandard itself allows by default, and what its highest level uses.
WINDOW_BYTES = 1 << 27
CHUNK_BYTES = 1 << 18
# Tools may look at metadata.json before anything is checked, so it is never read beyond this.
METADATA_BYTES = 1 << 16
MOST_METADATA_BYTES = 1 << 26
# More than 100,000 entries; the standard library makes objects of all of them.
MOST_DIRECTORY_BYTES = 1 << 23
_MOST_WORDS = 200
_MOST_OFFSET = 1 << 62
_END_RECORD, _END_RECORD_BYTES = b"PK\5\6", 22
# No real package unpacks to more than this many times its size, beyond the free first part.
FREE_BYTES = 2 << 30
MOST_EXPANSION = 250

INFO = "info"
PKG = "pkg"


class Part(Struct, frozen=True):
    """One tar of an archive; *role* is ``"info"``, ``"pkg"``, or ``""`` for the single tar of a .tar.bz2."""

    role: str
    reader: TarReader

    def safe_path(self, path: str, archive: str) -> str:
        """*path* as `member_paths.safe_path` gives it, if this part may hold it; else DataError."""
        path = safe_path(path, archive)
        if self.role == INFO and path not in ("", INFO) and not path.startswith("info/"):
            raise DataError(
                f"{archive}: the info part holds {quoted(path)}, which lies outside info/.", member=path
            )
        return path


def default_limits(archive_bytes: int) -> Limits:
    """The limits for an archive of this size (bytes)."""
    return Limits(content_bytes=FREE_BYTES + MOST_EXPANSION * archive_bytes)


def one_buffer(fill: Callable[[bytearray], int]) -> Iterator[memoryview]:
    """What *fill* puts into a buffer, again and again, until it puts nothing."""
    buffer = bytearray(CHUNK_BYTES)
    view = memoryview(buffer)
    while count := fill(buffer):
        yield view[:count]


def iter_parts(
    file: IO[bytes],
    name: str,
    limits: Limits,
    pump: Callable[[Callable[[bytearray], int]], Iterator[memoryview]] = one_buffer,
) -> Generator[Part]:
    """The archive's tars, info first; each must be read before the next is asked for.

    *pump* has buffers filled with decompressed bytes and hands them out (`one_buffer`).
    *name* is the archive's file name, ``name-version-build.conda`` or ``.tar.bz2``. Raises DataError for a file
    that is neither, is damaged, or holds another package's parts.
    """
    if name.endswith(".conda"):
        return _iter_conda(file, name, limits, pump)
    if name.endswith(".tar.bz2"):
        return (Part("", TarReader(chunks, name, limits)) for chunks in (_bunzip(file, name),))
    raise DataError(f"{name} is no package: its name ends neither in .conda nor in .tar.bz2.")


def read_metadata(file: IO[bytes], name: str, path: str) -> bytes:
    """The content of the member *path* (below ``info/``) without unpacking anything; DataError if there is none."""
    for part in iter_parts(file, name, Limits()):
        for member in part.reader:
            if part.safe_path(member.path, name) == path and member.kind is Kind.FILE:
                if member.size > MOST_METADATA_BYTES:
                    raise DataError(
                        f"{name}: {path} has {member.size} bytes, which no metadata needs.", member=path
                    )
                return part.reader.read(member)
        if part.role == INFO:
            break
    raise DataError(f"{name} holds no {path}, which every package needs.", member=path)


def _iter_conda(
    file: IO[bytes],
    name: str,
    limits: Limits,
    pump: Callable[[Callable[[bytearray], int]], Iterator[memoryview]],
) -> Generator[Part]:
    with open_zip(file, name) as archive:
        check_end(file, archive, name)
        inner = _entries(archive, name)
        _check_metadata(archive, inner["metadata.json"], name)
        for role in (INFO, PKG):
            # The chunks are closed here, since what has buffers filled may be a thread.
            with (
                archive.open(inner[role]) as source,
                contextlib.closing(_unzstd(source, name, pump)) as chunks,
            ):
                yield Part(role, TarReader(chunks, name, limits))


@contextlib.contextmanager
def open_zip(file: IO[bytes], name: str, most_bytes: int = MOST_DIRECTORY_BYTES) -> Iterator[zipfile.ZipFile]:
    """The zip archive *file*, whose directory may have *most_bytes*; its errors become one DataError."""
    import zipfile

    with _zip_errors(name), zipfile.ZipFile(_Measured(file, name, most_bytes)) as archive:
        yield archive


@contextlib.contextmanager
def _zip_errors(name: str) -> Iterator[None]:
    """What the standard library raises for a broken zip becomes one DataError."""
    import zipfile

    errors = (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        struct.error,
        zlib.error,
        ValueError,
    )
    try:
        yield
    except errors as error:
        raise DataError(f"{name} is no sound zip archive: {_sentence(error)}.") from None


class _Measured:
    """A zip's file for `zipfile`, which believes what the zip says of sizes and places."""

    def __init__(self, file: IO[bytes], name: str, most_bytes: int) -> None:
        self.tell, self.seekable = file.tell, file.seekable
        self._read, self._seek = file.read, file.seek
        self._name, self._most = name, most_bytes

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_SET and not 0 <= offset <= _MOST_OFFSET:
            raise DataError(f"{self._name} is no sound zip archive: it names a place outside of itself.")
        return self._seek(offset, whence)

    def read(self, size: int = -1) -> bytes:
        if size > self._most:
            raise DataError(
                f"{self._name} has a zip directory of {size} bytes, where {self._most} are allowed."
            )
        return self._read(size)


def check_end(file: IO[bytes], archive: zipfile.ZipFile, name: str) -> None:
    """Raise DataError where something lies behind the zip *archive* in its *file*."""
    file.seek(-(_END_RECORD_BYTES + len(archive.comment)), os.SEEK_END)
    if file.read(len(_END_RECORD)) != _END_RECORD:
        raise DataError(f"{name} holds something behind the end of its zip archive.")


def _entries(archive: zipfile.ZipFile, name: str) -> dict[str, zipfile.ZipInfo]:
    """The three members that CEP 35 names, by role; the folder that they lie in does not matter."""
    stem = name.removesuffix(".conda")
    wanted = {"metadata.json": "metadata.json", f"{INFO}-{stem}.tar.zst": INFO, f"{PKG}-{stem}.tar.zst": PKG}
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        base = entry.filename.rpartition("/")[2]
        role = wanted.get(base)
        if role is None and base.endswith(".tar.zst"):
            raise DataError(f"{name} holds {quoted(base)}, which belongs to another package.", member=base)
        if role is not None and role in found:
            raise DataError(f"{name} holds {quoted(base)} twice.", member=base)
        if role is not None:
            found[role] = entry
    missing = [base for base, role in wanted.items() if role not in found]
    if missing:
        raise DataError(
            f"{name} holds no {missing[0]!r}, which every .conda archive needs.", member=missing[0]
        )
    return found


def _check_metadata(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> None:
    with archive.open(entry) as source:
        text = source.read(METADATA_BYTES)
    try:
        version = json.loads(text)["conda_pkg_format_version"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DataError(f"{name}: metadata.json states no conda_pkg_format_version.") from None
    if version != FORMAT_VERSION:
        raise DataError(
            f"{name} has the format version {repr(version)[:_MOST_WORDS]}; only version {FORMAT_VERSION} is known."
        )


def _unzstd(
    source: IO[bytes], name: str, pump: Callable[[Callable[[bytearray], int]], Iterator[memoryview]]
) -> Generator[memoryview]:
    """The decompressed bytes, in buffers that are filled again and again."""
    import zstandard

    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES)
    try:
        with (
            _zip_errors(name),
            decompressor.stream_reader(
                source, read_size=CHUNK_BYTES, read_across_frames=True, closefd=False
            ) as reader,
        ):
            yield from pump(reader.readinto)
    except zstandard.ZstdError as error:
        raise DataError(f"{name} holds damaged zstandard data: {_sentence(error)}.") from None


def _bunzip(source: IO[bytes], name: str) -> Iterator[bytes]:
    import bz2

    decompressor = bz2.BZ2Decompressor()
    try:
        while True:
            data = b""
            if decompressor.eof:
                data = decompressor.unused_data or source.read(CHUNK_BYTES)
                if not data:
                    return
                decompressor = bz2.BZ2Decompressor()
            elif decompressor.needs_input:
                data = source.read(CHUNK_BYTES)
                if not data:
                    raise DataError(f"{name} holds damaged bzip2 data: it breaks off before its end.")
            if piece := decompressor.decompress(data, CHUNK_BYTES):
                yield piece
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(f"{name} holds damaged bzip2 data: {_sentence(error)}.") from None


def _sentence(error: Exception) -> str:
    text = str(error).strip().rstrip(".")[:_MOST_WORDS]
    return text[:1].lower() + text[1:] if text else type(error).__name__
