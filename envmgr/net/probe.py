"""Walks the way to a server step by step, and tells how far it comes: proxy, name, connection, tunnel, TLS.

Each step takes at most the time-out; what comes after a failed one is skipped. What is told holds no secret.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field

from envmgr.errors import EnvmgrError
from envmgr.net.certificates import TlsOptions, describe_trust, explain_handshake
from envmgr.net.proxies import explain_socks

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    from envmgr.net.proxies import Proxies, Proxy

Status = Literal["ok", "failed", "skipped"]

_NAME_HINT = "Check the spelling, the network, and this machine's name servers."
_SILENT_HINT = "A firewall may be in the way; does this network need a proxy (HTTPS_PROXY, proxy_servers)?"
_REFUSED_HINT = "Nothing listens there: check the port, and that the server runs."
_LOGIN_HINT = "Write user name and password into the proxy's URL: http://USER:PASSWORD@HOST:PORT."


class Step(Struct, frozen=True):
    """One step: how it ended, in words, what can be done, and what was found, for scripts."""

    name: str
    status: Status
    detail: str
    hint: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


class StepFailedError(Exception):
    """A step did not succeed; the text says why, without a full stop."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.hint = hint


class WayOptions(Struct, frozen=True):
    """What the steps need to know: *context* makes the TLS context as the transport does."""

    proxies: Proxies
    tls: TlsOptions
    context: Callable[[], ssl.SSLContext]
    environ: Mapping[str, str]
    timeout_seconds: float


def walk(url: str, options: WayOptions) -> Iterator[Step]:
    """The steps on the way to the server of the http or https *url*; nothing is asked of it."""
    with contextlib.ExitStack() as closing:
        way = _Way(url, options, closing)
        actions = {"proxy": way.find_proxy, "dns": way.look_up, "tcp": way.connect}
        if way.is_secure:
            actions |= {"tunnel": way.make_tunnel, "tls": way.secure}
        is_blocked = False
        for name, action in actions.items():
            if name == "tunnel" and way.proxy is None:
                continue
            step = Step(name, "skipped", "an earlier step failed") if is_blocked else run_step(name, action)
            is_blocked = is_blocked or step.status == "failed"
            yield step


def run_step(name: str, action: Callable[[], tuple[str, Mapping[str, Any]]]) -> Step:
    """Do *action*, which gives words and facts, and measure it."""
    began = time.monotonic()

    def facts(**more: Any) -> dict[str, Any]:
        return {"seconds": round(time.monotonic() - began, 4), **more}

    try:
        detail, found = action()
        return Step(name, "ok", detail, facts=facts(**found))
    except (StepFailedError, EnvmgrError) as error:
        return Step(name, "failed", str(error).rstrip("."), error.hint, facts())


class _Way:
    """The way to one server: each method is a step and uses what those before it found."""

    def __init__(self, url: str, options: WayOptions, closing: contextlib.ExitStack) -> None:
        parts = urlsplit(url)
        self.is_secure = parts.scheme.lower() == "https"
        self.proxy: Proxy | None = None
        self._url = url
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self.is_secure else 80)
        self._options = options
        self._closing = closing
        self._addresses: list[str] = []
        self._socket: Any = None

    @property
    def _next(self) -> tuple[str, int]:
        """What this machine itself connects to."""
        return self.proxy.address if self.proxy is not None else (self._host, self._port)

    def find_proxy(self) -> tuple[str, Mapping[str, Any]]:
        self.proxy = self._options.proxies.find(self._url)
        if self.proxy is None:
            return "none; connections are direct", {"proxy": None}
        named_by = self.proxy.named_by
        return f"{self.proxy.shown} ({named_by})", {"proxy": self.proxy.shown, "named_by": named_by}

    def look_up(self) -> tuple[str, Mapping[str, Any]]:
        host, port = self._next
        self._addresses = _look_up(host, port, self._options.timeout_seconds)
        facts = {"host": host, "addresses": self._addresses}
        if self._addresses == [host]:
            return f"{host} is an address", facts
        return f"{host} is {', '.join(self._addresses)}", facts

    def connect(self) -> tuple[str, Mapping[str, Any]]:
        deadline = time.monotonic() + self._options.timeout_seconds
        port = self._next[1]
        for address in self._addresses:
            left = deadline - time.monotonic()
            try:
                self._socket = socket.create_connection((address, port), timeout=max(left, 0.001))
            except OSError as error:
                failed = error
                continue
            self._closing.callback(self._close)
            return f"connected to {address} port {port}", {"address": address, "port": port}
        place = f"{', '.join(self._addresses)} port {port}"
        if isinstance(failed, TimeoutError):
            raise StepFailedError(
                f"no connection to {place} within {self._options.timeout_seconds:g} s", _SILENT_HINT
            )
        hint = _REFUSED_HINT if isinstance(failed, ConnectionRefusedError) else _SILENT_HINT
        raise StepFailedError(f"no connection to {place}: {(failed.strerror or str(failed)).lower()}", hint)

    def make_tunnel(self) -> tuple[str, Mapping[str, Any]]:
        assert self.proxy is not None, "a tunnel leads through a proxy"
        self._socket.settimeout(self._options.timeout_seconds)
        if self.proxy.scheme.startswith("socks"):
            self._close()
            self._socket = _open_socks(self.proxy, (self._host, self._port), self._options.timeout_seconds)
        else:
            if self.proxy.scheme == "https":
                self._socket = self._handshake(self.proxy.address[0])
            target = f"{self._host}:{self._port}"
            _ask_for_tunnel(self._socket, self.proxy, target, self._options.timeout_seconds)
        return f"the proxy leads to {self._host} port {self._port}", {}

    def secure(self) -> tuple[str, Mapping[str, Any]]:
        self._socket.settimeout(self._options.timeout_seconds)
        secured = self._socket = self._handshake(self._host)
        trust = describe_trust(self._options.tls.verify, self._options.environ)
        facts: dict[str, Any] = {"version": secured.version(), "trust": trust}
        if self._options.tls.certificate is not None:
            facts["client_certificate"] = self._options.tls.certificate
        if self._options.tls.verify is False:
            return f"{secured.version()}, the certificate is not checked (ssl_verify is false)", facts
        certificate = secured.getpeercert() or {}
        facts |= {"issuer": _issuer(certificate), "expires": _expiry(certificate)}
        known = [f"issued by {facts['issuer']}"] if facts["issuer"] else []
        known += [f"valid until {facts['expires'][:10]}"] if facts["expires"] else []
        return f"{', '.join([str(secured.version()), *known])}, checked against {trust}", facts

    def _handshake(self, host: str) -> Any:
        import ssl

        context = self._options.context()
        try:
            if isinstance(self._socket, ssl.SSLSocket):
                from urllib3.util.ssltransport import SSLTransport

                return SSLTransport(self._socket, context, server_hostname=host)
            return context.wrap_socket(self._socket, server_hostname=host)
        except ssl.SSLError as error:
            raise StepFailedError(*explain_handshake(error, host, self._options.tls)) from None
        except TimeoutError:
            raise StepFailedError(f"{host} does not finish the TLS handshake in time", _SILENT_HINT) from None
        except OSError as error:
            reason = (error.strerror or "the connection was closed").lower()
            raise StepFailedError(f"no secure connection to {host}: {reason}", _SILENT_HINT) from None

    def _close(self) -> None:
        with contextlib.suppress(OSError):
            self._socket.close()


def _look_up(host: str, port: int, timeout_seconds: float) -> list[str]:
    """The addresses of *host*, each once; in a thread of its own, because no time-out reaches the name service."""
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            answers.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(timeout_seconds)
    if not answers:
        raise StepFailedError(f"no answer about the name {host} within {timeout_seconds:g} s", _NAME_HINT)
    if isinstance(answers[0], OSError) and answers[0].errno == socket.EAI_AGAIN:
        raise StepFailedError(f"the name {host} cannot be looked up now", _NAME_HINT)
    if isinstance(answers[0], Exception):
        raise StepFailedError(f"the name {host} is not known", _NAME_HINT)
    return list(dict.fromkeys(str(found[4][0]) for found in answers[0]))


def _open_socks(proxy: Proxy, target: tuple[str, int], timeout_seconds: float) -> socket.socket:
    import socks

    parts = urlsplit(proxy.url)
    host, port = proxy.address
    try:
        opened: socket.socket = socks.create_connection(
            target,
            timeout_seconds,
            proxy_type=socks.SOCKS4 if proxy.scheme.startswith("socks4") else socks.SOCKS5,
            proxy_addr=host,
            proxy_port=port,
            proxy_rdns=proxy.looks_up_names,
            proxy_username=unquote(parts.username) if parts.username else None,
            proxy_password=unquote(parts.password) if parts.password else None,
        )
    except OSError as error:
        reason = explain_socks(error) or (error.strerror or "it closed the connection").lower()
        raise StepFailedError(
            f"{proxy.shown}: {reason}", _LOGIN_HINT if "login" in reason else None
        ) from None
    return opened


def _ask_for_tunnel(connection: Any, proxy: Proxy, target: str, timeout_seconds: float) -> None:
    """CONNECT (RFC 9110, section 9.3.6)."""
    from urllib3.util import make_headers

    parts = urlsplit(proxy.url)
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        lines.append(f"Proxy-Authorization: {make_headers(basic_auth=login)['authorization']}")
    try:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        answer = b""
        deadline = time.monotonic() + timeout_seconds
        while b"\r\n\r\n" not in answer and len(answer) < 1 << 16:
            connection.settimeout(max(deadline - time.monotonic(), 0.001))
            received = connection.recv(1)
            if not received:
                break
            answer += received
    except TimeoutError:
        raise StepFailedError(f"{proxy.shown} does not answer in time", _SILENT_HINT) from None
    except OSError as error:
        raise StepFailedError(f"{proxy.shown}: {(error.strerror or str(error)).lower()}") from None
    words = answer.split(b"\r\n", 1)[0].split()
    status = words[1].decode("ascii", "replace") if len(words) > 1 and words[0].startswith(b"HTTP/") else ""
    if status == "407":
        raise StepFailedError(f"{proxy.shown} asks for a login (HTTP status 407)", _LOGIN_HINT)
    if not status.startswith("2"):
        said = f"HTTP status {status}" if status else "it does not speak HTTP"
        raise StepFailedError(f"{proxy.shown} gives no tunnel ({said})")


def _issuer(certificate: Mapping[str, Any]) -> str | None:
    names = dict(pair for part in certificate.get("issuer", ()) for pair in part)
    return names.get("organizationName") or names.get("commonName")


def _expiry(certificate: Mapping[str, Any]) -> str | None:
    import datetime
    import ssl

    text = certificate.get("notAfter")
    if not text:
        return None
    moment = datetime.datetime.fromtimestamp(ssl.cert_time_to_seconds(text), tz=datetime.timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
