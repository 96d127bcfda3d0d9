"""doctor network: how far it comes on the way to real servers and proxies, and what it says there."""

from __future__ import annotations

import json
import socket
import time
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.authorities import Authority
from tests.builders import make_channel, pkg
from tests.proxies import Proxy, SocksProxy, running
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr, Outcome

VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
DEAD = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def nothing_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*VARIABLES, "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "RATTLER_AUTH_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def configure(isolated_home: Path):
    """Writes settings into our file, and gives every step two seconds."""

    def write(**settings: object) -> None:
        path = isolated_home / ".config/envmgr/config.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"connect_timeout_seconds": 2, **settings}))

    write()
    return write


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_channel(tmp_path / "channel", [pkg("a", "1.0")])
    index = tmp_path / "channel/noarch/repodata.json"
    index.with_name("repodata.json.zst").write_bytes(zstandard.compress(index.read_bytes()))
    return tmp_path / "channel"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def steps(outcome: Outcome, number: int = 0) -> dict[str, dict]:
    """The steps of one place by name."""
    assert outcome.code == (0 if outcome.json["success"] else 1)
    assert outcome.err == ""
    return {step["name"]: step for step in outcome.json["network"][number]["steps"]}


def statuses(found: dict[str, dict]) -> str:
    return " ".join(f"{name}:{step['status']}" for name, step in found.items())


def test_every_step_to_a_channel_that_is_well(envmgr: Envmgr, configure, folder):
    with serve(folder, faults={"*": Fault(headers={"Cache-Control": "max-age=60"})}) as server:
        outcome = envmgr("doctor", "network", server.url)
        lines = [line.partition(" (")[0] for line in outcome.out.splitlines()]
        assert (outcome.code, outcome.err) == (0, "")
        assert lines[:4] == [
            server.url,
            "  proxy   ok      none; connections are direct",
            "  dns     ok      127.0.0.1 is an address",
            f"  tcp     ok      connected to 127.0.0.1 port {server.port}",
        ]
        assert lines[4].startswith(
            "  index   ok      HTTP status 206 for noarch/repodata.json.zst, server BaseHTTP"
        )
        assert "cache-control max-age=60" in lines[4]
        assert lines[5] == "  auth    ok      no login is sent"
        assert [each.headers["range"] for each in server.requests] == ["bytes=0-0"]


def test_json_tells_what_was_found(envmgr: Envmgr, configure, folder):
    with serve(folder) as server:
        outcome = envmgr("doctor", "network", "--json", server.url)
        found = steps(outcome)
        assert outcome.json["network"][0]["channel"] == outcome.json["network"][0]["url"] == server.url
        assert statuses(found) == "proxy:ok dns:ok tcp:ok index:ok auth:ok"
        assert found["dns"]["addresses"] == ["127.0.0.1"]
        assert found["tcp"]["port"] == server.port
        assert found["index"]["http_status"] == 206
        assert found["index"]["headers"]["etag"]
        assert 0 <= found["index"]["seconds"] < 5


def test_without_channels_those_of_the_settings_are_looked_at(envmgr: Envmgr, configure, folder):
    with serve(folder) as server:
        configure(channels=[server.url, str(folder)])
        outcome = envmgr("doctor", "--json")
        assert [place["url"] for place in outcome.json["network"]] == [server.url, folder.as_uri()]
        assert statuses(steps(outcome, 1)) == "index:ok"


def test_mirrors_are_looked_at_in_the_channels_place(envmgr: Envmgr, configure, folder):
    with serve(folder) as server:
        mirrored = server.url.replace("//", "//me:secret@")
        configure(mirrors={"https://channel.test": [f"{DEAD}/x", mirrored]})
        outcome = envmgr("doctor", "network", "https://channel.test/")
        assert outcome.code == 1
        assert f"{DEAD}/x (a mirror of https://channel.test)\n" in outcome.out
        assert f"{server.url} (a mirror of https://channel.test)\n" in outcome.out
        assert "a login is sent: basic, from the URL" in outcome.out
        assert "secret" not in outcome.out + outcome.err


def test_tls_is_told_with_issuer_end_and_trust(envmgr: Envmgr, configure, folder, authority):
    with serve(folder, tls=authority.server()) as server:
        configure(ssl_verify=str(authority.bundle))
        found = steps(envmgr("doctor", "network", "--json", server.url))
        assert statuses(found) == "proxy:ok dns:ok tcp:ok tls:ok index:ok auth:ok"
        tls = found["tls"]
        assert (tls["version"], tls["issuer"]) == ("TLSv1.3", "Test ca")
        assert tls["trust"] == f"{authority.bundle} (ssl_verify)"
        assert tls["detail"] == (
            f"TLSv1.3, issued by Test ca, valid until {tls['expires'][:10]}, checked against {tls['trust']}"
        )
        configure(ssl_verify=False)
        found = steps(envmgr("doctor", "network", "--json", server.url))
        assert found["tls"]["detail"] == "TLSv1.3, the certificate is not checked (ssl_verify is false)"


def test_a_certificate_that_is_not_trusted_ends_the_way(envmgr: Envmgr, configure, folder, authority):
    with serve(folder, tls=authority.server()) as server:
        found = steps(envmgr("doctor", "network", "--json", server.url))
        assert statuses(found) == "proxy:ok dns:ok tcp:ok tls:failed index:skipped auth:ok"
        reason = "the certificate of 127.0.0.1 was not accepted: unable to get local issuer certificate"
        assert found["tls"]["detail"] == reason
        assert "ssl_verify: truststore" in found["tls"]["hint"]
        configure(ssl_verify="/nonexistent.pem")
        found = steps(envmgr("doctor", "network", "--json", server.url))
        assert found["tls"]["detail"].startswith("the certificates in /nonexistent.pem cannot be used")


def test_a_server_without_tls_is_told(envmgr: Envmgr, configure, folder):
    with serve(folder) as server:
        found = steps(envmgr("doctor", "network", "--json", server.url.replace("http:", "https:")))
        assert found["tls"]["detail"] == "127.0.0.1 does not speak TLS"


def test_names_that_are_not_known_are_told(envmgr: Envmgr, configure, monkeypatch):
    def getaddrinfo(*_: object, **__: object):
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    outcome = envmgr("doctor", "network", "--json", "https://host.invalid/c")
    found = steps(outcome)
    assert statuses(found) == "proxy:ok dns:failed tcp:skipped tls:skipped index:skipped auth:ok"
    assert found["dns"]["detail"] == "the name host.invalid is not known"


def test_a_name_service_that_is_silent_is_not_waited_for(envmgr: Envmgr, configure, monkeypatch):
    configure(connect_timeout_seconds=0.2)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: time.sleep(3))
    began = time.monotonic()
    found = steps(envmgr("doctor", "network", "--json", "https://host.invalid/c"))
    assert found["dns"]["detail"] == "no answer about the name host.invalid within 0.2 s"
    assert time.monotonic() - began < 2.5


def test_ports_on_which_nothing_listens_are_told(envmgr: Envmgr, configure):
    outcome = envmgr("doctor", "network", f"{DEAD}/c")
    assert outcome.code == 1
    assert "  tcp     failed  no connection to 127.0.0.1 port 9: connection refused\n" in outcome.out
    assert (
        "                  hint: Nothing listens there: check the port, and that the server runs.\n"
        in outcome.out
    )


def test_servers_that_fall_silent_are_not_waited_for(envmgr: Envmgr, configure):
    configure(connect_timeout_seconds=0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        began = time.monotonic()
        found = steps(envmgr("doctor", "network", "--json", f"https://127.0.0.1:{port}"))
        assert found["tls"]["detail"] == "127.0.0.1 does not finish the TLS handshake in time"
        found = steps(envmgr("doctor", "network", "--json", f"http://127.0.0.1:{port}"))
        assert found["index"]["detail"].endswith("cannot be reached: no answer within 0.3 s")
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("kind", [Proxy, SocksProxy])
def test_the_way_through_a_proxy_has_a_tunnel(envmgr: Envmgr, configure, folder, authority, kind):
    with (
        serve(folder, tls=authority.server("channel.test")) as server,
        running(kind(hosts={"channel.test": server.port}, login=("me", "secret"))) as proxy,
    ):
        configure(ssl_verify=str(authority.bundle), proxy_servers={"https": proxy.with_login("me", "secret")})
        outcome = envmgr("doctor", "network", "--json", "https://channel.test")
        found = steps(outcome)
        assert statuses(found) == "proxy:ok dns:ok tcp:ok tunnel:ok tls:ok index:ok auth:ok"
        assert found["proxy"]["detail"] == f"{proxy.url} (proxy_servers: https)"
        assert found["tcp"]["port"] == proxy.port
        assert "secret" not in outcome.out
        configure(proxy_servers={"https": proxy.url})
        found = steps(envmgr("doctor", "network", "--json", "https://channel.test"))
        assert statuses(found) == "proxy:ok dns:ok tcp:ok tunnel:failed tls:skipped index:skipped auth:ok"
        assert "asks for a login" in found["tunnel"]["detail"]
        assert "USER:PASSWORD" in found["tunnel"]["hint"]


def test_proxies_may_be_reached_by_tls_themselves(envmgr: Envmgr, configure, folder, authority):
    with (
        serve(folder, tls=authority.server("channel.test")) as server,
        running(Proxy(hosts={"channel.test": server.port}, tls=authority.server())) as proxy,
    ):
        configure(ssl_verify=str(authority.bundle), proxy_servers={"https": proxy.url})
        found = steps(envmgr("doctor", "network", "--json", "https://channel.test"))
        assert statuses(found) == "proxy:ok dns:ok tcp:ok tunnel:ok tls:ok index:ok auth:ok"


def test_proxies_that_can_be_none_or_refuse_are_told(envmgr: Envmgr, configure, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "ftp://me:secret@proxy:1")
    outcome = envmgr("doctor", "network", "--json", "https://channel.test")
    assert (
        statuses(steps(outcome)) == "proxy:failed dns:skipped tcp:skipped tls:skipped index:skipped auth:ok"
    )
    assert "secret" not in outcome.out
    with running(Proxy(refuse=503)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        found = steps(envmgr("doctor", "network", "--json", "https://channel.test"))
        assert found["tunnel"]["detail"] == f"{proxy.url} gives no tunnel (HTTP status 503)"


REFUSALS = {
    404: ("there is none of noarch/repodata.json.zst, noarch/repodata_shards", "Check the spelling"),
    401: ("the server wants a login for noarch/repodata.json.zst", "envmgr auth login 127.0.0.1:"),
    403: ("the server does not give out noarch/repodata.json.zst", "envmgr auth login 127.0.0.1:"),
    500: ("the server answered with HTTP status 500 for noarch/repodata.json.zst", None),
}


@pytest.mark.parametrize("status", REFUSALS)
def test_what_the_server_refuses_is_told(envmgr: Envmgr, configure, folder, status):
    words, hint = REFUSALS[status]
    with serve(folder, faults={"*": Fault(status=status)}) as server:
        index = steps(envmgr("doctor", "network", "--json", server.url))["index"]
    assert index["status"] == "failed"
    assert index["detail"].startswith(words)
    assert index["hint"] is None if hint is None else hint in index["hint"]


def test_redirects_are_told(envmgr: Envmgr, configure, folder):
    with serve(folder) as target:
        away = Fault(redirect=f"{target.url}/noarch/repodata.json.zst")
        with serve(folder, faults={"/noarch/repodata.json.zst": away}) as server:
            index = steps(envmgr("doctor", "network", "--json", server.url))["index"]
        assert index["url"] == f"{target.url}/noarch/repodata.json.zst"
        assert f"from {target.url}/noarch/repodata.json.zst" in index["detail"]


def test_the_login_is_told_and_never_shown(envmgr: Envmgr, configure, folder, isolated_home):
    (isolated_home / ".netrc").write_text("machine 127.0.0.1 login me password secret\n")
    (isolated_home / ".netrc").chmod(0o600)
    with serve(folder) as server:
        outcome = envmgr("doctor", "network", "--json", server.url)
        auth = steps(outcome)["auth"]
        assert auth["kind"] == "basic"
        assert ".netrc" in auth["source"]
        assert "authorization" in server.requests[-1].headers
        assert "secret" not in outcome.out
        outcome = envmgr("doctor", "network", "--json", f"{server.url}/t/tk-secret/c")
        assert steps(outcome)["auth"]["detail"] == "a login is sent: conda-token, from the URL"
        assert "secret" not in outcome.out
        assert server.paths[-1] == "/t/tk-secret/c/noarch/repodata.json"


def test_a_broken_file_of_logins_is_told(envmgr: Envmgr, configure, folder, isolated_home):
    path = isolated_home / ".rattler/credentials.json"
    path.parent.mkdir()
    path.write_text('{"host": secret')
    with serve(folder) as server:
        outcome = envmgr("doctor", "network", "--json", server.url)
        found = steps(outcome)
        assert found["auth"]["status"] == "failed"
        assert str(path) in found["auth"]["detail"]
        assert "secret" not in outcome.out


def test_offline_is_told_at_once(envmgr: Envmgr, configure, isolated_home):
    configure(offline=True)
    found = steps(envmgr("doctor", "network", "--json", "https://channel.test"))
    assert statuses(found) == "offline:failed"
    assert "config.yml" in found["offline"]["detail"]


def test_wrong_usage_is_refused(envmgr: Envmgr, configure):
    outcome = envmgr("doctor", "netwrk")
    assert (outcome.code, outcome.out) == (2, "")
    assert "topic is one of network, environment, not 'netwrk'." in outcome.err


@pytest.mark.parametrize("name", ["repodata_shards.msgpack.zst", "repodata.json.bz2", "repodata.json"])
def test_an_index_in_one_form_is_enough(envmgr: Envmgr, configure, tmp_path, name):
    (tmp_path / "only/noarch").mkdir(parents=True)
    (tmp_path / "only/noarch" / name).write_bytes(b"index")
    with serve(tmp_path / "only") as server:
        index = steps(envmgr("doctor", "network", "--json", server.url))["index"]
    assert index["detail"].startswith(f"HTTP status 206 for noarch/{name}")


def test_a_server_cannot_steer_the_terminal(envmgr: Envmgr, configure, folder):
    with serve(folder, faults={"*": Fault(headers={"Cache-Control": "x\x1b[2J\x07"})}) as server:
        outcome = envmgr("doctor", "network", server.url)
    assert r"cache-control x\x1b[2J\x07" in outcome.out
    assert all(line.isprintable() for line in outcome.out.splitlines())


def test_mirrors_whose_urls_cannot_be_and_signed_redirects_are_told(envmgr: Envmgr, configure, folder):
    configure(mirrors={"https://channel.test": ["http://127.0.0.1:99999999"]})
    outcome = envmgr("doctor", "network", "https://channel.test")
    assert outcome.code == 1
    assert "must be a list of URLs" in outcome.err
    with serve(folder) as target:
        away = Fault(redirect=f"{target.url}/noarch/repodata.json.zst?X-Amz-Signature=s3cr3t")
        with serve(folder, faults={"/noarch/repodata.json.zst": away}) as server:
            configure()
            outcome = envmgr("doctor", "network", server.url)
    assert f"from {target.url}/noarch/repodata.json.zst" in outcome.out
    assert "s3cr3t" not in outcome.out
