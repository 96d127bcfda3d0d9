"""run, where there is no shell, home, PATH or terminal: from cron, in containers and in pipes."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import File, make_channel, pkg, script
from tests.users import as_user, needs_other_users, reachable_folder

if TYPE_CHECKING:
    from tests.command import Envmgr

ROOT = Path(__file__).resolve().parents[2]
ENVMGR = [sys.executable, "-m", "envmgr"]
BARE = {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
# As the scripts of compilers are written, which no POSIX shell reads.
FOR_BASH = b"""\
function _switch_on() {
  local names=(one two)
  [[ ${names[1]} == two ]] && export SWITCHED="${#names[@]}" COLOUR=script
}
_switch_on
export PATH="$CONDA_PREFIX/sdk/bin:$PATH"
"""
PACKAGES = [
    pkg("plain", files={
        "bin/tool": script('echo "$@"; exit 3'),
        "bin/bare": File(b'echo "bare $1 $CONDA_DEFAULT_ENV"\n', 0o755),
        "bin/not-yet": File(b"#!/bin/sh\n", 0o644),
    }),
    pkg("sdk", files={
        "etc/conda/activate.d/sdk.sh": FOR_BASH, "sdk/bin/deep": script('echo "$SWITCHED $COLOUR"'),
    }),
]  # fmt: skip


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path) -> Path:
    channel = make_channel(tmp_path / "channel", PACKAGES)
    place = tmp_path / "env"
    assert envmgr("create", "-y", "-p", place, "--override-channels", "-c", channel, "plain").code == 0
    return place


@pytest.fixture
def with_scripts(envmgr: Envmgr, prefix: Path, tmp_path: Path) -> Path:
    if shutil.which("bash") is None:
        pytest.skip("there is no bash")
    arguments = ("install", "-y", "-p", prefix, "--override-channels", "-c", tmp_path / "channel", "sdk")
    assert envmgr(*arguments).code == 0
    return prefix


def run(prefix: Path, *command: object, **options: Any) -> subprocess.CompletedProcess[str]:
    words = [*ENVMGR, "run", "-p", str(prefix), *map(str, command)]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False, **options)


def test_an_empty_environment_is_enough(with_scripts: Path) -> None:
    for environ in (BARE, {**BARE, "PATH": ""}, {**BARE, "HOME": "/nonexistent"}):
        ended = run(with_scripts, "sh", "-c", 'tool "$PATH"', env=environ)
        assert (ended.returncode, ended.stderr) == (3, "")
        assert ended.stdout == f"{with_scripts}/sdk/bin:{with_scripts}/bin:{os.defpath}\n"


@pytest.mark.skipif(os.geteuid() != 0 or shutil.which("unshare") is None, reason="needs root and unshare")
def test_the_command_becomes_the_first_process_of_a_container(prefix: Path) -> None:
    container = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*container, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no process namespaces here")
    words = [*container, *ENVMGR, "run", "-p", str(prefix), "sh", "-c", "echo $$; exit 9"]
    ended = subprocess.run(
        words, env=BARE | {"PATH": os.defpath}, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (9, "1\n"), ended.stderr


def test_a_closed_pipe_ends_the_command_as_it_would_without_envmgr(prefix: Path) -> None:
    child = subprocess.Popen([*ENVMGR, "run", "-p", str(prefix), "yes"], stdout=-1, stderr=-1)
    assert child.stdout is not None and child.stderr is not None
    assert child.stdout.readline() == b"y\n"
    child.stdout.close()
    assert child.wait(timeout=20) == -signal.SIGPIPE
    assert child.stderr.read() == b""
    child.stderr.close()


def test_scripts_without_an_interpreter_line_run(prefix: Path, envmgr: Envmgr, tmp_path: Path) -> None:
    assert run(prefix, "bare", "x").stdout == f"bare x {prefix}\n"
    arguments = ("install", "-y", "-p", prefix, "--override-channels", "-c", tmp_path / "channel", "sdk")
    assert envmgr(*arguments).code == 0
    assert run(prefix, "bare", "x").stdout == f"bare x {prefix}\n"


def test_activation_scripts_may_be_written_for_bash_and_bring_programs(with_scripts: Path) -> None:
    ended = run(with_scripts, "deep")
    assert (ended.stdout, ended.stderr, ended.returncode) == ("2 script\n", "", 0)


def test_variables_of_the_command_line_win_over_those_of_scripts(with_scripts: Path) -> None:
    assert run(with_scripts, "-e", "COLOUR=mine", "-e", "SWITCHED=", "deep").stdout == " mine\n"


@pytest.mark.parametrize("scripts", [False, True])
def test_what_cannot_be_run_is_told_in_a_sentence(
    prefix: Path, scripts: bool, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if scripts:
        request.getfixturevalue("with_scripts")
    for name, told, hint in (
        ("nosuch", "there is no program 'nosuch' in the environment or on PATH.", None),
        ("./nosuch", "there is no program ./nosuch.", None),
        (prefix / "bin", f"{prefix}/bin cannot be run: it is a folder.", None),
        (prefix / "bin/not-yet", f"{prefix}/bin/not-yet cannot be run: it is not executable.", "chmod +x"),
    ):
        ended = run(prefix, "--cwd", tmp_path, name)
        lines = ended.stderr.splitlines()
        assert (ended.returncode, lines[0]) == (1, f"envmgr: {told}")
        assert [line for line in lines[1:] if hint is None or hint not in line] == []


def test_a_script_whose_interpreter_moved_away_says_so(prefix: Path) -> None:
    (prefix / "bin/pip").write_text("#!/moved/bin/python\n")
    (prefix / "bin/pip").chmod(0o755)
    ended = run(prefix, "pip")
    assert (ended.returncode, ended.stderr.splitlines()) == (
        1,
        [
            f"envmgr: {prefix}/bin/pip cannot be run: the interpreter that it names is not there.",
            "  hint: Where its environment was moved: envmgr doctor --fix",
        ],
    )


def test_a_folder_that_is_gone_and_streams_that_are_closed_are_no_hindrance(
    prefix: Path, tmp_path: Path
) -> None:
    # A variable of settings once had the folder read, which every activated shell has.
    (tmp_path / "gone").mkdir()
    start = f"cd gone && rmdir ../gone && exec {' '.join(ENVMGR)}"
    environ = {**os.environ, "CONDA_OFFLINE": "1"}
    for words in (f"run -p {prefix} tool x", f"create -p {tmp_path}/new --offline <&-", "no-such <&- 2>&-"):
        (tmp_path / "gone").mkdir(exist_ok=True)
        ended = subprocess.run(
            ["/bin/sh", "-c", f"{start} {words}"],
            env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert not re.search("defect|envmgr: No such file|Traceback", ended.stderr), ended.stderr
        assert ended.returncode == {"r": 3, "c": 0, "n": 2}[words[0]], ended.stderr


@needs_other_users
def test_an_environment_that_cannot_be_written_is_run_by_users_without_a_name_and_a_home(
    prefix: Path,
) -> None:
    with reachable_folder() as folder:
        place = folder / "env"
        shutil.copytree(prefix, place, symlinks=True)
        words = [*as_user(54_321), *ENVMGR, "run", "-p", str(place), "bare", "x"]
        ended = subprocess.run(words, env=BARE, capture_output=True, text=True, check=False, cwd=folder)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"bare x {place}\n", "")
        words = [*as_user(54_321), *ENVMGR, "remove", "-y", "-p", str(place), "plain"]
        refused = subprocess.run(words, env=BARE, capture_output=True, text=True, check=False, cwd=folder)
        assert refused.returncode == 1
        assert f"{place} cannot be changed" in refused.stderr
        assert f"hint: A copy of your own can be: envmgr create -n NAME --clone {place}" in refused.stderr


def test_the_users_own_site_packages_stay_out_unless_asked_for(prefix: Path) -> None:
    shown = ("sh", "-c", 'echo "$PYTHONNOUSERSITE"')
    assert run(prefix, *shown).stdout == "1\n"
    assert run(prefix, "-e", "PYTHONNOUSERSITE=", *shown).stdout == "\n"
