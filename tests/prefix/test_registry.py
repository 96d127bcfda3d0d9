"""The list of environments that conda, mamba, pixi and envmgr share, in the states in which users have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from envmgr.prefix.registry import read_registry, register, unregister
from tests.builders import make_channel, pkg
from tests.users import as_user, needs_other_users, reachable_folder


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home/.conda/environments.txt"


def refuse(sentence: str) -> None:
    raise AssertionError(sentence)


def test_it_keeps_order_and_holds_each_prefix_once(tmp_path: Path, registry: Path) -> None:
    for name in "bab":
        (tmp_path / name).mkdir(exist_ok=True)
        register(registry, tmp_path / name, refuse)
    assert registry.read_text() == f"{tmp_path}/b\n{tmp_path}/a\n"
    unregister(registry, tmp_path / "b", refuse)
    unregister(registry, tmp_path / "never", refuse)
    assert read_registry(registry) == [tmp_path / "a"]
    assert read_registry(tmp_path / "none") == []


def test_a_last_line_without_an_end_is_not_run_into(tmp_path: Path, registry: Path) -> None:
    registry.parent.mkdir()
    registry.write_text("/opt/conda")
    register(registry, tmp_path / "a", refuse)
    assert registry.read_text() == f"/opt/conda\n{tmp_path}/a\n"


def test_a_removal_takes_what_is_gone_along_and_keeps_comments_and_odd_bytes(
    tmp_path: Path, registry: Path
) -> None:
    registry.parent.mkdir()
    odd = tmp_path / "h\udcffh"
    odd.mkdir()
    lines = [b"# mine", bytes(odd), b"/gone/long/ago", bytes(tmp_path / "a") + b"/", b""]
    registry.write_bytes(b"\n".join(lines))
    registry.chmod(0o640)
    unregister(registry, tmp_path / "a", refuse)
    assert registry.read_bytes() == b"# mine\n" + bytes(odd) + b"\n"
    assert registry.stat().st_mode & 0o777 == 0o640


def test_a_symlink_to_the_list_stays_one(tmp_path: Path, registry: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    registry.parent.mkdir()
    registry.symlink_to(tmp_path / "dotfiles/environments.txt")
    register(registry, tmp_path / "a", refuse)
    register(registry, tmp_path / "b", refuse)
    (tmp_path / "b").mkdir()
    unregister(registry, tmp_path / "a", refuse)
    assert (tmp_path / "dotfiles/environments.txt").read_text() == f"{tmp_path}/b\n"
    assert registry.is_symlink()


def test_no_home_is_made_for_it(tmp_path: Path) -> None:
    register(tmp_path / "nobody/.conda/environments.txt", tmp_path / "a", refuse)
    assert not (tmp_path / "nobody").exists()


@needs_other_users
def test_a_list_that_cannot_be_written_stops_nothing_and_is_told() -> None:
    with reachable_folder() as folder:
        home = folder / "home"
        (home / ".conda").mkdir(parents=True)
        (home / ".conda/environments.txt").write_text(f"{folder}/env\n/opt/conda\n")
        work = folder / "work"
        work.mkdir()
        work.chmod(0o777)
        channel = make_channel(folder / "channel", [pkg("a")])

        def run(*arguments: object) -> subprocess.CompletedProcess[str]:
            command = [*as_user(65_534), sys.executable, "-m", "envmgr", *map(str, arguments)]
            environ = {"HOME": str(home), "ENVMGR_ROOT": str(work / "root"), "PATH": "/usr/bin:/bin"}
            root = str(Path(__file__).resolve().parents[2])
            environ |= {"PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"}
            return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=work)

        made = run("create", "-y", "-p", work / "env", "--override-channels", "-c", channel, "a")
        assert made.returncode == 0, made.stderr
        assert f"could not be added to {home}/.conda/environments.txt: Permission denied" in made.stderr
        (home / ".conda/environments.txt").write_text(f"{work}/env\n")
        gone = run("remove", "-y", "-p", work / "env", "--all")
        assert gone.returncode == 0, gone.stderr
        assert f"could not be taken off {home}/.conda/environments.txt" in gone.stderr
        assert not (work / "env").exists()
