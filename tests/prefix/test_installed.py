"""Conda-meta documents that are damaged or made to do harm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from envmgr.errors import DataError
from envmgr.prefix.installed import InstalledPackage, read_document

PLAIN = {"name": "x", "version": "1", "build": "0", "files": ["bin/x"]}


def read(**changes: Any) -> InstalledPackage:
    return read_document(json.dumps({**PLAIN, **changes}).encode(), "x-1-0.json")


@pytest.mark.parametrize(
    "path",
    ["../victim", "a/../../victim", "a/..", "/etc/victim", "", ".", "./.", "..", "a\0b", "./../victim"],
)
def test_no_document_lists_a_path_outside_the_environment(path):
    with pytest.raises(DataError, match=r"^x-1-0\.json: files lists .* no path inside an environment"):
        read(files=["bin/x", path]).listing.check()
    with pytest.raises(DataError, match=r"^x-1-0\.json: paths_data lists"):
        read(paths_data={"paths": [{"_path": "bin/x"}, {"_path": path}]}).listing.check()


@pytest.mark.parametrize(
    "path", ["..data", "a/..b", ".hidden", "a/.b", "a..", "...", "./a", "a\\b", "bin/.x-post-link.sh"]
)
def test_odd_names_inside_an_environment_are_kept(path):
    assert read(files=[path], paths_data={"paths": [{"_path": path}]}).files == (path,)


@pytest.mark.parametrize("name", ["../../x", "a/b", "a\0"])
def test_no_document_names_a_package_that_lies_elsewhere(name):
    with pytest.raises(DataError, match=r"^x-1-0\.json: "):
        read(name=name)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"files": 5}, "files is not a list"),
        ({"files": "bin/x"}, "files is not a list"),
        ({"paths_data": 5}, "paths_data does not hold"),
        ({"paths_data": {"paths": 5}}, "paths_data does not hold"),
    ],
)
def test_what_a_package_owns_must_be_readable(changes, complaint):
    with pytest.raises(DataError, match=rf"^x-1-0\.json: {complaint}"):
        read(**changes).listing.check()


@pytest.mark.parametrize("text", [b'["\\x"]', b'["\xff"]', b'["\\ud800"]'])
def test_damage_inside_the_list_of_files_is_told(text: bytes) -> None:
    document = b'{"name": "x", "version": "1", "build": "0", "files": ' + text + b"}"
    with pytest.raises(DataError, match=r"^x-1-0\.json is not a JSON object"):
        read_document(document, "x-1-0.json").listing.check()


def test_what_need_not_be_known_may_be_damaged():
    assert read(link=[1], requested_specs=5).requested == ()
    assert read(requested_specs="x >=1").requested == ("x >=1",)
    assert read(files=None, paths_data=None).files == ()
    assert read(files=[1, None, "a"], paths_data={"paths": [5, {"_path": 3}, {"_path": "a"}]}).files == ("a",)
