"""Shards that take more than their share: of memory, of names to look at, of bytes on the wire."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest
import zstandard

from envmgr.channels.shard_fetch import LARGEST_BODY_BYTES, ShardFetcher, Wanted
from envmgr.channels.shard_folder import ShardFolder
from envmgr.errors import ChannelError
from envmgr.net.http import HttpOptions, HttpTransport
from tests.servers import Fault, serve
from tests.shards import INDEX, packed

ROOT = Path(__file__).resolve().parents[2]
BOMBS = 8
UNPACKED = 120 << 20

CHILD = """
    import sys
    from envmgr.cli.main import run_command_line
    code = run_command_line(sys.argv[1:])
    peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("peak:", int(peak.split()[1]) >> 10)
    sys.exit(code)
"""


def record(name, *depends):
    return {"name": name, "version": "1.0", "build": "0", "build_number": 0, "depends": [*depends]}


def write_channel(folder, shards):
    """A channel of *shards*, name -> bytes, in linux-64."""
    (folder / "linux-64").mkdir(parents=True)
    digests = {name: hashlib.sha256(data).digest() for name, data in shards.items()}
    for name, data in shards.items():
        (folder / "linux-64" / f"{digests[name].hex()}.msgpack.zst").write_bytes(data)
    info = {"subdir": "linux-64", "shards_base_url": "", "base_url": ""}
    (folder / "linux-64" / INDEX).write_bytes(packed({"version": 1, "info": info, "shards": digests}))
    return folder


def bomb(name, *depends, tells_size):
    """A few kB that unpack to 120 MiB, of which nearly all means nothing."""
    shard = {"packages.conda": {f"{name}-1.0-0.conda": record(name, *depends)}, "junk": bytes(UNPACKED)}
    made = zstandard.ZstdCompressor(level=3, write_content_size=tells_size).compress(
        msgspec.msgpack.encode(shard)
    )
    assert len(made) < 20_000
    return made


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
@pytest.mark.parametrize("tells_size", [True, False])
def test_bombs_are_not_unpacked_side_by_side(tmp_path, tells_size):
    names = [f"a{number}" for number in range(BOMBS)]
    start = {"packages.conda": {"start-1.0-0.conda": record("start", *names)}}
    shards = {name: bomb(name, tells_size=tells_size) for name in names}
    folder = write_channel(tmp_path / "channel", {"start": packed(start), **shards})
    with serve(folder) as server:
        command = ["create", "-n", "x", "start", "--dry-run", "--override-channels", "-c", server.url]
        child = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(CHILD), *command, "--platform", "linux-64"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert child.returncode == 0, child.stderr
    assert "a7" in child.stdout + child.stderr
    assert int(child.stdout.rpartition("peak:")[2]) < 500, "MiB; side by side they take twice as many"


def test_no_more_names_are_looked_ahead_than_the_bound_allows(tmp_path):
    names = [f"a{number}" for number in range(50)]
    shards = {name: packed({"packages.conda": {f"{name}-1.0-0.conda": record(name)}}) for name in names}
    shards["start"] = packed({"packages.conda": {"start-1.0-0.conda": record("start", "__unix", *names)}})
    folder = write_channel(tmp_path / "channel", shards)
    with serve(folder) as server:
        wanted = {
            name: Wanted(
                digest := hashlib.sha256(data).digest(), f"{server.url}/linux-64/{digest.hex()}.msgpack.zst"
            )
            for name, data in shards.items()
        }
        fetcher = ShardFetcher(
            HttpTransport(HttpOptions(retries=0)),
            ShardFolder(tmp_path / "shards"),
            lambda name: [wanted[name]],
            most_ahead=20,
        )
        fetcher.look_ahead(["start"])
        for name in ["start", *names[:19]]:
            fetcher.get(wanted[name])
        assert len(server.paths) == 20
        fetcher.look_ahead(names)
        fetcher.get(wanted["a49"])
        fetcher.close()
        assert len(server.paths) == 21, "what is asked for is fetched, bound or not"


def test_a_shard_that_is_too_large_on_the_wire_is_refused(tmp_path):
    path = "/linux-64/x.msgpack.zst"
    with serve(tmp_path, faults={path: Fault(body=bytes(LARGEST_BODY_BYTES + 1))}) as server:
        fetcher = ShardFetcher(
            HttpTransport(HttpOptions(retries=0)), ShardFolder(tmp_path / "shards"), lambda _: []
        )
        with pytest.raises(ChannelError, match=r"x.msgpack.zst is larger than 32 MiB"):
            fetcher.get(Wanted(bytes(32), server.url + path))
        fetcher.close()
