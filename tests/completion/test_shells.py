"""Completion in real shells: what a person gets who presses TAB, at a terminal where the shell has one."""

from __future__ import annotations

import os
import pty
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_SECONDS = 30.0
ODD = "my'ä$(env)"
ENVIRONMENTS = ("plain", ODD, "with space")


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The variables of a shell that finds the program envmgr on PATH, and two environments."""
    program = tmp_path / "bin" / "envmgr"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m envmgr "$@"\n')
    program.chmod(0o755)
    for name in ENVIRONMENTS:
        meta = Path(os.environ["ENVMGR_ROOT"], "envs", name, "conda-meta")
        meta.mkdir(parents=True)
        (meta / "history").touch()
        (meta / "numpy-2.0-py_0.json").touch()
        (meta.parent / "bin").mkdir()
        (meta.parent / "bin" / "my tool ä").touch()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a file.yml").touch()
    (tmp_path / "work" / "a folder").mkdir()
    root = str(Path(__file__).parents[2])
    kept = {name: os.environ[name] for name in ("HOME", "ENVMGR_ROOT", "XDG_CONFIG_HOME")}
    path = f"{program.parent}:/usr/bin:/bin"
    return {**kept, "PATH": path, "PYTHONPATH": root, "LC_ALL": "C.UTF-8", "TERM": "dumb"}


def installed(name: str) -> str:
    program = shutil.which(name)
    if program is None:
        pytest.skip(f"{name} is not installed")
    return program


def run(command: Sequence[str], environ: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which(command[0], path=environ["PATH"])
    return subprocess.run(
        [str(program), *command[1:]],
        env=environ, cwd=folder, capture_output=True, text=True, timeout=LONGEST_SECONDS, check=True,
    )  # fmt: skip


def type_into(shell: Sequence[str], lines: Sequence[str], environ: dict[str, str], folder: Path) -> str:
    """Start an interactive *shell* at a terminal of its own, type *lines*, and give what the terminal showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(shell[0], list(shell), environ)
    shown, end = b"", time.monotonic() + LONGEST_SECONDS
    waiting = [f"{line}\r".encode() for line in (*lines, "exit")]
    try:
        # The next line is typed at the next prompt, so that no key gets lost while the shell prepares.
        for count, line in enumerate(waiting, start=1):
            while shown.count(b"ready> ") < count:
                shown += _read(terminal, end)
            os.write(terminal, line)
        while piece := _read(terminal, end):
            shown += piece
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)
    return shown.decode("utf-8", "replace")


def _read(terminal: int, end: float) -> bytes:
    """What the terminal shows next; b"" once the shell is gone."""
    ready, _, _ = select.select([terminal], [], [], max(0.0, end - time.monotonic()))
    assert ready, "the shell does not get on"
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


# What is typed, a TAB included, and the words that the command then gets. Text after the TAB shows what it left.
TYPED = [
    ("envmgr inst\tx", "install x"),
    ("envmgr run -n my\tx", f"run -n {ODD} x"),
    ("envmgr run -n 'my\tx", f"run -n {ODD} x"),
    ('envmgr run -n "my\tx', f"run -n {ODD} x"),
    ("envmgr run -n my\\'\tx", f"run -n {ODD} x"),
    ("envmgr run -n plain my\tx", "run -n plain my tool ä x"),
    ("envmgr run -n plain 'my t\tx", "run -n plain my tool ä x"),
    ("envmgr run -n plain my\\ t\tx", "run -n plain my tool ä x"),
    ("envmgr run -n with\tx", "run -n withx"),
    ("envmgr list -p a\t", "list -p a folder"),
    ("envmgr create --file a\\ fi\tx", "create --file a file.yml x"),
    ("envmgr create --channel-priority=st\tx", "create --channel-priority=strict x"),
    ("envmgr create --channel-priority st\tx", "create --channel-priority strict x"),
    ("envmgr create -n pl\t --dry\tx", "create -n plain --dry-run x"),
    ("envmgr config --show off\tx", "config --show offline x"),
    ("true; A=1 envmgr inst\tx", "install x"),
    ('envmgr remove -n "my\'ä\\$(env)" nu\tx', f"remove -n {ODD} numpy x"),
    ("envmgr remove -n my\\'ä\\$\\(env\\) nu\tx", f"remove -n {ODD} numpy x"),
    ("envmgr why --prefix=$ENVMGR_ROOT/envs/plain nu\tx", "why --prefix=ROOT/envs/plain numpy x"),
]


def words_of(file: Path) -> list[str]:
    """The words of each call; zsh takes the slash off a folder again when the line is done."""
    lines = file.read_text().splitlines()
    called = [" ".join(line.split("\x1f")[:-1]).rstrip("/") for line in lines]
    return [words.replace(os.environ["ENVMGR_ROOT"], "ROOT") for words in called]


# Stands in for the program once its script has been taken over, and writes down the words that it is called with.
RECORD = "envmgr() { printf '%s\\037' \"$@\" >> ../words; echo >> ../words; }\n"


def test_bash_completes_what_is_typed(environ: dict[str, str], tmp_path: Path):
    start = tmp_path / "start"
    start.write_text(f'eval "$(envmgr completion bash)"\n{RECORD}PS1="ready> "\nset -u\nshopt -s failglob\n')
    shell = [installed("bash"), "--noprofile", "--rcfile", str(start), "-i"]
    shown = type_into(shell, [typed for typed, _ in TYPED], environ, tmp_path / "work")
    assert words_of(tmp_path / "words") == [words for _, words in TYPED], shown
    assert "rror" not in shown


@pytest.mark.parametrize("how", ["eval", "fpath"])
def test_zsh_completes_what_is_typed(environ: dict[str, str], tmp_path: Path, how: str):
    shell = [installed("zsh"), "-i"]
    folder = tmp_path / "functions"
    folder.mkdir()
    text = "autoload -Uz compinit && compinit -u -d $ZDOTDIR/dump\nsetopt ksharrays\nunsetopt beep\n"
    if how == "eval":
        text += 'eval "$(envmgr completion zsh)"\n'
    else:
        text = f"fpath=({shlex.quote(str(folder))} $fpath)\n{text}"
        (folder / "_envmgr").write_text(run(["envmgr", "completion", "zsh"], environ, tmp_path).stdout)
    (tmp_path / ".zshrc").write_text(f"{text}{RECORD}PS1='ready> '\n")
    typed = [*TYPED[:6], ("envmgr create --file=a\\ fi\tx", "create --file=a file.yml x"), *TYPED[6:]]
    lines = [line for line, _ in typed] if how == "eval" else [line for line, _ in typed[:2]]
    type_into(shell, lines, {**environ, "ZDOTDIR": str(tmp_path)}, tmp_path / "work")
    assert words_of(tmp_path / "words") == [words for _, words in typed[: len(lines)]]


def test_init_brings_completion(environ: dict[str, str], tmp_path: Path):
    run(["envmgr", "init", "bash", "zsh", "fish"], environ, tmp_path)
    start = Path(environ["HOME"], ".bashrc")
    start.write_text(f"{start.read_text()}{RECORD}PS1='ready> '\n")
    shell = [installed("bash"), "--noprofile", "--rcfile", str(start), "-i"]
    type_into(shell, ["envmgr run -n my\tx"], environ, tmp_path / "work")
    assert words_of(tmp_path / "words") == [f"run -n {ODD} x"]
    offers = run([installed("fish"), "-c", "complete -C 'envmgr rep'"], environ, tmp_path)
    assert (offers.stdout.split("\t")[0], offers.stderr) == ("repoquery", "")
    run(["envmgr", "init", "--reverse", "bash", "zsh", "fish"], environ, tmp_path)
    assert "completion" not in start.read_text()


FISH = [
    ("envmgr inst", ["install"]),
    ("envmgr run -n my", [ODD]),
    ("envmgr run -n 'my", [ODD]),
    ("envmgr run -n pl", ["plain"]),
    ("envmgr run -n ", [ODD, "plain"]),
    ("envmgr create --file a", ["a file.yml", "a folder/"]),
    ("envmgr create --file=a", ["--file=a file.yml", "--file=a folder/"]),
    ("envmgr list -p a", ["a folder/"]),
    ("envmgr create --channel-priority=st", ["--channel-priority=strict"]),
    ("envmgr no-such ", []),
    ('envmgr remove -n "my\'ä\\$(env)" nu', ["numpy"]),
    ("envmgr remove -n my\\'ä\\$\\(env\\) nu", ["numpy"]),
    ("envmgr run -n plain 'my t", ["my tool ä"]),
    ("envmgr run -n with", []),
]


def test_fish_offers_the_same(environ: dict[str, str], tmp_path: Path):
    text = "envmgr completion fish | source\n"
    for line, _ in FISH:
        quoted = "'" + line.replace("\\", "\\\\").replace("'", "\\'") + "'"
        text += f"complete -C {quoted}; echo ==\n"
    done = run([installed("fish"), "--no-config", "-c", text], environ, tmp_path / "work")
    found = [
        sorted(line.partition("\t")[0] for line in part.splitlines())
        for part in done.stdout.split("==\n")[:-1]
    ]
    assert (found, done.stderr) == ([offers for _, offers in FISH], "")


def test_bash_offers_lists_and_takes_words_apart_as_it_does_itself(environ: dict[str, str], tmp_path: Path):
    text = 'eval "$(envmgr completion bash)"\n'
    for words in (["env", "re"], ["create", "--channel-priority", "=", "st"], ["create", "-c", "co"]):
        line = "envmgr " + " ".join(words).replace(" = ", "=")
        count = len(words)
        text += f"COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} COMP_CWORD={count}\n"
        text += f'COMP_WORDS=(envmgr {shlex.join(words)}); _envmgr; echo "${{COMPREPLY[*]}}"\n'
    done = run([installed("bash"), "--norc", "-c", text], environ, tmp_path)
    assert (done.stdout, done.stderr) == ("remove rename\nstrict\nconda-forge\n", "")


def test_a_program_that_is_gone_leaves_the_line_alone(environ: dict[str, str], tmp_path: Path):
    text = run(["envmgr", "completion", "bash"], environ, tmp_path).stdout
    text = text.replace(sys.executable, "/no/such/python")
    text += "COMP_LINE='envmgr in' COMP_POINT=9 COMP_CWORD=1 COMP_WORDS=(envmgr in)\n"
    text += '_envmgr\necho "$?${COMPREPLY[*]}"\n'
    done = run([installed("bash"), "--norc", "-c", text], environ, tmp_path)
    assert (done.stdout, done.stderr) == ("0\n", "")
