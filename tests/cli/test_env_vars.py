"""env config vars: what conda-meta/state holds after it, and what a run in the environment sees."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

VARS = ("env", "config", "vars")


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path) -> Path:
    brings = pkg("brings", files={"etc/conda/env_vars.d/brings.json": '{"BROUGHT": "by a package"}'})
    channel = make_channel(tmp_path / "channel", [brings])
    made = tmp_path / "env"
    done = envmgr("create", "-y", "-p", made, "--override-channels", "-c", channel, "brings")
    assert done.code == 0, done.err
    return made


def listed(envmgr: Envmgr, prefix: Path) -> dict[str, str]:
    return envmgr(*VARS, "list", "-p", prefix, "--json").json


def state(prefix: Path) -> dict:
    return json.loads((prefix / "conda-meta" / "state").read_text())


def test_variables_are_set_and_unset_as_conda_writes_them(envmgr: Envmgr, prefix: Path):
    (prefix / "conda-meta/state").write_text(
        '{"version": 1, "env_vars": {"OLD": "1", "GONE": "***unset***"}}'
    )
    done = envmgr(*VARS, "set", "-p", prefix, "A=b=ü", "EMPTY=", "_x='q'")
    assert (done.code, done.out) == (0, "")
    own = {"OLD": "1", "A": "b=ü", "EMPTY": "", "_x": "'q'"}
    assert listed(envmgr, prefix) == {"BROUGHT": "by a package", **own}
    assert envmgr(*VARS, "unset", "-p", prefix, "A", "BROUGHT").code == 0
    unset = dict.fromkeys(("A", "BROUGHT", "GONE"), "***unset***")
    assert state(prefix) == {"version": 1, "env_vars": {**own, **unset}}
    assert envmgr(*VARS, "list", "-p", prefix).out == "EMPTY = \nOLD = 1\n_x = 'q'\n"


def test_programs_in_the_environment_see_them(prefix: Path, envmgr: Envmgr):
    import subprocess
    import sys

    envmgr(*VARS, "set", "-p", prefix, "SEEN=yes it is")
    assert "yes it is" in (prefix / "conda-meta/envmgr/activate/activate.sh").read_text()
    assert "yes it is" in (prefix / "conda-meta/envmgr/activate/activate.sh").read_text()
    command = [sys.executable, "-m", "envmgr", "run", "-p", str(prefix), "sh", "-c", 'echo "$SEEN"']
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "yes it is\n"


def test_a_variable_that_is_not_set_is_told_and_nothing_is_written(envmgr: Envmgr, prefix: Path):
    done = envmgr(*VARS, "unset", "-p", prefix, "NEVER")
    assert (done.code, f"NEVER is not set in {prefix}." in done.err) == (0, True)
    assert not (prefix / "conda-meta/state").exists()


def test_who_is_in_the_environment_is_asked_to_activate_it_again(
    envmgr: Envmgr, prefix: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CONDA_PREFIX", str(prefix))
    assert "activate the environment anew" in envmgr(*VARS, "set", "A=1").err
    assert envmgr(*VARS, "set", "A=1", "--json").json == {"success": True, "prefix": str(prefix)}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["set", "A=1", "B"], "'B' is not NAME=VALUE."),
        (["set", "1A=2"], "'1A' cannot name a variable."),
        (["set", "PATH=/x"], "PATH is set by activation itself"),
        (["unset", "a b"], "'a b' cannot name a variable."),
        (["set"], "required"),
        (["show"], "vars list | set"),
    ],
)
def test_what_is_no_variable_is_refused_and_nothing_is_set(
    envmgr: Envmgr, prefix: Path, arguments: list[str], said: str
):
    refused = envmgr(*VARS, *arguments, *(["-p", prefix] if len(arguments) > 1 else []))
    assert (refused.code, said in refused.err) == (2, True), refused.err
    assert not (prefix / "conda-meta/state").exists()


def test_a_damaged_state_and_a_frozen_environment_stay_as_they_are(envmgr: Envmgr, prefix: Path):
    (prefix / "conda-meta/state").write_text("{")
    refused = envmgr(*VARS, "set", "-p", prefix, "A=1")
    assert (refused.code, "conda-meta/state is not valid JSON." in refused.err) == (1, True)
    (prefix / "conda-meta/state").unlink()
    (prefix / "conda-meta/frozen").write_text("{}")
    assert envmgr(*VARS, "set", "-p", prefix, "A=1").code == 1
    assert not (prefix / "conda-meta/state").exists()
    assert envmgr(*VARS, "set", "-p", prefix, "A=1", "--override-frozen").code == 0


def test_scripts_that_activate_the_environment_know_its_variables_at_once(envmgr, prefix):
    assert envmgr("env", "config", "vars", "set", "-p", prefix, "COLOUR=deep blue").code == 0
    script = (prefix / "conda-meta/envmgr/activate/activate.sh").read_text()
    assert "COLOUR" in script and "deep blue" in script
    assert envmgr("env", "config", "vars", "unset", "-p", prefix, "COLOUR").code == 0
    assert "deep blue" not in (prefix / "conda-meta/envmgr/activate/activate.sh").read_text()


def test_an_update_sets_the_variables_of_its_file_once(envmgr: Envmgr, prefix: Path, tmp_path: Path):
    file = tmp_path / "environment.yml"
    update = ("env", "update", "-y", "-p", prefix, "-f", file)
    channel = (tmp_path / "channel").as_uri()
    for value, told in (("1", "Set the variables of"), ("1", "Nothing to do"), ("2", "Set the variables of")):
        file.write_text(
            f"channels: [{channel}, nodefaults]\ndependencies: [brings]\nvariables: {{A: '{value}'}}\n"
        )
        done = envmgr(*update)
        assert (done.code, told in done.err) == (0, True), done.err
        assert listed(envmgr, prefix)["A"] == value
