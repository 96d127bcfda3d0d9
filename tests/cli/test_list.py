"""envmgr list in all its shapes, on a real environment with a distribution that pip would have installed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

SITE = "lib/python3.11/site-packages"


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    library = {"lib/lib.so": b"x" * 1000, "lib/own": b"y" * 50}
    dist_info = {"site-packages/b_tool-2.dist-info/METADATA": "Name: b-tool\nVersion: 2\n\nb\n"}
    return make_channel(
        tmp_path / "channel",
        [
            pkg("python", "3.11.1", files={"bin/python3.11": "", f"{SITE}/x": ""}),
            pkg("b-tool", "2", noarch="python", depends=["a-lib", "python"], files=dist_info),
            pkg("a-lib", "1.0", files=library),
        ],
    )


@pytest.fixture
def prefix(envmgr: Envmgr, channel: Path, tmp_path: Path) -> Path:
    place = tmp_path / "env"
    done = envmgr("create", "-y", "-p", place, "-c", channel, "--override-channels", "b-tool", "python")
    assert done.code == 0, done.err
    folder = place / SITE / "My.Pip_Thing-0.5.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nname: My.Pip_Thing\nVersion: 0.5\n\nName: no\n")
    (folder / "RECORD").write_text(
        'thing.py,sha256=x,7\n"My.Pip_Thing-0.5.dist-info/METADATA",,\n../../../bin/t,,\n'
    )
    (place / SITE / "thing.py").write_text("x" * 7)
    (place / "bin/t").write_text("t" * 3)
    return place


def names(outcome) -> list[str]:
    return [each["name"] for each in outcome.json]


def test_what_pip_installed_is_told_from_what_packages_brought(envmgr: Envmgr, prefix: Path):
    listed = envmgr("list", "-p", prefix, "--json")
    assert names(listed) == ["a-lib", "b-tool", "my-pip-thing", "python"]
    assert (listed.json[2]["channel"], listed.json[2]["version"]) == ("pypi", "0.5")
    assert names(envmgr("list", "-p", prefix, "--json", "--no-pip")) == ["a-lib", "b-tool", "python"]


def test_listing_reads_no_lists_of_files(envmgr: Envmgr, prefix: Path):
    """Nor does it fail where one of them holds what no package may own."""
    (document,) = (prefix / "conda-meta").glob("a-lib-*.json")
    content = json.loads(document.read_text())
    document.write_text(json.dumps({**content, "files": ["../../etc/passwd"]}))
    assert "a-lib" in names(envmgr("list", "-p", prefix, "--json"))
    assert envmgr("list", "-p", prefix, "--size").code == 1


def test_records_that_spell_letters_as_escapes_own_their_metadata(envmgr: Envmgr, prefix: Path):
    (document,) = (prefix / "conda-meta").glob("b-tool-*.json")
    document.write_text(document.read_text().replace("METADATA", "\\u004dETADATA"))
    assert names(envmgr("list", "-p", prefix, "--json")) == ["a-lib", "b-tool", "my-pip-thing", "python"]


def test_names_are_chosen_by_a_pattern_or_as_a_whole(envmgr: Envmgr, prefix: Path):
    assert names(envmgr("list", "-p", prefix, "--json", "tool|thing")) == ["b-tool", "my-pip-thing"]
    assert names(envmgr("list", "-p", prefix, "--json", "-f", "tool")) == []
    assert names(envmgr("list", "-p", prefix, "--json", "--reverse", "-f", ".*p.*")) == [
        "python",
        "my-pip-thing",
    ]


@pytest.mark.parametrize(("option", "key"), [((), None), (("--md5",), "md5"), (("--sha256",), "sha256")])
def test_the_explicit_list_makes_the_environment_again(
    envmgr: Envmgr, prefix: Path, tmp_path: Path, option, key
):
    shown = envmgr("list", "-p", prefix, "--explicit", *option)
    records = {each["name"]: each for each in envmgr("list", "-p", prefix, "--json", "--no-pip").json}
    sums = {
        name: f"#{'sha256:' * (key == 'sha256')}{each[key]}" if key else "" for name, each in records.items()
    }
    assert [line for line in shown.out.splitlines() if not line.startswith("#")] == [
        "@EXPLICIT",
        *(f"{records[name]['url']}{sums[name]}" for name in ("a-lib", "python", "b-tool")),
    ], "dependencies come first"
    assert "# platform: linux-64\n" in shown.out
    assert "# from PyPI, and not in this file: my-pip-thing==0.5\n" in shown.out
    (tmp_path / "explicit.txt").write_text(shown.out)
    assert envmgr("create", "-y", "-p", tmp_path / "copy", "--file", tmp_path / "explicit.txt").code == 0
    assert names(envmgr("list", "-p", tmp_path / "copy", "--json")) == sorted(records)


def test_the_exported_list_makes_the_environment_again(
    envmgr: Envmgr, prefix: Path, channel: Path, tmp_path: Path
):
    shown = envmgr("list", "-p", prefix, "--export").out
    lines = [line for line in shown.splitlines() if not line.startswith("#")]
    assert lines == ["a-lib=1.0=0", "b-tool=2=0", "python=3.11.1=0"]
    (tmp_path / "specs.txt").write_text(shown)
    made = envmgr(
        "create",
        "-y",
        "-p",
        tmp_path / "copy",
        "--file",
        tmp_path / "specs.txt",
        "-c",
        channel,
        "--override-channels",
    )
    assert made.code == 0, made.err


def test_canonical_names_and_urls_of_channels(envmgr: Envmgr, prefix: Path, channel: Path):
    assert envmgr("list", "-p", prefix, "-c", "--reverse").out.splitlines() == [
        "pypi/pypi::my-pip-thing-0.5-pypi_0",
        f"{channel.as_uri()}/linux-64::python-3.11.1-0",
        f"{channel.as_uri()}/noarch::b-tool-2-0",
        f"{channel.as_uri()}/linux-64::a-lib-1.0-0",
    ]
    assert f"b-tool        2        0       {channel.as_uri()}\n" in envmgr("list", "-p", prefix, "-u").out


def test_sizes_tell_what_the_cache_and_other_environments_hold(envmgr: Envmgr, prefix: Path):
    def sizes() -> dict[str, tuple[int, int, int]]:
        return {
            each["name"]: (each["installed_bytes"], each["unique_bytes"], each["shared_bytes"])
            for each in envmgr("list", "-p", prefix, "--json", "--size").json
        }

    os.unlink(prefix / "lib/own")
    (prefix / "lib/own").write_bytes(b"z" * 50)
    metadata = (prefix / SITE / "My.Pip_Thing-0.5.dist-info/METADATA").stat().st_size
    if (prefix / "lib/lib.so").stat().st_nlink > 1:  # Where reflinks work, nothing is shared by name.
        assert sizes()["a-lib"] == (1050, 50, 1000)
    assert sizes()["my-pip-thing"] == (10 + metadata, 10 + metadata, 0)
    assert "1.0 KB" in envmgr("list", "-p", prefix, "--size", "a-lib").out


def test_two_names_of_a_file_in_one_environment_are_not_shared(envmgr: Envmgr, prefix: Path):
    os.unlink(prefix / "lib/lib.so")
    os.unlink(prefix / "lib/own")
    (prefix / "lib/lib.so").write_bytes(b"w" * 70)
    os.link(prefix / "lib/lib.so", prefix / "lib/own")
    (found,) = envmgr("list", "-p", prefix, "--json", "--size", "a-lib").json
    assert (found["installed_bytes"], found["unique_bytes"]) == (70, 70)


def test_revisions_are_the_history(envmgr: Envmgr, prefix: Path):
    shown = envmgr("list", "-p", prefix, "--revisions")
    assert shown.out == envmgr("history", "-p", prefix).out
    assert "envmgr rollback NUMBER" in shown.err
    assert envmgr("list", "-p", prefix, "-r", "--json").json[0]["generation"] == 1


@pytest.mark.parametrize(
    "wrong", [["--md5"], ["--explicit", "--export"], ["--explicit", "--md5", "--sha256"]]
)
def test_options_that_do_not_go_together_are_refused(envmgr: Envmgr, prefix: Path, wrong: list[str]):
    assert envmgr("list", "-p", prefix, *wrong).code == 2
