"""What a server may do wrong with a whole index: never a wrong answer, never a stored one, always a sentence."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from envmgr.channels.client import ChannelClient, SyncOptions
from envmgr.channels.store import IndexStore
from envmgr.errors import ChannelError
from envmgr.models.channel import Channel
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.transport import AnyTransport
from envmgr.ports import FixedClock, RecordingReporter
from tests.builders import make_channel, pkg
from tests.servers import Fault, serve

JSON = "/noarch/repodata.json"
ZST = "/noarch/repodata.json.zst"
GZIPPED = {"Content-Encoding": "gzip"}
MEGABYTE = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path):
    return IndexStore(tmp_path / "index")


@pytest.fixture
def folder(tmp_path):
    return make_channel(tmp_path / "channel", [pkg("a", "1.0", noarch="generic")])


def sync(store, url, reporter=None):
    options = HttpOptions(retries=1, backoff_seconds=0, longest_pause_seconds=0, read_timeout_seconds=0.5)
    transport = AnyTransport(lambda: HttpTransport(options))
    always = SyncOptions(max_age_seconds=0)
    client = ChannelClient(
        transport, store, FixedClock(1_700_000_000.0), reporter or RecordingReporter(), always
    )
    return client.sync([Channel.parse(url)], ["noarch"])


def record(**changes):
    made = {"name": "a", "version": "2.0", "build": "0", "build_number": 0, "depends": [], **changes}
    return {key: value for key, value in made.items() if value is not ...}


def document(**records):
    files = {fn.replace("__", "-") + ".conda": each for fn, each in records.items()}
    return json.dumps({"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": files}).encode()


FAULTS = [
    (Fault(cut_after=40), "broke off"),
    (Fault(content_length=30), "is broken"),
    (Fault(content_length=100_000), "broke off"),
    (Fault(body=b"<!DOCTYPE html><html></html>"), "a page of HTML or XML"),
    (Fault(body=b"[]"), "does not hold a JSON object"),
    (Fault(body=b"null"), "does not hold a JSON object"),
    (Fault(body=b'{"packages": []}'), "section 'packages' is not a JSON object"),
    (Fault(body=b'{"packages.conda": {"a-1-0.conda": {}}, "info": 5}'), "its 'info' is not valid"),
    (Fault(body=b'{"removed": "a"}'), "its 'removed' is not valid"),
    (Fault(body=b'{"info": {"base_url": ["x"]}}'), "base_url is not a text"),
    (Fault(body=b'{"packages": {}} {"packages": {}}'), "something follows the end"),
    (Fault(body=b'{"packages": {"a-1-0.tar.bz2": {"name": "a"'), "ends too early"),
    (Fault(status=500), "HTTP status 500"),
    (Fault(status=503, headers={"Retry-After": "86400"}), "HTTP status 503"),
    (Fault(status=429), "HTTP status 429"),
    (Fault(redirect=JSON), "redirects more than 10 times"),
    (Fault(redirect="file:///etc/passwd"), "no web address"),
    (Fault(drop=True), "cannot be reached"),
    (Fault(wait=5), "no answer within 0.5 s"),
    (Fault(drip=0.02, drip_size=2), "too slow"),
    (Fault(body=b"\x1f\x8b\x08 no gzip", headers=GZIPPED), "content encoding is damaged"),
]


@pytest.mark.parametrize(("fault", "complaint"), FAULTS, ids=[complaint for _, complaint in FAULTS])
def test_a_fault_is_a_sentence_with_the_url_and_the_stored_index_stays(store, folder, fault, complaint):
    with serve(folder) as server:
        sync(store, server.url).close()
        before = {path.name: path.read_bytes() for path in store.folder.glob("*.sqlite")}
        changed = json.loads((folder / "noarch/repodata.json").read_bytes())
        changed["packages.conda"]["a-2.0-0.conda"] = record()
        (folder / "noarch/repodata.json").write_text(json.dumps(changed))
        server.faults[JSON] = fault
        with pytest.raises(ChannelError, match=complaint) as caught:
            sync(store, server.url)
        assert server.url in str(caught.value)
        assert {path.name: path.read_bytes() for path in store.folder.glob("*.sqlite")} == before
        assert not list(store.folder.glob(".*.new"))
        server.faults.clear()
        assert [each.version for each in sync(store, server.url).records("a")] == ["2.0", "1.0"]


def test_records_with_missing_or_wrong_fields_are_skipped_and_told(store, folder):
    body = document(
        a__1__0=record(version="1"),
        a__2__0=record(version=2),
        a__3__0=record(version=...),
        a__4__0=record(version="4", depends={"b": 1}),
        a__5__0=record(version="5", build_number="x"),
        a__6__0=record(version="6", name=...),
        a__7__0=record(version="7", size="large"),
        a__8__0=record(version="8", constrains=[1]),
        a__9__0="text",
    )
    reporter = RecordingReporter()
    with serve(folder, faults={JSON: Fault(body=body)}) as server:
        index = sync(store, server.url, reporter)
        assert [each.version for each in index.records("a")] == ["1"]
        (table,) = index.load("a")
        assert {fn for _, fn, _ in table.columns.unusable} == {
            f"a-{each}-0.conda" for each in (2, 3, 4, 5, 7, 8)
        }
    told = "\n".join(reporter.warnings)
    assert "lists 2 files whose records are not valid" in told
    for number in (2, 3, 4):
        assert f"a-{number}-0.conda is left out: " in told
    assert told.endswith("/noarch: 3 more files of 'a' are left out.")


@pytest.mark.parametrize("name", ["../evil", "..", "a/b", "/etc/passwd", "a\\b", "a\0b", ".hidden"])
def test_names_that_try_to_leave_the_folder_are_not_read(store, folder, name, tmp_path):
    body = json.dumps({"packages.conda": {f"{name}-1-0.conda": record(name=name, version="1")}}).encode()
    before = set(tmp_path.rglob("*"))
    reporter = RecordingReporter()
    with serve(folder, faults={JSON: Fault(body=body)}) as server:
        index = sync(store, server.url, reporter)
        assert index.names() == []
        assert index.records(name) == []
        index.close()
    assert "lists 1 file whose record is not valid" in reporter.warnings[0]
    made = {path for path in set(tmp_path.rglob("*")) - before if store.folder not in path.parents}
    assert made == {store.folder}


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (JSON, Fault(body=gzip.compress(b"{" + b" " * (150 * MEGABYTE), 9), headers=GZIPPED)),
        (JSON, Fault(body=gzip.compress(b'{"x":"' + b"a" * (150 * MEGABYTE), 9), headers=GZIPPED)),
        (ZST, Fault(body=zstandard.compress(b'{"x":[' + b"1," * (75 * MEGABYTE)))),
    ],
    ids=["gzip of spaces", "gzip of a string", "zstd of numbers"],
)
def test_what_unpacks_to_much_more_than_was_sent_is_refused(store, folder, path, fault):
    assert fault.body is not None
    assert len(fault.body) < MEGABYTE
    (folder / "noarch/repodata.json.zst").write_bytes(b"to be replaced")
    faults = {path: fault} if path == ZST else {path: fault, ZST: Fault(status=404)}
    if path == ZST:
        (folder / "noarch/repodata.json").unlink()
    complaint = r"where it ends|one value is larger than 16 MiB"
    with serve(folder, faults=faults) as server, pytest.raises(ChannelError, match=complaint):
        sync(store, server.url)
    assert not list(store.folder.glob("*.sqlite"))


CHILD = """
import sys
from pathlib import Path
from envmgr.channels.client import ChannelClient
from envmgr.channels.store import IndexStore
from envmgr.errors import ChannelError
from envmgr.models.channel import Channel
from envmgr.net.http import HttpTransport
from envmgr.ports import FixedClock, RecordingReporter
client = ChannelClient(HttpTransport(), IndexStore(Path(sys.argv[1])), FixedClock(0.0), RecordingReporter())
try:
    client.sync([Channel.parse(sys.argv[2])], ["noarch"])
except ChannelError as error:
    print(error)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of memory is read from /proc")
def test_a_bomb_is_refused_in_bounded_memory(folder, tmp_path):
    bomb = gzip.compress(b'{"x":"' + b"a" * (300 * MEGABYTE), 9)
    with serve(folder, faults={JSON: Fault(body=bomb, headers=GZIPPED)}) as server:
        arguments = [sys.executable, "-c", CHILD, str(tmp_path / "index"), server.url]
        found = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True, cwd=ROOT)
    sentence, kilobytes = found.stdout.splitlines()
    assert "one value is larger than 16 MiB" in sentence
    assert int(kilobytes) < 200_000
