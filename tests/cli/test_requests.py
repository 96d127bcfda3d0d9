"""What is asked for and how: places, platforms, credentials, the promises of a dry run."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg
from tests.pypi.local_index import LocalIndex, serve_index
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from tests.command import Envmgr


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return make_channel(
        tmp_path / "channel", [pkg("a", "1", files={"share/a": "a"}), pkg("b", depends=["a"])]
    )


def root() -> Path:
    return Path(os.environ["ENVMGR_ROOT"])


def test_dry_run_of_archives_downloads_nothing(envmgr: Envmgr, channel: Path):
    planned = envmgr("create", "-n", "x", "--dry-run", "--json", channel / "linux-64" / "a-1-0.conda").json
    assert [each["name"] for each in planned["actions"]["FETCH"]] == ["a"]
    assert not (root() / "pkgs").exists()


def test_explicit_file_for_another_platform_is_refused(envmgr: Envmgr, channel: Path, tmp_path: Path):
    file = tmp_path / "list.txt"
    file.write_text(f"# platform: osx-arm64\n@EXPLICIT\n{channel.as_uri()}/noarch/z-1-0.conda\n")
    refused = envmgr("create", "-p", tmp_path / "env", "-f", file)
    assert refused.code == 2
    assert "osx-arm64" in refused.err
    foreign = make_channel(tmp_path / "other", [pkg("m", subdir="osx-arm64")])
    refused = envmgr("create", "-p", tmp_path / "env", foreign / "osx-arm64" / "m-1.0-0.conda")
    assert refused.code == 2
    assert "--platform" in refused.err


def test_wrong_usage_is_json_where_json_was_asked_for(envmgr: Envmgr):
    for arguments in (
        ["create", "--bogus"],
        ["create", "-n", "x", "--solve-seconds", "-1", "a"],
        ["info", "--no"],
    ):
        refused = envmgr(*arguments, "--json")
        assert refused.code == 2
        assert refused.json["exception_name"] == "UsageError"
        assert "\n" not in refused.json["error"]


def test_error_is_one_sentence_and_the_explanation_is_beside_it(envmgr: Envmgr, channel: Path):
    arguments = ["create", "-n", "x", "-c", channel, "--override-channels", "--json", "b", "a >=2"]
    answer = envmgr(*arguments).json
    assert "\n" not in answer["error"]
    assert answer["explanation"]
    assert {"spec": "a >=2", "source": "command line"} in answer["conflicting"]


@pytest.mark.parametrize("place", [["-n", "a\nb"], ["-p", ""], ["-p", " "], ["-n", ".."], ["-n", "a:b"]])
def test_place_that_cannot_be_an_environment_is_refused(envmgr: Envmgr, channel: Path, place: list[str]):
    refused = envmgr("create", *place, "-c", channel, "--override-channels", "a")
    assert refused.code == 2
    assert not (Path(os.environ["HOME"]) / ".conda").exists()


@pytest.mark.parametrize("name", ["new\nline", "co:lon"])
def test_prefix_that_would_break_path_or_registry_is_refused(
    envmgr: Envmgr, channel: Path, tmp_path: Path, name: str
):
    refused = envmgr("create", "-p", tmp_path / name, "-c", channel, "--override-channels", "a")
    assert refused.code == 1
    assert not (tmp_path / name).exists()


def test_dry_run_refuses_what_the_real_run_would(envmgr: Envmgr, channel: Path, tmp_path: Path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("")
    arguments = ["-p", tmp_path / "full", "-c", channel, "--override-channels", "a"]
    assert envmgr("create", *arguments, "--dry-run").code == envmgr("create", *arguments).code == 1


def test_dry_run_needs_no_writable_root(envmgr: Envmgr, channel: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ENVMGR_ROOT", "/dev/null/root")
    planned = envmgr("create", "-n", "x", "-c", channel, "--override-channels", "--dry-run", "--json", "b")
    assert planned.code == 0, planned.err
    assert [each["name"] for each in planned.json["actions"]["LINK"]] == ["a", "b"]


def test_channel_below_a_folder_called_t_is_found(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "t" / "stuff" / "channel", [pkg("a")])
    created = envmgr("create", "-p", tmp_path / "env", "-c", channel, "--override-channels", "-y", "a")
    assert created.code == 0, created.err
    direct = envmgr("create", "-p", tmp_path / "two", channel / "linux-64" / "a-1.0-0.conda", "-y")
    assert direct.code == 0, direct.err


def test_pip_items_without_python_are_refused_before_anything_is_fetched(
    envmgr: Envmgr, channel: Path, tmp_path: Path
):
    file = tmp_path / "e.yml"
    file.write_text(
        f"channels: ['{channel}', nodefaults]\ndependencies:\n  - a\n  - pip:\n      - humanize\n"
    )
    refused = envmgr("create", "-p", tmp_path / "env", "-f", file)
    assert refused.code == 2
    assert "e.yml:5" in refused.err
    assert not (root() / "pkgs").exists()


def test_clone_keeps_variables_and_what_was_asked_for(envmgr: Envmgr, channel: Path, tmp_path: Path):
    file = tmp_path / "e.yml"
    file.write_text(f"channels: ['{channel}', nodefaults]\ndependencies: [b]\nvariables: {{COLOUR: green}}\n")
    assert envmgr("create", "-n", "one", "-f", file, "-y").code == 0
    assert envmgr("create", "-n", "two", "--clone", "one", "-y").code == 0
    metas = [root() / "envs" / name / "conda-meta" for name in ("one", "two")]
    assert metas[0].joinpath("state").read_bytes() == metas[1].joinpath("state").read_bytes()
    for name in ("a-1-0.json", "b-1.0-0.json"):
        asked = [json.loads((meta / name).read_text()).get("requested_specs") for meta in metas]
        assert asked[0] == asked[1]


def test_credentials_reach_the_server_and_nothing_else(envmgr: Envmgr, channel: Path, tmp_path: Path):
    with serve(channel) as server:
        url = server.url.replace("http://", "http://ann:s3cr3t@")
        created = envmgr("create", "-p", tmp_path / "env", "-c", url, "--override-channels", "-y", "b")
        assert created.code == 0, created.err
        archive = f"{url}/linux-64/a-1-0.conda"
        explicit = envmgr("create", "-p", tmp_path / "other", archive, "-y")
        assert explicit.code == 0, explicit.err
        assert all(seen.headers.get("authorization", "").startswith("Basic ") for seen in server.requests)
        assert any(seen.path.endswith("a-1-0.conda") for seen in server.requests)
        server.faults["/linux-64/c-1.0-0.conda"] = Fault(status=404)
        failed = envmgr("create", "-p", tmp_path / "third", f"{url}/linux-64/c-1.0-0.conda", "-y", "--json")
        assert failed.code == 1
        listed = envmgr("list", "-p", tmp_path / "env", "--json")
    for outcome in (created, explicit, failed, listed):
        assert "s3cr3t" not in outcome.out + outcome.err
    assert files_that_hold(b"s3cr3t", tmp_path, root(), Path(os.environ["HOME"])) == []


def test_credentials_in_specs_and_pip_items_are_shown_and_recorded_nowhere(
    envmgr: Envmgr, channel: Path, tmp_path: Path
):
    with serve(channel) as server:
        url = server.url.replace("http://", "http://ann:s3cr3t@")
        created = envmgr(
            "create", "-p", tmp_path / "env", "--override-channels", "-y", f"{url}::b", f"{url}::a"
        )
        assert created.code == 0, created.err
        assert all(seen.headers.get("authorization", "").startswith("Basic ") for seen in server.requests)
    python = make_channel(tmp_path / "python", [pkg("python", "3.99", noarch="generic"), pkg("pip")])
    file = tmp_path / "e.yml"
    index = LocalIndex(tmp_path / "index")
    index.wheel("x", "1.0")
    with serve_index(index, login="ann:s3cr3t") as served:
        file.write_text(
            f"channels: ['{python}', nodefaults]\n"
            f"dependencies: [python, pip, {{pip: ['--index-url {served.with_login}', x]}}]\n"
        )
        planned = envmgr("create", "-p", tmp_path / "two", "-f", file, "--dry-run", "-vv")
        made = envmgr("create", "-p", tmp_path / "two", "-f", file, "-y", "-vv")
    assert (planned.code, made.code) == (0, 0), planned.err + made.err
    assert "x" in {each["name"] for each in envmgr("list", "-p", tmp_path / "two", "--json").json}
    for outcome in (created, planned, made):
        assert "s3cr3t" not in outcome.out + outcome.err
    assert (
        files_that_hold(b"s3cr3t", tmp_path / "env", tmp_path / "two", root(), Path(os.environ["HOME"])) == []
    )


def test_default_packages_join_what_the_command_line_and_files_ask_for(
    envmgr: Envmgr, channel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("ENVMGR_CREATE_DEFAULT_PACKAGES", "a")
    arguments = ["create", "-n", "x", "-c", channel, "--override-channels", "--dry-run", "--json"]
    for specs, names in (([], ["a"]), (["b", "--no-deps"], ["a", "b"])):
        planned = envmgr(*arguments, *specs)
        assert planned.code == 0, planned.out
        assert [each["name"] for each in planned.json["actions"]["LINK"]] == names
    file = tmp_path / "e.yml"
    for content, names in (("[]", ["a"]), ("['a =1', b]", ["a", "b"])):
        file.write_text(f"dependencies: {content}\n")
        planned = envmgr(*arguments, "-f", file, "--no-deps").json
        assert [each["name"] for each in planned["actions"]["LINK"]] == names
    monkeypatch.setenv("ENVMGR_CREATE_DEFAULT_PACKAGES", "no-such-package")
    assert envmgr(*arguments, "b").code == 1
    assert envmgr(*arguments, "b", "--no-default-packages").code == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_signal_ends_a_download_orderly(channel: Path, tmp_path: Path, number: int):
    slow = {"/linux-64/a-1-0.conda": Fault(wait=20)}
    with serve(channel, faults=slow) as server:
        command = [sys.executable, "-m", "envmgr", "create", "-p", tmp_path / "env", "-c", server.url]
        command += ["--override-channels", "--json", "a"]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        limit = time.monotonic() + 30
        while not any(seen.path.endswith("a-1-0.conda") for seen in server.requests):
            assert time.monotonic() < limit, "the download did not begin"
            time.sleep(0.05)
        child.send_signal(number)
        out, _ = child.communicate(timeout=40)
    assert child.returncode == 128 + number
    assert json.loads(out)["success"] is False
    assert not (tmp_path / "env").exists()
    assert [path.name for path in (root() / "pkgs").iterdir() if path.name.startswith(".envmgr-work")] == []


def test_token_in_a_channels_path_reaches_the_server(envmgr: Envmgr, channel: Path, tmp_path: Path):
    guarded = tmp_path / "www" / "t" / "tk-s3cr3t"
    guarded.mkdir(parents=True)
    (guarded / "mine").symlink_to(channel)
    with serve(tmp_path / "www") as server:
        url = f"{server.url}/t/tk-s3cr3t/mine"
        created = envmgr("create", "-p", tmp_path / "env", "-c", url, "--override-channels", "-y", "b")
        assert created.code == 0, created.err
        assert all(seen.path.startswith("/t/tk-s3cr3t/mine/") for seen in server.requests)
    assert files_that_hold(b"s3cr3t", tmp_path / "env", root(), Path(os.environ["HOME"])) == []


def files_that_hold(secret: bytes, *folders: Path) -> list[Path]:
    paths = [path for folder in folders for path in folder.rglob("*")]
    return [
        path for path in paths if path.is_file() and not path.is_symlink() and secret in path.read_bytes()
    ]


def test_output_that_cannot_be_written_is_said_without_a_traceback(envmgr: Envmgr):
    assert envmgr("create", "-n", "x", "-y").code == 0
    for arguments in (["--version"], ["list", "-n", "x", "--json"], ["env", "list"]):
        with open("/dev/full", "w") as full:
            command = [sys.executable, "-m", "envmgr", *arguments]
            ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
        assert ended.returncode == 1, arguments
        assert b"Traceback" not in ended.stderr
        assert ended.stderr


def test_argument_that_is_no_text_is_refused():
    command = [sys.executable, "-m", "envmgr", "create", "-n", "x", "--json", b"ap\xff"]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert json.loads(ended.stdout)["success"] is False
    assert b"Traceback" not in ended.stderr


def test_endless_file_is_refused(envmgr: Envmgr, tmp_path: Path):
    refused = envmgr("create", "-p", tmp_path / "env", "-f", "/dev/zero")
    assert refused.code == 1
    assert "/dev/zero" in refused.err
