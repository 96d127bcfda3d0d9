"""Indexing a channel again after a build reads only what is new."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from envmgr.ops.index import index_channel
from envmgr.ports import RecordingReporter
from tests.builders import archive_bytes, make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.ops.context import Context


class IndexContext:
    """All of a context that indexing uses."""

    def __init__(self) -> None:
        self.reporter = RecordingReporter()


@pytest.fixture
def context() -> Context:
    return IndexContext()  # type: ignore[return-value]


def listed(channel: Path) -> dict[str, str]:
    repodata = json.loads((channel / "linux-64" / "repodata.json").read_text())
    return {name: record["sha256"] for name, record in repodata["packages.conda"].items()}


def test_reused_records_are_those_of_a_full_reading(tmp_path: Path, context: Context):
    channel = make_channel(tmp_path, [pkg("a", "1"), pkg("b", "1")])
    index_channel(channel, context)
    full = listed(channel)
    (channel / "linux-64" / "c-1.0-0.conda").write_bytes(archive_bytes(pkg("c")))
    index_channel(channel, context, reuse=True)
    again = listed(channel)
    assert set(again) == {"a-1-0.conda", "b-1-0.conda", "c-1.0-0.conda"}
    assert {name: again[name] for name in full} == full


def test_removed_and_changed_archives_are_noticed(tmp_path: Path, context: Context):
    channel = make_channel(tmp_path, [pkg("a", "1"), pkg("b", "1")])
    index_channel(channel, context)
    before = listed(channel)
    (channel / "linux-64" / "b-1-0.conda").unlink()
    changed = channel / "linux-64" / "a-1-0.conda"
    changed.write_bytes(archive_bytes(pkg("a", "1", files={"share/new": os.urandom(50)})))
    index_channel(channel, context, reuse=True)
    after = listed(channel)
    assert set(after) == {"a-1-0.conda"}
    assert after["a-1-0.conda"] != before["a-1-0.conda"]


def test_damaged_repodata_is_no_source(tmp_path: Path, context: Context):
    channel = make_channel(tmp_path, [pkg("a", "1")])
    (channel / "linux-64" / "repodata.json").write_text('{"packages": 3')
    index_channel(channel, context, reuse=True)
    assert set(listed(channel)) == {"a-1-0.conda"}
