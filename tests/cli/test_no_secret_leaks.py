"""The hunt for secrets: real commands with every kind of login, and a look into everything that they leave behind.

Searched are standard output and error, and the names and contents of every file below the root, the prefixes, the
home and the working folder, frames of zstandard unpacked; only the file that the login was put into is left out.
Each run first makes sure that the server did get the login.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import zstandard

from tests.builders import make_channel, pkg
from tests.keyrings import Ring, used
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.servers import Server

SECRET = "hunter2-Zq7xK9"
USER = "ann"
FORMS = tuple(
    form.encode()
    for form in (
        SECRET,
        SECRET[::-1],
        quote(SECRET, safe="").replace("-", "%2D"),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.b64encode(f"{USER}:{SECRET}".encode()).decode().rstrip("="),
        base64.b64encode(f":{SECRET}".encode()).decode().rstrip("=")[2:],
        SECRET.encode().hex(),
    )
)
_FRAME = bytes.fromhex("28b52ffd")
_QUICK = {"ENVMGR_RETRIES": "1", "ENVMGR_BACKOFF_SECONDS": "0.01", "ENVMGR_READ_TIMEOUT_SECONDS": "0.5"}


class Scene:
    """A home, a server with a private channel, and one login."""

    def __init__(self, home: Path, work: Path, server: Server, environ: Any) -> None:
        self.home, self.work, self.server, self.environ = home, work, server, environ
        self.host = f"127.0.0.1:{server.port}"
        self.channel = f"{server.url}/channel"
        self.holders: list[Path] = []

    def hold(self, path: Path, text: str) -> None:
        """Put the login into a file, which is then not searched."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.holders.append(path)


def _file(entry: dict[str, Any]) -> Callable[[Scene], None]:
    def put(scene: Scene) -> None:
        scene.hold(scene.home / ".rattler" / "credentials.json", json.dumps({scene.host: entry}))

    return put


def _named_file(scene: Scene) -> None:
    scene.hold(scene.home / "elsewhere.json", json.dumps({"127.0.0.1": {"BearerToken": SECRET}}))
    scene.environ("RATTLER_AUTH_FILE", str(scene.home / "elsewhere.json"))


def _netrc(scene: Scene) -> None:
    scene.hold(scene.home / ".netrc", f"machine 127.0.0.1 login {USER} password {SECRET}\n")


def _binstar(scene: Scene) -> None:
    name = quote(scene.server.url, safe="")
    scene.hold(scene.home / ".config" / "binstar" / f"{name}.token", SECRET)


def _in_url(scene: Scene) -> None:
    scene.channel = scene.channel.replace("//", f"//{USER}:{SECRET}@")


def _token_in_url(scene: Scene) -> None:
    scene.channel = f"{scene.server.url}/t/{SECRET}/channel"


def _in_settings(scene: Scene) -> None:
    _in_url(scene)
    settings = f"channels: ['{scene.channel}']\nchannel_alias: '{scene.channel}'\n"
    scene.hold(scene.home / ".config" / "envmgr" / "config.yml", settings)


def _in_mirror(scene: Scene) -> None:
    mirror = scene.channel.replace("//", f"//{USER}:{SECRET}@")
    scene.channel = "https://conda.invalid/private"
    settings = f"mirrors: {{'{scene.channel}': ['{mirror}']}}\n"
    scene.hold(scene.home / ".config" / "envmgr" / "config.yml", settings)


def _keyring(scene: Scene) -> None:
    ring = Ring()
    ring.entries["rattler", "127.0.0.1"] = json.dumps({"BearerToken": SECRET})
    scene.environ(None, ring)


LOGINS: dict[str, Callable[[Scene], None]] = {
    "bearer": _file({"BearerToken": SECRET}),
    "basic": _file({"BasicHTTP": {"username": USER, "password": SECRET}}),
    "conda-token": _file({"CondaToken": SECRET}),
    "named file": _named_file,
    "keyring": _keyring,
    "netrc": _netrc,
    "anaconda-client": _binstar,
    "in the URL": _in_url,
    "token in the URL": _token_in_url,
    "in the settings": _in_settings,
    "in a mirror": _in_mirror,
}


@pytest.fixture
def scene(request, tmp_path, isolated_home, monkeypatch) -> Iterator[Scene]:
    packages = [
        pkg("a", depends=["b"], files={"share/a": "a"}),
        pkg("b", noarch="generic", files={"share/b": "b"}),
    ]
    make_channel(tmp_path / "served" / "channel", packages, zst=True)
    make_channel(tmp_path / "served" / "t" / SECRET / "channel", packages, zst=True)
    (tmp_path / "work").mkdir()
    for name, value in _QUICK.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path / "work")
    with serve(tmp_path / "served") as server, contextlib.ExitStack() as stack:

        def environ(name: str | None, value: Any) -> None:
            stack.enter_context(used(value)) if name is None else monkeypatch.setenv(name, value)

        made = Scene(isolated_home, tmp_path / "work", server, environ)
        LOGINS[request.param](made)
        yield made


def _texts_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, and what frames of zstandard in it hold."""
    data = path.read_bytes()
    yield data
    start = data.find(_FRAME)
    while start >= 0:
        with contextlib.suppress(zstandard.ZstdError):
            yield zstandard.ZstdDecompressor().decompressobj().decompress(data[start:])
        start = data.find(_FRAME, start + 1)


def leaks(scene: Scene, *said: str) -> list[str]:
    """Where a form of the secret is found."""
    found = [f"output {number}: {text}" for number, text in enumerate(said) if _holds(text.encode())]
    for folder in (scene.home, scene.work):
        for path in folder.rglob("*"):
            if path in scene.holders:
                continue
            target = os.readlink(path) if path.is_symlink() else ""
            if _holds(os.fsencode(path.relative_to(folder))) or _holds(os.fsencode(target)):
                found.append(f"name {path}")
            if path.is_file() and any(_holds(text) for text in _texts_of(path)):
                found.append(f"file {path}")
    return found


def _holds(text: bytes) -> bool:
    return any(form in text for form in FORMS)


def was_sent(server: Server) -> bool:
    """Whether the server got the login in a request."""
    return any(_holds(f"{seen.path} {seen.headers}".encode()) for seen in server.requests)


def test_the_hunt_finds_what_is_there(tmp_path):
    """The search itself: each form, in a name, in a file, inside a compressed one."""
    scene = Scene(tmp_path / "home", tmp_path / "work", type("Server", (), {"port": 1, "url": ""})(), None)
    for folder in (scene.home, scene.work):
        folder.mkdir()
    assert leaks(scene, "nothing") == []
    basic = base64.b64encode(f"{USER}:{SECRET}".encode())
    (scene.home / "plain").write_bytes(b"x" + basic)
    (scene.home / "packed").write_bytes(b"head" + zstandard.compress(b"x" * 1000 + SECRET.encode()) + b"tail")
    (scene.work / f"a-{SECRET}").write_text("")
    other = base64.b64encode(f"other:{SECRET}".encode()).decode()
    assert len(leaks(scene, f"say {SECRET}", f"say {SECRET.encode().hex()}")) == 5
    assert leaks(scene, other)


def commands(scene: Scene) -> Iterator[list[object]]:
    """What people do, from the first plan to a look at what came of it."""
    channel = ["-c", scene.channel, "--override-channels"]
    prefix = ["-p", scene.work / "env"]
    yield ["create", *prefix, *channel, "--dry-run", "--json", "a"]
    yield ["create", *prefix, *channel, "-y", "a"]
    (scene.work / "environment.yml").write_text(
        f"name: by-file\nchannels: ['{scene.channel}']\ndependencies: [a]\n"
    )
    scene.holders.append(scene.work / "environment.yml")
    yield ["create", "-f", scene.work / "environment.yml", "--override-channels", "-y", "--json"]
    (scene.work / "explicit.txt").write_text(f"@EXPLICIT\n{scene.channel}/noarch/b-1.0-0.conda\n")
    scene.holders.append(scene.work / "explicit.txt")
    yield ["create", "-n", "by-list", "-f", scene.work / "explicit.txt", "-y"]
    yield ["create", "-n", "by-url", f"{scene.channel}/noarch/b-1.0-0.conda", "-y", "--json"]
    for form in ([], ["--json"]):
        yield ["list", *prefix, *form]
        yield ["info", *form]
        yield ["env", "list", *form]
        yield ["tree", *prefix, *form]
        yield ["why", "b", *prefix, *form]
        yield ["why", "b", *channel, "--spec", "a", *form]
        yield ["search", "a", *channel, *form]
        yield ["config", "show", *form]
        yield ["auth", "list", *form]
        yield ["auth", "status", scene.server.url, *form]
    yield ["create", "-n", "cloned", "--clone", scene.work / "env", "-y", *channel]
    yield ["create", "-n", "offline", *channel, "--offline", "-y", "a"]


@pytest.mark.parametrize("scene", LOGINS, indirect=True)
def test_commands_that_succeed_leave_no_secret(envmgr, scene):
    said, failed = [], []
    for command in commands(scene):
        done = envmgr(*command)
        said += [done.out, done.err]
        # A login in a URL is none that a host would get by itself.
        if done.code != 0 and command[:2] != ["auth", "status"]:
            failed.append((command, done))
    assert not failed, "\n".join(map(str, failed))
    assert (scene.work / "env" / "share" / "a").read_text() == "a"
    assert was_sent(scene.server)
    assert leaks(scene, *said) == []


FAULTS = {
    "401": Fault(status=401, headers={"WWW-Authenticate": "Basic"}),
    "403": Fault(status=403),
    "404": Fault(status=404),
    "503": Fault(status=503),
    "no answer": Fault(wait=2),
    "dropped": Fault(drop=True),
    "cut off": Fault(cut_after=10),
    "no index": Fault(body=b"<html>welcome</html>"),
    "broken index": Fault(body=b'{"packages": {"a": 5}, "packages.conda": []}'),
    "circle": Fault(redirect="{url}"),
    "no web address": Fault(redirect="ftp://example.org/"),
}


# Logins that differ in where they come from alone meet only the faults that matter most.
_OFTEN = ("basic", "conda-token", "in the URL")
_CASES = [
    (login, fault)
    for login in LOGINS
    for fault in FAULTS
    if login in _OFTEN or fault in ("401", "cut off", "circle")
]


@pytest.mark.parametrize(("scene", "fault"), _CASES, indirect=["scene"])
def test_commands_that_fail_leave_no_secret(envmgr, scene, fault):
    meets = FAULTS[fault]
    if meets.redirect == "{url}":
        meets = Fault(redirect=f"{scene.server.url}/t/{SECRET}/channel/noarch/repodata.json")
    scene.server.faults["*"] = meets
    said = []
    for form in ([], ["--json"]):
        done = envmgr(
            "create", "-p", scene.work / "env", "-c", scene.channel, "--override-channels", "-y", *form, "a"
        )
        assert done.code == 1
        assert done.out + done.err
        said += [done.out, done.err]
    assert was_sent(scene.server)
    assert leaks(scene, *said) == []


@pytest.mark.parametrize("scene", LOGINS, indirect=True)
def test_a_package_that_fails_leaves_no_secret(envmgr, scene):
    said = []
    for meets in (Fault(status=403), Fault(cut_after=20), Fault(body=b"no archive"), Fault(status=404)):
        for token in ("", f"/t/{SECRET}"):
            scene.server.faults[f"{token}/channel/linux-64/a-1.0-0.conda"] = meets
        done = envmgr(
            "create", "-p", scene.work / "env", "-c", scene.channel, "--override-channels", "-y", "a"
        )
        assert done.code == 1
        said += [done.out, done.err]
    assert was_sent(scene.server)
    assert leaks(scene, *said) == []


@pytest.mark.parametrize("scene", ["basic", "conda-token", "in the URL", "netrc"], indirect=True)
def test_a_process_of_its_own_with_tracebacks_leaves_no_secret(scene):
    scene.server.faults["*"] = Fault(cut_after=10)
    options = ["-p", str(scene.work / "env"), "-c", scene.channel, "--override-channels", "-y", "a"]
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-m", "envmgr", "create", *options],
        env={**os.environ, "ENVMGR_TRACEBACK": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert was_sent(scene.server)
    assert leaks(scene, done.stdout, done.stderr) == []
