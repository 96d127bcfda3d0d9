"""info as a user calls it: the facts of this machine and of the settings, without secrets."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr import __version__
from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from tests.command import Envmgr

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def root() -> Path:
    return Path(os.environ["ENVMGR_ROOT"])


def test_json_has_condas_names(envmgr: Envmgr, root: Path):
    facts = envmgr("info", "--json").json
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "envmgr" / "config.yml"
    expected = {
        "envmgr_version": __version__,
        "python_version": ".".join(map(str, sys.version_info[:3])),
        "sys.executable": sys.executable,
        "active_prefix": None,
        "active_prefix_name": None,
        "conda_shlvl": 0,
        "root_prefix": str(root),
        "root_writable": True,
        "config_files": [],
        "rc_path": str(own),
        "envs_dirs": [f"{root}/envs"],
        "pkgs_dirs": [f"{root}/pkgs"],
        "channels": ["https://conda.anaconda.org/conda-forge"],
        "channel_priority": "strict",
        "offline": False,
        "ssl_verify": True,
        "proxies": {},
        "user_agent": "envmgr",
        "envs": [],
    }
    assert {key: facts[key] for key in expected} == expected
    assert facts["platform"].startswith(("linux-", "osx-", "win-"))
    assert {"__unix"} <= {name for name, _, _ in facts["virtual_pkgs"]} or sys.platform == "win32"
    assert not root.exists()


def test_files_that_were_read_are_listed_from_weak_to_strong(envmgr: Envmgr):
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "envmgr" / "config.yml"
    own.parent.mkdir(parents=True)
    own.write_text("retries: 1\n")
    condarc = Path.home() / ".condarc"
    condarc.write_text("channels: [https://ann:hush@x.org/c, r]\n")
    shown = envmgr("info")
    assert envmgr("info", "--json").json["config_files"] == [str(condarc), str(own)]
    assert envmgr("info", "--json").json["channels"] == ["https://x.org/c", "https://conda.anaconda.org/r"]
    lines = shown.out.splitlines()
    place = next(number for number, line in enumerate(lines) if line.lstrip().startswith("files read : "))
    assert lines[place].endswith(f" : {condarc}")
    assert lines[place + 1].strip() == str(own)
    assert "hush" not in shown.out


def test_environments_and_the_active_one_are_named(
    envmgr: Envmgr, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    channel = make_channel(tmp_path / "channel", [pkg("a", files={"share/a": b"x" * 5000})])
    options = ["-c", channel, "--override-channels", "-q", "-y", "a"]
    assert envmgr("create", "-n", "work", *options).code == 0
    assert envmgr("create", "-p", tmp_path / "other", *options).code == 0
    monkeypatch.setenv("CONDA_PREFIX", f"{root}/envs/work")
    monkeypatch.setenv("CONDA_SHLVL", "2")
    facts = envmgr("info", "--json").json
    assert facts["envs"] == [f"{root}/envs/work", f"{tmp_path}/other"]
    assert facts["active_prefix"] == f"{root}/envs/work"
    assert (facts["active_prefix_name"], facts["conda_shlvl"]) == ("work", 2)
    assert f"active environment : work ({root}/envs/work)" in envmgr("info").out
    assert envmgr("info", "--envs", "--json").json == {"envs": facts["envs"]}
    assert "work" in envmgr("info", "-e").out
    folders = {each["kind"]: each for each in envmgr("info", "--json", "--sizes").json["folders"]}
    assert folders["environments"]["size"] >= 5000
    assert folders["package cache"]["size"] >= 5000
    assert folders["local channel"] | {"free": 0} == {
        "kind": "local channel",
        "path": f"{root}/channel",
        "exists": False,
        "writable": True,
        "free": 0,
        "size": 0,
    }
    assert 0 < folders["index"]["free"]


def test_sizes_are_counted_only_when_asked_for(envmgr: Envmgr, root: Path):
    (root / "pkgs").mkdir(parents=True)
    (root / "pkgs" / "x").write_bytes(b"x" * 2048)
    (root / "pkgs" / "y").hardlink_to(root / "pkgs" / "x")
    assert all("size" not in each for each in envmgr("info", "--json").json["folders"])
    assert f"package cache : {root}/pkgs (writable, 2.0 KB, " in envmgr("info", "--sizes").out


def test_proxies_are_shown_without_credentials(envmgr: Envmgr, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", "http://ann:hush@proxy.org:3128")
    monkeypatch.setenv("HTTPS_PROXY", "ann:hush@other.org:3128")
    monkeypatch.setenv("NO_PROXY", "localhost")
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "envmgr" / "config.yml"
    own.parent.mkdir(parents=True)
    own.write_text("proxy_servers: {http: 'http://bob:hush@strong.org:1'}\n")
    shown = envmgr("info", "--json")
    assert shown.json["proxies"] == {
        "http": "http://strong.org:1",
        "https": "other.org:3128",
        "no": "localhost",
    }
    assert "hush" not in shown.out + envmgr("info").out


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cannot_be_written_is_told(envmgr: Envmgr, root: Path):
    (root / "pkgs").mkdir(parents=True)
    (root / "pkgs").chmod(0o555)
    try:
        shown = envmgr("info")
    finally:
        (root / "pkgs").chmod(0o755)
    assert f"{root}/pkgs (read-only, " in shown.out


def test_a_place_that_is_no_folder_is_not_called_writable(envmgr: Envmgr, root: Path):
    root.mkdir(parents=True)
    (root / "index").write_text("a file")
    folders = {each["kind"]: each for each in envmgr("info", "--json").json["folders"]}
    assert (folders["index"]["exists"], folders["index"]["writable"]) == (False, False)


def test_base_prints_the_root_alone(envmgr: Envmgr, root: Path):
    assert envmgr("info", "--base").out == f"{root}\n"
    assert envmgr("info", "--base", "--json").json == {"root_prefix": str(root)}
