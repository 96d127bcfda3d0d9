"""What `envmgr completion SHELL --answer` offers for a line: the words, without a shell around them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.cli.grammar import VALUES, expect, iter_parsers
from tests.builders import make_channel, pkg
from tests.servers import serve
from tests.shards import write_shards

if TYPE_CHECKING:
    from tests.command import Envmgr


def answer(envmgr: Envmgr, *words: str) -> list[str]:
    """What is offered, without what it is, after the kind of path that may stand there."""
    told = envmgr("completion", "fish", "--answer", "--", *words)
    assert (told.code, told.err) == (0, "")
    return [line.partition("\t")[0] for line in told.out.splitlines()]


def make_environments() -> None:
    for name, packages in {"data": ("numpy-2.0-py_0", "num-expr-1-x", "scipy-1-0"), "dä's": ()}.items():
        meta = Path(os.environ["ENVMGR_ROOT"], "envs", name, "conda-meta")
        meta.mkdir(parents=True)
        (meta / "history").touch()
        for each in packages:
            (meta / f"{each}.json").touch()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("he", []),
        ("ins", ["install"]),
        ("env re", ["remove", "rename"]),
        ("env config vars s", ["set"]),
        ("config rem", ["remove"]),
        ("config --set ssl_v", ["ssl_verify"]),
        ("config --set offline ", []),
        ("install -n d", ["data", "dä's"]),
        ("install --name=da", ["--name=data"]),
        ("activate da", ["data"]),
        ("rename da", ["data"]),
        ("remove -n data nu", ["num-expr", "numpy"]),
        ("remove -ndata sc", ["scipy"]),
        ("uninstall --name data sc", ["scipy"]),
        ("why -n missing nu", []),
        ("create --channel-priority ", ["strict", "flexible", "disabled"]),
        ("create --channel-priority=f", ["--channel-priority=flexible"]),
        ("create --no-p", ["--no-pin"]),
        ("create --no-pin --no-p", []),
        ("create -c a --chan", ["--channel", "--channel-priority"]),
        ("create -c conda", ["conda-forge"]),
        ("create --platform win-a", ["win-arm64"]),
        ("export --platform win-64 --platform osx-a", ["osx-arm64"]),
        ("completion ", ["bash", "zsh", "fish"]),
        ("shell-hook nus", ["nushell"]),
        ("doctor netw", ["network"]),
        ("export --format req", ["requirements"]),
        ("run -n data python --vers", []),
        ("no-such-command --", []),
        ("list --no-such-option da", []),
        ("list -- --", []),
    ],
)
def test_words_that_fit_are_offered(envmgr: Envmgr, line: str, expected: list[str]):
    make_environments()
    kind, *offered = answer(envmgr, *line.split(" "))
    assert (kind in ("", "files"), offered) == (True, expected)


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("create -f ", "files"),
        ("create --file=", "files"),
        ("list -p ", "folders"),
        ("activate ./", "folders"),
        ("build re", "files"),
        ("run -n data python ", "files"),
        ("run -n data -- python ", "files"),
        ("list ", ""),
    ],
)
def test_paths_are_left_to_the_shell(envmgr: Envmgr, line: str, kind: str):
    assert answer(envmgr, *line.split(" ")) == [kind]


def test_programs_of_the_environment_are_offered_to_run(envmgr: Envmgr, tmp_path: Path):
    (tmp_path / "bin").mkdir()
    for name in ("python", "python3", "pip"):
        (tmp_path / "bin" / name).touch()
    assert answer(envmgr, "run", "-p", str(tmp_path), "py") == ["", "python", "python3"]
    assert answer(envmgr, "run", "-p", str(tmp_path), "--", "pi") == ["", "pip"]


@pytest.mark.parametrize("sharded", [False, True])
def test_names_of_stored_indexes_are_offered_and_nobody_is_asked(
    envmgr: Envmgr, tmp_path: Path, sharded: bool
):
    many = [pkg(f"m{number:03}") for number in range(200)]
    channel = make_channel(tmp_path / "main", [*many, pkg("numpy"), pkg("num", noarch="generic"), pkg("nup")])
    if sharded:
        write_shards(channel)
    with serve(tmp_path) as server:
        where = ("-c", f"{server.url}/main", "--override-channels")
        assert answer(envmgr, "install", *where, "num") == [""]
        assert not server.requests
        assert envmgr("search", "nup", *where).code == 0
        before = len(server.requests)
        assert answer(envmgr, "install", *where, "num") == ["", "num", "numpy"]
        assert answer(envmgr, "create", *where, "x", "m07") == ["", *(f"m07{digit}" for digit in range(10))]
        assert answer(envmgr, "search", *where, "zz") == [""]
        assert answer(envmgr, "search", *where, "") == [""]
        assert len(server.requests) == before


def test_an_environment_is_offered_what_its_own_channels_hold(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "main", [pkg("numpy"), pkg("num")]).as_uri()
    assert envmgr("create", "-n", "a", "num", "-c", channel, "--override-channels").code == 0
    assert answer(envmgr, "install", "-n", "a", "nu") == ["", "num", "numpy"]
    assert answer(envmgr, "install", "-n", "missing", "nu") == [""]


def test_a_damaged_index_and_damaged_settings_are_not_mentioned(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "main", [pkg("numpy")]).as_uri()
    line = ("completion", "bash", "--answer", "--", "install", "-c", channel, "--override-channels", "n")
    assert envmgr("search", "numpy", "-c", channel, "--override-channels").code == 0
    assert envmgr(*line).out == "\nnumpy\n"
    for file in Path(os.environ["ENVMGR_ROOT"], "index").glob("*.sqlite"):
        file.write_bytes(b"no index")
    damaged = envmgr(*line)
    assert (damaged.code, damaged.out, damaged.err) == (0, "\n", "")
    Path(os.environ["HOME"], ".condarc").write_text("channels: [\n")
    silent = envmgr(*line)
    assert (silent.code, silent.out, silent.err) == (0, "\n", "")


def test_an_answer_loads_nothing_slow_and_nothing_that_connects(envmgr: Envmgr, tmp_path: Path):
    make_environments()
    channel = make_channel(tmp_path / "main", [pkg("numpy")]).as_uri()
    where = ["-c", channel, "--override-channels"]
    assert envmgr("search", "numpy", *where).code == 0
    program = (
        "import sys\nfrom envmgr.cli.main import run_command_line\n"
        "run_command_line(['completion', 'bash', '--answer', '--', *sys.argv[1:]])\n"
        "unwanted = {'socket', 'ssl', 'requests', 'tqdm', 'envmgr.solver', 'envmgr.net', 'envmgr.prefix'}\n"
        "print(*unwanted & set(sys.modules))"
    )
    for line, offered in ((["install", *where, "n"], "numpy"), (["run", "-n", "da"], "data")):
        done = subprocess.run(
            [sys.executable, "-c", program, *line], capture_output=True, text=True, timeout=60, check=True
        )
        assert (done.stdout, done.stderr) == (f"\n{offered}\n\n", "")


def test_credentials_are_not_offered(envmgr: Envmgr):
    Path(os.environ["HOME"], ".condarc").write_text(
        "channels: [https://u:p@example.org/c, https://example.org/t/tk-1/c, mine]\n"
    )
    assert answer(envmgr, "search", "-c", "") == ["", "mine", "local"]


def test_every_option_of_every_command_is_offered_and_every_value_is_decided():
    seen = 0
    for command, parser in iter_parsers():
        for action in parser._actions:
            if action.option_strings and action.help != argparse.SUPPRESS:
                name = action.option_strings[0]
                assert name in [offer for offer, _ in expect([*command.split(), name]).offers], (
                    command,
                    name,
                )
                seen += 1
            words = action.metavar if isinstance(action.metavar, tuple) else (action.metavar,)
            for word in words if action.nargs != 0 and action.choices is None else ():
                assert word in VALUES, f"{command}: what completes {word}?"
    assert seen > 300


def test_the_script_is_printed_and_help_tells_where_it_goes(envmgr: Envmgr):
    for shell in ("bash", "zsh", "fish"):
        assert "envmgr" in envmgr("completion", shell).out
    assert 'eval "$(envmgr completion bash)"' in envmgr("completion", "--help").out
    refused = envmgr("completion", "tcsh")
    assert (refused.code, "tcsh" in refused.err) == (2, True)
