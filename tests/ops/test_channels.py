"""Channels as they are written and configured, through the commands: names, multichannels, allowed and denied."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg
from tests.command import Envmgr, in_process
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import Server


@pytest.fixture
def envmgr(capfd: pytest.CaptureFixture[str]) -> Envmgr:
    return in_process(capfd)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Channels `one`, `one/label/dev` and `two`, which differ in the version of `a`."""
    folder = tmp_path / "www"
    make_channel(folder / "one", [pkg("a", "1"), pkg("b", depends=["a"])])
    make_channel(folder / "one" / "label" / "dev", [pkg("a", "1.5")])
    make_channel(folder / "two", [pkg("a", "2"), pkg("c")])
    with serve(folder) as server:
        yield server


def condarc(text: str) -> Path:
    path = Path(os.environ["HOME"]) / ".condarc"
    path.write_text(text)
    return path


def dry_run(envmgr: Envmgr, *arguments: object) -> list[str]:
    """The plan as `channel/name-version`, channels by their last folders."""
    planned = envmgr("create", "-n", "x", "--dry-run", "--json", *arguments)
    assert planned.code == 0, planned.out
    links = planned.json["actions"]["LINK"]
    return [f"{each['base_url'].split('/', 3)[3]}/{each['name']}-{each['version']}" for each in links]


def test_custom_channels_have_their_own_place_and_their_labels_too(
    envmgr: Envmgr, server: Server, tmp_path: Path
) -> None:
    condarc(
        f"custom_channels:\n  one: {server.url}/\nchannel_alias: https://alias.invalid\nchannels: [one]\n"
    )
    assert dry_run(envmgr, "a") == ["one/a-1"]
    assert dry_run(envmgr, "-c", "one/label/dev", "--override-channels", "a") == ["one/label/dev/a-1.5"]
    assert dry_run(envmgr, "one/label/dev::a") == ["one/label/dev/a-1.5"]
    assert dry_run(envmgr, "--override-channels", "one/linux-64::a") == ["one/a-1"]
    file = tmp_path / "e.yml"
    file.write_text("channels: [one/label/dev]\ndependencies: ['one::a']\n")
    assert dry_run(envmgr, "-f", file) == ["one/a-1"]


def test_a_multichannel_is_searched_in_its_order_and_a_spec_of_it_is_of_any_member(
    envmgr: Envmgr, server: Server
) -> None:
    condarc(
        f"custom_multichannels:\n  team: ['{server.url}/two', '{server.url}/one']\n"
        f"default_channels: ['{server.url}/one']\nchannels: []\n"
    )
    assert dry_run(envmgr, "-c", "team", "a", "b") == ["two/a-2", "one/b-1.0"]
    assert dry_run(envmgr, "-c", "defaults", "a") == ["one/a-1"]
    assert sorted(dry_run(envmgr, "team::c", "team::b")) == ["one/b-1.0", "two/a-2", "two/c-1.0"]
    dev = f"{server.url}/one/label/dev"
    assert dry_run(envmgr, "-c", dev, "a") == ["one/label/dev/a-1.5"]
    flexible = ("--channel-priority", "flexible")
    assert dry_run(envmgr, "-c", dev, *flexible, "team::a") == ["two/a-2"]
    assert dry_run(envmgr, "-c", dev, *flexible, "defaults::a") == ["one/a-1"]


def test_a_pin_may_name_a_multichannel(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    condarc(f"default_channels: ['{server.url}/one']\npinned_packages: ['defaults::a']\n")
    arguments = [
        "-c",
        f"{server.url}/two",
        "-c",
        "defaults",
        "--override-channels",
        "--channel-priority",
        "flexible",
    ]
    assert dry_run(envmgr, *arguments, "a") == ["one/a-1"]
    assert dry_run(envmgr, *arguments, "--no-pin", "a") == ["two/a-2"]


def test_custom_multichannels_defaults_is_stronger_than_default_channels(
    envmgr: Envmgr, server: Server
) -> None:
    condarc(
        f"default_channels: ['{server.url}/one']\ncustom_multichannels:\n  defaults:\n    - {server.url}/two\n"
        "channels: [defaults]\n"
    )
    assert envmgr("info", "--json").json["channels"] == [f"{server.url}/two"]
    assert dry_run(envmgr, "a") == ["two/a-2"]


def test_credentials_of_a_custom_channel_are_sent_to_it_alone(
    envmgr: Envmgr, server: Server, tmp_path: Path
) -> None:
    base = server.url.replace("http://", "http://ann:s3cr3t@")
    condarc(f"custom_channels: {{one: '{base}'}}\n")
    made = envmgr(
        "create",
        "-p",
        tmp_path / "env",
        "-c",
        "one",
        "-c",
        f"{server.url}/two",
        "--override-channels",
        "a",
        "c",
    )
    assert made.code == 0, made.err
    for seen in server.requests:
        assert ("authorization" in seen.headers) == seen.path.startswith("/one/"), seen.path
    assert "s3cr3t" not in made.out + made.err
    for path in [*(tmp_path / "env").rglob("*"), *Path(os.environ["ENVMGR_ROOT"]).rglob("*")]:
        assert not path.is_file() or b"s3cr3t" not in path.read_bytes(), path


WRONG = [
    ("custom_channels: https://x\n", 1, "`custom_channels` must be a mapping from channel names to URLs"),
    ("custom_channels:\n  one: somewhere\n", 2, "`one` in `custom_channels` must be the URL that"),
    ("custom_channels:\n  local: https://x\n", 2, "`local` in `custom_channels` must be a channel's name"),
    ("custom_multichannels:\n  a: [b]\n  x: y\n", 3, "`x` in `custom_multichannels` must be a list of channels"),
    ("custom_multichannels:\n  ../x: [a]\n", 2, "`../x` in `custom_multichannels` must be a channel's name"),
    ("denylist_channels: conda-forge\n", 1, "`denylist_channels` must be a list of texts"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "said"), WRONG)
def test_a_wrong_setting_is_named_with_its_line(envmgr: Envmgr, text: str, line: int, said: str) -> None:
    path = condarc(text)
    refused = envmgr("info", "--json")
    assert refused.code == 1
    assert refused.json["error"].startswith(f"{path}:{line}: {said}")


def test_a_multichannel_that_holds_itself_is_refused_where_it_is_used(envmgr: Envmgr) -> None:
    condarc("custom_multichannels: {a: [b], b: [a]}\n")
    refused = envmgr("create", "-n", "x", "--dry-run", "--json", "-c", "a", "--override-channels", "z")
    assert refused.code == 1
    assert refused.json["error"] == "command line: the multichannel 'a' holds itself: a -> b -> a."


def refuse(envmgr: Envmgr, server: Server, *arguments: object) -> str:
    """The error of a creation that asks for nothing and makes nothing."""
    server.forget()
    refused = envmgr("create", "-n", "x", "--json", *arguments)
    assert refused.code == 1, refused.out
    assert server.requests == []
    assert not (Path(os.environ["ENVMGR_ROOT"]) / "envs" / "x").exists()
    error: str = refused.json["error"]
    return error


def test_a_denied_channel_is_refused_where_it_is_written(
    envmgr: Envmgr, server: Server, tmp_path: Path
) -> None:
    two = f"{server.url}/two"
    path = condarc(f"channels: ['{server.url}/one']\ndenylist_channels:\n  - {two}\n")
    why = f"the channel {two} may not be used: denylist_channels ({path}:3) denies it."
    assert refuse(envmgr, server, "-c", two, "a") == f"command line: {why}"
    assert refuse(envmgr, server, f"{two}::a") == f"command line: {why}"
    file = tmp_path / "e.yml"
    file.write_text(f"dependencies: [a]\nchannels:\n  - {server.url}/one\n  - {two}\n")
    assert refuse(envmgr, server, "-f", file) == f"{file}:4: {why}"
    file.write_text(f"dependencies:\n  - b\n  - {two}::a\n")
    assert refuse(envmgr, server, "-f", file) == f"{file}:3: {why}"
    listed = tmp_path / "list.txt"
    listed.write_text(f"@EXPLICIT\n{server.url}/one/linux-64/a-1-0.conda\n{two}/linux-64/c-1.0-0.conda\n")
    assert refuse(envmgr, server, "-f", listed) == (
        f"{listed}:3: the archive c-1.0-0.conda ({two}) may not be used: denylist_channels ({path}:3) denies it."
    )
    assert dry_run(envmgr, "a") == ["one/a-1"]
    path.write_text(f"channels: ['{two}']\ndenylist_channels: ['{two}']\n")
    assert dry_run(envmgr, f"{server.url}/one/linux-64/a-1-0.conda") == ["one/a-1"]  # asks no channel
    assert refuse(envmgr, server, "a").startswith(
        f"setting channels ({path}:1): the channel {two} may not be used"
    )


def test_only_allowed_channels_are_used_and_the_lists_of_all_places_count(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    condarc(
        f"custom_channels: {{one: '{server.url}'}}\nwhitelist_channels: [one]\n"
        f"channels: [one]\nallowlist: ignored\n"
    )
    assert dry_run(envmgr, "a") == ["one/a-1"]
    assert "allowlist_channels" in refuse(envmgr, server, "-c", f"{server.url}/two", "a")
    assert "one/label/dev" in refuse(envmgr, server, "-c", "one/label/dev", "a")
    monkeypatch.setenv("CONDA_ALLOWLIST_CHANNELS", f"{server.url}/two, one/label/dev")
    assert dry_run(envmgr, "-c", f"{server.url}/two", "-c", "one/label/dev", "a") == ["two/a-2"]
    own = Path(os.environ["XDG_CONFIG_HOME"]) / "envmgr" / "config.yml"
    own.parent.mkdir(parents=True)
    own.write_text("denylist_channels: [one/label/dev]\nallowlist_channels: []\n")
    assert f"denylist_channels ({own}:1) denies it" in refuse(envmgr, server, "-c", "one/label/dev", "a")
    monkeypatch.setenv("ENVMGR_DENYLIST_CHANNELS", f"{server.url}/two")
    assert "two" in refuse(envmgr, server, "-c", f"{server.url}/two", "a")
    assert "one/label/dev" in refuse(envmgr, server, "-c", "one/label/dev", "a")


def test_a_multichannel_in_a_list_stands_for_its_members(envmgr: Envmgr, server: Server) -> None:
    condarc(f"default_channels: ['{server.url}/one']\nallowlist_channels: [defaults]\nchannels: []\n")
    assert dry_run(envmgr, "-c", f"{server.url}/one", "a") == ["one/a-1"]
    assert "does not allow it" in refuse(envmgr, server, "-c", f"{server.url}/two", "a")


def test_files_that_a_channel_keeps_elsewhere_obey_the_lists(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    repodata = server.folder / "one" / "linux-64" / "repodata.json"
    document = json.loads(repodata.read_text())
    document["info"]["base_url"] = f"{server.url}/two/linux-64"
    repodata.write_text(json.dumps(document))
    arguments = ["create", "-n", "x", "--json", "-c", f"{server.url}/one", "--override-channels", "a"]
    for name, channel in (("DENYLIST", f"{server.url}/two"), ("ALLOWLIST", f"{server.url}/one")):
        monkeypatch.setenv(f"ENVMGR_{name}_CHANNELS", channel)
        for dry in ([], ["--dry-run"]):
            refused = envmgr(*arguments, *dry)
            assert refused.code == 1
            assert f"a-1-0 of {server.url}/one ({server.url}/two) may not be used" in refused.json["error"]
        monkeypatch.delenv(f"ENVMGR_{name}_CHANNELS")
    assert not any(seen.path.endswith(".conda") for seen in server.requests)


def test_a_clone_obeys_the_lists(envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ["-c", f"{server.url}/one", "--override-channels"]
    assert envmgr("create", "-n", "first", *arguments, "a").code == 0
    monkeypatch.setenv("ENVMGR_DENYLIST_CHANNELS", f"{server.url}/one")
    assert "a-1-0" in refuse(envmgr, server, "--clone", "first")
    told = envmgr("why", "--spec", "a", *arguments, "a")
    assert told.code == 1
    assert "may not be used" in told.err


def test_a_build_obeys_the_lists_but_for_its_own_channels(
    envmgr: Envmgr, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tmp_path / "recipe" / "recipe.yaml"
    recipe.parent.mkdir()
    recipe.write_text(
        "package: {name: made, version: 1}\nbuild: {number: 0, script: [mkdir -p $PREFIX/share, "
        "cp $PREFIX/share/a $PREFIX/share/made || touch $PREFIX/share/made]}\nrequirements: {host: [a]}\n"
    )
    monkeypatch.setenv("ENVMGR_ALLOWLIST_CHANNELS", f"{server.url}/one")
    arguments = ["build", recipe, "--json", "--override-channels", "--zstd-level", "1"]
    refused = envmgr(*arguments, "-c", f"{server.url}/two")
    assert refused.code == 1
    assert refused.json["error"].startswith(f"command line: the channel {server.url}/two may not be used")
    built = envmgr(*arguments, "-c", f"{server.url}/one")
    assert built.code == 0, built.out + built.err
    assert len(built.json["built"]) == 1


def test_a_search_understands_multichannels_and_obeys_the_lists(
    envmgr: Envmgr, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    condarc(
        f"custom_multichannels:\n  team: ['{server.url}/two', '{server.url}/one/label/dev']\nchannels: []\n"
    )
    found = envmgr("search", "team::a", "--json")
    assert found.code == 0, found.out
    assert sorted(each["version"] for each in found.json["a"]) == ["1.5", "2"]
    monkeypatch.setenv("ENVMGR_DENYLIST_CHANNELS", f"{server.url}/one")
    refused = envmgr("search", "team::a", "--json")
    assert refused.code == 1
    assert refused.json["error"].startswith(
        f"command line: the channel {server.url}/one/label/dev may not be used"
    )
