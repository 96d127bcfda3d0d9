"""A source that is filled by another process is the same source, and what goes wrong there is told here."""

from __future__ import annotations

import bz2
import json
import sys

import pytest
import zstandard

from envmgr.channels import client as client_module
from envmgr.channels.client import ChannelClient
from envmgr.channels.fill_process import fill_in_process
from envmgr.channels.index_file import State
from envmgr.channels.store import IndexStore, UnwritableIndexError
from envmgr.channels.urls import Source
from envmgr.errors import ChannelError, DataError
from envmgr.models.channel import Channel
from envmgr.net.http import HttpTransport
from envmgr.ports import FixedClock, RecordingReporter
from tests.builders import make_channel, pkg
from tests.channels.readers import records_of
from tests.servers import Fault, serve

SOURCE = Source(Channel("c", "https://example.org/c"), "noarch")
COMPRESS = {"zst": zstandard.compress, "bz2": bz2.compress, "json": bytes}


def repodata(count: int, **more: object) -> bytes:
    files = {
        f"p{n}-1.{n}-0.conda": {"name": f"p{n}", "version": f"1.{n}", "build": "0", "depends": [f"p{n // 2}"]}
        for n in range(count)
    }
    return json.dumps({"packages.conda": files, **more}).encode()


def pieces(body: bytes):
    yield from (body[start : start + 1000] for start in range(0, len(body), 1000))


def content(stored):
    return {name: [each.to_dict() for each in records_of(stored, name)] for name in stored.names()}


@pytest.fixture
def store(tmp_path):
    return IndexStore(tmp_path / "index")


@pytest.mark.parametrize("form", ["zst", "bz2", "json"])
def test_it_is_filled_as_it_would_be_here(store, tmp_path, form):
    state = State(url=SOURCE.url, form=form, etag='"1"')
    here = IndexStore(tmp_path / "here")
    before = None
    for count in (300, 301):
        text = repodata(count, info={"base_url": "../files"}, removed=["p7-1.7-0.conda"])
        body = pieces(COMPRESS[form](text))
        filled = store.replace(SOURCE, state, body, before=before, fill=fill_in_process)
        expected = here.replace(SOURCE, state, [text])
        assert content(filled) == content(expected)
        assert filled.state == expected.state
        assert filled.origin.base_url == "https://example.org/c/files/"
        before = filled


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"<html>", "not valid zstandard"),
        (zstandard.compress(b"<html>" * 100_000), "a page of HTML"),
        (zstandard.compress(repodata(9))[:-5], "ends too early"),
        (b"", "it is empty"),
    ],
)
def test_what_is_wrong_with_the_data_is_told(store, body, complaint):
    state = State(url=SOURCE.url, form="zst")
    old = content(store.replace(SOURCE, state, [repodata(3)]))
    with pytest.raises(DataError, match=complaint):
        store.replace(SOURCE, state, pieces(body), fill=fill_in_process)
    assert content(store.open(SOURCE)) == old
    assert len(list(store.folder.iterdir())) == 1


def test_what_breaks_the_body_ends_the_process_and_passes_through(store):
    def breaking_off():
        yield zstandard.compress(repodata(1000))[:2000]
        raise ChannelError("the wire is cut")

    with pytest.raises(ChannelError, match="the wire is cut"):
        store.replace(SOURCE, State(url=SOURCE.url, form="zst"), breaking_off(), fill=fill_in_process)
    assert list(store.folder.iterdir()) == []


def test_a_disk_that_does_not_take_it_is_told(tmp_path):
    state = State(url=SOURCE.url, form="json")
    with pytest.raises(OSError, match="unable to open"):
        fill_in_process(tmp_path / "missing" / "x.sqlite", SOURCE, state, [repodata(3)], None)


def test_a_process_that_dies_is_told(store, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(UnwritableIndexError, match="the process that fills it ended too early"):
        store.replace(SOURCE, State(url=SOURCE.url, form="json"), pieces(repodata(9)), fill=fill_in_process)
    assert list(store.folder.iterdir()) == []


def test_modules_of_the_working_folder_are_not_imported(store, tmp_path, monkeypatch):
    (tmp_path / "msgspec.py").write_text("raise SystemExit('imported from the working folder')")
    monkeypatch.chdir(tmp_path)
    state = State(url=SOURCE.url, form="json")
    assert len(store.replace(SOURCE, state, pieces(repodata(9)), fill=fill_in_process).names()) == 9


def test_large_bodies_are_filled_so(store, tmp_path, monkeypatch):
    used = []

    def noted(*arguments):
        used.append(arguments[1].subdir)
        fill_in_process(*arguments)

    monkeypatch.setattr(client_module, "_LARGE_BODY_BYTES", 1)
    monkeypatch.setattr("envmgr.channels.fill_process.fill_in_process", noted)
    folder = make_channel(tmp_path / "channel", [pkg("a"), pkg("b", noarch="generic")], zst=True)
    with serve(folder, faults={"/noarch/repodata.json.zst": Fault(cut_after=20, times=1)}) as server:
        client = ChannelClient(HttpTransport(), store, FixedClock(0.0), RecordingReporter())
        index = client.sync([Channel.parse(server.url)], ["linux-64", "noarch"])
        assert index.names() == ["a", "b"]
        index.close()
    assert sorted(used) == ["linux-64", "noarch", "noarch"]


def test_what_goes_wrong_there_for_no_known_reason_is_told_as_it_is(store, monkeypatch, tmp_path):
    """The child imports from where this process does, and there is a broken compressor before the real one."""
    (tmp_path / "first").mkdir()
    (tmp_path / "first/zstandard.py").write_text(
        "def __getattr__(name):\n    raise ZeroDivisionError(name)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "first"))
    state = State(url=SOURCE.url, form="json")
    with pytest.raises(RuntimeError, match="ZeroDivisionError: ZstdCompressor") as caught:
        store.replace(SOURCE, state, pieces(repodata(9)), fill=fill_in_process)
    assert "in __getattr__" in str(caught.value.__cause__)
    assert list(store.folder.iterdir()) == []
