"""Settings from files and variables: what wins, what is joined, and how wrong values are refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from envmgr.config.keys import KEYS
from envmgr.config.settings import Settings
from envmgr.config.store import LoadedSettings, load_settings
from envmgr.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    return folder


def load(
    home: Path, *, prefix: Path | None = None, overrides: dict | None = None, **environ: str
) -> LoadedSettings:
    return load_settings(environ, home=home, subdir="linux-64", prefix=prefix, overrides=overrides)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def own(home: Path, text: str) -> Path:
    return write(home / ".config" / "envmgr" / "config.yml", text)


def test_without_files_and_variables_the_defaults_hold(home):
    loaded = load(home)
    settings = loaded.settings
    assert settings.root == home / ".envmgr"
    assert settings.envs_dirs == (home / ".envmgr" / "envs",)
    assert settings.pkgs_dirs == (home / ".envmgr" / "pkgs",)
    assert settings.channels == ("conda-forge",)
    assert (settings.channel_priority, settings.subdir, settings.offline) == ("strict", "linux-64", False)
    assert (loaded.sources, loaded.warnings) == ({}, ())


def test_the_root_moves_every_folder_that_is_not_set_itself(home):
    settings = load(home, ENVMGR_ROOT="/r", ENVMGR_INDEX_DIR="~/i").settings
    assert settings.root == Path("/r")
    assert settings.pkgs_dirs == (Path("/r/pkgs"),)
    assert settings.local_channel_dir == Path("/r/channel")
    assert settings.index_dir == home / "i"


def test_condas_file_is_read_where_it_means_the_same(home):
    path = write(
        home / ".condarc",
        "channels: [a, b]\nchannel_priority: flexible\nremote_max_retries: 5\nremote_read_timeout_secs: 7.5\n"
        "ssl_verify: ~/ca.pem\noffline: yes\nenvs_dirs:\n  - ~/envs\nalways_yes: true\nauto_activate_base: false\n"
        "default_channels: [https://$HOST/main]\ncreate_default_packages: [ipython]\nfetch_threads: 0\n",
    )
    loaded = load(home, HOST="mirror.org")
    settings = loaded.settings
    assert settings.channels == ("a", "b")
    assert settings.channel_priority == "flexible"
    assert (settings.retries, settings.read_timeout_seconds) == (5, 7.5)
    assert settings.ssl_verify == str(home / "ca.pem")
    assert settings.offline
    assert settings.always_yes
    assert settings.envs_dirs == (home / "envs", home / ".envmgr" / "envs")
    assert settings.default_channels == ("https://mirror.org/main",)
    assert settings.create_default_packages == ("ipython",)
    assert settings.download_threads == 8
    assert loaded.sources["retries"] == f"{path}:3"


def test_condas_lists_are_joined_with_the_stronger_place_first(home, tmp_path):
    """conda joins lists of all its files and variables; the active environment is stronger than the home."""
    write(home / ".conda" / ".condarc", "channels: [c, d]\nretries: 1\n")
    write(home / ".condarc", "channels: [b, c]\n")
    prefix = tmp_path / "env"
    write(prefix / ".condarc", "channels: [a]\n")
    loaded = load(home, prefix=prefix, CONDA_CHANNELS="x, a")
    assert loaded.settings.channels == ("x", "a", "b", "c", "d")
    assert loaded.sources["channels"].startswith(f"CONDA_CHANNELS, {prefix}/.condarc:1, ")
    assert load(home, CONDA_PREFIX=str(prefix)).settings.channels == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("place", "variables"),
    [
        ("root/.condarc", {"CONDA_ROOT": "root"}),
        ("root/condarc", {"CONDA_EXE": "root/bin/conda"}),
        ("root/condarc.d/10.yml", {"CONDA_ROOT": "root"}),
        ("xdg/conda/condarc", {"XDG_CONFIG_HOME": "xdg"}),
        ("user/.config/conda/.condarc", {}),
        ("user/.conda/condarc.d/a.yaml", {}),
        ("user/.condarc", {}),
        ("elsewhere.yml", {"CONDARC": "elsewhere.yml"}),
        ("folder/b.yaml", {"CONDARC": "folder"}),
    ],
)
def test_conda_looks_in_these_places(home, tmp_path, place, variables):
    write(tmp_path / place, "channels: [found]\n")
    environ = {name: str(tmp_path / value) for name, value in variables.items()}
    assert load(home, **environ).settings.channels == ("found",)


def test_what_conda_is_told_is_final_no_stronger_place_changes(home, tmp_path):
    write(
        tmp_path / "root/.condarc",
        "channels: #!final\n  - only\noffline: false  #!final\nalways_yes: true # !final\nsubdir: linux-64\n",
    )
    write(home / ".condarc", "channels: [mine]\noffline: true\nalways_yes: false\n")
    write(home / ".config/envmgr/config.yml", "channels: [own]\noffline: true\n")
    variables = {"CONDA_ROOT": str(tmp_path / "root"), "ENVMGR_OFFLINE": "1", "CONDA_CHANNELS": "c"}
    loaded = load(home, **variables)
    assert (loaded.settings.channels, loaded.settings.offline) == (("only",), False)
    assert not loaded.settings.always_yes
    assert loaded.sources["channels"] == f"{tmp_path}/root/.condarc:2"


def test_condas_variables_are_read_where_they_mean_the_same(home):
    settings = load(
        home,
        CONDA_ENVS_DIRS=f"/a{os.pathsep}/b",
        CONDA_PKGS_DIRS="/p,/q",
        CONDA_OFFLINE="1",
        CONDA_SUBDIR="osx-arm64",
        CONDA_ADD_PIP_AS_PYTHON_DEPENDENCY="false",
        CONDA_LOCAL_REPODATA_TTL="1",
        CONDA_SOLVER="libmamba",
    ).settings
    assert settings.envs_dirs == (Path("/a"), Path("/b"), home / ".envmgr" / "envs")
    assert settings.pkgs_dirs == (Path("/p"), Path("/q"))
    assert settings.offline
    assert settings.subdir == "osx-arm64"
    assert not settings.add_pip_as_python_dependency
    assert settings.index_max_age_seconds is None
    assert load(home, CONDA_LOCAL_REPODATA_TTL="0").settings.index_max_age_seconds == 0
    assert load(home, CONDA_LOCAL_REPODATA_TTL="90").settings.index_max_age_seconds == 90


def test_our_file_replaces_condas_and_variables_replace_the_file(home):
    write(home / ".condarc", "channels: [a]\noffline: true\nalways_copy: true\n")
    path = own(home, "channels: [b]\nretries: 1\nalways_copy: false\n")
    loaded = load(home, ENVMGR_RETRIES="2", CONDA_CHANNELS="c", overrides={"solve_seconds": 5.0})
    assert loaded.settings.channels == ("b",)
    assert (loaded.settings.offline, loaded.settings.always_copy) == (True, False)
    assert (loaded.settings.retries, loaded.settings.solve_seconds) == (2, 5.0)
    assert loaded.sources["channels"] == f"{path}:1"
    assert loaded.sources["retries"] == "ENVMGR_RETRIES"
    assert loaded.sources["solve_seconds"] == "command line"


def test_our_file_stands_where_xdg_says(home, tmp_path):
    write(tmp_path / "xdg" / "envmgr" / "config.yml", "offline: true\n")
    assert load(home, XDG_CONFIG_HOME=str(tmp_path / "xdg")).settings.offline
    assert not load(home).settings.offline


def test_relative_paths_start_at_the_folder_of_their_file(home):
    own(home, "pkgs_dirs: [cache, ../p]\n")
    assert load(home).settings.pkgs_dirs == (home / ".config/envmgr/cache", home / ".config/p")


def test_a_value_of_nothing_counts_as_not_given(home):
    own(home, "channels:\nretries: ~\n")
    write(home / ".condarc", "channels:\nssl_verify:\n")
    settings = load(home, ENVMGR_OFFLINE="", CONDA_CHANNELS="").settings
    assert (settings.channels, settings.retries, settings.offline) == (("conda-forge",), 3, False)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        *(
            ("0", 0),
            ("1500", 1500),
            ("1B", 1),
            ("20GB", 20 * 10**9),
            ("20 gb", 20 * 10**9),
            ("1.5G", 1_500_000_000),
        ),
        *(("500MiB", 500 << 20), ("2Ti", 2 << 40), ("3k", 3000), ("unlimited", None), ("None", None)),
    ],
)
def test_sizes_are_bytes_with_or_without_a_unit(home, tmp_path, text, size):
    write(tmp_path / "config/envmgr/config.yml", "pkgs_size_limit: 7\n")
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "ENVMGR_PKGS_SIZE_LIMIT": text}
    assert load_settings(environ, home=tmp_path, subdir="linux-64").settings.pkgs_size_limit == size


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("retires: 3\n", "1: there is no setting `retires`.", "Did you mean `retries`?"),
        (
            "remote_max_retries: 3\n",
            "1: there is no setting `remote_max_retries`.",
            "Did you mean `retries`?",
        ),
        ("a: 1\n", "1: there is no setting `a`.", "The settings are root, envs_dirs, "),
        ("offline: maybe\n", "1: `offline` must be true or false, found `maybe`.", None),
        ("\nretries: -1\n", "2: `retries` must be a whole number of at least 0, found `-1`.", None),
        ("retries: 1.5\n", "1: `retries` must be a whole number of at least 0, found `1.5`.", None),
        (
            "pkgs_size_limit: 20 GX\n",
            "1: `pkgs_size_limit` must be a size such as 20GB or 500MiB, or unlimited, found `20 GX`.",
            None,
        ),
        ("retries: [1]\n", "1: `retries` must be a whole number of at least 0, found a list.", None),
        (
            "download_threads: 0\n",
            "1: `download_threads` must be a whole number of at least 1, found `0`.",
            None,
        ),
        (
            "solve_seconds: now\n",
            "1: `solve_seconds` must be a number of seconds, such as 60, found `now`.",
            None,
        ),
        (
            "solve_seconds: .inf\n",
            "1: `solve_seconds` must be a number of seconds, such as 60, found `.inf`.",
            None,
        ),
        (
            "solve_seconds: 0\n",
            "1: `solve_seconds` must be a number of seconds above 0, such as 60, found `0`.",
            None,
        ),
        (
            "solve_seconds: -1\n",
            "1: `solve_seconds` must be a number of seconds, such as 60, found `-1`.",
            None,
        ),
        ("channels: a\n", "1: `channels` must be a list of texts, found `a`.", None),
        ("channels: {a: b}\n", "1: `channels` must be a list of texts, found a mapping.", None),
        ("channels:\n  - [a]\n", "2: `channels` must be a list of texts, found something nested.", None),
        ("pkgs_dirs: /a\n", "1: `pkgs_dirs` must be a list of paths, found `/a`.", None),
        (
            "channel_priority: high\n",
            "1: `channel_priority` must be one of strict, flexible, disabled, found `high`.",
            None,
        ),
        ("link_scripts: yes\n", "1: `link_scripts` must be one of run, refuse, found `yes`.", None),
        ("subdir: Linux\n", "1: `subdir` must be a platform such as linux-64, found `Linux`.", None),
        ("channel_alias: x.org\n", "1: `channel_alias` must be a URL, found `x.org`.", None),
        ("channel_alias: [ftp]\n", "1: `channel_alias` must be a URL, found a list.", None),
        ("- a\n", "1: expected settings, one `name: value` a line, found a list.", None),
        ("a:\n\t- b\n", "2: a tab cannot indent YAML.", "Replace the tab by spaces."),
        ("offline: true\noffline: false\n", "2: the key `offline` was already given on line 1.", "Keep one"),
    ],
)
def test_our_file_is_refused_with_line_key_and_what_was_expected(home, text, message, hint):
    path = own(home, text)
    with pytest.raises(ConfigError) as caught:
        load(home)
    assert str(caught.value) == f"{path}:{message}"
    assert hint is None or hint in caught.value.hint


def test_wrong_values_of_condas_files_and_of_variables_name_their_place(home):
    path = write(home / ".condarc", "offline: maybe\n")
    with pytest.raises(ConfigError, match=rf"^{path}:1: `offline` must be true or false, found `maybe`\.$"):
        load(home)
    path.unlink()
    with pytest.raises(
        ConfigError, match=r"^ENVMGR_RETRIES must be a whole number of at least 0, found `x`\.$"
    ):
        load(home, ENVMGR_RETRIES="x")
    with pytest.raises(ConfigError, match=r"^CONDA_OFFLINE must be true or false, found `x`\.$"):
        load(home, CONDA_OFFLINE="x")


def test_credentials_in_a_wrong_value_are_not_shown(home):
    own(home, "channels: https://ann:secret@x.org/c\n")
    with pytest.raises(ConfigError) as caught:
        load(home)
    assert "secret" not in str(caught.value)


def test_a_misspelt_variable_is_a_warning(home):
    loaded = load(home, ENVMGR_RETRYS="1", ENVMGR_TRACEBACK="1", ENVMGR_SOMETHING="x")
    assert loaded.warnings == (
        "the variable ENVMGR_RETRYS is no setting and is ignored; did you mean ENVMGR_RETRIES?",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_file_that_cannot_be_read_is_a_warning(home):
    write(home / ".condarc", "offline: true\n").chmod(0)
    loaded = load(home)
    assert not loaded.settings.offline
    assert loaded.warnings == (f"{home}/.condarc cannot be read and is ignored: Permission denied.",)


def test_every_setting_has_a_key_and_every_key_a_setting():
    assert {key.name for key in KEYS} == set(Settings.__struct_fields__)


def test_the_guide_names_every_setting():
    guide = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    for key in KEYS:
        assert f"`{key.name}`" in guide
        assert all(f"`{name}`" in guide for name in key.conda)


def test_yaml_is_imported_only_when_a_file_exists(home):
    program = (
        "import sys; from pathlib import Path; from envmgr.config.store import load_settings\n"
        "load_settings({}, home=Path(sys.argv[1]), subdir='linux-64'); print('yaml' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(home)]
    root = Path(__file__).parents[2]
    assert subprocess.check_output(command, cwd=root, text=True) == "False\n"
    own(home, "offline: true\n")
    assert subprocess.check_output(command, cwd=root, text=True) == "True\n"
