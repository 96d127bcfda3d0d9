"""Environments that conda, mamba and pixi made, in the shapes of their records: read, checked and changed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import File, link, make_channel, pkg, script
from tests.foreign_tools import TOOLS, conda, micromamba, micromamba_with_a_lock, old_conda, pixi

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.command import Envmgr

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PLACEHOLDER = "/opt/placehold" + "_placehold" * 20
PYTHON = script(f'exec {sys.executable} "$@"')
PACKAGES = [
    pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": PYTHON, "bin/python": link(f"python{VERSION}")}),
    pkg("lib", "1.0", files={"lib/lib.so": b"1", "etc/lib.conf": File(
        f"root={PLACEHOLDER}\n".encode(), placeholder=PLACEHOLDER
    )}),
    pkg("lib", "2.0", files={"lib/lib.so": b"2"}),
    pkg("app", "1.0", depends=["lib"], files={"bin/app": script("echo app")}),
    pkg("tool", "1.0", "pyh_0", noarch="python", depends=["python", "lib"],
        entry_points=("tool = tool:main",), files={
        "site-packages/tool/__init__.py": b"def main(): pass\n", "python-scripts/helper": script("echo helper"),
    }),
    pkg("leaf", "1.0", files={"share/leaf": b"leaf"}),
    pkg("needy", "1.0", depends=["lib >=2"], files={"share/needy": b"needy"}),
]  # fmt: skip


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return make_channel(tmp_path / "channel", PACKAGES)


@pytest.fixture
def made(envmgr: Envmgr, channel: Path, tmp_path: Path) -> Callable[[Callable[[Path], None]], Path]:
    def make(tool: Callable[[Path], None]) -> Path:
        prefix = tmp_path / "env"
        arguments = ("create", "-y", "-p", prefix, "--override-channels", "-c", channel)
        done = envmgr(*arguments, "tool", "app", "lib=1.0")
        assert done.code == 0, done.err
        tool(prefix)
        return prefix

    return make


def documents(prefix: Path) -> dict[str, Any]:
    paths = sorted((prefix / "conda-meta").glob("*.json"))
    return {path.name: json.loads(path.read_text()) for path in paths}


def names(outcome: Any) -> list[str]:
    return [each["name"] for each in outcome.json]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_what_another_tool_made_is_listed_checked_and_changed(
    envmgr: Envmgr, made: Callable[..., Path], channel: Path, tool: Callable[[Path], None]
) -> None:
    prefix = made(tool)
    before = documents(prefix)
    listed = envmgr("list", "-p", prefix, "--json")
    assert names(listed) == ["app", "lib", "python", "tool"]
    assert {each["channel"] for each in listed.json} == {channel.as_uri()}
    explicit = envmgr("list", "-p", prefix, "--explicit").out
    assert f"{channel.as_uri()}/noarch/tool-1.0-pyh_0.conda" in explicit
    checked = envmgr("verify", "-p", prefix)
    assert checked.code == 0, checked.out
    assert envmgr("doctor", "-p", prefix).code == 0
    assert envmgr("history", "-p", prefix).out == "now    (by another tool)\n     4 packages\n"
    done = envmgr("install", "-y", "-p", prefix, "--json", "--override-channels", "-c", channel, "leaf")
    assert [each["name"] for each in done.json["actions"]["LINK"]] == ["leaf"]
    assert done.json["actions"]["UNLINK"] == []
    after = documents(prefix)
    for name, document in before.items():
        # What its maker needs to know of the files stays; only who asked for it may be told anew.
        assert set(document["files"]) == set(after[name]["files"])
        assert after[name]["url"] == document["url"]
    assert envmgr("verify", "-p", prefix).code == 0
    assert envmgr("remove", "-y", "-p", prefix, "tool", "--no-prune").code == 0
    left = [path for path in prefix.rglob("*") if "tool" in path.name and "conda-meta" not in path.parts]
    assert left == [], left
    assert not (prefix / "bin" / "helper").exists()
    history = envmgr("history", "-p", prefix)
    assert "by another tool" in history.out


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.__name__)
def test_damage_is_found_as_far_as_its_maker_noted_sums(
    envmgr: Envmgr, made: Callable[..., Path], tool: Callable[[Path], None]
) -> None:
    prefix = made(tool)
    module = f"lib/python{VERSION}/site-packages/tool/__init__.py"
    (prefix / "bin/helper").unlink()
    (prefix / module).write_bytes(b"import this\n")
    found = {each["path"]: each["kind"] for each in envmgr("verify", "-p", prefix, "--json").json["findings"]}
    wanted = {"bin/helper": "missing", module: "modified"}
    if tool is old_conda:
        del wanted[module]
    assert found == wanted


@pytest.mark.parametrize("tool", [conda, old_conda, micromamba], ids=lambda tool: tool.__name__)
def test_what_was_asked_of_another_tool_stays_asked_for(
    envmgr: Envmgr, made: Callable[..., Path], channel: Path, tool: Callable[[Path], None]
) -> None:
    prefix = made(tool)
    arguments = ("-y", "-p", prefix, "--override-channels", "-c", channel)
    refused = envmgr("install", *arguments, "needy")
    assert refused.code == 1
    assert "lib" in refused.err and "asked for earlier" in refused.err
    # Nobody needs lib any more but the user.
    assert envmgr("remove", "-y", "-p", prefix, "app", "tool").code == 0
    assert "lib" in names(envmgr("list", "-p", prefix, "--json"))
    # From now on the records tell it themselves.
    assert documents(prefix)["lib-1.0-0.json"]["requested_spec"].startswith("lib")
    assert envmgr("install", *arguments, "needy").code == 1


def test_what_another_tool_brought_stays_when_our_own_requests_go(
    envmgr: Envmgr, made: Callable[..., Path], channel: Path
) -> None:
    prefix = made(pixi)
    arguments = ("-y", "-p", prefix, "--override-channels", "-c", channel)
    before = names(envmgr("list", "-p", prefix, "--json"))
    for asked in (("leaf",), ("app",)):
        assert envmgr("install", *arguments, *asked).code == 0
    # pixi tells of no requests: tool needs lib as much as app does, and lib may have been asked for.
    assert envmgr("remove", "-y", "-p", prefix, "app", "leaf").code == 0
    assert sorted(names(envmgr("list", "-p", prefix, "--json"))) == sorted(set(before) - {"app"})


def test_archives_of_a_lock_do_not_hold_their_packages_for_ever(
    envmgr: Envmgr, made: Callable[..., Path], channel: Path
) -> None:
    prefix = made(micromamba_with_a_lock)
    done = envmgr("install", "-y", "-p", prefix, "--override-channels", "-c", channel, "needy")
    assert done.code == 0, done.err
    assert (prefix / "lib/lib.so").read_bytes() == b"2"


def test_a_later_request_in_the_history_of_conda_counts(
    envmgr: Envmgr, made: Callable[..., Path], channel: Path
) -> None:
    prefix = made(conda)
    with open(prefix / "conda-meta/history", "a") as file:
        file.write("==> 2024-06-01 10:00:00 <==\n# cmd: conda update python\n# update specs: ['python']\n")
    done = envmgr("remove", "-y", "-p", prefix, "tool", "--json")
    assert [each["name"] for each in done.json["actions"]["UNLINK"]] == ["tool"]


def test_pixi_finds_its_own_files_after_a_change(
    envmgr: Envmgr, made: Callable[..., Path], channel: Path
) -> None:
    prefix = made(pixi)
    own = [
        prefix / "conda-meta" / name for name in ("pixi", "pixi_env_prefix", ".pixi-environment-fingerprint")
    ]
    before = [path.read_bytes() for path in own]
    assert envmgr("update", "-y", "-p", prefix, "--all", "--override-channels", "-c", channel).code == 0
    assert (prefix / "lib/lib.so").read_bytes() == b"2"
    assert [path.read_bytes() for path in own] == before
    assert envmgr("verify", "-p", prefix).code == 0


def test_files_that_mamba_fitted_to_a_prefix_are_known_where_it_was_moved(
    envmgr: Envmgr, made: Callable[..., Path]
) -> None:
    prefix = made(micromamba)
    moved = prefix.rename(prefix.with_name("moved"))
    assert envmgr("doctor", "-p", moved, "--fix", "-y").code == 0
    assert (moved / "etc/lib.conf").read_text() == f"root={moved}\n"
    assert envmgr("verify", "-p", moved).code == 0


def test_conda_learns_from_the_history_what_a_rollback_or_a_file_asks_for(
    envmgr: Envmgr, channel: Path, tmp_path: Path
) -> None:
    prefix, file = tmp_path / "env", tmp_path / "environment.yml"
    usual = ("-y", "-p", prefix, "--override-channels", "-c", channel)
    assert envmgr("create", *usual, "app", "lib=1.0").code == 0
    assert envmgr("install", *usual, "lib=2.0", "leaf").code == 0
    assert envmgr("rollback", "-y", "-p", prefix).code == 0
    lines = (prefix / "conda-meta/history").read_text().splitlines()
    assert lines[-2:] == ["# update specs: ['lib=1.0']", "# remove specs: ['leaf']"]
    file.write_text(f"channels: [{channel.as_uri()}]\ndependencies: [app]\n")
    assert envmgr("update", "-y", "-p", prefix, "-f", file, "--prune").code == 0
    lines = (prefix / "conda-meta/history").read_text().splitlines()
    assert lines[-2:] == ["# update specs: ['app']", "# remove specs: ['lib']"]
