"""Logins where no login is expected: misspelt URLs, odd passwords and tokens, proxies without a scheme.

Whatever is said of them, on the terminal, as JSON or in files that are left behind, holds no secret.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg
from tests.servers import serve

if TYPE_CHECKING:
    from tests.command import Envmgr

SECRET = "hunter2"
CHANNELS = [
    f"https:/u:{SECRET}@127.0.0.1:9/c",
    f"u:{SECRET}@127.0.0.1:9/c",
    f"http:\\\\u:{SECRET}@127.0.0.1:9/c",
    f"http ://u:{SECRET}@127.0.0.1:9/c",
    f"//u:{SECRET}@127.0.0.1:9/c",
    f"http://ann:p/{SECRET}@127.0.0.1:9/c",
    f"http://ann:12/{SECRET}@127.0.0.1:9/c",
    f"http://ann:p?{SECRET}@127.0.0.1:9/c",
    f"http://ann:p@{SECRET}/x@127.0.0.1:9/c",
    f"http://ann:p {SECRET}@127.0.0.1:9/c",
    f"http://127.0.0.1:9/t/{SECRET}%2Dx/c",
    f"http://127.0.0.1:9/t/{SECRET}+b/c",
    f"http://127.0.0.1:9/t/a:{SECRET}/c",
    f"http://127.0.0.1:9/T/{SECRET}/c",
    f"t/{SECRET}/c",
    f"127.0.0.1:9/t/{SECRET}/c",
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVMGR_RETRIES", "0")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def own() -> Path:
    path = Path(os.environ["XDG_CONFIG_HOME"]) / "envmgr" / "config.yml"
    path.parent.mkdir(parents=True)
    return path


def left_behind(home: Path) -> list[Path]:
    return [path for path in home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize("channel", CHANNELS)
def test_commands_quote_no_secret_of_a_channel(
    envmgr: Envmgr, isolated_home: Path, tmp_path: Path, channel: str
):
    file = tmp_path / "env.yml"
    file.write_text(json.dumps({"channels": [channel], "dependencies": ["a"]}))
    for command in (
        ["search", "aa", "-c", channel, "--override-channels"],
        ["create", "-n", "x", "-c", channel, "--override-channels", "aa"],
        ["create", "-n", "x", "--override-channels", f"{channel}::aa"],
        ["create", "-n", "x", "--override-channels", f"aa[channel='{channel}']"],
        ["create", "-n", "x", "-f", file],
        ["notices", "-c", channel],
        ["doctor", "network", channel],
        ["doctor", channel],
        [channel],
    ):
        for form in ([], ["--json"]):
            done = envmgr(*command, *form)
            assert done.code in (1, 2), done
            assert SECRET not in done.out + done.err
            assert "defect" not in done.out + done.err
    assert left_behind(isolated_home) == []


def test_passwords_as_they_must_be_written_are_proposed(envmgr: Envmgr):
    done = envmgr("search", "aa", "-c", f"http://ann:p/{SECRET}@host.invalid/c", "--override-channels")
    assert done.code == 1
    assert "'http://host.invalid/c'" in done.err
    assert "hint: Write / in them as %2F" in done.err


SETTINGS = [
    {"proxy_servers": {"http": f"user:{SECRET}@127.0.0.1:1"}},
    {"proxy_servers": {"https": f"http://user:p/{SECRET}@127.0.0.1:1"}},
    {"proxy_servers": {"https": f"http://user:p {SECRET}@127.0.0.1:1"}},
    {"channels": [f"https:/u:{SECRET}@h/c", f"u:{SECRET}@h/c", f"http://ann:p/{SECRET}@h/c"]},
    {"custom_multichannels": {"all": [f"//u:{SECRET}@h/c"]}},
    {"mirrors": {f"https://u:{SECRET}@h/c": [f"https://u:{SECRET}@m/c", f"https://h/T/{SECRET}/c"]}},
]
REFUSED = [
    {"channel_alias": f"u:{SECRET}@h"},
    {"channel_alias": f"https:/u:{SECRET}@h"},
    {"channel_alias": f"https://ann:p/{SECRET}@h"},
    {"channel_alias": f"https://ann:{SECRET * 20}@[h"},
    {"custom_channels": {"ours": f"u:{SECRET}@h"}},
    {"mirrors": {f"u:{SECRET}@h": ["https://m/c"]}},
    {"mirrors": {"https://h": [f"u:{SECRET}@h"]}},
    {"proxy_servers": {f"u:{SECRET}@h": "http://h"}},
    {f"u:{SECRET}@h": 1},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_settings_are_shown_without_logins(envmgr: Envmgr, own: Path, settings: dict):
    own.write_text(json.dumps(settings))
    [key] = settings
    for command in (["show"], ["show", key], ["get", key], ["--show"], ["--show", key], ["--show-sources"]):
        for form in ([], ["--json"]):
            done = envmgr("config", *command, *form)
            assert done.code == 0, done
            assert SECRET not in done.out + done.err
    if key == "proxy_servers":
        assert "127.0.0.1:1" in envmgr("config", "get", key).out
        for form in ([], ["--json"]):
            assert SECRET not in envmgr("info", *form).out


@pytest.mark.parametrize("settings", REFUSED)
def test_settings_that_are_refused_quote_no_login(envmgr: Envmgr, own: Path, settings: dict):
    own.write_text(json.dumps(settings))
    for command in (["config", "show"], ["info"], ["create", "-n", "x", "aa"]):
        for form in ([], ["--json"]):
            done = envmgr(*command, *form)
            assert done.code == 1, done
            assert SECRET not in done.out + done.err
            assert "h" in done.out + done.err


def test_edits_of_settings_quote_no_login(envmgr: Envmgr, own: Path):
    own.write_text("")
    name = f"mirrors.https://u:{SECRET}@h/c"
    for command in (
        ["set", "channel_alias", f"u:{SECRET}@h"],
        ["set", name, f"u:{SECRET}@h"],
        ["set", name, f"https://u:{SECRET}@h"],
        ["append", name, f"https://u:{SECRET}@g"],
        ["remove", name, f"u:{SECRET}@x"],
        ["get", f"{name}x"],
        ["remove", name],
    ):
        for form in ([], ["--json"]):
            done = envmgr("config", *command, *form)
            assert SECRET not in done.out + done.err


@pytest.mark.parametrize("proxy", [f"http://u:SEC/{SECRET}@127.0.0.1:1", f"http://u:1/{SECRET}@127.0.0.1:1"])
def test_proxies_in_variables_are_shown_without_logins(
    envmgr: Envmgr, monkeypatch: pytest.MonkeyPatch, proxy: str
):
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    for command in (
        ["info"],
        ["doctor", "network", "https://h.invalid"],
        ["search", "aa", "-c", "https://h.invalid"],
    ):
        for form in ([], ["--json"]):
            done = envmgr(*command, *form)
            assert SECRET not in done.out + done.err
            assert "defect" not in done.out + done.err


def test_odd_tokens_are_sent_and_left_nowhere(envmgr: Envmgr, isolated_home: Path, tmp_path: Path):
    for token in (f"{SECRET}+b", f"{SECRET}:b"):
        make_channel(tmp_path / "served" / "t" / token / "c", [pkg("a", files={"a": "a"})])
        with serve(tmp_path / "served") as server:
            channel = f"{server.url}/t/{token}/c"
            made = envmgr(
                "create",
                "-y",
                "-n",
                f"x{len(token)}{token[-2] == '+'}",
                "-c",
                channel,
                "--override-channels",
                "a",
            )
            assert made.code == 0, made
            assert all(path.startswith(f"/t/{token}/") for path in server.paths)
    assert left_behind(isolated_home) == []


@pytest.mark.parametrize(
    "url", ["http://[::1/", "http://127.0.0.1:99999999/", "http://127.0.0.1:x/c", "https:///c"]
)
def test_urls_that_cannot_be_are_told_in_a_sentence(envmgr: Envmgr, tmp_path: Path, own: Path, url: str):
    file = tmp_path / "explicit.txt"
    file.write_text(f"@EXPLICIT\n{url}noarch/a-1.0-0.conda\n")
    commands = [
        ["doctor", "network", url],
        ["create", "-n", "x", "-c", url, "--override-channels", "a"],
        ["create", "-n", "x", f"a[channel='{url}']"],
        ["create", "-n", "x", f"{url}noarch/a-1.0-0.conda"],
        ["create", "-n", "x", "-f", file],
        ["search", "a", "-c", url],
        ["notices", "-c", url],
        ["config", "set", "channel_alias", url],
        ["config", "set", "mirrors.https://h.invalid", url],
        ["config", "set", "custom_channels.ours", url],
    ]
    for command in commands:
        done = envmgr(*command, "--json")
        assert done.code == 1, done
        assert "defect" not in done.json["error"]
        assert "URL" in done.json["error"]
    own.write_text(json.dumps({"denylist_channels": [url]}))
    done = envmgr("create", "-n", "x", "a")
    assert "is not a valid URL" in done.err
    own.write_text(json.dumps({"proxy_servers": {"http": url}}))
    done = envmgr("search", "a", "-c", "http://127.0.0.1:9", "--override-channels")
    assert "the proxy of proxy_servers: http is not a valid URL" in done.err


def test_logins_behind_an_equals_sign_are_in_no_history(envmgr: Envmgr, isolated_home: Path, tmp_path: Path):
    make_channel(tmp_path / "served" / "c", [pkg("a", files={"a": "a"})])
    with serve(tmp_path / "served") as server:
        channel = server.url.replace("//", f"//ann:{SECRET}@") + "/c"
        made = envmgr("create", "-y", "-n", "x", f"--channel={channel}", "--override-channels", "a")
        assert made.code == 0, made
    assert left_behind(isolated_home) == []
