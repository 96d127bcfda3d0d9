"""What an environment knows about itself, as written by us and by other tools."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.errors import DataError
from envmgr.models.record import Origin
from envmgr.prefix.check import verify_prefix
from envmgr.prefix.installed import InstalledPackage, read_document
from envmgr.prefix.store import PrefixStore
from tests.builders import File, link, pkg
from tests.prefixes import create, unpack

if TYPE_CHECKING:
    from pathlib import Path

FORGE = "https://conda.anaconda.org/conda-forge"
CONDA = {
    "arch": "x86_64", "build": "h166bdaf_4", "build_number": 4,
    "channel": "https://conda.anaconda.org/conda-forge/linux-64",
    "constrains": [], "depends": ["libgcc-ng >=12"], "extracted_package_dir": "/pkgs/zlib",
    "files": ["lib/libz.so"],
    "fn": "zlib-1.2.13-h166bdaf_4.conda", "license": "Zlib", "name": "zlib",
    "link": {"source": "/pkgs/zlib", "type": 1},
    "noarch": None, "package_tarball_full_path": "/pkgs/zlib.conda", "package_type": None, "platform": "linux",
    "paths_data": {"paths": [{"_path": "lib/libz.so", "path_type": "softlink"}], "paths_version": 1},
    "preferred_env": None, "requested_spec": "None", "size": 94099, "subdir": "linux-64", "timestamp": 1665203372.0,
    "track_features": "", "url": "https://conda.anaconda.org/conda-forge/linux-64/zlib-1.2.13-h166bdaf_4.conda",
    "version": "1.2.13",
}  # fmt: skip


def read(**changes: Any) -> InstalledPackage:
    document = {key: value for key, value in {**CONDA, **changes}.items() if value != "absent"}
    return read_document(json.dumps(document).encode(), "zlib.json")


def test_condas_document() -> None:
    package = read()
    assert package.record.origin == Origin(FORGE, "linux-64", f"{FORGE}/linux-64/")
    assert package.record.url == CONDA["url"]
    assert (package.files, package.requested, package.source) == (("lib/libz.so",), (), "/pkgs/zlib")
    assert package.record.extra["preferred_env"] is None


@pytest.mark.parametrize(
    ("changes", "channel", "base_url"),
    [
        (
            {"channel": "conda-forge", "url": "https://c.org/x/linux-64/a.conda"},
            "https://c.org/x",
            "https://c.org/x/linux-64/",
        ),
        ({"channel": "https://c.org/x/", "url": "absent"}, "https://c.org/x", "https://c.org/x/linux-64/"),
        (
            {"channel": "https://c.org/x/linux-64", "url": "absent"},
            "https://c.org/x",
            "https://c.org/x/linux-64/",
        ),
        (
            {"channel": "https://c.org/x", "url": "https://cdn.org/y/a.conda"},
            "https://c.org/x",
            "https://cdn.org/y/",
        ),
        ({"channel": "conda-forge", "url": "absent"}, FORGE, f"{FORGE}/linux-64/"),
    ],
)
def test_channels_as_the_tools_write_them(changes: dict[str, str], channel: str, base_url: str) -> None:
    assert read(**changes).record.origin == Origin(channel, "linux-64", base_url)


@pytest.mark.parametrize("channel", ["absent", "", "<unknown>", 7])
def test_a_document_without_any_channel(channel: object) -> None:
    assert read(channel=channel, url="absent").record.origin is None


@pytest.mark.parametrize(
    ("changes", "requested"),
    [
        ({"requested_spec": "zlib >=1"}, ("zlib >=1",)),
        ({"requested_spec": "", "requested_specs": ["a", "b"]}, ("a", "b")),
        ({"requested_spec": "absent"}, ()),
        ({"requested_specs": []}, ()),
    ],
)
def test_requested_specs_in_both_writings(changes: dict[str, Any], requested: tuple[str, ...]) -> None:
    assert read(**changes).requested == requested


def test_documents_without_files_or_paths() -> None:
    assert read(files="absent").files == ("lib/libz.so",)
    package = read(paths_data="absent", link="absent", fn="absent")
    assert (package.files, package.paths, package.record.fn) == (
        ("lib/libz.so",),
        ({"_path": "lib/libz.so"},),
        "zlib-1.2.13-h166bdaf_4.conda",
    )


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'"x"', b"\xff", b'{"name": "a"}', b'{"name": 1, "version": "1"}']
)
def test_a_damaged_document_is_named(tmp_path: Path, content: bytes) -> None:
    create(tmp_path / "env", [])
    place = tmp_path / "env/conda-meta/a-1-0.json"
    place.write_bytes(content)
    with pytest.raises(DataError, match=str(place)):
        PrefixStore(tmp_path / "env").records()


def test_other_files_beside_the_records_are_not_records(tmp_path: Path) -> None:
    create(tmp_path / "env", [unpack(pkg("a"), tmp_path / "pkgs")])
    for name in ("._a-1.0-0.json", "pixi", "frozen", "state"):
        (tmp_path / "env/conda-meta" / name).write_text("{}")
    assert [package.record.name for package in PrefixStore(tmp_path / "env").records()] == ["a"]


def test_variables_of_packages_come_before_the_environments_own(tmp_path: Path) -> None:
    """CEP 32: loaded alphabetically, later documents override earlier ones, and state is loaded last."""
    files = {
        "etc/conda/env_vars.d/b.json": '{"B": "b", "A": "b", "OWN": "b", "GONE": "x"}',
        "etc/conda/env_vars.d/a.json": '{"A": "a", "ONLY_A": "a"}',
        "etc/conda/env_vars.d/notes.txt": "no json",
    }
    variables = {"OWN": "state", "GONE": "***unset***"}
    create(tmp_path / "env", [unpack(pkg("a", files=files), tmp_path / "pkgs")], variables=variables)
    found = PrefixStore(tmp_path / "env").environment_variables()
    assert found == {"A": "b", "B": "b", "ONLY_A": "a", "OWN": "state"}


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    create(tmp_path / "env", [])
    (tmp_path / "env/conda-meta/state").write_text("{")
    with pytest.raises(DataError, match="env/conda-meta/state is not valid JSON"):
        PrefixStore(tmp_path / "env").environment_variables()


def test_names_of_environments(tmp_path: Path) -> None:
    assert PrefixStore(tmp_path / "x/envs/a").display_name() == "a"
    assert PrefixStore(tmp_path / "own/a").display_name([tmp_path / "own"]) == "a"
    assert PrefixStore(tmp_path / "own/a").display_name() == str(tmp_path / "own/a")


def test_verify_names_every_difference(tmp_path: Path) -> None:
    files = {
        "a": "a", "b": "b", "c": "c", "l": link("a"), "m": link("b"),
        "p": File(b"/old", placeholder="/old"),
    }  # fmt: skip
    prefix = tmp_path / "env"
    create(prefix, [unpack(pkg("x", files=files), tmp_path / "pkgs")], link_mode="copy")
    assert verify_prefix(prefix) == ()
    (prefix / "a").write_text("changed")
    (prefix / "b").unlink()
    (prefix / "l").unlink()
    (prefix / "p").write_text("/old")
    found = [(finding.path, finding.kind) for finding in verify_prefix(prefix)]
    assert found == [("a", "modified"), ("b", "missing"), ("l", "missing"), ("p", "modified")]
    assert str(verify_prefix(prefix)[0]) == "a of x-1.0-0 is modified"
