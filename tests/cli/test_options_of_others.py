"""Options of conda and mamba: some mean what envmgr has; the others are refused with what to say instead."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.cli.grammar import iter_parsers
from envmgr.cli.other_tools import COMMANDS_NOT_THERE, NOT_THERE
from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from tests.command import Envmgr

OPTIONS = {
    command: {option for action in parser._actions for option in action.option_strings}
    for command, parser in iter_parsers()
}
WORDS = {"search": ["numpy"], "shell-hook": ["bash"]}


def lacking(option: str) -> str:
    """A command that has no such option."""
    return next(command for command in ("create", "list", "config show") if option not in OPTIONS[command])


@pytest.mark.parametrize("entry", NOT_THERE)
def test_an_option_that_is_not_there_is_refused_with_what_to_say_instead(envmgr: Envmgr, entry: str):
    command, _, option = entry.rpartition(" ")
    command = command or lacking(option)
    assert option not in OPTIONS[command]
    refused = envmgr(*command.split(), *WORDS.get(command, ()), option)
    assert refused.code == 2
    assert refused.err.splitlines() == [
        f"envmgr: envmgr {command} has no option {option}.",
        f"  hint: {NOT_THERE[entry]}.",
    ]


@pytest.mark.parametrize("command", COMMANDS_NOT_THERE)
def test_a_command_that_is_not_there_is_refused_with_what_to_say_instead(envmgr: Envmgr, command: str):
    refused = envmgr(command, "x")
    assert refused.code == 2
    assert refused.err.splitlines() == [
        f"envmgr: there is no command '{command}'.",
        f"  hint: Instead: {COMMANDS_NOT_THERE[command]}.",
    ]


def test_the_guide_has_every_option_that_is_not_there():
    text = (Path(__file__).parents[2] / "docs" / "coming-from-conda.md").read_text()
    table = text.split("## Options that are not there")[1]
    rows = [line for line in table.splitlines() if line.startswith("| `")]
    found = {
        (name, why)
        for names, why in (row[2:-2].rsplit(" | ", 1) for row in rows)
        for name in re.findall("`([^`]+)`", names)
    }
    assert found == set(NOT_THERE.items())


def test_a_misspelt_option_is_told_with_the_near_one(envmgr: Envmgr):
    refused = envmgr("create", "--dry-rnu", "a")
    assert (refused.code, "Did you mean '--dry-run'?" in refused.err) == (2, True)


@pytest.fixture
def channel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    made = make_channel(tmp_path / "channel", [pkg("a", "1"), pkg("a", "2"), pkg("b"), pkg("lib")]).as_uri()
    monkeypatch.setenv("ENVMGR_CHANNELS", made)
    monkeypatch.setenv("ENVMGR_CREATE_DEFAULT_PACKAGES", "lib")
    return made


def names(envmgr: Envmgr) -> list[str]:
    return [f"{each['name']}={each['version']}" for each in envmgr("list", "-n", "x", "--json").json]


def test_options_that_mean_the_same_work(envmgr: Envmgr, channel: str):
    made = envmgr("create", "-y", "-n", "x", "--no-default-packages", "--no-shortcuts", "a=1", "b")
    assert (made.code, names(envmgr)) == (0, ["a=1", "b=1.0"]), made.err
    kept = envmgr("install", "-y", "-n", "x", "-S", "--no-update-deps", "--repodata-fn=repodata.json", "a")
    assert (kept.code, names(envmgr)) == (0, ["a=1", "b=1.0"]), kept.err
    moved = envmgr("install", "-y", "-n", "x", "-O", "-c", channel, "--update-specs", "a")
    assert (moved.code, names(envmgr)) == (0, ["a=2", "b=1.0"]), moved.err
    assert envmgr("search", "-f", "--skip-flexible-search", "a").code == 0
    assert envmgr("repoquery", "depends", "--remote", "a").code == 0
    assert envmgr("info", "-a", "--offline").code == 0
    emptied = envmgr("remove", "-n", "x", "--all", "--keep-env", "--offline", "--prune", "-y")
    assert (emptied.code, names(envmgr)) == (0, []), emptied.err
    assert Path(os.environ["ENVMGR_ROOT"], "envs", "x", "conda-meta", "history").is_file()
    assert envmgr("remove", "-n", "x", "--keep-env", "a").code == 2


def test_config_validate_tells_what_is_wrong(envmgr: Envmgr):
    assert envmgr("config", "--validate").code == 0
    Path(os.environ["HOME"], ".condarc").write_text("offline: maybe\n")
    told = envmgr("config", "--validate")
    assert (told.code, ".condarc:1" in told.err) == (1, True)


def test_init_all_is_for_the_shells_that_are_installed(envmgr: Envmgr, tmp_path: Path, monkeypatch):
    for shell in ("bash", "fish"):
        (tmp_path / shell).write_text("")
        (tmp_path / shell).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = envmgr("init", "--all", "--dry-run", "--json")
    assert [each["shell"] for each in done.json["files"]] == ["bash", "fish"]
