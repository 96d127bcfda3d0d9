"""A streaming reader of tar archives: chunks of bytes in, members out.

It reads what package archives hold: ustar, GNU long names and links, pax headers; regular files (sparse ones too,
see `packages.sparse`), directories, symbolic and hard links. Devices, fifos and multi-volume parts are refused,
because no package needs them. Every byte is looked at once and nothing is kept but one chunk, so an archive of any
size is read in constant memory.

Paths are handed on as they are written: whether a path is safe is `packages.member_paths`' business. Only names
that are no UTF-8 are refused here. The reader is lazy and forward only: the content of a member can be read until
the next member is asked for.
"""

from __future__ import annotations

import enum
import zlib
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.packages import sparse
from envmgr.packages.member_paths import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512

_ZERO_BLOCK = bytes(BLOCK)
_BLANK_CHECKSUM = b" " * 8
_ADLER_BASE = 65521
_GNU_MAGIC = b"ustar  \0"
_MOST_DIGITS = 20
_PAX_KEYS = (b"path", b"linkpath", b"size")


class Kind(enum.Enum):
    """What a member is; the value is the word that a reader sees."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hard link"


class Member(NamedTuple):
    """One entry of an archive; ``target`` is empty but for links, ``size`` (bytes) is 0 but for files.

    ``extents`` is None but for sparse files: the stretches that are stored. All else of ``size`` is zeros.
    """

    path: str
    kind: Kind
    mode: int
    size: int
    target: str
    extents: tuple[sparse.Extent, ...] | None = None


class Limits(Struct, frozen=True):
    """How much an archive may ask for before it is taken for a bomb.

    Attributes:
        content_bytes: the sizes of all files together, holes included, and of the headers that precede others.
        members: how many entries there may be.
        header_bytes: the size of one long name or pax header.
    """

    content_bytes: int = 1 << 40
    members: int = 2_000_000
    header_bytes: int = 1 << 20


_KINDS = {
    b"0": Kind.FILE,
    b"\0": Kind.FILE,
    b"7": Kind.FILE,
    b"1": Kind.HARDLINK,
    b"2": Kind.SYMLINK,
    b"5": Kind.DIRECTORY,
}
_REFUSED = {
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a fifo",
    b"M": "the rest of a file from another volume",
    b"V": "a volume label",
}


class TarReader:
    """Iterates over the members of one tar archive.

    *chunks* yields the uncompressed bytes in pieces of any size; a piece is not looked at any more once the next
    one was asked for, so that the source may fill one buffer again and again. *name* stands for the archive in
    messages. Iteration raises DataError for anything that is no sound tar, and for one that breaks off.

    >>> for member in (reader := TarReader(iter([bytes(1024)]), "a-1.0-0.tar.bz2")):
    ...     data = b"".join(reader.content())
    """

    def __init__(self, chunks: Iterator[bytes | memoryview], name: str, limits: Limits | None = None) -> None:
        self._chunks = chunks
        self._name = name
        self._limits = limits or Limits()
        self._chunk: memoryview = memoryview(b"")
        self._at = 0
        self._left = 0
        self._padding = 0
        self._budget = self._limits.content_bytes

    def __iter__(self) -> Iterator[Member]:
        shared: dict[bytes, bytes] = {}
        for _ in range(self._limits.members):
            member = self._next_member(shared)
            if member is None:
                return self._drain()
            yield member
            self._skip(self._left + self._padding)
            self._left = self._padding = 0
        raise self._damage(f"holds more than {self._limits.members} members")

    def content(self) -> Iterator[memoryview]:
        """The current file's stored bytes, in pieces that are valid until the next one is asked for.

        That is the whole file, but for a sparse one, whose bytes belong to its extents: see `segments`.
        """
        while self._left:
            if self._at == len(self._chunk):
                self._fetch()
            end = min(self._at + self._left, len(self._chunk))
            piece = self._chunk[self._at : end]
            self._left -= end - self._at
            self._at = end
            yield piece

    def segments(self, extents: tuple[sparse.Extent, ...]) -> Iterator[tuple[int, memoryview]]:
        """The stored bytes of the current, sparse file, each piece with its offset in the file."""
        todo = iter(extents)
        offset = left = 0
        for piece in self.content():
            at = 0
            while at < len(piece):
                if not left:
                    offset, left = next(todo)
                step = min(left, len(piece) - at)
                yield offset, piece[at : at + step]
                at, offset, left = at + step, offset + step, left - step

    def read(self, member: Member) -> bytes:
        """All of *member*, which is the current file and must be small."""
        if member.extents is None:
            return b"".join(bytes(piece) for piece in self.content())
        whole = bytearray(member.size)
        for offset, piece in self.segments(member.extents):
            whole[offset : offset + len(piece)] = piece
        return bytes(whole)

    def _next_member(self, shared: dict[bytes, bytes]) -> Member | None:
        """The next real member, with the headers before it applied; None at the end of the archive."""
        own: dict[bytes, bytes] = {}
        for _ in range(self._limits.members):
            header = self._take(BLOCK)
            if header == _ZERO_BLOCK:
                return None
            self._check_sum(header)
            flag = header[156:157]
            if flag == b"g":
                shared.update(self._pax(header))
                if sparse.MARK in shared:
                    raise self._damage("holds a global header that makes its files sparse")
            elif flag in (b"x", b"X"):
                own.update(self._pax(header))
            elif flag == b"L":
                own[b"path"] = self._long_text(header)
            elif flag == b"K":
                own[b"linkpath"] = self._long_text(header)
            else:
                return self._member(header, {**shared, **own} if shared else own)
        raise self._damage("holds nothing but headers")

    def _member(self, header: bytes, pax: dict[bytes, bytes]) -> Member:
        raw = pax.get(b"path") or _header_path(header)
        flag = header[156:157]
        kind = _KINDS.get(flag)
        path = self._text(raw)
        if kind is None or sparse.MARK in pax:
            return self._sparse_member(header, pax, path)
        size = self._size(header, pax, path)
        if kind is Kind.FILE and raw.endswith(b"/"):
            kind = Kind.DIRECTORY
        if kind is not Kind.FILE and size:
            # GNU tar passes over the content of folders and symlinks where others see the next header.
            if kind is not Kind.HARDLINK:
                raise self._damage(f"holds the {kind.value} {quoted(path)} with content, as none has")
            size = 0
        self.spend(size, path)
        self._left, self._padding = size, -size % BLOCK
        target = ""
        if kind is Kind.SYMLINK or kind is Kind.HARDLINK:
            link = pax[b"linkpath"] if b"linkpath" in pax else header[157:257].split(b"\0", 1)[0]
            target = self._text(link)
        return Member(path, kind, self._number(header[100:108], path) & 0o7777, size, target)

    def _sparse_member(self, header: bytes, pax: dict[bytes, bytes], path: str) -> Member:
        """A sparse file in any form; its real size counts, so holes cannot be a bomb."""
        flag = header[156:157]
        path = self._text(pax.get(b"GNU.sparse.name", b"")) or path
        old = flag == b"S" and header[257:265] == _GNU_MAGIC
        if old == (sparse.MARK in pax) or not (old or _KINDS.get(flag) is Kind.FILE):
            raise self._refuse(path, flag)
        stored = self._size(header, pax, path)
        try:
            if old:
                size, numbers = self._number(header[483:495], path), self._map_blocks(header, path)
            else:
                size, stated = sparse.read_keywords(pax)
                before = self._map_lines(stored) if stated is None else sparse.MapLines()
                numbers = before.numbers if stated is None else stated
                stored -= before.taken
            extents = sparse.read_map(numbers, size, stored)
        except ValueError as error:
            raise self._damage(f"holds the sparse file {quoted(path)}, which {error}") from None
        self.spend(size, path)
        self._left, self._padding = stored, -stored % BLOCK
        return Member(path, Kind.FILE, self._number(header[100:108], path) & 0o7777, size, "", extents)

    def _map_blocks(self, header: bytes, path: str) -> list[int]:
        """The map in a header of the old form, and in the blocks that follow it."""
        numbers: list[int] = []
        block, places, follows = header, range(386, 482, 24), 482
        for _ in range(self._limits.header_bytes // BLOCK):
            for at in places:
                if not block[at + 12]:
                    break
                numbers += (
                    self._number(block[at : at + 12], path),
                    self._number(block[at + 12 : at + 24], path),
                )
            else:
                if block[follows]:
                    self.spend(BLOCK, path)
                    block, places, follows = self._take(BLOCK), range(0, 504, 24), 504
                    continue
            if block[follows]:
                raise ValueError("has a map that goes on behind its end")
            return numbers
        raise ValueError(f"has a map of more than {self._limits.header_bytes} bytes")

    def _map_lines(self, stored: int) -> sparse.MapLines:
        """The map that precedes the content."""
        lines = sparse.MapLines()
        while lines.taken < min(stored, self._limits.header_bytes):
            if lines.add(self._take(BLOCK)):
                self.spend(lines.taken, "a map")
                return lines
        raise ValueError(f"has a map that does not end within {lines.taken} bytes")

    def _pax(self, header: bytes) -> dict[bytes, bytes]:
        """The keywords of a pax header that matter here (POSIX.1-2001, "pax Header Block")."""
        body = self._extension(header)
        found: dict[bytes, bytes] = {}
        at = 0
        while at < len(body) and body[at] != 0:
            blank = body.find(b" ", at, at + 20)
            length = int(body[at:blank]) if blank > at and body[at:blank].isdigit() else 0
            line = body[blank + 1 : at + length]
            if not length or length <= blank - at or at + length > len(body) or not line.endswith(b"\n"):
                raise self._damage("holds a pax header that does not follow its format")
            key, _, value = line[:-1].partition(b"=")
            if key in _PAX_KEYS:
                found[key] = value
            elif key.startswith(b"GNU.sparse."):
                sparse.collect(found, key, value)
            at += length
        return found

    def _long_text(self, header: bytes) -> bytes:
        return self._extension(header).split(b"\0", 1)[0]

    def _extension(self, header: bytes) -> bytes:
        """The content of a header member (a long name or pax keywords), with its padding passed over."""
        size = self._number(header[124:136], "a header")
        if size > self._limits.header_bytes:
            raise self._damage(
                f"holds a header of {size} bytes, where {self._limits.header_bytes} are allowed"
            )
        self.spend(BLOCK + size, "a header")
        return self._take(size + -size % BLOCK)[:size]

    def _size(self, header: bytes, pax: dict[bytes, bytes], path: str) -> int:
        """How many bytes of content follow."""
        stated = pax.get(b"size")
        if stated is None:
            return self._number(header[124:136], path)
        if not stated.isdigit() or len(stated) > _MOST_DIGITS:
            raise self._no_number(path)
        return int(stated)

    def _number(self, field: bytes, path: str) -> int:
        """A number in octal or, with the first bit set, in base 256 (GNU)."""
        if field[0] & 0x80:
            return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        digits = field.split(b"\0", 1)[0].strip()
        if not digits:
            return 0
        try:
            if not digits.isdigit():
                raise ValueError
            return int(digits, 8)
        except ValueError:
            raise self._no_number(path) from None

    def _no_number(self, path: str) -> DataError:
        return self._damage(f"gives no number where the size or mode of {quoted(path)} belongs")

    def _text(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            name = raw.decode("utf-8", "backslashreplace")
            raise DataError(
                f"{self._name}: the name {quoted(name)} is no UTF-8, as names in packages must be.",
                member=name,
            ) from None

    def _check_sum(self, header: bytes) -> None:
        """Compares the header with its own sum.

        Adler-32's low half is the sum of all bytes plus one, modulo its base: the same number that Python would
        need 512 additions for.
        """
        bare = header[:148] + _BLANK_CHECKSUM + header[156:]
        digits = header[148:156].strip(b" \0")
        stated = int(digits, 8) if digits.isdigit() and not digits.strip(b"01234567") else -1
        if stated >= 0 and (zlib.adler32(bare) & 0xFFFF) == (stated + 1) % _ADLER_BASE:
            return
        signed = sum(byte - 256 if byte > 127 else byte for byte in bare)
        if signed != stated or stated < 0:
            raise self._damage("holds a header whose checksum is wrong")

    def spend(self, size: int, path: str) -> None:
        """Counts *size* bytes more that *path* takes; raises DataError when that is too much."""
        self._budget -= size
        if self._budget < 0:
            allowed = self._limits.content_bytes
            raise self._damage(f"unpacks to more than {allowed} bytes (reached at {quoted(path)})")

    def _take(self, count: int) -> bytes:
        """The next *count* bytes as a copy."""
        end = self._at + count
        if end <= len(self._chunk):
            taken = bytes(self._chunk[self._at : end])
            self._at = end
            return taken
        pieces = []
        while count:
            if self._at == len(self._chunk):
                self._fetch()
            piece = bytes(self._chunk[self._at : self._at + count])
            self._at += len(piece)
            count -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def _skip(self, count: int) -> None:
        while count:
            if self._at == len(self._chunk):
                self._fetch()
            step = min(count, len(self._chunk) - self._at)
            self._at += step
            count -= step

    def _fetch(self) -> None:
        for chunk in self._chunks:
            if len(chunk):
                self._chunk, self._at = memoryview(chunk), 0
                return
        raise self._damage("breaks off before its end")

    def _drain(self) -> None:
        """Reads what follows the end mark: zeros, or another reader may see another package in it."""
        chunk: bytes | memoryview = self._chunk[self._at :]
        while True:
            if bytes(chunk).strip(b"\0"):
                raise self._damage("holds something behind its end mark")
            following = next(self._chunks, None)
            if following is None:
                return
            chunk = following
            self.spend(len(chunk), "the end of the archive")

    def _refuse(self, path: str, flag: bytes) -> DataError:
        what = _REFUSED.get(flag, f"of the unknown type {flag.decode('latin-1')!r}")
        if flag == b"S" or flag in _KINDS:
            what = "a sparse file in a form that nobody writes"
        return DataError(
            f"{self._name}: the member {quoted(path)} is {what}, which no package may hold.", member=path
        )

    def _damage(self, what: str) -> DataError:
        return DataError(f"{self._name} {what}; the archive is damaged or was not made for conda.")


def _header_path(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345]:
        return header[345:500].split(b"\0", 1)[0] + b"/" + name
    return name
