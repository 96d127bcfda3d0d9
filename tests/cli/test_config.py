"""config as a user calls it: what holds and why, edits of the settings file, and how wrong ones are refused."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.config.keys import KEYS

if TYPE_CHECKING:
    from tests.command import Envmgr

HOME_FILE = """\
# Settings of Ann.
channels:  # best first
  - conda-forge
  - bioconda  # for work

retries: 3
"""


@pytest.fixture
def own() -> Path:
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "envmgr" / "config.yml"
    path.parent.mkdir(parents=True)
    path.write_text(HOME_FILE)
    return path


def test_show_names_every_setting_its_value_and_its_source(
    envmgr: Envmgr, own: Path, monkeypatch: pytest.MonkeyPatch
):
    (Path.home() / ".condarc").write_text("offline: true\nretries: ignored\n")
    monkeypatch.setenv("ENVMGR_SOLVE_SECONDS", "7.5")
    monkeypatch.setenv("CONDA_SUBDIR", "osx-arm64")
    shown = envmgr("config", "show", "--json").json
    assert list(shown) == [key.name for key in KEYS]
    assert shown["channels"] == {"value": ["conda-forge", "bioconda"], "source": f"{own}:3"}
    assert shown["offline"] == {"value": True, "source": f"{Path.home()}/.condarc:1"}
    assert shown["solve_seconds"] == {"value": 7.5, "source": "ENVMGR_SOLVE_SECONDS"}
    assert shown["subdir"] == {"value": "osx-arm64", "source": "CONDA_SUBDIR"}
    assert shown["link_scripts"] == {"value": "run", "source": "default"}
    rows = {line.split()[0]: line for line in envmgr("config", "list").out.splitlines()}
    assert rows["retries"].split() == ["retries", "3", f"{own}:6"]
    assert set(rows) == {"setting", *shown}
    assert envmgr("config", "show", "offline", "retries", "--json").json.keys() == {"offline", "retries"}


def test_get_prints_a_value_alone(envmgr: Envmgr, own: Path):
    assert envmgr("config", "get", "channels").out == "conda-forge\nbioconda\n"
    assert envmgr("config", "get", "retries").out == "3\n"
    assert envmgr("config", "get", "always_copy").out == "false\n"
    assert envmgr("config", "get", "retries", "--json").json == {
        "retries": {"value": 3, "source": f"{own}:6"}
    }


def test_path_prints_the_file_even_where_it_is_broken(envmgr: Envmgr, own: Path):
    own.write_text("a: [")
    assert envmgr("config", "path").out == f"{own}\n"
    assert envmgr("config", "path", "--json").json == {"rc_path": str(own), "exists": True}
    own.unlink()
    assert envmgr("config", "path", "--json").json["exists"] is False


CONDA_FORGE, BIOCONDA = "  - conda-forge\n", "  - bioconda  # for work\n"


@pytest.mark.parametrize(
    ("arguments", "before", "after"),
    [
        ("set retries 5", "retries: 3", "retries: 5"),
        ("set offline true", "retries: 3\n", "retries: 3\noffline: true\n"),
        ("append channels x", BIOCONDA, f"{BIOCONDA}  - x\n"),
        ("append channels x y", BIOCONDA, f"{BIOCONDA}  - x\n  - y\n"),
        ("prepend channels x", CONDA_FORGE, f"  - x\n{CONDA_FORGE}"),
        ("prepend channels bioconda", CONDA_FORGE + BIOCONDA, f"  - bioconda\n{CONDA_FORGE}"),
        ("append channels bioconda", "", ""),
        ("remove channels bioconda", BIOCONDA, ""),
        ("remove retries", "retries: 3\n", ""),
        ("set pinned_packages python=3.12", "3\n", "3\npinned_packages:\n  - python=3.12\n"),
        ("set pinned_packages [r,q]", "3\n", "3\npinned_packages:\n  - r\n  - q\n"),
        ("set pinned_packages []", "3\n", "3\npinned_packages: []\n"),
        ("--set retries 5", "retries: 3", "retries: 5"),
        ("--append channels x", BIOCONDA, f"{BIOCONDA}  - x\n"),
        ("--add channels x", CONDA_FORGE, f"  - x\n{CONDA_FORGE}"),
        ("--remove channels bioconda", BIOCONDA, ""),
        ("--remove-key retries", "retries: 3\n", ""),
        ("--set retries 5 --remove channels bioconda", f"{BIOCONDA}\nretries: 3", "\nretries: 5"),
    ],
)
def test_an_edit_changes_its_lines_and_no_others(envmgr: Envmgr, own: Path, arguments, before, after):
    edited = envmgr("config", *arguments.split())
    assert edited.code == 0, edited.err
    assert own.read_text() == HOME_FILE.replace(before, after, 1) if before else HOME_FILE
    assert envmgr("config", "show").code == 0


def test_the_file_is_made_where_there_was_none(envmgr: Envmgr):
    path = Path(envmgr("config", "path").out.strip())
    assert envmgr("config", "set", "retries", "4", "--json").json == {
        "success": True,
        "rc_path": str(path),
        "changed": True,
        "keys": ["retries"],
        "warnings": [],
    }
    assert path.read_text() == "retries: 4\n"
    assert envmgr("config", "set", "retries", "4", "--json").json["changed"] is False
    assert os.listdir(path.parent) == ["config.yml"]


def test_a_list_that_is_not_in_the_file_starts_from_what_held(envmgr: Envmgr):
    """A list of ours replaces the weaker ones, so appending to nothing would lose them."""
    (Path.home() / ".condarc").write_text("channels: [conda-forge, r]\n")
    appended = envmgr("config", "append", "channels", "bioconda")
    assert "`channels` starts from the list that held so far" in appended.err
    assert envmgr("config", "get", "channels").out == "conda-forge\nr\nbioconda\n"
    (Path.home() / ".condarc").write_text("create_default_packages: [pip]\n")
    assert envmgr("config", "prepend", "create_default_packages", "ipython").code == 0
    assert envmgr("config", "get", "create_default_packages").out == "ipython\npip\n"


def test_credentials_are_neither_copied_into_the_file_nor_shown(
    envmgr: Envmgr, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CONDA_CHANNELS", "https://ann:hush@x.org/c,https://x.org/t/tk-hush/d")
    refused = envmgr("config", "append", "channels", "bioconda")
    assert (refused.code, "CONDA_CHANNELS" in refused.err) == (1, True)
    assert not Path(envmgr("config", "path").out.strip()).exists()
    shown = [
        envmgr("config", "show", "channels"),
        envmgr("config", "show", "--json"),
        envmgr("config", "get", "channels"),
        envmgr("config", "--show-sources"),
        envmgr("config", "--show"),
    ]
    assert all("x.org/c" in each.out and "x.org/d" in each.out for each in shown)
    assert not [each for each in [refused, *shown] if "hush" in each.out + each.err]


def test_an_item_is_removed_by_what_it_says_or_by_what_is_shown_of_it(envmgr: Envmgr, own: Path):
    own.write_text("pkgs_dirs: [~/a, /b]\nchannels: ['https://ann:hush@x.org/c', d]\n")
    assert envmgr("config", "remove", "pkgs_dirs", Path.home() / "a").code == 0
    assert envmgr("config", "remove", "channels", "https://x.org/c").code == 0
    assert own.read_text() == "pkgs_dirs: [/b]\nchannels: [d]\n"
    last = envmgr("config", "remove", "channels", "d")
    assert "`channels` is an empty list now" in last.err
    assert own.read_text() == "pkgs_dirs: [/b]\nchannels: []\n"


def test_entries_of_a_mapping_are_settings_too(envmgr: Envmgr, own: Path):
    url = "https://conda.anaconda.org/conda-forge"
    assert envmgr("config", "set", f"mirrors.{url}", "https://a.org/m").code == 0
    assert envmgr("config", "append", f"mirrors.{url}", "https://b.org/m").code == 0
    assert envmgr("config", "get", f"mirrors.{url}").out == "https://a.org/m\nhttps://b.org/m\n"
    assert envmgr("config", "get", "mirrors").out == f"{url}: https://a.org/m, https://b.org/m\n"
    assert envmgr("config", "remove", f"mirrors.{url}").code == 0
    assert own.read_text() == HOME_FILE
    assert envmgr("config", "set", "proxy_servers", "{http: 'http://p:1', https: 'http://p:2'}").code == 0
    assert envmgr("config", "get", "proxy_servers").out == "http: http://p:1\nhttps: http://p:2\n"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence", "hint"),
    [
        (["set", "retires", "3"], 1, "there is no setting `retires`.", "Did you mean `retries`?"),
        (["get", "remote_max_retries"], 1, "no setting `remote_max_retries`.", "Did you mean `retries`?"),
        (["show", "chanels"], 1, "there is no setting `chanels`.", "Did you mean `channels`?"),
        (["append", "chanels", "x"], 1, "there is no setting `chanels`.", "Did you mean `channels`?"),
        (["remove", "chanels"], 1, "there is no setting `chanels`.", "Did you mean `channels`?"),
        (["set", "retries", "many"], 1, "retries must be a whole number of at least 0, found `many`.", ""),
        (["set", "offline", "perhaps"], 1, "offline must be true or false, found `perhaps`.", ""),
        (["set", "retries", "[1]"], 1, "retries must be a whole number of at least 0, found a list.", ""),
        (["set", "subdir", "Linux"], 1, "subdir must be a platform such as linux-64", ""),
        (["set", "mirrors", "https://a.org"], 1, "mirrors must be a mapping", ""),
        (
            ["set", "mirrors.https://a.org", "b"],
            1,
            "`https://a.org` in `mirrors` must be a list of URLs.",
            "",
        ),
        (["set", "channels", "[a"], 1, "the value on the command line:1:", ""),
        (["set", "retries", "1", "2"], 2, "`retries` takes one value, and 2 were given.", ""),
        (["append", "retries", "1"], 2, "`retries` is not a list.", "envmgr config set retries VALUE"),
        (["remove", "retries", "3"], 2, "`retries` is not a list.", "envmgr config remove retries"),
        (["remove", "channels", "x"], 1, "does not hold 'x'; it holds conda-forge, bioconda.", ""),
        (["remove", "offline"], 1, "`offline` is not set in ", ""),
        (["get", "retries.x"], 1, "`retries` has no entries", ""),
        (["get", "mirrors.x"], 1, "`mirrors` has no entry `x`.", ""),
        (["sett", "retries", "1"], 2, "there is no action 'config sett'.", "Did you mean 'set'?"),
        ([], 2, "envmgr config needs an action.", "show, list, get"),
        (["--show", "--set", "retries", "1"], 2, "one kind at a time", ""),
        (["--set", "retries", "1", "--set", "offline", "x"], 1, "offline must be true or false", ""),
        (["set", "retries"], 2, "VALUE", ""),
    ],
)
def test_what_is_wrong_is_named_and_nothing_changes(
    envmgr: Envmgr, own: Path, arguments, code, sentence, hint
):
    refused = envmgr("config", *arguments)
    assert (refused.code, refused.out) == (code, "")
    assert sentence in refused.err
    assert hint in refused.err
    assert "Traceback" not in refused.err
    assert own.read_text() == HOME_FILE
    assert os.listdir(own.parent) == ["config.yml"]


def test_a_broken_file_is_refused_with_its_line_and_left_alone(envmgr: Envmgr, own: Path):
    for broken in ("retries: [\n", "- a\n", "a: b: c\n"):
        own.write_text(broken)
        refused = envmgr("config", "set", "offline", "true")
        assert refused.code == 1
        assert refused.err.startswith(f"envmgr: {own}:")
        assert own.read_text() == broken


def test_a_wrong_value_or_name_in_the_file_can_be_mended(envmgr: Envmgr, own: Path):
    own.write_text("retries: many\nretires: 3\n")
    assert envmgr("config", "show").code == 1
    first = envmgr("config", "set", "retries", "2")
    assert first.code == 0
    assert "the settings cannot be loaded yet" in first.err
    assert "there is no setting `retires`" in first.err
    assert envmgr("config", "remove", "retires").code == 0
    assert own.read_text() == "retries: 2\n"


def test_a_stronger_source_is_told(envmgr: Envmgr, own: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENVMGR_RETRIES", "9")
    edited = envmgr("config", "set", "retries", "5", "--json").json
    assert edited["warnings"] == [
        "`retries` is set by ENVMGR_RETRIES too, which is stronger; that value holds."
    ]
    assert "retries: 5" in own.read_text()
    assert envmgr("config", "remove", "retries", "--json").json["warnings"] == []


def test_writing_keeps_the_mode_and_the_symlink(envmgr: Envmgr, own: Path, tmp_path: Path):
    real = tmp_path / "dotfiles" / "envmgr.yml"
    real.parent.mkdir()
    own.rename(real)
    real.chmod(0o640)
    own.symlink_to(real)
    assert envmgr("config", "set", "retries", "5").code == 0
    assert own.is_symlink()
    assert "retries: 5" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert os.listdir(real.parent) == ["envmgr.yml"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cannot_be_written_is_named(envmgr: Envmgr, own: Path):
    own.parent.chmod(0o555)
    try:
        refused = envmgr("config", "set", "retries", "5")
    finally:
        own.parent.chmod(0o755)
    assert refused.code == 1
    assert f"{own} cannot be written: permission denied." in refused.err


def test_a_path_that_is_a_folder_is_named(envmgr: Envmgr, own: Path):
    own.unlink()
    own.mkdir()
    refused = envmgr("config", "set", "retries", "5")
    assert refused.code == 1
    assert f"{own} cannot be read: is a directory." in refused.err


def test_edits_at_the_same_time_are_all_kept(own: Path):
    program = [sys.executable, "-m", "envmgr", "config", "append", "create_default_packages"]
    running = [subprocess.Popen([*program, f"p{number}"], stderr=subprocess.DEVNULL) for number in range(6)]
    assert [each.wait(timeout=60) for each in running] == [0] * 6
    lines = own.read_text().splitlines()
    assert sorted(lines[-6:]) == [f"  - p{number}" for number in range(6)]


def test_condas_options_print_condas_shapes(envmgr: Envmgr, own: Path):
    shown = envmgr("config", "--show", "--json").json
    assert (shown["channels"], shown["retries"], shown["offline"]) == (["conda-forge", "bioconda"], 3, False)
    assert envmgr("config", "--show", "channels", "retries").out == (
        "channels:\n  - conda-forge\n  - bioconda\nretries: 3\n"
    )
    sources = envmgr("config", "--show-sources", "--json").json
    assert sources[f"{own}:6"] == {"retries": 3}
    assert sources["ENVMGR_ROOT"] == {"root": os.environ["ENVMGR_ROOT"]}
    assert envmgr("config", "--show-sources").out.startswith("==> ENVMGR_ROOT <==\nroot: ")
    found = envmgr("config", "--get", "channels", "--json").json
    assert found["get"] == {"channels": ["conda-forge", "bioconda"]}
    assert (found["success"], found["rc_path"]) == (True, str(own))


def test_help_names_the_actions(envmgr: Envmgr):
    shown = envmgr("config", "--help")
    assert shown.code == 0
    assert all(f" {action}:" in shown.out for action in ("show", "set", "append", "remove"))
    assert "KEY" in envmgr("config", "set", "--help").out
