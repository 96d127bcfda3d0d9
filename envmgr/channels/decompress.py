"""Zstandard and bzip2 as streams: bytes in, bytes out, in pieces whose size is bounded. Pure.

The frame's end is checked, because a body that was cut off would otherwise pass for a short one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# A hostile frame can blow a few bytes up to 128 KiB, so the input is fed in small slices: 64 MiB at the worst.
_SLICE_BYTES = 2048
_LARGEST_PIECE = 1 << 20


def decompress_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What *chunks*, the bytes of one or more zstd frames, unpack to.

    Raises DataError when they are no zstd or end before their frame does.
    """
    import zstandard

    decompressor = zstandard.ZstdDecompressor()
    frame = None
    for chunk in chunks:
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
    if frame is not None:
        raise DataError("its zstandard data ends too early.")


def decompress_bz2(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What *chunks*, the bytes of one or more bzip2 streams, unpack to.

    Raises DataError when they are no bzip2 or end before their stream does.
    """
    import bz2

    decompressor = None
    for chunk in chunks:
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
    if decompressor is not None:
        raise DataError("its bzip2 data ends too early.")
