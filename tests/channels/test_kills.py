"""Processes that are killed while they fetch an index leave nothing that is wrong, and nothing in the way."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from envmgr.channels.client import ChannelClient, SyncOptions
from envmgr.channels.collect import collect
from envmgr.channels.store import IndexStore
from envmgr.errors import ChannelError
from envmgr.models.channel import Channel
from envmgr.net.http import HttpTransport
from envmgr.ports import FixedClock, RecordingReporter
from tests.builders import make_channel, pkg
from tests.servers import Fault, serve
from tests.shards import write_shards

ROOT = Path(__file__).resolve().parents[2]
KILLS = 10
NAMES = [f"p{number:02}" for number in range(40)]

CHILD = """
import sys, time
from pathlib import Path
from envmgr.channels import client as client_module
from envmgr.channels.client import ChannelClient, SyncOptions
from envmgr.channels.store import IndexStore
from envmgr.models.channel import Channel
from envmgr.net.http import HttpTransport
from envmgr.ports import FixedClock, RecordingReporter

client_module._LARGE_BODY_BYTES = int(sys.argv[3])
print("ready", flush=True)
store, always = IndexStore(Path(sys.argv[1])), SyncOptions(max_age_seconds=0)
client = ChannelClient(HttpTransport(), store, FixedClock(0.0), RecordingReporter(), always)
index = client.sync([Channel.parse(sys.argv[2])], ["linux-64", "noarch"])
index.expect(index.names())
for name in index.names():
    index.records(name)
index.close()
"""


def sync(folder, url, **options):
    store = IndexStore(folder)
    client = ChannelClient(
        HttpTransport(),
        store,
        FixedClock(0.0),
        RecordingReporter(),
        SyncOptions(max_age_seconds=0, **options),
    )
    return client.sync([Channel.parse(url)], ["linux-64", "noarch"])


def packages(version):
    return [pkg(name, version, depends=NAMES[number + 1 : number + 2]) for number, name in enumerate(NAMES)]


@pytest.mark.parametrize("form", ["shards", "whole file", "whole file by another process"])
def test_what_a_killed_process_leaves_is_right_or_not_there(tmp_path, form):
    chance = random.Random(form)
    channel, folder = tmp_path / "channel", tmp_path / "index"
    versions = ["1.0"]
    make_channel(channel, packages("1.0"), zst=True)
    if form == "shards":
        write_shards(channel)
    with serve(channel, faults={"*": Fault(drip=0.002, drip_size=400)}) as server:
        for kill in range(KILLS):
            if kill == KILLS // 2:  # From here on it is an update that is killed.
                sync(folder, server.url).close()
                versions.append("2.0")
                make_channel(channel, packages("2.0"), zst=True)
                if form == "shards":
                    write_shards(channel)
            large = "1" if form.endswith("process") else "1000000000"
            arguments = [sys.executable, "-c", CHILD, str(folder), server.url, large]
            with subprocess.Popen(arguments, stdout=subprocess.PIPE, cwd=ROOT) as process:
                assert process.stdout
                assert process.stdout.readline() == b"ready\n"
                time.sleep(chance.uniform(0.0, 0.25))
                process.send_signal(signal.SIGKILL)
            check(folder, server.url, versions)
        server.faults.clear()
        index = sync(folder, server.url)
        assert [[each.version for each in index.records(name)] for name in NAMES] == [["2.0"]] * len(NAMES)
        index.close()
    long_ago = time.time() - 3 * 86_400
    for path in folder.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    collect(folder, 1 << 40)
    assert not list(folder.rglob("*.new")), "what was half written goes with the next collection"


def check(folder, url, versions):
    """Whatever can be read without the channel is what the channel had."""
    try:
        index = sync(folder, url, offline=True)
    except ChannelError as error:
        assert "is not on this machine" in str(error)
        return
    assert index.names() == NAMES
    for name in NAMES:
        try:
            (record,) = index.records(name)
        except ChannelError as error:
            assert "was never fetched" in str(error)
        else:
            assert record.version in versions
            assert record.fn == f"{name}-{record.version}-0.conda"
    index.close()
