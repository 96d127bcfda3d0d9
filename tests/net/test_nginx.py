"""Plain channels as nginx serves them, with and without compression on the way."""

from __future__ import annotations

import pytest

from envmgr.net.http import HttpTransport
from tests import real_servers
from tests.builders import make_channel, pkg, script
from tests.command import in_process

ARCHIVE = "linux-64/tool-1.0-0.conda"


@pytest.fixture(scope="module")
def channel(tmp_path_factory):
    packages = [
        pkg("tool", "1.0", depends=["old"], files={"bin/tool": script("echo tool")}),
        pkg("old", "1.0", extension=".tar.bz2", noarch="generic", files={"share/old": "old\n"}),
    ]
    return make_channel(tmp_path_factory.mktemp("channel"), packages)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "gzipped"])
def served(request, tmp_path_factory, channel):
    """Whether answers are compressed, and the URL of the channel."""
    with real_servers.nginx(tmp_path_factory.mktemp("nginx"), channel, gzipped=request.param) as url:
        yield request.param, url


@pytest.fixture
def transport():
    transport = HttpTransport()
    yield transport
    transport.close()


def read(transport, url, headers=None):
    with transport.open(url, headers) as response:
        return response.status, b"".join(response.iter_bytes()), response.headers


def test_files_arrive_as_they_are_and_are_known_again(served, transport, channel):
    gzipped, url = served
    for file in ("linux-64/repodata.json", ARCHIVE, "noarch/old-1.0-0.tar.bz2"):
        status, body, headers = read(transport, f"{url}/{file}")
        assert (status, body) == (200, (channel / file).read_bytes())
        assert (headers.get("content-encoding") == "gzip") == gzipped
        assert headers["etag"].startswith('W/"' if gzipped else '"')
        assert read(transport, f"{url}/{file}", {"If-None-Match": headers["etag"]})[:2] == (304, b"")
        since = {"If-Modified-Since": headers["last-modified"]}
        assert read(transport, f"{url}/{file}", since)[:2] == (304, b"")
    assert read(transport, f"{url}/linux-64/repodata.json.zst")[0] == 404


def test_the_rest_of_a_file_can_be_asked_for(served, transport, channel):
    gzipped, url = served
    whole = (channel / ARCHIVE).read_bytes()
    validator = read(transport, f"{url}/{ARCHIVE}", {"Accept-Encoding": "identity"})[2]["etag"]
    wanted = {"Range": "bytes=100-", "If-Range": validator, "Accept-Encoding": "identity"}
    status, body, headers = read(transport, f"{url}/{ARCHIVE}", wanted)
    assert (status, body) == (206, whole[100:])
    assert headers["content-range"] == f"bytes 100-{len(whole) - 1}/{len(whole)}"
    assert read(transport, f"{url}/{ARCHIVE}", {**wanted, "If-Range": '"0-0"'})[:2] == (200, whole)
    status, body, _ = read(transport, f"{url}/{ARCHIVE}", {"Range": "bytes=100-", "Accept-Encoding": "gzip"})
    assert (status, body) == ((200, whole) if gzipped else (206, whole[100:]))


def test_environments_are_made_from_it(served, tmp_path, capfd):
    _, url = served
    envmgr = in_process(capfd)
    arguments = ("--override-channels", "-c", url, "--platform", "linux-64", "tool", "-y", "--json")
    done = envmgr("create", "-p", tmp_path / "env", *arguments)
    assert done.code == 0, done.err
    assert {linked["url"] for linked in done.json["actions"]["LINK"]} == {
        f"{url}/{ARCHIVE}",
        f"{url}/noarch/old-1.0-0.tar.bz2",
    }
    assert (tmp_path / "env" / "bin" / "tool").read_text() == "#!/bin/sh\necho tool\n"
    assert (tmp_path / "env" / "share" / "old").read_text() == "old\n"
