"""How large a shard and an index of shards may be, and what is left of frames that lie about it."""

from __future__ import annotations

import pytest
import zstandard

from envmgr.channels.shards import (
    LARGEST_INDEX_BYTES,
    LARGEST_SHARD_BYTES,
    parse_shard,
    parse_shard_index,
    unpacked,
)
from envmgr.errors import DataError


def frame(data: bytes, *, is_size_told: bool) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=is_size_told).compress(data)


@pytest.mark.parametrize("is_size_told", [True, False])
def test_what_is_as_large_as_the_limit_is_unpacked_and_a_byte_more_is_not(is_size_told):
    data = frame(b"x" * 1000, is_size_told=is_size_told)
    assert unpacked(data, 1000) == b"x" * 1000
    with pytest.raises(DataError, match="would unpack to more than"):
        unpacked(data, 999)


@pytest.mark.parametrize("is_size_told", [True, False])
def test_large_indexes_and_shards_are_refused(is_size_told):
    for read, limit in (
        (parse_shard_index, LARGEST_INDEX_BYTES),
        (lambda data: parse_shard(data, "a"), LARGEST_SHARD_BYTES),
    ):
        data = frame(bytes(limit + 1), is_size_told=is_size_told)
        with pytest.raises(DataError, match="would unpack to more than 128 MiB"):
            read(data)
