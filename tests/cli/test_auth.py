"""auth login, logout, list and status, and the commands that then get through."""

from __future__ import annotations

import io
import json
import os
import pty
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def credentials(isolated_home) -> Path:
    return isolated_home / ".rattler" / "credentials.json"


@pytest.fixture
def typed(monkeypatch):
    """Sets what standard input holds."""
    return lambda text: monkeypatch.setattr(sys, "stdin", io.StringIO(text))


@pytest.mark.parametrize(
    ("host", "options", "entry"),
    [
        ("prefix.dev", ["--token", "t"], {"*.prefix.dev": {"BearerToken": "t"}}),
        ("conda.anaconda.org", ["--conda-token", "t"], {"conda.anaconda.org": {"CondaToken": "t"}}),
        (
            "https://example.org/private",
            ["--username", "ann", "--password", "p w"],
            {"https://example.org/private": {"BasicHTTP": {"username": "ann", "password": "p w"}}},
        ),
        (
            "s3://bucket",
            ["--s3-access-key-id", "a", "--s3-secret-access-key", "b", "--s3-session-token", "c"],
            {
                "bucket": {
                    "S3Credentials": {"access_key_id": "a", "secret_access_key": "b", "session_token": "c"}
                }
            },
        ),
    ],
)
def test_login_stores_in_rattlers_form_and_logout_removes(envmgr, credentials, host, options, entry):
    done = envmgr("auth", "login", host, *options)
    assert (done.code, done.out) == (0, "")
    assert json.loads(credentials.read_text()) == entry
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert envmgr("auth", "status", host).code == 0
    gone = envmgr("auth", "logout", host, "--json")
    assert gone.json == {"success": True, "sources": [str(credentials)]}
    assert json.loads(credentials.read_text()) == {}
    again = envmgr("auth", "logout", host)
    assert (again.code, "no login for" in again.err) == (1, True)


def test_login_says_where_and_what_as_json(envmgr, credentials):
    done = envmgr("auth", "login", "example.org", "--token", "hunter2", "--json")
    expected = {"success": True, "host": "*.example.org", "kind": "bearer", "source": str(credentials)}
    assert done.json == expected


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        (["--token", "-"], "typed\n", {"BearerToken": "typed"}),
        (["--conda-token", "-"], "typed", {"CondaToken": "typed"}),
        (
            ["--username", "ann", "--password", "-"],
            "ty ped\r\n",
            {"BasicHTTP": {"username": "ann", "password": "ty ped"}},
        ),
        (["--username", "ann"], "typed\n", {"BasicHTTP": {"username": "ann", "password": "typed"}}),
    ],
)
def test_a_secret_is_read_from_standard_input(envmgr, credentials, typed, options, text, expected):
    typed(text)
    assert envmgr("auth", "login", "h", *options).code == 0
    assert json.loads(credentials.read_text()) == {"h": expected}


def test_several_secrets_are_read_a_line_each(envmgr, credentials, typed):
    typed("key\ntoken\n")
    assert envmgr("auth", "login", "s3://b", "--s3-access-key-id", "a", "--s3-session-token", "-").code == 0
    assert json.loads(credentials.read_text())["b"]["S3Credentials"] == {
        "access_key_id": "a",
        "secret_access_key": "key",
        "session_token": "token",
    }


def test_on_a_terminal_a_secret_is_asked_for_without_echo(credentials):
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "envmgr", "auth", "login", "h", "--token", "-"]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    shown, deadline = b"", time.monotonic() + 30
    try:
        while b"Token: " not in shown and time.monotonic() < deadline:
            shown += os.read(master, 1000)
        os.write(master, b"hunter2\n")
        while time.monotonic() < deadline:
            try:
                piece = os.read(master, 1000)
            except OSError:  # The other end was closed.
                break
            if not piece:
                break
            shown += piece
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait(10)
        os.close(master)
    assert b"hunter2" not in shown
    assert json.loads(credentials.read_text()) == {"h": {"BearerToken": "hunter2"}}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["login", "h"], "takes one login"),
        (["login", "h", "--token", "hunter2", "--conda-token", "hunter2"], "takes one login"),
        (["login", "h", "--password", "hunter2"], "takes one login"),
        (["login", "h", "--token", "hunter2", "--username", "ann"], "takes one login"),
        (["login", "s3://h", "--s3-secret-access-key", "hunter2"], "takes one login"),
        (["login", "h", "--token", "hunter2 hunter2"], "visible ASCII"),
        (["login", "h", "--token", "hunter2\udc80"], "visible ASCII"),
        (["login", "h", "--conda-token", "hunter2/"], "letters, digits"),
        (["login", "h", "--username", "a:hunter2", "--password", "hunter2"], "no colon"),
        (["login", "ann:hunter2@h", "--token", "hunter2"], "expected a host"),
        (["login", "https://ann:hunter2@h/", "--token", "hunter2"], "expected a host"),
        (["login", "h", "--tokn", "hunter2"], "no option --tokn"),
        (["login", "h", "--tokn=hunter2"], "no option --tokn."),
        (["login", "h", "hunter2", "--token", "x"], "words too many"),
        (["login", "s3://b", "--token", "hunter2"], "keys of S3"),
        (["login", "h", "--s3-access-key-id", "a", "--s3-secret-access-key", "hunter2"], "keys of S3"),
        (["hunter2"], "does not exist"),
        (["logout", "ann:hunter2@h"], "expected a host"),
        (["status", "https://ann:hunter2@h"], "expected a host"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_wrong_usage_stores_nothing_and_repeats_no_secret(envmgr, credentials, arguments, complaint, as_json):
    done = envmgr("auth", *arguments, *(["--json"] if as_json else []))
    assert done.code == 2
    assert complaint in done.out + done.err
    assert "hunter2" not in done.out + done.err
    assert not credentials.exists()


def test_an_empty_secret_is_refused(envmgr, credentials, typed):
    typed("\n")
    done = envmgr("auth", "login", "h", "--token", "-")
    assert (done.code, "no token was given" in done.err) == (2, True)
    assert not credentials.exists()


def test_list_shows_hosts_kinds_and_places_and_no_secret(envmgr, credentials, isolated_home, monkeypatch):
    shared = isolated_home / "shared.json"
    shared.write_text('{"h": {"BearerToken": "hunter2"}, "other": {"Unknown": "hunter2"}}')
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(shared))
    credentials.parent.mkdir()
    credentials.write_text('{"h": {"BasicHTTP": {"username": "hunter2", "password": "hunter2"}}}')
    (isolated_home / ".netrc").write_text("machine n login hunter2 password hunter2")
    listed = envmgr("auth", "list")
    assert [line.split() for line in listed.out.splitlines()] == [
        ["host", "kind", "kept", "in"],
        ["h", "bearer", str(shared)],
        ["h", "basic", str(credentials), "not", "used"],
        ["n", "basic", str(isolated_home / ".netrc")],
    ]
    as_json = envmgr("auth", "list", "--json")
    assert [(each["host"], each["used"]) for each in as_json.json["logins"]] == [
        ("h", True),
        ("h", False),
        ("n", True),
    ]
    assert "hunter2" not in listed.out + listed.err + as_json.out


def test_status_tells_which_login_a_host_gets(envmgr, credentials):
    assert envmgr("auth", "login", "example.org", "--token", "t").code == 0
    assert envmgr("auth", "login", "https://example.org/private", "--token", "u").code == 0
    status = envmgr("auth", "status", "a.example.org", "https://example.org/private", "example.com", "--json")
    assert status.code == 1
    assert [each["host"] for each in status.json["logins"]] == [
        "*.example.org",
        "https://example.org/private",
    ]
    assert status.json["missing"] == ["example.com"]
    assert envmgr("auth", "status", "a.example.org").code == 0


def test_without_logins_list_says_so(envmgr):
    listed = envmgr("auth", "list")
    assert (listed.code, listed.out, "No logins" in listed.err) == (0, "", True)


def test_logout_says_what_it_cannot_change(envmgr, isolated_home):
    (isolated_home / ".netrc").write_text("machine h login ann password pw")
    done = envmgr("auth", "logout", "h")
    assert done.code == 1
    assert f"is kept in {isolated_home}/.netrc, which envmgr does not change" in done.err


def test_the_setting_auth_file_decides_where_logins_go(envmgr, credentials, isolated_home, monkeypatch):
    monkeypatch.setenv("ENVMGR_AUTH_FILE", str(isolated_home / "own" / "logins.json"))
    assert envmgr("auth", "login", "h", "--token", "t").code == 0
    assert json.loads((isolated_home / "own" / "logins.json").read_text()) == {"h": {"BearerToken": "t"}}
    assert not credentials.exists()


@pytest.mark.parametrize("status", [401, 403])
def test_a_server_that_wants_a_login_is_named_with_the_command(envmgr, tmp_path, status):
    make_channel(tmp_path / "channel", [pkg("a")])
    with serve(tmp_path / "channel", faults={"*": Fault(status=status)}) as server:
        done = envmgr("create", "-p", tmp_path / "env", "-c", server.url, "--override-channels", "-y", "a")
        assert done.code == 1
        assert f"envmgr auth login 127.0.0.1:{server.port}" in done.err


def test_a_package_that_wants_a_login_is_named_with_the_command(envmgr, tmp_path):
    make_channel(tmp_path / "channel", [pkg("a")])
    with serve(tmp_path / "channel") as server:
        server.faults["/linux-64/a-1.0-0.conda"] = Fault(status=401)
        done = envmgr("create", "-p", tmp_path / "env", "-c", server.url, "--override-channels", "-y", "a")
        assert done.code == 1
        assert f"envmgr auth login 127.0.0.1:{server.port}" in done.err


def test_a_login_opens_a_channel_for_create(envmgr, tmp_path, isolated_home):
    make_channel(tmp_path / "root/t/tk-1/channel", [pkg("a", files={"share/a": "a"})])
    with serve(tmp_path / "root") as server:
        host = server.url.removeprefix("http://")
        arguments = ["-c", f"{server.url}/channel", "--override-channels", "-y", "a"]
        assert envmgr("create", "-p", tmp_path / "env", *arguments).code == 1
        assert envmgr("auth", "login", host, "--conda-token", "tk-1").code == 0
        created = envmgr("create", "-p", tmp_path / "env", *arguments, "--json")
        assert created.code == 0, created.out + created.err
        assert created.json["actions"]["LINK"][0]["url"] == f"{server.url}/channel/linux-64/a-1.0-0.conda"
    assert (tmp_path / "env" / "share" / "a").read_text() == "a"


def test_a_broken_file_of_logins_matters_only_where_the_network_is_used(envmgr, tmp_path, credentials):
    make_channel(tmp_path / "channel", [pkg("a")])
    credentials.parent.mkdir()
    credentials.write_text('{"h": hunter2')
    options = ["--override-channels", "--dry-run", "a"]
    assert envmgr("create", "-p", tmp_path / "env", "-c", tmp_path / "channel", *options).code == 0
    with serve(tmp_path / "channel") as server:
        done = envmgr("create", "-p", tmp_path / "env", "-c", server.url, *options)
    assert done.code == 1
    assert f"{credentials}:1: it is not JSON" in done.err
    assert "hunter2" not in done.err
    assert server.requests == []
