"""Lines that scripts have for conda do the same when they say envmgr."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from tests.command import Envmgr


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    packages = [
        pkg("app", "1", depends=["lib"]),
        pkg("app", "2"),
        pkg("lib"),
        pkg("tool", "1"),
        pkg("tool", "2"),
    ]
    made = make_channel(tmp_path / "channel", packages).as_uri()
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    Path("environment.yml").write_text(
        f"name: x\nchannels: [{made}, nodefaults]\ndependencies: [app=1, tool]\nvariables: {{A: '1'}}\n"
    )
    return made


def packages(envmgr: Envmgr, *target: object) -> list[str]:
    listed = envmgr("list", *target, "--json")
    assert listed.code == 0, listed.err
    return [f"{each['name']}={each['version']}" for each in listed.json]


def test_env_create_update_and_remove(envmgr: Envmgr, channel: str):
    assert envmgr("env", "create").code == 0
    assert packages(envmgr, "-n", "x") == ["app=1", "lib=1.0", "tool=2"]
    file = Path("environment.yml")
    file.write_text(file.read_text().replace("app=1", "app=2").replace("'1'", "'2'"))
    file.rename("other.yml")
    assert envmgr("env", "update", "--file", "other.yml").code == 0
    assert packages(envmgr, "--name", "x") == ["app=2", "lib=1.0", "tool=2"]
    assert envmgr("env", "config", "vars", "list", "-n", "x").out == "A = 2\n"
    assert envmgr("env", "update", "-n", "x", "-f", "other.yml", "--prune", "--yes", "-q").code == 0
    assert packages(envmgr, "-n", "x") == ["app=2", "tool=2"]
    removed = envmgr("env", "remove", "--name", "x", "--yes", "--json")
    assert (removed.code, len(removed.json["actions"]["UNLINK"])) == (0, 2)
    assert not (Path(os.environ["ENVMGR_ROOT"]) / "envs/x").exists()


def test_env_update_makes_what_is_not_there_and_leaves_the_active_environment_alone(
    envmgr: Envmgr, channel: str, monkeypatch: pytest.MonkeyPatch
):
    made = envmgr("create", "-y", "--name", "active", "-c", channel, "--override-channels", "lib")
    assert made.code == 0, made.err
    monkeypatch.setenv("CONDA_PREFIX", f"{os.environ['ENVMGR_ROOT']}/envs/active")
    assert envmgr("env", "update", "--prune").code == 0
    assert packages(envmgr) == ["lib=1.0"]
    assert packages(envmgr, "-n", "x") == ["app=1", "lib=1.0", "tool=2"]


def test_without_a_file_there_is_nothing_to_make(envmgr: Envmgr, channel: str):
    Path("environment.yml").unlink()
    for action in ("create", "update"):
        failed = envmgr("env", action, "-n", "x")
        assert (failed.code, "there is no file environment.yml." in failed.err) == (1, True), failed.err


def test_files_of_specs_other_words_and_options(envmgr: Envmgr, channel: str):
    Path("specs.txt").write_text("# tools\ntool=1\n")
    created = envmgr("create", "--yes", "--name", "y", "--channel", channel, "--override-channels", "app=1")
    assert created.code == 0, created.err
    assert (
        envmgr("install", "--name", "y", "--file", "specs.txt", "--yes", "--strict-channel-priority").code
        == 0
    )
    assert packages(envmgr, "-n", "y") == ["app=1", "lib=1.0", "tool=1"]
    assert envmgr("upgrade", "--name", "y", "--yes", "tool").code == 0
    assert "tool=2" in packages(envmgr, "-n", "y")
    assert envmgr("uninstall", "--name", "y", "--yes", "--force-remove", "lib").code == 0
    assert packages(envmgr, "-n", "y") == ["app=1", "tool=2"]
    refused = envmgr("create", "-n", "z", "--use-local", "--override-channels", "app", "--dry-run")
    assert "local" in refused.err
    assert "tool=2" in envmgr("env", "export", "--name", "y").out


def test_variables_of_conda_stand_for_their_options(
    envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    channel = make_channel(tmp_path / "channel", [pkg("a")])
    arguments = ("create", "-y", "-p", tmp_path / "env", "--override-channels", "-c", channel, "a")
    monkeypatch.setenv("CONDA_DRY_RUN", "yes")
    monkeypatch.setenv("CONDA_JSON", "1")
    tried = envmgr(*arguments)
    assert tried.json["dry_run"] is True
    assert not (tmp_path / "env").exists()
    assert envmgr("list", "-n", "nothing").json["success"] is False
    monkeypatch.setenv("CONDA_DRY_RUN", "0")
    monkeypatch.setenv("CONDA_JSON", "")
    monkeypatch.setenv("CONDA_QUIET", "true")
    made = envmgr(*arguments)
    assert (made.code, made.out, made.err) == (0, "", "")
