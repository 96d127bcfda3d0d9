"""Zstandard streams: whole ones unpack, all others are refused."""

from __future__ import annotations

import bz2
import itertools

import pytest
import zstandard

from envmgr.channels.decompress import UNMEASURED_BYTES, decompress_bz2, decompress_zstd, unpack_text
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


@pytest.mark.parametrize("decompress", [decompress_zstd, decompress_bz2])
@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_no_bytes_at_all_are_refused(decompress, chunks):
    with pytest.raises(DataError, match="it is empty"):
        list(decompress(chunks))


@pytest.mark.parametrize("form", ["zst", "bz2", "json"])
def test_a_text_comes_out_of_every_form(form):
    text = TEXT * 20
    data = {"zst": frame, "bz2": bz2.compress, "json": bytes}[form](text)
    assert b"".join(unpack_text(form, [data[:9], data[9:]])) == text


@pytest.mark.parametrize("form", ["zst", "bz2"])
def test_a_text_that_is_much_larger_than_its_body_is_refused(form):
    compress = {"zst": frame, "bz2": bz2.compress}[form]
    body = compress(b" " * (70 << 20))
    came_out = 0
    with pytest.raises(DataError, match="it unpacks to more than 200 times its size"):
        for piece in unpack_text(form, [body[start : start + 1000] for start in range(0, len(body), 1000)]):
            came_out += len(piece)
    assert came_out <= UNMEASURED_BYTES
    small = compress(b" " * (60 << 20))
    assert sum(map(len, unpack_text(form, [small]))) == 60 << 20
