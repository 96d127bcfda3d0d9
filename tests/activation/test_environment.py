"""The variables of an activated environment and the text that runs a command in it."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from envmgr.activation.environment import activated_environment, path_folders, posix_exec_script

if TYPE_CHECKING:
    from pathlib import Path


def activate(environ: dict[str, str], prefix: str = "/envs/new", **options: str) -> dict[str, str]:
    return activated_environment(prefix, environ, subdir="linux-64", env_vars={"OWN": "1"}, **options)


def test_from_no_environment() -> None:
    found = activate({"PATH": "/usr/bin:/bin", "HOME": "/home/me", "OWN": "0"}, name="new")
    assert found == {
        "PATH": "/envs/new/bin:/usr/bin:/bin", "HOME": "/home/me", "OWN": "1", "CONDA_PREFIX": "/envs/new",
        "CONDA_SHLVL": "1", "CONDA_DEFAULT_ENV": "new", "CONDA_PROMPT_MODIFIER": "(new) ",
    }  # fmt: skip


def test_the_environment_before_leaves_path_and_is_remembered() -> None:
    before = {"PATH": "/envs/old/bin:/usr/bin", "CONDA_PREFIX": "/envs/old", "CONDA_SHLVL": "1"}
    found = activate(before)
    assert found["PATH"] == "/envs/new/bin:/usr/bin"
    assert (found["CONDA_SHLVL"], found["CONDA_PREFIX_1"]) == ("2", "/envs/old")
    assert found["CONDA_DEFAULT_ENV"] == "/envs/new"


def test_activating_the_active_environment_changes_no_level() -> None:
    before = {"PATH": "/usr/bin:/envs/new/bin", "CONDA_PREFIX": "/envs/new", "CONDA_SHLVL": "1"}
    found = activate(before)
    assert (found["PATH"], found["CONDA_SHLVL"]) == ("/envs/new/bin:/usr/bin", "1")
    assert "CONDA_PREFIX_1" not in found


def test_odd_levels_and_an_empty_path() -> None:
    assert activate({"CONDA_SHLVL": "x"})["CONDA_SHLVL"] == "1"
    assert activate({})["PATH"] == "/envs/new/bin"


def test_windows_folders_in_the_standards_order() -> None:
    folders = [
        folder.removeprefix("C:\\e").replace("\\", "/")
        for folder in path_folders("C:\\e", "win-64", "ucrt64")
    ]
    assert folders == [
        "", "/Library/ucrt64/bin", "/Library/mingw-w64/bin", "/Library/usr/bin", "/Library/bin", "/Scripts", "/bin",
    ]  # fmt: skip


def test_the_script_sources_in_order_and_becomes_the_command(tmp_path: Path) -> None:
    scripts = []
    for name in ("a", "b c"):
        path = tmp_path / f"{name}.sh"
        path.write_text(f'export SEEN="$SEEN[{name}]"\n')
        scripts.append(str(path))
    text = posix_exec_script(scripts)
    command = ["/bin/sh", "-c", 'printf "%s|" "$SEEN" "$@"; exit 7', "x", "one two", "$HOME"]
    done = subprocess.run(
        ["/bin/sh", "-c", text, "run", *command], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (7, "[a][b c]|one two|$HOME|")
