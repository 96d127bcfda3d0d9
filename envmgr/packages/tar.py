"""A streaming reader of tar archives: chunks of bytes in, members out.

It reads what package archives hold: ustar, GNU long names and links, pax headers; regular files, directories,
symbolic and hard links. Devices, fifos, sparse files and multi-volume parts are refused, because no package
needs them. Every byte is looked at once and nothing is kept but one chunk, so an archive of any size is read in
constant memory.

Paths are handed on as they are written: whether a path is safe is `packages.member_paths`' business. The reader
is lazy and forward only: the content of a member can be read until the next member is asked for.
"""

from __future__ import annotations

import enum
import zlib
from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK = 512

_ZERO_BLOCK = bytes(BLOCK)
_BLANK_CHECKSUM = b" " * 8
_ADLER_BASE = 65521
_PAX_KEYS = (b"path", b"linkpath", b"size")


class Kind(enum.Enum):
    """What a member is; the value is the word that a reader sees."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hard link"


class Member(NamedTuple):
    """One entry of an archive; ``target`` is empty but for links, ``size`` (bytes) is 0 but for files."""

    path: str
    kind: Kind
    mode: int
    size: int
    target: str


class Limits(Struct, frozen=True):
    """How much an archive may ask for before it is taken for a bomb.

    Attributes:
        content_bytes: the sizes of all files together.
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
    b"S": "a sparse file",
    b"M": "the rest of a file from another volume",
    b"V": "a volume label",
}


class TarReader:
    """Iterates over the members of one tar archive.

    *chunks* yields the uncompressed bytes in pieces of any size; a piece is not looked at any more once the next
    one was asked for, so that the source may fill one buffer again and again. *name* stands for the archive in
    messages. Iteration raises DataError for anything that is no sound tar, and for one that breaks off.

    >>> for member in TarReader(chunks, "a-1.0-0.tar.bz2"):
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
        """The current file's bytes, in pieces that are valid until the next one is asked for."""
        while self._left:
            if self._at == len(self._chunk):
                self._fetch()
            end = min(self._at + self._left, len(self._chunk))
            piece = self._chunk[self._at : end]
            self._left -= end - self._at
            self._at = end
            yield piece

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
        path = raw.decode("utf-8", "surrogateescape")
        if kind is None:
            raise self._refuse(path, flag)
        if b"GNU.sparse" in pax:
            raise self._refuse(path, b"S")
        stated = pax.get(b"size")
        size = self._number(header[124:136] if stated is None else stated, path, 8 if stated is None else 10)
        if kind is Kind.FILE and raw.endswith(b"/"):
            kind = Kind.DIRECTORY
        if kind is not Kind.FILE:
            size = 0
        self._spend(size, path)
        self._left, self._padding = size, -size % BLOCK
        target = ""
        if kind is Kind.SYMLINK or kind is Kind.HARDLINK:
            link = pax[b"linkpath"] if b"linkpath" in pax else header[157:257].split(b"\0", 1)[0]
            target = link.decode("utf-8", "surrogateescape")
        return Member(path, kind, self._number(header[100:108], path, 8) & 0o7777, size, target)

    def _pax(self, header: bytes) -> dict[bytes, bytes]:
        """The keywords of a pax header that matter here (POSIX.1-2001, "pax Header Block")."""
        body = self._extension(header)
        found: dict[bytes, bytes] = {}
        at = 0
        while at < len(body) and body[at] != 0:
            blank = body.find(b" ", at, at + 20)
            length = int(body[at:blank]) if blank > at and body[at:blank].isdigit() else 0
            line = body[blank + 1 : at + length]
            if length <= blank - at or at + length > len(body) or not line.endswith(b"\n"):
                raise self._damage("holds a pax header that does not follow its format")
            key, _, value = line[:-1].partition(b"=")
            if key in _PAX_KEYS:
                found[key] = value
            elif key.startswith(b"GNU.sparse."):
                found[b"GNU.sparse"] = value
            at += length
        return found

    def _long_text(self, header: bytes) -> bytes:
        return self._extension(header).split(b"\0", 1)[0]

    def _extension(self, header: bytes) -> bytes:
        """The content of a header member (a long name or pax keywords), with its padding passed over."""
        size = self._number(header[124:136], "a header", 8)
        if size > self._limits.header_bytes:
            raise self._damage(
                f"holds a header of {size} bytes, where {self._limits.header_bytes} are allowed"
            )
        return self._take(size + -size % BLOCK)[:size]

    def _number(self, field: bytes, path: str, base: int) -> int:
        """A number in octal, in decimal (pax) or, with the first bit set, in base 256 (GNU)."""
        if base == 8 and field[0] & 0x80:
            return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
        digits = field.split(b"\0", 1)[0].strip()
        if not digits:
            return 0
        try:
            if not digits.isdigit():
                raise ValueError
            return int(digits, base)
        except ValueError:
            raise self._damage(f"gives no number where the size or mode of {path!r} belongs") from None

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

    def _spend(self, size: int, path: str) -> None:
        self._budget -= size
        if self._budget < 0:
            allowed = self._limits.content_bytes
            raise self._damage(f"unpacks to more than {allowed} bytes (reached at {path!r})")

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
        """Reads what follows the end mark, so that a broken stream behind it is noticed."""
        for chunk in self._chunks:
            self._spend(len(chunk), "the end of the archive")

    def _refuse(self, path: str, flag: bytes) -> DataError:
        what = _REFUSED.get(flag, f"of the unknown type {flag.decode('latin-1')!r}")
        return DataError(
            f"{self._name}: the member {path!r} is {what}, which no package may hold.", member=path
        )

    def _damage(self, what: str) -> DataError:
        return DataError(f"{self._name} {what}; the archive is damaged or was not made for conda.")


def _header_path(header: bytes) -> bytes:
    name = header[:100].split(b"\0", 1)[0]
    if header[257:263] == b"ustar\0" and header[345]:
        return header[345:500].split(b"\0", 1)[0] + b"/" + name
    return name
