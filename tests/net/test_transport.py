"""The transport that looks at the scheme keeps what it promises about being offline."""

from __future__ import annotations

import subprocess
import sys

import pytest

from envmgr.errors import ChannelError
from envmgr.net.http import HttpTransport
from envmgr.net.transport import AnyTransport
from tests.servers import serve


def test_each_scheme_finds_its_transport(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    transport = AnyTransport(HttpTransport)
    with serve(tmp_path) as server:
        for url in (f"{server.url}/file", (tmp_path / "file").as_uri(), f"FILE://{tmp_path}/file"):
            with transport.open(url) as response:
                assert (response.status, b"".join(response.iter_bytes())) == (200, b"x")


def test_offline_reads_files_and_refuses_the_network_without_a_request(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    transport = AnyTransport(HttpTransport, offline=True)
    with transport.open((tmp_path / "file").as_uri()) as response:
        assert response.status == 200
    with serve(tmp_path) as server:
        with pytest.raises(
            ChannelError, match=f"{server.url}/file was not fetched, because envmgr is offline"
        ):
            transport.open(server.url.replace("//", "//user:secret@") + "/file")
        assert server.requests == []


@pytest.mark.parametrize(
    "url", ["s3://bucket/key", "oci://ghcr.io/x", "/plain/path", "", "javascript:alert(1)"]
)
def test_other_schemes_are_refused(url):
    with pytest.raises(ChannelError, match="only https, http and file URLs are known"):
        AnyTransport(HttpTransport).open(url)


def test_nothing_heavy_is_imported_before_the_network_is_used(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    code = (
        "import sys; from envmgr.net.transport import AnyTransport; from envmgr.net.http import HttpTransport;"
        f"AnyTransport(HttpTransport).open({(tmp_path / 'file').as_uri()!r});"
        "sys.exit(any(name in sys.modules for name in ('requests', 'urllib3', 'ssl')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
