"""The maps of sparse tar members: which stretches of a file are stored, and where they belong.

GNU tar has four ways to write such a map (GNU tar manual, "Storing Sparse Files"): in a header of its own type with
blocks behind it (the old one), or in pax keywords (0.0, 0.1) or before the content (1.0). `packages.tar` finds the
numbers; this module judges them. What readers would take in different ways is refused: stretches out of order, and
one in the middle that ends inside of a block, after which some readers pass over the rest of the block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK = 512
_MOST_DIGITS = 20

MARK = b"GNU.sparse"
_LIST_KEYS = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")


class Extent(NamedTuple):
    """A stretch of a file that is stored: where it begins and how long it is, in bytes."""

    offset: int
    length: int


class Keywords(NamedTuple):
    """What pax keywords say of a sparse file: its size (bytes), and its map, None if that precedes the content."""

    size: int
    numbers: list[int] | None


class MapLines:
    """Takes the blocks before a member's content (version 1.0): a count, then offsets and lengths in turn."""

    def __init__(self) -> None:
        self._rest = b""
        self._wanted = -1
        self.taken = 0
        self.numbers: list[int] = []

    def add(self, block: bytes) -> bool:
        """Takes one block and tells whether the map is whole; raises ValueError for what is no number."""
        self.taken += len(block)
        *lines, self._rest = (self._rest + block).split(b"\n")
        for line in lines:
            if self._wanted < 0:
                self._wanted = 2 * decimal(line)
            elif len(self.numbers) < self._wanted:
                self.numbers.append(decimal(line))
        if len(self.numbers) == self._wanted:
            return True
        if len(self._rest) > _MOST_DIGITS:
            raise ValueError("has something else than numbers in its map")
        return False


def decimal(text: bytes) -> int:
    """The number that *text* is; raises ValueError for anything but up to 20 digits."""
    if not text.isdigit() or len(text) > _MOST_DIGITS:
        raise ValueError("has something else than numbers in its map")
    return int(text)


def collect(found: dict[bytes, bytes], key: bytes, value: bytes) -> None:
    """Adds one ``GNU.sparse.*`` keyword of a pax header to *found*; those of 0.0 repeat and become one map."""
    found[MARK] = b""
    if key in _LIST_KEYS:
        found[b"GNU.sparse.list"] = found.get(b"GNU.sparse.list", b"") + key[11:12] + value + b","
    else:
        found[key] = value


def read_keywords(pax: dict[bytes, bytes]) -> Keywords:
    """The meaning of the ``GNU.sparse.*`` keywords together; raises ValueError where they state no one map."""
    listed, mapped = pax.get(b"GNU.sparse.list"), pax.get(b"GNU.sparse.map")
    version = (pax.get(b"GNU.sparse.major", b"0"), pax.get(b"GNU.sparse.minor", b"0"))
    sizes = {pax[key] for key in (b"GNU.sparse.size", b"GNU.sparse.realsize") if key in pax}
    if len(sizes) != 1:
        raise ValueError("does not state its size once")
    size = decimal(sizes.pop())
    if version == (b"1", b"0") and listed is None and mapped is None:
        return Keywords(size, None)
    if version[0] != b"0" or (listed is None) == (mapped is None):
        raise ValueError("has its map in no known form")
    fields = mapped.split(b",") if mapped else []
    if listed is not None:
        fields = listed[:-1].split(b",")
        if any(field[:1] != b"on"[at % 2 : at % 2 + 1] for at, field in enumerate(fields)):
            raise ValueError("has a map whose offsets and lengths do not take turns")
        fields = [field[1:] for field in fields]
    numbers = [decimal(field) for field in fields]
    if 2 * decimal(pax.get(b"GNU.sparse.numblocks", b"%d" % (len(numbers) // 2))) != len(numbers):
        raise ValueError("has a map of another length than it states")
    return Keywords(size, numbers)


def read_map(numbers: Sequence[int], size: int, stored: int) -> tuple[Extent, ...]:
    """The stretches that hold something, in order.

    *numbers* are offsets and lengths in turn, *size* is the file's real size and *stored* that of its content in
    the archive, all in bytes. Raises ValueError where they do not go together; the text says what the file has.
    """
    if len(numbers) % 2:
        raise ValueError("has a map that ends with an offset")
    found = []
    end = total = 0
    for offset, length in zip(numbers[::2], numbers[1::2], strict=True):
        if offset < end or offset + length > size:
            raise ValueError("has a map whose stretches overlap or lie behind the file's end")
        end = offset + length
        if length:
            if total % _BLOCK:
                raise ValueError("has a map with a stretch in the middle that ends inside of a block")
            found.append(Extent(offset, length))
            total += length
    if total != stored:
        raise ValueError(f"has a map of {total} bytes, where {stored} are stored")
    return tuple(found)
