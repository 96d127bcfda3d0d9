"""`envmgr tree` as a user calls it: drawn in boxes or plainly, as JSON, up and down, and wrongly."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    packages = [
        pkg("app", "1.0", depends=["lib >=2", "python >=3.11"]),
        pkg("lib", "2.1", depends=["python", "__glibc >=2.17"]),
        pkg("python", "3.11.1", depends=["zlib"]),
        pkg("pip", "24.0", depends=["python"]),
        pkg("zlib", "1.3"),
    ]
    return make_channel(tmp_path / "channel", packages)


@pytest.fixture(autouse=True)
def glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.39")


@pytest.fixture
def prefix(envmgr: Envmgr, channel: Path, tmp_path: Path) -> Path:
    place = tmp_path / "env"
    made = envmgr("create", "-p", place, "-c", channel, "--override-channels", "-q", "-y", "app", "python")
    assert made.code == 0, made.err
    return place


def text(snapshot: str) -> str:
    return textwrap.dedent(snapshot).lstrip("\n")


def test_a_tree_from_the_requests_down(envmgr: Envmgr, prefix: Path):
    shown = envmgr("tree", "-p", prefix)
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == text("""
        app 1.0 (asked for: app)
        ├── lib 2.1
        │   ├── __glibc 2.39
        │   └── python 3.11.1
        │       ├── pip 24.0
        │       │   └── python 3.11.1 (circle)
        │       └── zlib 1.3
        └── python 3.11.1 (*)
        python 3.11.1 (asked for: python) (*)
        (*) is opened above
        """)


def test_a_tree_needs_no_channel(envmgr: Envmgr, prefix: Path, channel: Path):
    before = envmgr("tree", "-p", prefix).out
    channel.rename(channel.with_name("gone"))
    assert envmgr("tree", "-p", prefix, "--offline").out == before


def test_a_tree_of_a_plan_says_why_what_pypi_brings_is_not_known(
    envmgr: Envmgr, channel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    file = tmp_path / "env.yml"
    file.write_text(
        f"channels: ['{channel}', nodefaults]\ndependencies:\n  - lib\n  - pip\n  - pip: [requests, flask]\n"
    )
    shown = envmgr("tree", "-f", file, "--depth", "1")
    assert shown.out == text("""
        lib 2.1 (asked for: lib)
        ├── __glibc 2.39
        └── python 3.11.1 ...
        pip 24.0 (asked for: pip)
        └── python 3.11.1 ...
        """)
    assert shown.err.startswith("warning: what comes from PyPI is not known, and left out: http://127.0")


def test_an_inverted_tree_shows_what_each_asks(envmgr: Envmgr, prefix: Path):
    expected = text("""
        zlib 1.3
        └── python 3.11.1 [zlib] (asked for: python)
            ├── app 1.0 [python >=3.11] (asked for: app)
            ├── lib 2.1 [python]
            │   └── app 1.0 [lib >=2] (asked for: app)
            └── pip 24.0 [python]
                └── python 3.11.1 [pip] (asked for: python) (circle)
        """)
    assert envmgr("tree", "-p", prefix, "--invert", "zlib").out == expected
    assert envmgr("tree", "-p", prefix, "--reverse", "ZLIB").out == expected
    assert "lib 2.1" in envmgr("tree", "-p", prefix, "-i", "__glibc").out


def test_packages_and_specs_can_be_chosen(envmgr: Envmgr, prefix: Path):
    shown = envmgr("tree", "lib", "zlib", "-p", prefix, "--specs", "--depth", "1")
    assert shown.out == text("""
        lib 2.1
        ├── __glibc 2.39 [__glibc >=2.17]
        └── python 3.11.1 [python] (asked for: python) ...
        zlib 1.3
        """)


def test_everything_is_opened_each_time_on_demand(envmgr: Envmgr, prefix: Path):
    shown = envmgr("tree", "-p", prefix, "--no-dedupe")
    assert shown.out.count("zlib 1.3") == 3
    assert "(*)" not in shown.out


def test_what_nobody_asked_for_is_told_apart(envmgr: Envmgr, prefix: Path):
    document = prefix / "conda-meta" / "app-1.0-0.json"
    content = json.loads(document.read_text())
    document.write_text(json.dumps({**content, "requested_specs": [], "requested_spec": None}))
    shown = envmgr("tree", "-p", prefix, "--depth", "0")
    assert shown.out == text("""
        python 3.11.1 (asked for: python) ...
        not needed by anything that was asked for:
        app 1.0 ...
        """)
    python = prefix / "conda-meta" / "python-3.11.1-0.json"
    content = json.loads(python.read_text())
    python.write_text(json.dumps({**content, "requested_specs": [], "requested_spec": "None"}))
    shown = envmgr("tree", "-p", prefix, "--depth", "0")
    assert shown.out == "nothing was asked for by name; these are needed by nothing else:\napp 1.0 ...\n"


def test_packages_of_pip_have_a_place_of_their_own(envmgr: Envmgr, prefix: Path):
    folder = prefix / "lib" / "python3.11" / "site-packages" / "requests-2.31.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Name: requests\nVersion: 2.31\n")
    shown = envmgr("tree", "-p", prefix, "--depth", "0")
    assert shown.out.endswith("not needed by anything that was asked for:\nrequests 2.31 (pypi) ...\n")
    found = envmgr("tree", "-p", prefix, "--json").json
    assert found["orphans"] == ["requests"]
    assert [each["channel"] for each in found["packages"] if each["name"] == "requests"] == ["pypi"]


def test_json_is_the_graph(envmgr: Envmgr, prefix: Path):
    found = envmgr("tree", "-p", prefix, "--json").json
    assert found["success"] is True
    assert found["prefix"] == str(prefix)
    assert (found["roots"], found["orphans"]) == (["app", "python"], [])
    packages = {each["name"]: each for each in found["packages"]}
    assert list(packages) == ["app", "python", "lib", "pip", "zlib", "__glibc"]
    assert packages["app"]["requests"] == [{"line": "app", "place": "the environment"}]
    assert packages["app"]["needs"] == [
        {"name": "lib", "specs": ["lib >=2"]},
        {"name": "python", "specs": ["python >=3.11"]},
    ]
    assert [each["name"] for each in packages["python"]["needed_by"]] == ["app", "lib", "pip"]
    assert packages["__glibc"]["version"] == "2.39"
    assert packages["lib"]["dist_name"] == "lib-2.1-0"
    near = envmgr("tree", "-p", prefix, "--json", "--depth", "1", "-i", "zlib").json
    assert [each["name"] for each in near["packages"]] == ["zlib", "python"]
    assert near["inverted"] is True


@pytest.mark.parametrize(
    ("encoding", "branch"), [("ascii", "|-- lib"), ("latin-1", "|-- lib"), ("utf-8", "├── lib")]
)
def test_boxes_are_drawn_only_where_they_can_be_written(prefix: Path, encoding: str, branch: str):
    command = [sys.executable, "-m", "envmgr", "tree", "-p", str(prefix)]
    environ = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    shown = subprocess.run(command, capture_output=True, env=environ, timeout=60, check=False)
    assert (shown.returncode, shown.stderr) == (0, b"")
    assert branch in shown.stdout.decode(encoding)


def test_an_empty_environment_has_an_empty_tree(envmgr: Envmgr, tmp_path: Path, channel: Path):
    place = tmp_path / "empty"
    made = envmgr("create", "-p", place, "-c", channel, "--override-channels", "-q", "-y")
    assert made.code == 0, made.err
    assert envmgr("tree", "-p", place).out == ""
    assert envmgr("tree", "-p", place, "--json").json["packages"] == []


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["-n", "nowhere"], 1, "there is no environment at"),
        ([], 2, "no environment was named and none is active."),
        (["-n", "x", "-f", "env.yml"], 2, "only one of them can be meant."),
        (["--invert", "-n", "x"], 2, "needs the names of the packages"),
        (["--depth", "-1", "-n", "x"], 2, "--depth"),
        (["--depth", "many", "-n", "x"], 2, "--depth"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(
    envmgr: Envmgr, arguments: list[str], code: int, word: str
):
    failed = envmgr("tree", *arguments)
    assert failed.code == code
    assert word in failed.err
    assert failed.out == ""
    assert len(failed.err.splitlines()) <= 2


def test_a_name_that_is_not_there(envmgr: Envmgr, prefix: Path):
    failed = envmgr("tree", "-p", prefix, "pyton")
    assert (failed.code, failed.err) == (
        1,
        f"envmgr: pyton is not in {prefix}.\n  hint: Did you mean python?\n",
    )
    assert envmgr("tree", "-p", prefix, "a b").code == 2


def test_a_broken_document_is_named(envmgr: Envmgr, prefix: Path):
    document = prefix / "conda-meta" / "zlib-1.3-0.json"
    document.write_bytes(b"\xff\xfe{")
    failed = envmgr("tree", "-p", prefix, "--json")
    assert failed.code == 1
    assert str(document) in failed.json["error"]


def test_starting_imports_no_command_that_was_not_asked_for():
    program = (
        "import sys; sys.argv = ['envmgr', '--version']; from envmgr.__main__ import main; main(); "
        "print([name for name in sys.modules if name.startswith('envmgr.')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines()[1] == "['envmgr.__main__']"
