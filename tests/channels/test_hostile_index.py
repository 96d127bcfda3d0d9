"""What a channel may write into its index to deceive or to break: a sentence each, and no harm to others."""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest

from envmgr.channels import client as client_module
from envmgr.channels import shard_fetch
from envmgr.channels.client import ChannelClient, SyncOptions
from envmgr.channels.store import IndexStore
from envmgr.channels.tables import TableFolder
from envmgr.errors import ChannelError
from envmgr.models.channel import Channel
from envmgr.models.record import PackageRecord
from envmgr.models.record_table import columns_of
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.transport import AnyTransport
from envmgr.ports import FixedClock, RecordingReporter
from tests.builders import make_channel, pkg
from tests.servers import serve
from tests.shards import INDEX, packed, write_shards

if TYPE_CHECKING:
    from pathlib import Path

DEEP = b"[" * 200_000 + b"]" * 200_000


def record(version: str, **more: object) -> dict[str, object]:
    return {"name": "a", "version": version, "build": "0", "build_number": 0, "depends": [], **more}


def sync(folder: Path, url: object, reporter: RecordingReporter | None = None):
    """The index of a channel's noarch subdir, with a store in *folder* and a client as a new process has them."""
    transport = AnyTransport(lambda: HttpTransport(HttpOptions(retries=0, backoff_seconds=0)))
    client = ChannelClient(
        transport,
        IndexStore(folder / "index"),
        FixedClock(1_700_000_000.0),
        reporter or RecordingReporter(),
        SyncOptions(max_age_seconds=0),
    )
    return client.sync([Channel.parse(str(url))], ["noarch"])


def versions(index, name: str) -> list[str]:
    found = [each.version for each in index.records(name)]
    index.close()
    return found


@pytest.fixture
def good(tmp_path):
    return make_channel(tmp_path / "good", [pkg("a", "1.0", noarch="generic")])


def put(folder: Path, text: bytes) -> Path:
    (folder / "noarch").mkdir(parents=True, exist_ok=True)
    (folder / "noarch/repodata.json").write_bytes(text)
    return folder


def put_shards(folder: Path, shards: dict[str, bytes], **info: object) -> Path:
    """A channel of *shards* by name, each as the bytes that are served."""
    (folder / "noarch").mkdir(parents=True, exist_ok=True)
    digests = {name: hashlib.sha256(data).digest() for name, data in shards.items()}
    for name, data in shards.items():
        (folder / f"noarch/{digests[name].hex()}.msgpack.zst").write_bytes(data)
    index = {"version": 1, "info": {"subdir": "noarch", **info}, "shards": digests}
    (folder / "noarch" / INDEX).write_bytes(packed(index))
    return folder


def test_a_channel_that_calls_anothers_shard_by_another_name_spoils_no_table(tmp_path, good):
    write_shards(good)
    (shard,) = (good / "noarch/shards").iterdir()
    evil = put_shards(tmp_path / "evil", {"zz": shard.read_bytes()})
    assert versions(sync(tmp_path, evil), "zz") == []
    assert versions(sync(tmp_path, good), "a") == ["1.0"]
    assert versions(sync(tmp_path, evil), "zz") == []


def test_a_table_is_of_the_name_that_was_asked_for_or_it_is_none(tmp_path):
    tables = TableFolder(tmp_path / "tables")
    tables.write("k", columns_of([PackageRecord(name="A", version="1")]))
    tables.write("empty", columns_of(()))
    tables.flush()
    assert tables.read("k", "a") is not None
    assert tables.read("k", "b") is None
    assert tables.read("empty", "a") is None


def test_of_a_name_without_usable_records_the_table_is_kept_too(tmp_path):
    folder = put(
        tmp_path / "c", json.dumps({"packages.conda": {"a-1-0.conda": record("1", size=-1)}}).encode()
    )
    told = []
    for _ in range(2):
        reporter = RecordingReporter()
        assert versions(sync(tmp_path, folder, reporter), "a") == []
        told.append(reporter.warnings)
    assert len(list((tmp_path / "index/tables").iterdir())) == 1
    assert told[0] == told[1]
    assert "a-1-0.conda" in told[0][0]


def test_what_a_table_cannot_be_written_for_does_not_keep_others_from_being_written(tmp_path):
    tables = TableFolder(tmp_path / "tables")
    huge = columns_of([PackageRecord(name="a", version="1", build_number=2**70)])
    tables.write("huge", huge)
    tables.write("good", columns_of([PackageRecord(name="a", version="1")]))
    tables.flush()
    assert tables.read("huge", "a") is None
    assert tables.read("good", "a") is not None


def test_a_table_with_a_flipped_bit_is_none(tmp_path):
    tables = TableFolder(tmp_path / "tables")
    columns = columns_of([PackageRecord(name="a", version="1", depends=[os.urandom(40).hex()])])
    tables.write("k", columns)
    tables.flush()
    (path,) = (tmp_path / "tables").iterdir()
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert tables.read("k", "a") in (None, columns), f"byte {at}"


HOSTILE = [
    (b'{"packages.conda": {"a\xff-1-0.conda": {}}}', "a key is not UTF-8"),
    (b'{"info": {"x": "\xff"}}', "its 'info' is not valid: its text is not UTF-8"),
    (b'{"x\xff": {}}', "a key is malformed"),
    (b'{"removed": ["\xff"]}', "its 'removed' is not valid: its text is not UTF-8"),
    (b'{"packages.conda": {"a-1-0.conda": {"x": %b}}}' % DEEP, "a value is nested too deeply"),
    (b'{"packages.conda": {"b-1-0.conda": {}, "a-1-0.conda": %b}}' % DEEP, "a value is nested too deeply"),
    (b'{"info": {"x": %b}}' % DEEP, "its 'info' is not valid: it is nested too deeply"),
    (b'{"repodata_version": %b}' % DEEP, "its 'repodata_version' is not valid"),
    (b'{"x": {"y": %b}}' % DEEP, "a value is nested too deeply"),
    (b'{"info": {"base_url": "http://[::1/x"}}', "its base_url 'http://\\[::1/x' is no valid URL"),
    (b'{"info": {"base_url": "http://h/\\r\\nx"}}', "holds a line break"),
]


@pytest.mark.parametrize(("text", "complaint"), HOSTILE, ids=[complaint for _, complaint in HOSTILE])
@pytest.mark.parametrize("in_process", [False, True], ids=["here", "in a process"])
def test_hostile_text_is_refused_with_a_sentence(tmp_path, monkeypatch, text, complaint, in_process):
    if in_process:
        monkeypatch.setattr(client_module, "_LARGE_BODY_BYTES", 1)
    folder = put(tmp_path / "c", text)
    with serve(folder) as server, pytest.raises(ChannelError, match=complaint) as caught:
        sync(tmp_path, server.url)
    assert f"{server.url}/noarch/repodata.json" in str(caught.value)
    assert not list((tmp_path / "index").glob("*.sqlite"))


@pytest.mark.parametrize("field", [b'"summary": "\xff"', b'"license": "\xff"', b'"depends": ["\xff"]'])
def test_a_record_that_is_not_utf_8_is_left_out_by_name(tmp_path, field):
    text = json.dumps({"packages.conda": {"a-1-0.conda": record("1"), "a-2-0.conda": record("2", x=1)}})
    folder = put(tmp_path / "c", text.encode().replace(b'"x": 1', field))
    reporter = RecordingReporter()
    assert versions(sync(tmp_path, folder, reporter), "a") == ["1"]
    assert "a-2-0.conda" in reporter.warnings[0]


def test_a_stored_base_url_that_cannot_be_followed_is_damage(tmp_path, good):
    import sqlite3

    sync(tmp_path, good).close()
    (path,) = (tmp_path / "index").glob("*.sqlite")
    for key in ("base_url", "shards_base_url"):
        connection = sqlite3.connect(path)
        (document,) = connection.execute("SELECT document FROM state").fetchone()
        state = msgspec.json.decode(document) | {key: "http://[::1/x"}
        connection.execute("UPDATE state SET document = ?", (msgspec.json.encode(state),))
        connection.commit()
        connection.close()
        assert versions(sync(tmp_path, good), "a") == ["1.0"]


NUMBERS = {
    "build_number": (2**70, 1e300, -1, 10**5000, 2**63),
    "timestamp": (2**70, 1e300, -5e20, -(2**64), 10**5000),
    "indexed_timestamp": (2**70, -5e20),
    "size": (2**70, -1),
    "legacy_bz2_size": (-1,),
}


def test_numbers_that_cannot_be_are_named_and_nothing_else_is_said(tmp_path):
    numbers = [(key, value) for key, values in NUMBERS.items() for value in values]
    files = {"a-0-0.conda": record("0", timestamp=-1, size=0)}
    text = json.dumps(
        {
            "packages.conda": files
            | {f"a-{n}-0.conda": record(str(n), **{key: f"@{n}@"}) for n, (key, _) in enumerate(numbers, 1)}
        }
    )
    for n, (_, value) in enumerate(numbers, 1):
        written = "1" + "0" * 5000 if value == 10**5000 else json.dumps(value)
        text = text.replace(f'"@{n}@"', written)
    folder = put(tmp_path / "c", text.encode())
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ENVMGR_ROOT": str(tmp_path / "root")}
    command = [sys.executable, "-m", "envmgr", "search", "a", "--override-channels", "-c", str(folder)]
    for _ in range(2):
        found = subprocess.run(
            [*command, "--json"], env=environ, capture_output=True, text=True, timeout=60, check=False
        )
        assert found.returncode == 0, found.stderr
        assert [each["version"] for each in json.loads(found.stdout)["a"]] == ["0"]
        assert "Traceback" not in found.stderr
        assert all(line.startswith("warning: ") for line in found.stderr.splitlines()), found.stderr
    reporter = RecordingReporter()
    index = sync(tmp_path, folder, reporter)
    (table,) = index.load("a")
    assert [fn for _, fn, _ in table.columns.unusable] == [
        f"a-{n}-0.conda" for n in range(1, len(numbers) + 1)
    ]
    index.close()


def test_numbers_of_shards_that_cannot_be_are_named(tmp_path):
    odd = {"1": math.nan, "2": math.inf, "3": -math.inf, "4": 1e300, "5": 2**64 - 1}
    files = {f"a-{version}-0.conda": record(version, timestamp=value) for version, value in odd.items()}
    files["a-9-0.conda"] = record("9", timestamp=1.5e12)
    folder = put_shards(tmp_path / "c", {"a": packed({"packages.conda": files})})
    reporter = RecordingReporter()
    assert versions(sync(tmp_path, folder, reporter), "a") == ["9"]
    assert "a-1-0.conda" in reporter.warnings[0]


def test_unknown_fields_of_shards_come_out_as_json_can_have_them(tmp_path):
    odd = {
        "ext": msgspec.msgpack.Ext(5, b"x"),
        "inside": [{"ext": msgspec.msgpack.Ext(5, b"x")}],
        "keys": {1: "one"},
        "sum": b"\x00\xff",
        "not a number": math.nan,
        "purls": ["pkg:pypi/a"],
    }
    shard = {"packages.conda": {"a-1-0.conda": record("1", sha256=b"\1" * 32, **odd)}}
    index = sync(tmp_path, put_shards(tmp_path / "c", {"a": packed(shard)}))
    (found,) = index.records("a")
    index.close()
    assert found.extra == {"keys": {"1": "one"}, "sum": "AP8=", "not a number": None, "purls": ["pkg:pypi/a"]}
    assert json.loads(json.dumps(found.to_dict()))["sha256"] == "01" * 32


def test_relations_that_cannot_be_stored_are_refused(tmp_path):
    relations = {"base": [msgspec.msgpack.Ext(5, b"x")]}
    folder = put_shards(tmp_path / "c", {}, channel_relations=relations)
    with pytest.raises(ChannelError, match="its channel_relations are not valid"):
        sync(tmp_path, folder)


def test_of_shards_whose_names_differ_in_case_one_counts_and_the_other_is_told(tmp_path):
    def shard(version: str) -> bytes:
        return packed({"packages.conda": {f"a-{version}-0.conda": record(version)}})

    for number, names in enumerate((["a", "A"], ["A", "a"])):
        folder = put_shards(
            tmp_path / f"c{number}", {name: shard("1" if name == "a" else "2") for name in names}
        )
        reporter = RecordingReporter()
        assert versions(sync(tmp_path, folder, reporter), "a") == ["1"]
        assert "lists 1 name" in reporter.warnings[0]


def test_an_index_of_shards_that_is_too_large_on_the_wire_is_refused(tmp_path, good, monkeypatch):
    write_shards(good)
    monkeypatch.setattr(client_module, "_LARGEST_SHARD_INDEX_BYTES", 20)
    with pytest.raises(ChannelError, match=f"{INDEX} is broken: it is larger than"):
        sync(tmp_path, good)


def test_a_shard_that_is_too_large_on_the_wire_is_refused(tmp_path, good, monkeypatch):
    write_shards(good)
    monkeypatch.setattr(shard_fetch, "LARGEST_BODY_BYTES", 20)
    with serve(good) as server, pytest.raises(ChannelError, match="is larger than"):
        versions(sync(tmp_path, server.url), "a")
