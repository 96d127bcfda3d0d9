"""The members of a zip archive, read one by one and in pieces, where nothing that it says is believed.

The standard library reads the directory at the end; what stands at each member's place is held against it. Strict
where two readers could see two files: names are the same in both places and occur once, sizes and CRC are those of
the directory, nothing lies behind the end. Links, encryption, and compression other than "deflated" are refused.
"""

from __future__ import annotations

import os
import stat
import struct
import zlib
from typing import IO, TYPE_CHECKING

from envmgr.errors import DataError
from envmgr.packages.archive import CHUNK_BYTES, check_end, open_zip
from envmgr.packages.member_paths import quoted, safe_path

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator

    from envmgr.packages.tar import Limits

# Names and extra fields of more than 200,000 files.
MOST_DIRECTORY_BYTES = 1 << 25
# What is read as a whole: metadata, RECORD and scripts.
MOST_TEXT_BYTES = 1 << 26

_STORED, _DEFLATED = 0, 8
_ENCRYPTED, _UTF8 = 0x1, 0x800
_LOCAL = struct.Struct("<4s22xHH")
_LOCAL_MARK = b"PK\3\4"


class ZipMembers:
    """The files of the zip *file*, which is called *name*: ``entries`` by their safe paths, folders left out.

    Raises DataError for what is no sound zip, holds what no package may, or asks for more than *limits*.
    """

    def __init__(self, file: IO[bytes], name: str, limits: Limits) -> None:
        self._file, self._name, self._limits = file, name, limits
        self._bytes = file.seek(0, os.SEEK_END)
        self.entries = self._read_directory()

    def text(self, zipped: zipfile.ZipInfo) -> bytes:
        """All of a member, which must not be larger than texts are."""
        if zipped.file_size > MOST_TEXT_BYTES:
            raise DataError(
                f"{self._name}: {quoted(zipped.filename)} has {zipped.file_size} bytes, "
                f"where {MOST_TEXT_BYTES} are allowed.",
                member=zipped.filename,
            )
        return b"".join(self.pieces(zipped))

    def _read_directory(self) -> dict[str, zipfile.ZipInfo]:
        """The files by name; what a zip may hold and no wheel does is refused."""
        found: dict[str, zipfile.ZipInfo] = {}
        with open_zip(self._file, self._name, MOST_DIRECTORY_BYTES) as archive:
            check_end(self._file, archive, self._name)
            listed = archive.infolist()
        if len(listed) > self._limits.members:
            raise DataError(
                f"{self._name} has {len(listed)} members, where {self._limits.members} are allowed."
            )
        for zipped in listed:
            name = self._decoded(zipped)
            if name.endswith("/"):
                safe_path(name, self._name)
                continue
            path = safe_path(name, self._name)
            self._check_entry(zipped, path)
            if path in found:
                raise DataError(f"{self._name} holds {quoted(path)} twice.", member=path)
            found[path] = zipped
        total = sum(each.file_size for each in found.values())
        if total > self._limits.content_bytes:
            raise DataError(
                f"{self._name} unpacks to {total} bytes, where {self._limits.content_bytes} are allowed."
            )
        return found

    def _decoded(self, zipped: zipfile.ZipInfo) -> str:
        """The member's name, which is UTF-8 also where the zip does not say so."""
        name = zipped.orig_filename
        if "\0" in name:
            raise DataError(f"{self._name}: the member {quoted(name)} holds a NUL character.", member=name)
        if name.isascii() or zipped.flag_bits & _UTF8:
            return name
        try:
            return name.encode("cp437").decode("utf-8")
        except UnicodeError:
            raise DataError(
                f"{self._name}: the name of the member {quoted(name)} is not UTF-8.", member=name
            ) from None

    def _check_entry(self, zipped: zipfile.ZipInfo, path: str) -> None:
        mode = zipped.external_attr >> 16
        if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            kind = "a symlink" if stat.S_ISLNK(mode) else "no regular file"
            raise DataError(
                f"{self._name}: the member {quoted(path)} is {kind}, which no wheel may hold.", member=path
            )
        if zipped.flag_bits & _ENCRYPTED:
            raise DataError(f"{self._name}: the member {quoted(path)} is encrypted.", member=path)
        if zipped.compress_type not in (_STORED, _DEFLATED):
            raise DataError(
                f"{self._name}: the member {quoted(path)} is compressed in a way that no wheel is "
                f"(method {zipped.compress_type}).",
                member=path,
            )

    def pieces(self, zipped: zipfile.ZipInfo) -> Iterator[bytes]:
        """The decompressed content, which must be as long as the directory says and have its CRC."""
        left = self._seek(zipped)
        size, crc = 0, 0
        inflate = zlib.decompressobj(-15) if zipped.compress_type == _DEFLATED else None
        try:
            for piece in self._inflated(inflate, left) if inflate else self._raw(left):
                size += len(piece)
                if size > zipped.file_size:
                    break
                crc = zlib.crc32(piece, crc)
                yield piece
        except zlib.error as error:
            raise self._damaged(zipped, str(error)) from None
        if size != zipped.file_size:
            raise self._damaged(zipped, "it has another size than the zip states")
        if crc != zipped.CRC:
            raise self._damaged(zipped, "its CRC is another than the zip states")

    def _seek(self, zipped: zipfile.ZipInfo) -> int:
        """Stand at the content of a member; its length in the file."""
        if not 0 <= zipped.header_offset < self._bytes:
            raise self._damaged(zipped, "the zip names a place outside of itself")
        self._file.seek(zipped.header_offset)
        header = self._file.read(_LOCAL.size)
        if len(header) < _LOCAL.size or header[:4] != _LOCAL_MARK:
            raise self._damaged(zipped, "the zip has no member at its place")
        _, name_bytes, extra_bytes = _LOCAL.unpack(header)
        name = self._file.read(name_bytes)
        encoding = "utf-8" if zipped.flag_bits & _UTF8 else "cp437"
        if name.decode(encoding, "replace") != zipped.orig_filename:
            raise self._damaged(zipped, "the zip calls it otherwise at its place")
        self._file.seek(extra_bytes, os.SEEK_CUR)
        return zipped.compress_size

    def _raw(self, left: int) -> Iterator[bytes]:
        while left and (piece := self._file.read(min(left, CHUNK_BYTES))):
            left -= len(piece)
            yield piece

    def _inflated(self, inflate: zlib._Decompress, left: int) -> Iterator[bytes]:
        for piece in self._raw(left):
            while piece:
                if data := inflate.decompress(piece, CHUNK_BYTES):
                    yield data
                piece = inflate.unconsumed_tail  # noqa: PLW2901 - what the limit left.
        while not inflate.eof and (data := inflate.decompress(b"", CHUNK_BYTES)):
            yield data

    def _damaged(self, zipped: zipfile.ZipInfo, why: str) -> DataError:
        return DataError(
            f"{self._name}: the member {quoted(zipped.filename)} is damaged: {why}.", member=zipped.filename
        )
