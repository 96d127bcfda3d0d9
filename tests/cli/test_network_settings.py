"""Whole commands over mirrors, proxies and TLS, by the settings that people write."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from tests.authorities import Authority
from tests.builders import make_channel, pkg
from tests.proxies import Proxy, SocksProxy, running
from tests.servers import Fault, serve
from tests.shards import write_shards

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr, Outcome

CHANNEL = "https://channel.test/forge"
ARCHIVE = "/linux-64/tool-1.0-0.conda"


@pytest.fixture(autouse=True)
def nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
    for name in (*names, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_channel(tmp_path / "channel", [pkg("tool", "1.0", files={"share/tool": "x" * 300_000})])


def configure(home: Path, **settings: object) -> None:
    path = home / ".config/envmgr/config.yml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"retries": 0, "connect_timeout_seconds": 5, **settings}))


def create(envmgr: Envmgr, prefix: Path, channel: str = CHANNEL) -> Outcome:
    platform = ("--platform", "linux-64")
    return envmgr("create", "-p", prefix, "-c", channel, "--override-channels", *platform, "-y", "tool")


def test_mirrors_serve_a_channel_and_leave_no_trace_but_one_warning(
    envmgr: Envmgr, folder, tmp_path, isolated_home
):
    with serve(folder, faults={ARCHIVE: Fault(status=503)}) as one, serve(folder) as two:
        configure(isolated_home, mirrors={CHANNEL: [one.url, two.url.replace("//", "//me:secret@")]})
        created = create(envmgr, tmp_path / "env")
        assert created.code == 0, created.err
        assert (tmp_path / "env/share/tool").exists()
        assert ARCHIVE in two.paths
        assert created.err.count(f"the mirror {one.url} fails (HTTP status 503)") == 1
        record = json.loads((tmp_path / "env/conda-meta/tool-1.0-0.json").read_text())
        assert record["url"] == CHANNEL + ARCHIVE
        for place in (tmp_path / "env", isolated_home / "root"):
            for path in place.rglob("*"):
                content = path.read_bytes() if path.is_file() else b""
                assert one.url.encode() not in content, path
                assert two.url.removeprefix("http://").encode() not in content, path
                assert b"secret" not in content, path
    assert "secret" not in created.out + created.err


def test_errors_of_mirrors_have_no_credentials(envmgr: Envmgr, tmp_path, isolated_home):
    configure(
        isolated_home, mirrors={CHANNEL: ["http://me:secret@127.0.0.1:9", "http://a:secret@127.0.0.1:9/b"]}
    )
    failed = create(envmgr, tmp_path / "env")
    assert failed.code == 1
    assert "cannot be reached: connection refused" in failed.err
    assert "secret" not in failed.out + failed.err
    assert not os.path.lexists(tmp_path / "env")


@pytest.mark.parametrize("kind", [Proxy, SocksProxy])
def test_a_channel_is_reached_through_a_proxy_with_our_authority_and_certificate(
    envmgr: Envmgr, folder, tmp_path, isolated_home, kind
):
    authority = Authority(tmp_path)
    certificate, key, _ = authority.client()
    secured = authority.server("channel.test", client_ca=authority)
    with (
        serve(folder, tls=secured) as server,
        running(kind(hosts={"channel.test": server.port}, login=("me", "secret"))) as proxy,
    ):
        (isolated_home / ".condarc").write_text(
            f"ssl_verify: {authority.bundle}\nclient_ssl_cert: {certificate}\nclient_ssl_cert_key: {key}\n"
            f"proxy_servers:\n  https: {proxy.with_login('me', 'secret')}\n"
        )
        created = create(envmgr, tmp_path / "env", "https://channel.test")
        assert created.code == 0, created.err
        assert {seen.host for seen in proxy.seen} == {"channel.test"}
        for path in (isolated_home / "root").rglob("*"):
            assert b"secret" not in (path.read_bytes() if path.is_file() else b""), path
    assert "secret" not in created.out + created.err


def test_unchecked_certificates_are_warned_about_once(envmgr: Envmgr, folder, tmp_path, isolated_home):
    with serve(folder, tls=Authority(tmp_path).server()) as server:
        failed = create(envmgr, tmp_path / "env", server.url)
        assert failed.code == 1
        assert "was not accepted: unable to get local issuer certificate." in failed.err
        configure(isolated_home, ssl_verify=False)
        created = create(envmgr, tmp_path / "env", server.url)
        assert created.code == 0, created.err
        assert created.err.count("certificates are not checked") == 1
        assert "InsecureRequestWarning" not in created.err


HTML = b"<html><body>Please log in to the wireless network.</body></html>"


@pytest.mark.parametrize("kind", ["page", "cut", "chunked"])
def test_a_mirror_with_bad_content_loses_its_turn(envmgr: Envmgr, folder, tmp_path, isolated_home, kind):
    whole = (folder / "linux-64/repodata.json").read_bytes()
    good = {"/linux-64/repodata.json": Fault(body=whole[:-40]), "/noarch/repodata.json": Fault()}
    faults = {"page": {"*": Fault(body=HTML)}, "cut": good, "chunked": {"*": Fault(body=HTML, chunked=True)}}[
        kind
    ]
    with serve(folder, faults=faults) as one, serve(folder) as two:
        configure(isolated_home, mirrors={CHANNEL: [one.url, two.url]})
        created = create(envmgr, tmp_path / "env")
        assert created.code == 0, created.err
        assert (tmp_path / "env/share/tool").exists()
        assert created.err.count("warning:") == 1
        assert f"warning: the mirror {one.url} sends what is no good (" in created.err
        assert ARCHIVE not in one.paths


def test_where_all_mirrors_have_bad_content_the_error_names_one(
    envmgr: Envmgr, folder, tmp_path, isolated_home
):
    with (
        serve(folder, faults={"*": Fault(body=HTML)}) as one,
        serve(folder, faults={"*": Fault(body=HTML)}) as two,
    ):
        configure(isolated_home, mirrors={CHANNEL: [one.url, two.url]})
        failed = create(envmgr, tmp_path / "env")
        assert failed.code == 1
        assert f"{CHANNEL}/" in failed.err
        sentence = failed.err.splitlines()[-1] if "hint" not in failed.err else failed.err
        assert f"(from {one.url}/" in sentence or f"(from {two.url}/" in sentence
        assert len(one.requests) < 20


def test_a_mirror_with_wrong_packages_or_shards_loses_its_turn(
    envmgr: Envmgr, folder, tmp_path, isolated_home
):
    with serve(folder, faults={ARCHIVE: Fault(body=b"x" * 300)}) as one, serve(folder) as two:
        configure(isolated_home, mirrors={CHANNEL: [one.url, two.url]})
        created = create(envmgr, tmp_path / "env")
        assert created.code == 0, created.err
        assert ARCHIVE in one.paths
        assert ARCHIVE in two.paths
    sharded = make_channel(tmp_path / "sharded", [pkg("tool", "1.0", files={"share/tool": "x"})])
    wrong = {path: Fault(body=b"other") for path in write_shards(sharded).values()}
    assert wrong
    with serve(sharded, faults=wrong) as one, serve(sharded) as two:
        other = "https://channel.test/sharded"
        configure(isolated_home, mirrors={other: [one.url, two.url]})
        created = create(envmgr, tmp_path / "other", other)
        assert created.code == 0, created.err
        assert f"the mirror {one.url} sends what is no good (the SHA-256 of {other}/" in created.err
        configure(isolated_home, mirrors={f"{other}2": [one.url]}, index_dir=str(tmp_path / "index"))
        failed = create(envmgr, tmp_path / "third", f"{other}2")
        assert failed.code == 1
        assert f"(from {one.url}/" in failed.err


def test_a_lagging_mirror_beside_a_dead_one_does_not_deny_the_channel(
    envmgr: Envmgr, folder, tmp_path, isolated_home
):
    with serve(tmp_path / "nothing") as lagging, serve(folder) as alive:
        for mirrors in ([lagging.url, "http://127.0.0.1:9"], ["http://127.0.0.1:9", lagging.url]):
            configure(isolated_home, mirrors={CHANNEL: mirrors})
            failed = create(envmgr, tmp_path / "env")
            assert failed.code == 1
            assert "is not a channel" not in failed.err
            assert "http://127.0.0.1:9 fails (http://127.0.0.1:9/" in failed.err
            assert "connection refused" in failed.err
            assert "Check the spelling" not in failed.err
        configure(isolated_home, mirrors={CHANNEL: [lagging.url, lagging.url + "/x"]})
        assert "is not a channel" in create(envmgr, tmp_path / "env").err
        configure(isolated_home, mirrors={CHANNEL: [alive.url, "http://127.0.0.1:9"]})
        assert create(envmgr, tmp_path / "env").code == 0
