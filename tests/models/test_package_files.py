"""paths.json, link.json and the old text files of CEP 34."""

from __future__ import annotations

import json
import tarfile
from typing import Any

import pytest

from envmgr.errors import DataError
from envmgr.models.package_files import (
    OLD_PLACEHOLDER,
    EntryPoint,
    PathEntry,
    check_path,
    parse_legacy,
    parse_link_json,
    parse_paths_json,
)
from tests.shared_data import shared_path

SHA256 = "0" * 64


def paths_json(*entries: dict[str, Any], version: int = 1) -> bytes:
    return json.dumps({"paths": list(entries), "paths_version": version}).encode()


def test_entries_are_read_with_the_standards_defaults() -> None:
    full = {
        "_path": "bin/tool", "path_type": "softlink", "sha256": SHA256, "size_in_bytes": 3, "no_link": True,
        "prefix_placeholder": "/opt/placeholder", "file_mode": "binary", "unknown": 1,
    }  # fmt: skip
    assert parse_paths_json(paths_json(full, {"_path": "a"})) == (
        PathEntry("bin/tool", "softlink", SHA256, 3, "/opt/placeholder", "binary", True),
        PathEntry("a", "hardlink", None, None, None, "text", False),
    )


def test_empty_placeholder_is_none() -> None:
    (entry,) = parse_paths_json(paths_json({"_path": "a", "prefix_placeholder": ""}))
    assert entry.placeholder is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "info/paths.json is not valid"),
        (b"[]", "info/paths.json is not valid"),
        (b'{"paths": [{"_path": 1}]}', "_path"),
        (b'{"paths": [{}]}', "_path"),
        (b'{"paths": [{"_path": "\xff"}]}', "info/paths.json is not valid"),
        (paths_json(version=2), "version 2"),
        (paths_json({"_path": "a", "path_type": "fifo"}), "'fifo'"),
        (paths_json({"_path": "a", "file_mode": "utf-16"}), "'utf-16'"),
    ],
)
def test_broken_paths_json_is_refused(text: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        parse_paths_json(text)


HOSTILE = [
    "/etc/passwd", "../x", "a/../../x", "a/..", "..", "\\etc\\passwd", "..\\x", "a\\..\\..\\x", "C:/x", "c:x",
    "C:\\x", "\\\\host\\share", "", ".", "./", "a\x00b", "conda-meta/history", "conda-meta", "Conda-Meta/x.json",
    "./conda-meta/x", "conda-meta\\x", ".//conda-meta//x",
]  # fmt: skip


@pytest.mark.parametrize("path", HOSTILE)
def test_paths_that_leave_the_prefix_or_enter_conda_meta_are_refused(path: str) -> None:
    with pytest.raises(DataError, match="the package names the path"):
        parse_paths_json(paths_json({"_path": path}))
    with pytest.raises(DataError, match="the package names the path"):
        check_path(path)


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("lib/libz.so.1", "lib/libz.so.1"),
        ("./lib/x", "lib/x"),
        ("lib//x", "lib/x"),
        ("lib/./x/", "lib/x"),
        ("lib/..x", "lib/..x"),
        ("lib/x..", "lib/x.."),
        (".config/...", ".config/..."),
        ("lib/systemd/dev-hugepages\\x2d1", "lib/systemd/dev-hugepages\\x2d1"),
        ("share/conda-meta/x", "share/conda-meta/x"),
        ("a b/ü", "a b/ü"),
    ],
)
def test_harmless_paths_come_back_in_their_plainest_writing(path: str, plain: str) -> None:
    assert check_path(path) == plain
    assert parse_paths_json(paths_json({"_path": path}))[0].path == plain


def test_legacy_files_say_the_same_in_three_texts() -> None:
    files = "bin/a\nbin/b\nlib/my file.so\netc/c\n\n"
    has_prefix = 'bin/a\n/opt/p binary "lib/my file.so"\n"/opt/q r" text etc/c\n'
    assert parse_legacy(files, has_prefix, "etc/c\n") == (
        PathEntry("bin/a", placeholder=OLD_PLACEHOLDER),
        PathEntry("bin/b"),
        PathEntry("lib/my file.so", placeholder="/opt/p", file_mode="binary"),
        PathEntry("etc/c", placeholder="/opt/q r", no_link=True),
    )


def test_legacy_paths_are_checked_too() -> None:
    with pytest.raises(DataError, match="outside the environment"):
        parse_legacy("../x\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bsdiff4 = bsdiff4.cli:main_bsdiff4", EntryPoint("bsdiff4", "bsdiff4.cli", "main_bsdiff4")),
        ("a=b:c", EntryPoint("a", "b", "c")),
        ("my-tool.x = a.b:App.run [gui]", EntryPoint("my-tool.x", "a.b", "App.run")),
    ],
)
def test_entry_points_are_read(text: str, expected: EntryPoint) -> None:
    assert EntryPoint.parse(text) == expected
    assert EntryPoint.parse(str(expected)) == expected


NO_ENTRY_POINTS = [
    "", "a", "a = b", "a = b:", "= b:c", "../a = b:c", "a/b = c:d", "a\\b = c:d", ".. = b:c", "a = b;import os:c",
    "a = b:c()", "a = 1b:c",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_ENTRY_POINTS)
def test_other_entry_points_are_refused(text: str) -> None:
    with pytest.raises(DataError, match="expected command = module:function"):
        EntryPoint.parse(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (
            {"noarch": {"type": "python", "entry_points": ["a = b:c"]}},
            ("python", (EntryPoint("a", "b", "c"),)),
        ),
        ({"noarch": {"type": "generic"}}, ("generic", ())),
        ({"noarch": {"type": "python", "entry_points": None}}, ("python", ())),
        ({"package_metadata_version": 1, "preferred_env": None}, (None, ())),
    ],
)
def test_link_json_names_the_noarch_type(value: dict[str, Any], expected: object) -> None:
    assert parse_link_json(json.dumps(value).encode()) == expected


@pytest.mark.parametrize(
    "text", [b"", b'{"noarch": {"type": "ruby"}}', b'{"noarch": 1}', b'{"noarch": {"entry_points": ["x"]}}']
)
def test_broken_link_json_is_refused(text: bytes) -> None:
    with pytest.raises(DataError):
        parse_link_json(text)


def test_real_packages_are_read() -> None:
    read = 0
    for archive in sorted(shared_path("packages").rglob("*.tar.bz2")):
        with tarfile.open(archive) as tar:
            members = {member.name: member for member in tar if member.isfile()}
            if "info/paths.json" not in members:
                continue
            text = tar.extractfile(members["info/paths.json"])
            assert text is not None
            entries = parse_paths_json(text.read())
        assert {entry.path for entry in entries if entry.path_type == "hardlink"} <= set(members)
        read += 1
    assert read > 3
