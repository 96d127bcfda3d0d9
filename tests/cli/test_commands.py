"""run, list, info, index and build as a user calls them: text, JSON, one failure each."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg, script

if TYPE_CHECKING:
    from tests.command import Envmgr
from tests.servers import Fault, serve

ENVMGR = [sys.executable, "-m", "envmgr"]


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path) -> Path:
    tool = pkg("tool", "1.2", files={"bin/tool": script('cat; echo "$@" >&2; exit 3'), "share/x": "x"})
    channel = make_channel(tmp_path / "channel", [tool])
    place = tmp_path / "env"
    created = envmgr("create", "-p", place, "-c", channel, "--override-channels", "-q", "-y", "tool")
    assert created.code == 0, created.err
    return place


def process(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    command = [*ENVMGR, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def test_run_hands_over_streams_and_exit_code(prefix: Path):
    ended = process("run", "-p", prefix, "tool", "--json", "-n", input="fed\n")
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "fed\n", "--json -n\n")


def test_run_takes_a_folder_and_variables(prefix: Path, tmp_path: Path):
    asked = ["sh", "-c", 'echo "$PWD|$COLOUR|$EMPTY|$PYTHONNOUSERSITE"']
    ended = process("run", "-p", prefix, "--cwd", tmp_path, "-e", "COLOUR=a=b", "-e", "EMPTY=", *asked)
    assert ended.stdout == f"{tmp_path}|a=b||1\n"


def test_run_becomes_the_command(prefix: Path):
    child = subprocess.Popen([*ENVMGR, "run", "-p", str(prefix), "sleep", "30"])
    limit = time.monotonic() + 20
    while b"sleep" not in Path(f"/proc/{child.pid}/cmdline").read_bytes().split(b"\0")[0]:
        assert time.monotonic() < limit, "the process is still envmgr"
        time.sleep(0.02)
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=20) == -signal.SIGTERM


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["no-such-program"], 1, "no-such-program"),
        (["--cwd", "/no/such/folder", "true"], 1, "/no/such/folder"),
        (["-e", "NOVALUE", "true"], 2, "VAR=VALUE"),
        ([], 2, "command"),
    ],
)
def test_run_says_what_is_wrong(prefix: Path, arguments: list[str], code: int, word: str):
    ended = process("run", "-p", prefix, *arguments)
    assert ended.returncode == code
    assert word in ended.stderr
    assert "Traceback" not in ended.stderr


def test_list_filters_by_pattern(envmgr: Envmgr, prefix: Path):
    assert "tool" in envmgr("list", "-p", prefix, "^to").out
    assert envmgr("list", "-p", prefix, "nothing", "--json").json == []
    wrong = envmgr("list", "-p", prefix, "(")
    assert wrong.code == 2
    assert "regular expression" in wrong.err


def test_info_shows_settings_and_virtual_packages(envmgr: Envmgr, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "12.4")
    facts = envmgr("info", "--json").json
    assert ["__cuda", "12.4", "0"] in facts["virtual_pkgs"]
    assert facts["channels"] == ["https://conda.anaconda.org/conda-forge"]
    assert facts["root_prefix"] == os.environ["ENVMGR_ROOT"]
    assert "__cuda=12.4=0" in envmgr("info").out


def test_info_names_a_wrong_setting(envmgr: Envmgr, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENVMGR_RETRIES", "many")
    failed = envmgr("info", "--json")
    assert failed.code == 1
    assert failed.json["exception_name"] == "ConfigError"
    assert "ENVMGR_RETRIES" in failed.json["error"]


def test_index_lists_what_can_be_read_and_names_the_rest(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "channel", [pkg("a", "1"), pkg("b", "2", extension=".tar.bz2")])
    original = json.loads((channel / "linux-64" / "repodata.json").read_text())
    subdir = channel / "linux-64"
    (subdir / "broken-1-0.conda").write_bytes(b"no zip")
    (subdir / "gone-1-0.conda").symlink_to("/nonexistent")
    (subdir / "folder-1-0.conda").mkdir()
    indexed = envmgr("index", channel, "--json")
    assert indexed.code == 0
    assert indexed.json["packages"] == {"linux-64": 2, "noarch": 0}
    for name in ("broken-1-0.conda", "gone-1-0.conda", "folder-1-0.conda"):
        assert name in indexed.err
    written = json.loads((subdir / "repodata.json").read_text())
    for section in ("packages", "packages.conda"):
        assert written[section] == original[section]


def test_index_of_a_missing_folder_is_refused(envmgr: Envmgr, tmp_path: Path):
    failed = envmgr("index", tmp_path / "nowhere")
    assert failed.code == 1
    assert "nowhere" in failed.err


RECIPE = """\
schema_version: 1
package: {name: greet, version: "1.0"}
build:
  script:
    - mkdir -p $PREFIX/bin
    - printf '#!/bin/sh\\necho hello from %s\\n' "$PREFIX" > $PREFIX/bin/greet
    - chmod +x $PREFIX/bin/greet
tests:
  - script: [greet]
about: {license: BSD-3-Clause, summary: A greeting.}
"""


def write_recipe(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(text)
    return folder


def test_build_fills_the_local_channel_once(envmgr: Envmgr, tmp_path: Path):
    recipes = write_recipe(tmp_path / "recipes" / "greet", RECIPE).parent
    built = envmgr("build", recipes, "--override-channels", "--zstd-level", "1", "--json")
    assert built.code == 0, built.out + built.err
    assert len(built.json["built"]) == 1
    again = envmgr("build", recipes, "--override-channels", "--json").json
    assert again["built"] == []
    assert again["present"] == [Path(built.json["built"][0]).name]
    created = envmgr("create", "-p", tmp_path / "env", "-c", "local", "--override-channels", "-y", "greet")
    assert created.code == 0, created.err
    assert process("run", "-p", tmp_path / "env", "greet").stdout == f"hello from {tmp_path}/env\n"


def test_build_of_a_broken_recipe_names_the_line_and_publishes_nothing(envmgr: Envmgr, tmp_path: Path):
    recipe = write_recipe(
        tmp_path / "greet", RECIPE.replace("- script: [greet]", "- script: [greet, 'exit 4']")
    )
    failed = envmgr("build", recipe, "--override-channels", "--zstd-level", "1")
    assert failed.code == 1
    assert "recipe.yaml:9" in failed.err
    assert not list(Path(os.environ["ENVMGR_ROOT"]).glob("channel/*/*.conda"))


def test_build_names_the_recipes_line_for_a_missing_requirement(envmgr: Envmgr, tmp_path: Path):
    text = RECIPE.replace("tests:", "requirements: {host: [nowhere-to-find]}\ntests:")
    failed = envmgr("build", write_recipe(tmp_path / "greet", text), "--override-channels")
    assert failed.code == 1
    assert "nowhere-to-find" in failed.err
    assert "recipe.yaml" in failed.err


@pytest.mark.parametrize("columns", [0, 100])
def test_bars_appear_on_a_terminal_and_only_there(tmp_path: Path, columns: int):
    channel = make_channel(tmp_path / "channel", [pkg("slow", files={"share/noise": os.urandom(100_000)})])
    slow = {"/linux-64/slow-1.0-0.conda": Fault(drip=0.1, drip_size=10_000)}
    with serve(channel, faults=slow) as server:
        arguments = ["create", "-c", server.url, "--override-channels", "-y", "slow"]
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        command = [*ENVMGR, *arguments, "-p", str(tmp_path / "env")]
        child = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower)
        os.close(follower)
        shown = read_all(leader)
        assert child.wait(timeout=60) == 0, shown
        assert "download" in shown
        assert "B/s" in shown
        piped = process(
            *arguments, "-p", tmp_path / "other", env={**os.environ, "ENVMGR_ROOT": str(tmp_path / "r")}
        )
    assert piped.returncode == 0
    assert "B/s" not in piped.stderr
    assert "\r" not in piped.stderr


def read_all(descriptor: int) -> str:
    pieces = []
    limit = time.monotonic() + 60
    while time.monotonic() < limit:
        if not select.select([descriptor], [], [], 1)[0]:
            continue
        try:
            piece = os.read(descriptor, 65536)
        except OSError:
            break
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces).decode(errors="replace")
