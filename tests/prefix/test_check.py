"""What comparing an environment with its records finds, and what it leaves in peace."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from envmgr.prefix.check import verify_prefix
from tests.builders import File, link, pkg
from tests.prefixes import create, unpack

if TYPE_CHECKING:
    from pathlib import Path

FILES = {
    "a": "a", "b": "b", "d/f": "f",
    "to-a": link("a"), "to-d": link("d"), "to-nothing": link("nothing"), "d/up": link("../a"),
    "p": File(b"/old", placeholder="/old"), "to-p": link("p"),
}  # fmt: skip


@pytest.fixture
def prefix(tmp_path: Path) -> Path:
    create(tmp_path / "env", [unpack(pkg("x", files=FILES), tmp_path / "pkgs")], link_mode="copy")
    return tmp_path / "env"


def findings(prefix: Path) -> list[tuple[str, str]]:
    return [(finding.path, finding.kind) for finding in verify_prefix(prefix)]


def put_link(place: Path, text: str) -> None:
    place.unlink()
    place.symlink_to(text)


def test_a_prefix_in_order_has_no_findings(prefix):
    assert findings(prefix) == []


@pytest.mark.parametrize("path", ["a", "to-a", "to-d", "to-nothing"])
def test_a_folder_in_the_place_of_a_file_is_found(prefix, path):
    (prefix / path).unlink()
    (prefix / path).mkdir()
    assert findings(prefix) == [(path, "wrong-type")]


@pytest.mark.parametrize(
    ("text", "kind"),
    [("nowhere", "wrong-type"), ("d", "wrong-type"), ("b", "redirected"), ("a", "wrong-type")],
)
def test_a_symlink_in_the_place_of_a_file_is_found(prefix, text, kind):
    put_link(prefix / "a", text)
    assert ("a", kind) in findings(prefix)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("to-a", "b"),
        ("to-a", "nowhere"),
        ("to-a", "d"),
        ("to-d", "a"),
        ("to-nothing", "a"),
        ("d/up", "../b"),
        ("to-p", "b"),
    ],
)
def test_a_symlink_that_leads_elsewhere_is_found(prefix, path, text):
    put_link(prefix / path, text)
    assert findings(prefix) == [(path, "redirected")]


def test_without_the_cache_nothing_is_guessed(prefix, tmp_path):
    shutil.rmtree(tmp_path / "pkgs")
    put_link(prefix / "to-a", "b")
    assert findings(prefix) == []


def test_sums_that_another_tool_noted_for_symlinks_do_not_count_against_them(prefix):
    (document,) = (prefix / "conda-meta").glob("x-*.json")
    content = json.loads(document.read_text())
    for entry in content["paths_data"]["paths"]:
        if entry["path_type"] == "softlink":
            entry |= {"sha256": "0" * 64, "sha256_in_prefix": "0" * 64}
    document.write_text(json.dumps(content))
    assert findings(prefix) == []


def test_an_entry_whose_kind_is_damaged_is_still_compared(prefix):
    (document,) = (prefix / "conda-meta").glob("x-*.json")
    content = json.loads(document.read_text())
    for entry in content["paths_data"]["paths"]:
        entry["path_type"] = ["hardlink"]
    document.write_text(json.dumps(content))
    assert findings(prefix) == []
    (prefix / "b").write_text("changed")
    assert findings(prefix) == [("b", "modified")]
