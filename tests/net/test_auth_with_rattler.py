"""The same logins in envmgr and in rattler: what one stores, the other sends, to the same hosts.

rattler runs in a process of its own, with the test's home, and fetches a channel from our server.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from envmgr.config.settings import Settings, default_folders
from envmgr.net.auth_store import CredentialStore
from envmgr.net.http import HttpOptions, HttpTransport
from tests.builders import make_channel, pkg
from tests.servers import serve

_RATTLER = """
import asyncio, os, sys
from rattler import Channel
from rattler.networking import AuthenticationMiddleware, Client, fetch_repo_data
from rattler.platform import Platform
client = Client([AuthenticationMiddleware()])
asyncio.run(fetch_repo_data(
    channels=[Channel(sys.argv[1])],
    platforms=[Platform("noarch")],
    cache_path=sys.argv[2],
    callback=None,
    client=client,
))
os._exit(0)  # Its threads may outlive the interpreter's end, and crash then.
"""
BASIC = {"BasicHTTP": {"username": "ann", "password": "p w:é"}}
BEARER = {"BearerToken": "tk-1"}
CONDA = {"CondaToken": "tk-1"}


@pytest.mark.parametrize(
    ("entries", "netrc"),
    [
        ({"localhost": BEARER}, ""),
        ({"localhost": BASIC}, ""),
        ({"localhost": CONDA}, ""),
        ({"*.localhost": BEARER}, ""),
        ({"*.localhost": BASIC, "localhost": BEARER}, ""),
        ({"host": BEARER, "*.host": BEARER, "*.local.host": BEARER}, ""),
        ({}, "machine localhost login ann password pw\n"),
        ({"*.localhost": BEARER}, "machine localhost login ann password pw\n"),
        ({"localhost": BEARER}, "machine localhost login ann password pw\n"),
        ({}, "machine other login ann password pw\ndefault login ann password pw\n"),
    ],
)
@pytest.mark.parametrize("place", ["usual", "named"])
def test_both_send_the_same(tmp_path, isolated_home, monkeypatch, entries, netrc, place):
    pytest.importorskip("rattler", reason="py-rattler is not installed")
    for folder in ("channel", "t/tk-1/channel"):
        make_channel(tmp_path / "served" / folder, [pkg("a", noarch="generic")])
    file = isolated_home / (".rattler/credentials.json" if place == "usual" else "named.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(entries))
    if place == "named":
        monkeypatch.setenv("RATTLER_AUTH_FILE", str(file))
    if netrc:
        (isolated_home / ".netrc").write_text(netrc)
    with serve(tmp_path / "served") as server:
        url = f"http://localhost:{server.port}/channel"
        subprocess.run(
            [sys.executable, "-c", _RATTLER, url, str(tmp_path / "cache")],
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
            check=True,
            timeout=60,
            capture_output=True,
        )
        expected = sent(server)
        server.forget()
        ask(f"{url}/noarch/repodata.json")
        assert expected
        assert sent(server) == expected


def sent(server):
    """The distinct logins that the server got: by header, and by path."""
    return {(seen.headers.get("authorization"), seen.path.startswith("/t/tk-1/")) for seen in server.requests}


def ask(url):
    settings = Settings(**default_folders(Path.home()), subdir="linux-64")
    store = CredentialStore.from_settings(settings, environ=os.environ, home=Path.home())
    transport = HttpTransport(HttpOptions(retries=0), find_credential=store.find)
    with transport.open(url) as response:
        assert response.status == 200
    transport.close()
