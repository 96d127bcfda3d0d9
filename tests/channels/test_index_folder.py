"""The repodata that envmgr writes is what its own reader and the standard's examples expect."""

from __future__ import annotations

import json
import random

import pytest

from envmgr.channels.index_folder import render_repodata
from envmgr.channels.repodata import RepodataReader

RECORDS = {
    "b-1.0-0.conda": {"name": "b", "version": "1.0", "build": "0", "md5": "0" * 32, "size": 1},
    "a-1.0-0.tar.bz2": {"version": "1.0", "name": "a", "build": "0", "license": "ü"},
    "a-2.0-0.conda": {"name": "a", "version": "2.0", "build": "0"},
}


def test_files_stand_in_the_section_of_their_kind():
    document = json.loads(render_repodata("linux-64", RECORDS))
    assert document["info"] == {"subdir": "linux-64"}
    assert list(document["packages"]) == ["a-1.0-0.tar.bz2"]
    assert list(document["packages.conda"]) == ["a-2.0-0.conda", "b-1.0-0.conda"]
    assert document["packages.conda"]["b-1.0-0.conda"] == RECORDS["b-1.0-0.conda"]
    assert (document["removed"], document["repodata_version"]) == ([], 1)


def test_the_same_records_give_the_same_bytes_in_any_order():
    items = list(RECORDS.items())
    expected = render_repodata("noarch", RECORDS)
    for seed in range(5):
        random.Random(seed).shuffle(items)
        shuffled = {fn: dict(reversed(record.items())) for fn, record in items}
        assert render_repodata("noarch", shuffled) == expected


def test_what_was_written_can_be_read():
    batches = RepodataReader([render_repodata("linux-64", RECORDS)])
    assert {fn for batch in batches for group in batch.groups.values() for fn in group} == set(RECORDS)


def test_another_kind_of_file_is_refused():
    with pytest.raises(ValueError, match=r"a\.zip is neither"):
        render_repodata("noarch", {"a.zip": {}})
