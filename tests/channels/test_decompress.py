"""Zstandard streams: whole ones unpack, all others are refused."""

from __future__ import annotations

import itertools

import pytest
import zstandard

from envmgr.channels.decompress import decompress_zstd
from envmgr.errors import DataError

TEXT = b"".join(b"line %d of a text\n" % number for number in range(5000))


def frame(text: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(text)


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_chunks_of_any_size_unpack_to_the_same_text(size):
    data = frame(TEXT)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    assert b"".join(decompress_zstd(chunks)) == TEXT


def test_several_frames_and_empty_ones_follow_each_other():
    data = frame(b"one") + frame(b"") + frame(b"two")
    assert b"".join(decompress_zstd([data])) == b"onetwo"
    assert b"".join(decompress_zstd([frame(b"")])) == b""


def test_a_frame_cut_off_anywhere_is_refused():
    data = frame(b"a few words, and a few words more")
    for end in range(1, len(data)):
        with pytest.raises(DataError, match="ends too early"):
            list(decompress_zstd([data[:end]]))


def test_other_data_and_flipped_bits_are_refused():
    with pytest.raises(DataError, match="not valid zstandard"):
        list(decompress_zstd([b"<html>not found</html>"]))
    data = bytearray(frame(TEXT))
    data[-2] ^= 1
    with pytest.raises(DataError, match="not valid zstandard"):
        list(decompress_zstd([bytes(data)]))


def test_a_bomb_comes_out_in_bounded_pieces():
    data = frame(bytes(300 << 20))
    pieces = itertools.islice(decompress_zstd([data]), 2)
    assert max(map(len, pieces)) <= 65 << 20
