"""create, list, run and env list together, over channels in folders and on a loopback server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import File, link, make_channel, pkg, script
from tests.servers import serve

if TYPE_CHECKING:
    from tests.command import Envmgr

PLACEHOLDER = "/opt/placeholder_" + "x" * 200


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    tool = pkg(
        "tool",
        "1.2",
        depends=["libtool >=2"],
        files={
            "bin/tool": script("echo tool of $0"),
            "bin/where": File(
                f"#!/bin/sh\necho {PLACEHOLDER}/share\n".encode(), 0o755, placeholder=PLACEHOLDER
            ),
        },
    )
    library = pkg(
        "libtool", "2.1", files={"lib/libtool.so.2": "code", "lib/libtool.so": link("libtool.so.2")}
    )
    newer = pkg("libtool", "3.0", depends=["missing"], files={"lib/libtool.so.3": "code"})
    noarch = pkg("words", "5", noarch="generic", files={"share/words": "a\nb\n"})
    return make_channel(tmp_path / "channel", [tool, library, newer, noarch])


def test_create_solves_and_links_and_the_result_runs(envmgr: Envmgr, channel: Path, tmp_path: Path):
    prefix = tmp_path / "env"
    created = envmgr("create", "-p", prefix, "-c", channel, "--override-channels", "-y", "tool", "words")
    assert created.code == 0, created.err
    assert created.out == ""
    assert (prefix / "conda-meta" / "history").exists()
    assert (prefix / "bin" / "where").read_text() == f"#!/bin/sh\necho {prefix}/share\n"
    assert os.readlink(prefix / "lib" / "libtool.so") == "libtool.so.2"
    listed = envmgr("list", "-p", prefix, "--json").json
    assert [(each["name"], each["version"]) for each in listed] == [
        ("libtool", "2.1"),
        ("tool", "1.2"),
        ("words", "5"),
    ]


def test_json_of_create_has_condas_shape(envmgr: Envmgr, channel: Path, tmp_path: Path):
    prefix = tmp_path / "env"
    arguments = ["create", "-p", prefix, "-c", channel, "--override-channels", "--json", "tool"]
    planned = envmgr(*arguments, "--dry-run").json
    assert planned["dry_run"] is True
    assert not prefix.exists()
    done = envmgr(*arguments).json
    assert {"success", "dry_run", "prefix", "actions"} <= set(done)
    assert done["success"] is True
    assert done["dry_run"] is False
    assert done["prefix"] == done["actions"]["PREFIX"] == str(prefix)
    assert done["actions"]["LINK"] == planned["actions"]["LINK"]
    assert [each["name"] for each in done["actions"]["FETCH"]] == ["libtool", "tool"]
    assert done["actions"]["UNLINK"] == []
    record = done["actions"]["LINK"][1]
    fields = "name version build_string build_number channel platform dist_name base_url url sha256 md5 size"
    assert set(record) == set(fields.split())
    assert record["dist_name"] == "tool-1.2-0"
    assert record["base_url"] == channel.as_uri()
    assert record["url"] == f"{channel.as_uri()}/linux-64/tool-1.2-0.conda"


def test_second_create_fetches_nothing(envmgr: Envmgr, channel: Path, tmp_path: Path):
    arguments = ["-c", channel, "--override-channels", "--json", "tool"]
    first = envmgr("create", "-p", tmp_path / "one", *arguments).json
    second = envmgr("create", "-p", tmp_path / "two", *arguments).json
    assert len(first["actions"]["FETCH"]) == 2
    assert second["actions"]["FETCH"] == []
    assert len(second["actions"]["LINK"]) == 2
    one, two = (tmp_path / name / "lib" / "libtool.so.2" for name in ("one", "two"))
    assert one.stat().st_ino == two.stat().st_ino


def test_create_over_http_and_then_offline(envmgr: Envmgr, channel: Path, tmp_path: Path):
    with serve(channel) as server:
        first = envmgr(
            "create", "-p", tmp_path / "one", "-c", server.url, "--override-channels", "-y", "tool"
        )
        assert first.code == 0, first.err
        url = server.url
    again = envmgr(
        "create", "-p", tmp_path / "two", "-c", url, "--override-channels", "-y", "--offline", "tool"
    )
    assert again.code == 0, again.err
    assert (tmp_path / "two" / "bin" / "tool").exists()


def test_environment_file_gives_name_channels_and_variables(envmgr: Envmgr, channel: Path, tmp_path: Path):
    file = tmp_path / "environment.yml"
    file.write_text(
        f"name: demo\nchannels: ['{channel}', nodefaults]\ndependencies:\n  - tool =1.2\n"
        "  - words  # [linux]\n  - nothing-here  # [win]\nvariables:\n  COLOUR: green\n"
    )
    created = envmgr("create", "-f", file, "-y")
    assert created.code == 0, created.err
    prefix = Path(os.environ["ENVMGR_ROOT"]) / "envs" / "demo"
    assert envmgr("env", "list", "--json").json == {"envs": [str(prefix)]}
    state = json.loads((prefix / "conda-meta" / "state").read_text())
    assert state["env_vars"] == {"COLOUR": "green"}
    ran = run_envmgr("run", "-n", "demo", "sh", "-c", "echo $COLOUR $CONDA_PREFIX; tool; exit 7")
    assert ran.returncode == 7
    assert ran.stdout.splitlines() == [f"green {prefix}", f"tool of {prefix}/bin/tool"]
    registry = Path(os.environ["HOME"]) / ".conda" / "environments.txt"
    assert registry.read_text().splitlines() == [str(prefix)]


def run_envmgr(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run envmgr as a process of its own, as `run` replaces the process that it is called in."""
    command = [sys.executable, "-m", "envmgr", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_explicit_file_creates_exactly_what_it_lists(envmgr: Envmgr, channel: Path, tmp_path: Path):
    archive = channel / "linux-64" / "libtool-3.0-0.conda"
    import hashlib

    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    file = tmp_path / "explicit.txt"
    file.write_text(f"# platform: linux-64\n@EXPLICIT\n{archive.as_uri()}#sha256:{digest}\n")
    created = envmgr("create", "-p", tmp_path / "env", "-f", file, "-y")
    assert created.code == 0, created.err
    assert (tmp_path / "env" / "lib" / "libtool.so.3").exists()
    file.write_text(f"@EXPLICIT\n{archive.as_uri()}#{'0' * 64}\n")
    refused = envmgr("create", "-p", tmp_path / "other", "-f", file, "-y")
    assert refused.code == 1
    assert "libtool-3.0-0.conda" in refused.err
    assert not (tmp_path / "other").exists()


def test_an_archive_can_be_named_directly(envmgr: Envmgr, channel: Path, tmp_path: Path):
    created = envmgr("create", "-p", tmp_path / "env", channel / "linux-64" / "libtool-2.1-0.conda", "-y")
    assert created.code == 0, created.err
    assert (tmp_path / "env" / "lib" / "libtool.so.2").exists()


def test_clone_has_the_same_packages_and_its_own_prefix(envmgr: Envmgr, channel: Path, tmp_path: Path):
    assert (
        envmgr("create", "-p", tmp_path / "one", "-c", channel, "--override-channels", "-y", "tool").code == 0
    )
    cloned = envmgr("create", "-p", tmp_path / "two", "--clone", tmp_path / "one", "-y")
    assert cloned.code == 0, cloned.err
    assert f"{tmp_path / 'two'}/share" in (tmp_path / "two" / "bin" / "where").read_text()


def test_an_empty_environment_can_be_created(envmgr: Envmgr, tmp_path: Path):
    assert envmgr("create", "-p", tmp_path / "env", "-y").code == 0
    assert envmgr("list", "-p", tmp_path / "env", "--json").json == []


def test_no_deps_and_only_deps(envmgr: Envmgr, channel: Path, tmp_path: Path):
    arguments = ["-c", channel, "--override-channels", "--json", "--dry-run", "tool"]
    alone = envmgr("create", "-n", "x", *arguments, "--no-deps").json
    assert [each["name"] for each in alone["actions"]["LINK"]] == ["tool"]
    needed = envmgr("create", "-n", "x", *arguments, "--only-deps").json
    assert [each["name"] for each in needed["actions"]["LINK"]] == ["libtool"]


def test_exclude_newer_ignores_later_packages(envmgr: Envmgr, tmp_path: Path):
    old, new = pkg("a", "1", timestamp=1_600_000_000_000), pkg("a", "2", timestamp=1_700_000_000_000)
    channel = make_channel(tmp_path / "channel", [old, new])
    arguments = ["create", "-n", "x", "-c", channel, "--override-channels", "--json", "--dry-run", "a"]
    newest = envmgr(*arguments).json["actions"]["LINK"]
    assert [each["version"] for each in newest] == ["2"]
    dated = envmgr(*arguments, "--exclude-newer", "2021-01-01").json["actions"]["LINK"]
    assert [each["version"] for each in dated] == ["1"]


def test_other_platform_is_solved_for_and_can_be_created(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(
        tmp_path / "channel", [pkg("a", subdir="osx-arm64", depends=["__osx"]), pkg("a", "0.1")]
    )
    arguments = [
        "create",
        "-p",
        tmp_path / "env",
        "-c",
        channel,
        "--override-channels",
        "--platform",
        "osx-arm64",
    ]
    created = envmgr(*arguments, "--json", "a")
    assert [each["platform"] for each in created.json["actions"]["LINK"]] == ["osx-arm64"]
    assert "osx-arm64" in created.err


def test_channel_order_decides_with_strict_priority(envmgr: Envmgr, tmp_path: Path):
    first = make_channel(tmp_path / "first", [pkg("a", "1")])
    second = make_channel(tmp_path / "second", [pkg("a", "2"), pkg("b", "1")])
    arguments = [
        "create",
        "-n",
        "x",
        "-c",
        first,
        "-c",
        second,
        "--override-channels",
        "--json",
        "--dry-run",
        "a",
        "b",
    ]
    link = envmgr(*arguments).json["actions"]["LINK"]
    assert {each["name"]: each["version"] for each in link} == {"a": "1", "b": "1"}
    link = envmgr(*arguments, "--channel-priority", "disabled").json["actions"]["LINK"]
    assert {each["name"]: each["version"] for each in link} == {"a": "2", "b": "1"}


def test_env_create_is_create(envmgr: Envmgr, channel: Path, tmp_path: Path):
    file = tmp_path / "e.yml"
    file.write_text(f"channels: ['{channel}', nodefaults]\ndependencies: [words]\n")
    assert envmgr("env", "create", "-f", file, "-p", tmp_path / "env", "-y").code == 0
    assert (tmp_path / "env" / "share" / "words").exists()


def test_channel_that_only_a_spec_names_is_searched(envmgr: Envmgr, tmp_path: Path):
    first = make_channel(tmp_path / "first", [pkg("a", "1"), pkg("b", "1")])
    second = make_channel(tmp_path / "second", [pkg("a", "2")])
    arguments = ["create", "-n", "x", "-c", first, "--override-channels", "--json", "--dry-run"]
    link = envmgr(*arguments, f"{second.as_uri()}::a", "b").json["actions"]["LINK"]
    assert {each["name"]: each["version"] for each in link} == {"a": "2", "b": "1"}


def test_local_is_the_channel_that_build_fills(envmgr: Envmgr, tmp_path: Path):
    make_channel(Path(os.environ["ENVMGR_ROOT"]) / "channel", [pkg("a", "7")])
    for arguments in (["-c", "local", "a"], ["local::a"]):
        planned = envmgr("create", "-n", "x", "--override-channels", "--dry-run", "--json", *arguments)
        assert [each["version"] for each in planned.json["actions"]["LINK"]] == ["7"], planned.err
