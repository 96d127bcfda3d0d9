"""Proxies: which one is asked, with which login, for every hop; and sentences for the ways in which they fail."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import ChannelError
from envmgr.net.certificates import TlsOptions
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.proxies import Proxies
from tests.authorities import Authority
from tests.proxies import Proxy, SocksProxy, running
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEAD = "http://127.0.0.1:9"
VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@pytest.fixture(autouse=True)
def no_proxies_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/file").write_bytes(b"content")
    return tmp_path / "served"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def transport(proxies: dict | None = None, tls: TlsOptions | None = None) -> HttpTransport:
    return HttpTransport(
        HttpOptions(
            retries=0,
            connect_timeout_seconds=5,
            read_timeout_seconds=5,
            proxies=proxies or {},
            tls=tls or TlsOptions(),
        )
    )


def read(transport: HttpTransport, url: str) -> bytes:
    with transport.open(url) as response:
        assert response.status == 200
        return b"".join(response.iter_bytes())


def failure(transport: HttpTransport, url: str) -> ChannelError:
    with pytest.raises(ChannelError) as caught:
        transport.open(url)
    assert "secret" not in f"{caught.value} {caught.value.facts} {caught.value.hint}"
    return caught.value


def test_a_proxy_of_the_settings_is_asked_for_whole_urls(folder):
    with serve(folder) as server, running(Proxy(hosts={"channel.test": server.port})) as proxy:
        assert read(transport({"http": proxy.url}), "http://channel.test/file") == b"content"
        assert [(seen.method, seen.host) for seen in proxy.seen] == [("GET", "channel.test")]


def test_a_secure_connection_goes_through_a_tunnel_from_end_to_end(folder, authority):
    tls = TlsOptions(str(authority.bundle))
    with (
        serve(folder, tls=authority.server("channel.test")) as server,
        running(Proxy(hosts={"channel.test": server.port})) as proxy,
    ):
        assert read(transport({"https": proxy.url}, tls), "https://channel.test/file") == b"content"
        assert [(seen.method, seen.host, seen.port) for seen in proxy.seen] == [
            ("CONNECT", "channel.test", 443)
        ]
        assert "authorization" not in proxy.seen[0].headers
        refused = failure(transport({"https": proxy.url}), "https://channel.test/file")
        assert str(refused).startswith("the certificate of https://channel.test/file was not accepted: ")


def test_the_login_of_a_proxy_goes_to_the_proxy_alone(folder, authority):
    tls = TlsOptions(str(authority.bundle))
    login = ("me", "secret")
    with (
        serve(folder) as plain,
        serve(folder, tls=authority.server("secure.test")) as secure,
        running(Proxy(hosts={"plain.test": plain.port, "secure.test": secure.port}, login=login)) as proxy,
    ):
        good = transport({"all": proxy.with_login("me", "secret")}, tls)
        assert read(good, "http://plain.test/file") == read(good, "https://secure.test/file") == b"content"
        for seen in (*plain.requests, *secure.requests):
            assert not {"authorization", "proxy-authorization"} & set(seen.headers)
        for bad in (proxy.url, proxy.with_login("me", "secretly")):
            for url in ("http://plain.test/file", "https://secure.test/file"):
                error = failure(transport({"all": bad}, tls), url)
                expected = f"through the proxy {proxy.url}: it asks for a login (HTTP status 407)."
                assert str(error) == f"{url} was not reached {expected}"
                assert (
                    error.hint
                    == "Write user name and password into the proxy's URL: http://USER:PASSWORD@HOST:PORT."
                )


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxies_of_the_variables_are_used(folder, monkeypatch, variable):
    with serve(folder) as server, running(Proxy(hosts={"channel.test": server.port})) as proxy:
        monkeypatch.setenv(variable, proxy.url)
        assert read(transport(), "http://channel.test/file") == b"content"
        assert len(proxy.seen) == 1


def test_each_scheme_has_a_variable_of_its_own(folder, authority, monkeypatch):
    with (
        serve(folder, tls=authority.server("channel.test")) as server,
        running(Proxy(hosts={"channel.test": server.port})) as proxy,
    ):
        monkeypatch.setenv("HTTP_PROXY", DEAD)
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.removeprefix("http://"))
        tls = TlsOptions(str(authority.bundle))
        assert read(transport(tls=tls), "https://channel.test/file") == b"content"


def test_hosts_of_no_proxy_are_reached_directly_whoever_named_the_proxy(folder, monkeypatch):
    with serve(folder) as server:
        monkeypatch.setenv("HTTP_PROXY", DEAD)
        monkeypatch.setenv("NO_PROXY", "other.test, 127.0.0.0/8")
        assert read(transport(), f"{server.url}/file") == b"content"
        assert read(transport({"http": DEAD}), f"{server.url}/file") == b"content"


def test_settings_are_stronger_than_variables_and_hosts_than_schemes(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://ambient:1")
    monkeypatch.setenv("ALL_PROXY", "http://ambient:2")
    proxies = Proxies({"https": "http://set:1", "http://a.test": "set:2", "all://b.test": "http://set:3"})
    found = {
        url: proxies.find(url)
        for url in ("https://x.test/", "http://a.test/", "http://b.test/", "http://c.test/")
    }
    assert {url: (proxy.url, proxy.named_by) for url, proxy in found.items()} == {
        "https://x.test/": ("http://set:1", "proxy_servers: https"),
        "http://a.test/": ("http://set:2", "proxy_servers: http://a.test"),
        "http://b.test/": ("http://set:3", "proxy_servers: all://b.test"),
        "http://c.test/": ("http://ambient:1", "HTTP_PROXY"),
    }


def test_every_hop_of_a_redirect_has_its_own_proxy(folder, monkeypatch):
    with serve(folder) as target:
        away = {"/near": Fault(redirect=f"{target.url}/file"), "/far": Fault(redirect="http://far.test/file")}
        with (
            serve(folder, faults=away) as server,
            running(Proxy(hosts={"near.test": server.port, "far.test": target.port})) as proxy,
        ):
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            through = transport({"http": proxy.url})
            assert read(through, "http://near.test/near") == b"content"
            assert [seen.host for seen in proxy.seen] == ["near.test"]
            assert read(through, f"{server.url}/far") == b"content"
            assert [seen.host for seen in proxy.seen] == ["near.test", "far.test"]


def test_a_proxy_may_itself_be_reached_securely(folder, authority):
    tls = TlsOptions(str(authority.bundle))
    with (
        serve(folder) as plain,
        serve(folder, tls=authority.server("secure.test")) as secure,
        running(
            Proxy(hosts={"plain.test": plain.port, "secure.test": secure.port}, tls=authority.server())
        ) as proxy,
    ):
        assert proxy.url.startswith("https:")
        through = transport({"all": proxy.url}, tls)
        assert (
            read(through, "http://plain.test/file") == read(through, "https://secure.test/file") == b"content"
        )
        assert [seen.method for seen in proxy.seen] == ["GET", "CONNECT"]
        distrusting = transport({"all": proxy.url})
        assert "certificate verify failed" not in str(failure(distrusting, "http://plain.test/file"))


def test_a_proxy_that_cannot_be_reached_is_named(authority):
    for url in ("http://channel.test/file", "https://channel.test/file"):
        error = failure(transport({"all": DEAD.replace("//", "//me:secret@")}), url)
        assert str(error) == f"{url} was not reached through the proxy {DEAD}: connection refused."
        assert error.hint.startswith("Check proxy_servers and the variables HTTP_PROXY")


def test_a_proxy_that_gives_no_tunnel_is_named():
    for status, words in [(403, "it does not allow that"), (502, "it gave no tunnel")]:
        with running(Proxy(refuse=status)) as proxy:
            error = failure(transport({"https": proxy.url}), "https://channel.test/file")
            expected = f"was not reached through the proxy {proxy.url}: {words} (HTTP status {status})."
            assert str(error) == f"https://channel.test/file {expected}"


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://me:secret@p:1", "ftp://p:1 is no proxy: its scheme must be one of http, https, socks4, "),
        ("http://me:secret@:80", "the proxy of proxy_servers: http is not a valid URL."),
        ("http://me:secret@p:port", "the proxy of proxy_servers: http is not a valid URL."),
    ],
)
def test_what_can_be_no_proxy_is_refused(url, sentence):
    error = failure(transport({"http": url}), "http://channel.test/file")
    assert str(error).startswith(sentence)
    assert error.hint.startswith("Check proxy_servers: http.")


# SOCKS


@pytest.mark.parametrize(("scheme", "host"), [("socks5h", "localhost"), ("socks5", "127.0.0.1")])
def test_socks_carries_both_schemes_and_looks_names_up_where_its_scheme_says(folder, authority, scheme, host):
    tls = TlsOptions(str(authority.bundle))
    with (
        serve(folder) as plain,
        serve(folder, tls=authority.server()) as secure,
        running(SocksProxy()) as proxy,
    ):
        through = transport({"all": proxy.url.replace("socks5h", scheme)}, tls)
        assert read(through, f"http://localhost:{plain.port}/file") == b"content"
        assert read(through, f"https://localhost:{secure.port}/file") == b"content"
        assert [(seen.host, seen.port) for seen in proxy.seen] == [(host, plain.port), (host, secure.port)]


def test_names_that_only_the_socks_proxy_knows_are_reached(folder, monkeypatch):
    with serve(folder) as server, running(SocksProxy(hosts={"hidden.test": server.port})) as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        assert read(transport(), "http://hidden.test/file") == b"content"


def test_socks_may_ask_for_a_login(folder):
    with (
        serve(folder) as server,
        running(SocksProxy(hosts={"a.test": server.port}, login=("me", "secret"))) as proxy,
    ):
        assert read(transport({"http": proxy.with_login("me", "secret")}), "http://a.test/file") == b"content"
        for bad, reason in [
            (proxy.with_login("me", "secretly"), "it refuses the login"),
            (proxy.url, "it asks for a login"),
        ]:
            error = failure(transport({"http": bad}), "http://a.test/file")
            assert (
                str(error) == f"http://a.test/file was not reached through the proxy {proxy.url}: {reason}."
            )
            assert "USER:PASSWORD" in str(error.hint)


def test_socks_proxies_that_fail_are_named(folder):
    with running(SocksProxy(refuse=5)) as proxy:
        error = failure(transport({"http": proxy.url}), "http://a.test/file")
        expected = f"through the proxy {proxy.url}: it answers: connection refused."
        assert str(error) == f"http://a.test/file was not reached {expected}"
    error = failure(transport({"http": DEAD.replace("http", "socks5")}), "http://127.0.0.1/file")
    assert str(error).endswith("was not reached through the proxy socks5://127.0.0.1:9: connection refused.")
    with silent_listener() as silent, silent_listener(b"220 mail.example.org ESMTP\r\n") as babbling:
        for url, reason in [(silent, "it does not answer in time"), (babbling, "it does not speak SOCKS")]:
            quick = HttpTransport(HttpOptions(retries=0, connect_timeout_seconds=0.3, proxies={"all": url}))
            assert str(failure(quick, "http://a.test/file")).endswith(f"through the proxy {url}: {reason}.")


@contextlib.contextmanager
def silent_listener(greeting: bytes = b"") -> Iterator[str]:
    """A socks5h URL of something that accepts one connection, says no more than *greeting*, and reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as accepted:

        def accept() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                accepted.enter_context(connection)
                connection.sendall(greeting)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"socks5h://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(5)


def test_without_pysocks_the_sentence_says_how_to_get_it():
    code = (
        "import sys; sys.modules['socks'] = None\n"
        "from envmgr.net.http import HttpOptions, HttpTransport\n"
        "from envmgr.errors import ChannelError\n"
        "try: HttpTransport(HttpOptions(proxies={'all': 'socks5://u:secret@p:1'})).open('http://a.test/')\n"
        "except ChannelError as error: print(error, error.hint)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == (
        "the proxy socks5://p:1 speaks SOCKS, for which the package PySocks is missing. "
        "Install it: pip install 'envmgr[socks]'.\n"
    )
    assert done.stderr == ""
