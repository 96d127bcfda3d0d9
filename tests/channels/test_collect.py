"""What is collected in the index folder, what stays, and that whoever misses a file gets it again."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from contextlib import closing

import pytest

from envmgr.channels.client import ChannelClient, SyncOptions
from envmgr.channels.collect import collect
from envmgr.channels.kept_files import is_collection_due
from envmgr.channels.store import IndexStore
from envmgr.channels.urls import WHOLE_FORMS
from envmgr.models.channel import Channel
from envmgr.net.transport import AnyTransport
from envmgr.ports import FixedClock, RecordingReporter
from tests.builders import make_channel, pkg
from tests.shards import write_shards

DAY = 86_400
LARGE = 1 << 40


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "index"


def sync(folder, channel, **options):
    client = ChannelClient(
        AnyTransport(lambda: pytest.fail("nothing is to be asked of the network")),
        IndexStore(folder),
        FixedClock(time.time()),
        RecordingReporter(),
        SyncOptions(**options),
    )
    return client.sync([Channel.parse(str(channel))], ["linux-64", "noarch"])


def versions(index, name):
    return [record.version for record in index.records(name)]


def make_old(folder, days):
    moment = time.time() - days * DAY
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # A file may still be on its way to its name.
            os.utime(path, (moment, moment))


def files(folder, kind=""):
    return sorted(path for path in (folder / kind).rglob("*") if path.is_file() and path.name != ".collected")


@pytest.fixture
def channel(tmp_path):
    made = make_channel(
        tmp_path / "channel", [pkg("a", "1.0"), pkg("b", "1.0"), pkg("c", "1.0", noarch="generic")]
    )
    write_shards(made, remove_others=False)
    return made


def fill(folder, channel):
    index = sync(folder, channel)
    assert [versions(index, name) for name in "abc"] == [["1.0"]] * 3
    index.close()


def test_what_an_index_names_stays_and_what_none_names_any_more_goes(folder, channel):
    fill(folder, channel)
    before = files(folder, "shards")
    make_channel(channel, [pkg("a", "2.0"), pkg("b", "1.0")])
    write_shards(channel)
    assert versions(sync(folder, channel), "a") == ["2.0"]
    make_old(folder, 2)
    removed = collect(folder, LARGE)
    gone = set(before) - set(files(folder, "shards"))
    assert removed.files == len(gone) == 2, (
        "the old shards of a and of c, which the channel does not have any more"
    )
    assert removed.bytes > 0
    assert versions(sync(folder, channel, offline=True), "a") == ["2.0"]


def test_a_former_shard_stays_until_its_successor_is_here(folder, channel):
    fill(folder, channel)
    before = files(folder, "shards")
    make_channel(channel, [pkg("a", "2.0"), pkg("b", "1.0")])
    write_shards(channel)
    sync(folder, channel).close()
    make_old(folder, 2)
    assert collect(folder, LARGE).files == 1, "the shard of c, which the channel does not have any more"
    assert versions(sync(folder, channel), "a") == ["2.0"]
    make_old(folder, 2)
    assert collect(folder, LARGE).files == 1
    assert len(set(before) & set(files(folder, "shards"))) == 1, "that of b"


def test_a_file_of_an_earlier_layout_names_nothing(folder, channel):
    fill(folder, channel)
    for path in folder.glob("*.sqlite"):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP TABLE shard")
            connection.execute("PRAGMA user_version = 1")
    make_old(folder, 2)
    collect(folder, LARGE)
    assert files(folder, "shards") == []


def test_a_shard_that_was_fetched_a_moment_ago_stays_whatever_names_it(folder, channel):
    fill(folder, channel)
    for path in folder.glob("*.sqlite"):
        path.unlink()
    before = files(folder)
    assert collect(folder, LARGE).files == 0
    assert files(folder) == before


def test_nothing_is_known_of_shards_while_an_index_cannot_be_read(folder, channel):
    fill(folder, channel)
    for path in folder.glob("*.sqlite"):
        path.write_bytes(b"no database")
    make_old(folder, 2)
    before = files(folder, "shards")
    collect(folder, LARGE)
    assert files(folder, "shards") == before


def test_tables_that_nobody_used_for_a_month_go(folder, channel):
    fill(folder, channel)
    make_old(folder, 29)
    used, *others = files(folder, "tables")
    assert collect(folder, LARGE).files == 0
    make_old(folder, 31)
    os.utime(used)
    collect(folder, LARGE)
    assert others
    assert files(folder, "tables") == [used]


def test_reading_a_table_or_a_shard_notes_that_it_was_used(folder, channel):
    fill(folder, channel)
    make_old(folder, 3)
    versions(sync(folder, channel), "a")
    today = [path for path in files(folder) if time.time() - path.stat().st_mtime < DAY]
    assert {path.parent.name for path in today} >= {"tables", "shards"}


def test_what_killed_processes_left_goes_after_a_day(folder, channel):
    fill(folder, channel)
    leftover = files(folder, "shards")[0].with_name("abc.123.new")
    leftover.write_bytes(b"half a shard")
    collect(folder, LARGE)
    assert leftover.exists()
    make_old(folder, 2)
    collect(folder, LARGE)
    assert not leftover.exists()


def test_more_than_the_cap_is_removed_the_longest_unused_first_and_indexes_last(folder, channel):
    fill(folder, channel)
    make_old(folder, 2)
    indexes = sorted(folder.glob("*.sqlite"))
    oldest = files(folder, "tables")[-1]
    os.utime(oldest, (1, 1))
    total = sum(path.stat().st_size for path in files(folder))
    collect(folder, total - 1)
    assert not oldest.exists()
    assert len(files(folder, "tables")) == 2
    collect(folder, sum(path.stat().st_size for path in indexes))
    assert files(folder) == indexes
    assert collect(folder, 0).files == len(indexes)
    assert versions(sync(folder, channel), "a") == ["1.0"]


def test_the_store_of_whole_indexes_and_the_folders_of_users_count_as_one(folder, channel):
    fill(folder, channel)
    fill(folder / "whole", channel)
    for kind in ("shards", "tables"):
        (folder / f"{kind}-1000").mkdir()
        (folder / f"{kind}-1000" / ("00" * 32)).write_bytes(bytes(1000))
    sync(folder / "whole", channel, forms=WHOLE_FORMS).close()
    make_old(folder, 2)
    assert collect(folder, LARGE).files >= 1
    assert not files(folder, "shards-1000"), "no index names it"
    assert files(folder, "tables-1000")
    size = sum(path.stat().st_size for path in files(folder))
    collect(folder, size // 2)
    assert sum(path.stat().st_size for path in files(folder)) <= size // 2
    collect(folder, 0)
    assert files(folder) == []


def test_what_is_asked_of_all_names_is_collected_with_the_rest(folder, channel):
    fill(folder, channel)
    (folder / ".collected").touch()
    make_old(folder, 40)
    sync(folder / "whole", channel, forms=WHOLE_FORMS, most_bytes=0).close()
    assert not files(folder, "tables"), "an update of the one collects both"
    assert not (folder / "whole/.collected").exists()


def test_what_was_used_today_stays_however_large(folder, channel):
    fill(folder, channel)
    before = files(folder)
    assert collect(folder, 0).files == 0
    assert files(folder) == before


def test_it_is_due_once_a_day(folder):
    folder.mkdir()
    now = time.time()
    assert not is_collection_due(folder, now), "a folder that is new has nothing to collect"
    assert not is_collection_due(folder, now + DAY - 60)
    assert is_collection_due(folder, now + DAY + 60)
    collect(folder, LARGE, now + DAY + 60)
    assert not is_collection_due(folder, now + DAY + 120)


def test_an_update_collects_when_it_is_collection_due(folder, channel):
    fill(folder, channel)
    make_channel(channel, [pkg("a", "2.0")])
    write_shards(channel)
    (folder / ".collected").touch()
    make_old(folder, 40)
    sync(folder, channel, most_bytes=LARGE).close()
    assert files(folder, "tables") == []
