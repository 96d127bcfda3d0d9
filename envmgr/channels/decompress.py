"""Zstandard and bzip2 as streams: bytes in, bytes out, in pieces whose size is bounded. Pure.

The frame's end is checked, because a body that was cut off would otherwise pass for a short one. For the same
reason no bytes at all are no compressed text: an empty text has a frame, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A hostile frame can blow a few bytes up to 128 KiB, so the input is fed in small slices: 64 MiB at the worst.
_SLICE_BYTES = 2048
_LARGEST_PIECE = 1 << 20
# Indexes shrink to a tenth, and made-up ones to a fiftieth. What exceeds this holds no records.
LARGEST_RATIO = 200
UNMEASURED_BYTES = 64 << 20


def unpack_text(form: str, body: Iterable[bytes]) -> Iterator[bytes]:
    """The text of an index in the *form* "zst", "bz2" or "json" from its *body* as it arrives.

    Raises DataError for what is not in that form, and for a text of which more than `UNMEASURED_BYTES` came out
    when it is more than `LARGEST_RATIO` times as long as the body until there.
    """
    arrived = unpacked = 0

    def counted() -> Iterator[bytes]:
        nonlocal arrived
        for chunk in body:
            arrived += len(chunk)
            yield chunk

    if form not in ("zst", "bz2"):
        yield from body
        return
    for piece in decompress_zstd(counted()) if form == "zst" else decompress_bz2(counted()):
        unpacked += len(piece)
        if unpacked > max(UNMEASURED_BYTES, LARGEST_RATIO * arrived):
            raise DataError(f"it unpacks to more than {LARGEST_RATIO} times its size.")
        yield piece


def decompress_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What *chunks*, the bytes of one or more zstd frames, unpack to.

    Raises DataError when they are no zstd, end before their frame does, or are none.
    """
    import zstandard

    decompressor = zstandard.ZstdDecompressor()
    frame = None
    is_empty = True
    for chunk in chunks:
        is_empty = is_empty and not chunk
        for start in range(0, len(chunk), _SLICE_BYTES):
            rest = chunk[start : start + _SLICE_BYTES]
            while rest:
                frame = frame or decompressor.decompressobj()
                try:
                    unpacked = frame.decompress(rest)
                except zstandard.ZstdError:
                    raise DataError("it is not valid zstandard data.") from None
                if unpacked:
                    yield unpacked
                rest = frame.unused_data
                if frame.eof:
                    frame = None
    if is_empty:
        raise DataError("it is not valid zstandard data, as it is empty.")
    if frame is not None:
        raise DataError("its zstandard data ends too early.")


def decompress_bz2(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What *chunks*, the bytes of one or more bzip2 streams, unpack to.

    Raises DataError when they are no bzip2, end before their stream does, or are none.
    """
    import bz2

    decompressor = None
    is_empty = True
    for chunk in chunks:
        is_empty = is_empty and not chunk
        rest = chunk
        while rest:
            decompressor = decompressor or bz2.BZ2Decompressor()
            try:
                unpacked = decompressor.decompress(rest, _LARGEST_PIECE)
                while unpacked:
                    yield unpacked
                    unpacked = b"" if decompressor.eof else decompressor.decompress(b"", _LARGEST_PIECE)
            except OSError:
                raise DataError("it is not valid bzip2 data.") from None
            rest = decompressor.unused_data
            if decompressor.eof:
                decompressor = None
    if is_empty:
        raise DataError("it is not valid bzip2 data, as it is empty.")
    if decompressor is not None:
        raise DataError("its bzip2 data ends too early.")
