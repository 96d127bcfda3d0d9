"""Names and digests of shards in rows: each name is found, nothing else is, and a broken row is no answer."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing

import pytest

from envmgr.channels.shards import ShardIndex, parse_shard_index
from envmgr.channels.store import DamagedIndexError, IndexStore, State
from envmgr.channels.urls import Source
from envmgr.models.channel import Channel
from tests.shards import packed

SOURCE = Source(Channel("c", "https://example.org/c"), "linux-64")
STATE = State(url=SOURCE.url, form="shards")
NAMES = [f"p{number:04}" for number in range(1, 400, 2)] + ["_x", "ü", "z\0z", "\U0001f40d"]


def digest_of(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def stored_shards(store: IndexStore, names: list[str]):
    shards = {name: digest_of(name) for name in names}
    return store.replace_shards(SOURCE, STATE, ShardIndex(None, "./", {}, shards, 0))


@pytest.fixture
def store(tmp_path):
    return IndexStore(tmp_path / "index")


def test_each_name_is_found_wherever_its_row_begins_and_no_other(store):
    stored = stored_shards(store, NAMES)
    for name in NAMES:
        (part,) = stored.parts(name)
        assert part.digest == digest_of(name)
    for name in [
        "",
        "A",
        "~",
        "\U0010ffff",
        "p0001\np0003",
        *(f"p{number:04}" for number in range(0, 402, 2)),
    ]:
        assert stored.parts(name) == []
    assert stored.names() == sorted(NAMES)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 128])
def test_any_number_of_names_is_kept(store, count):
    stored = stored_shards(store, NAMES[:count])
    assert stored.names() == NAMES[:count]
    assert [part.digest for name in NAMES[:count] for part in stored.parts(name)] == [
        digest_of(name) for name in NAMES[:count]
    ]


def test_a_row_whose_names_and_digests_do_not_belong_together_is_damage(store):
    stored_shards(store, NAMES).close()
    with closing(sqlite3.connect(store.path_of(SOURCE))) as connection, connection:
        connection.execute("UPDATE shard SET names = replace(names, 'p0101', 'p01' || char(10) || '1')")
    stored = store.open(SOURCE)
    for ask in (lambda: stored.parts("p0103"), stored.names, lambda: stored.newest_of({bytes(32)})):
        with pytest.raises(DamagedIndexError, match="a row of shards is not what it was"):
            ask()
    assert stored.parts("p0399")[0].digest == digest_of("p0399")


def test_names_and_digests_that_cannot_be_are_left_out_and_counted():
    good = {"a": bytes(32), "ü": bytes(32)}
    for odd in ({"": bytes(32)}, {"a\nb": bytes(32)}, {"b": b"short"}, {"b": "00" * 32}, {"b": None}):
        index = parse_shard_index(packed({"version": 1, "info": {}, "shards": {**good, **odd}}))
        assert (dict(index.shards), index.skipped) == (good, 1)
    index = parse_shard_index(packed({"version": 1, "info": {}, "shards": {**good, "B": b"x" * 32}}))
    assert (dict(index.shards), index.skipped) == ({**good, "b": b"x" * 32}, 0)
