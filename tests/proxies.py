"""Proxies on the loopback interface: one that speaks HTTP (and CONNECT), one that speaks SOCKS 5.

They share no code with envmgr. Names in `hosts` lead to loopback ports, so that a test can ask for a host that only
the proxy knows; everything that was asked for is remembered.
"""

from __future__ import annotations

import base64
import contextlib
import selectors
import socket
import socketserver
import ssl
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass
class Passed:
    """One request to a proxy: what it did, for which host and port, and the header names in lower case."""

    method: str
    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict)


class Proxy(socketserver.ThreadingTCPServer):
    """A running proxy. *login* is asked for where it is given; *refuse* answers every request with that status."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    scheme: ClassVar[str] = "http"

    def __init__(
        self,
        *,
        hosts: Mapping[str, int] | None = None,
        login: tuple[str, str] | None = None,
        refuse: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.hosts = dict(hosts or {})
        self.login = login
        self.refuse = refuse
        self.seen: list[Passed] = []
        super().__init__(("127.0.0.1", 0), self.handler)
        self.port: int = self.server_address[1]
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        if tls is not None:
            self.url = self.url.replace("http:", "https:")
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    @property
    def handler(self) -> type[socketserver.BaseRequestHandler]:
        return _HttpHandler

    def with_login(self, user: str, password: str) -> str:
        """The URL with these credentials."""
        return self.url.replace("://", f"://{user}:{password}@")

    def dial(self, host: str, port: int) -> socket.socket:
        """A connection to the host, or to what stands for it."""
        return socket.create_connection(("127.0.0.1", self.hosts.get(host, port)), timeout=10)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class SocksProxy(Proxy):
    """SOCKS 5 (RFC 1928), with user name and password (RFC 1929) where *login* is given."""

    scheme = "socks5h"

    @property
    def handler(self) -> type[socketserver.BaseRequestHandler]:
        return _SocksHandler


class _HttpHandler(socketserver.StreamRequestHandler):
    server: Proxy
    timeout = 10

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        headers: dict[str, str] = {}
        while (line := self.rfile.readline().decode().strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        parts = urlsplit(target if "://" in target else f"//{target}")
        host, port = parts.hostname or "", parts.port or 80
        self.server.seen.append(Passed(method, host, port, headers))
        if self._is_refused(headers):
            return
        with self.server.dial(host, port) as onward:
            if method == "CONNECT":
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                _relay(self.connection, onward)
                return
            kept = {key: value for key, value in headers.items() if not key.startswith("proxy-")}
            lines = [f"{method} {parts.path or '/'} HTTP/1.1"]
            lines += [f"{key}: {value}" for key, value in {**kept, "connection": "close"}.items()]
            onward.sendall("\r\n".join([*lines, "", ""]).encode())
            while chunk := onward.recv(1 << 16):
                self.wfile.write(chunk)

    def _is_refused(self, headers: Mapping[str, str]) -> bool:
        status = self.server.refuse
        if self.server.login is not None:
            wanted = base64.b64encode(":".join(self.server.login).encode()).decode()
            if headers.get("proxy-authorization") != f"Basic {wanted}":
                status = 407
        if status is not None:
            self.wfile.write(
                f"HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()
            )
        return status is not None


class _SocksHandler(socketserver.StreamRequestHandler):
    server: SocksProxy
    timeout = 10

    def handle(self) -> None:
        _, count = self._take(2)
        methods = self._take(count)
        wanted = 2 if self.server.login else 0
        self.wfile.write(bytes([5, wanted if wanted in methods else 0xFF]))
        if wanted not in methods or not self._is_known():
            return
        _, _, _, kind = self._take(4)
        if kind == 1:
            host = socket.inet_ntoa(self._take(4))
        elif kind == 3:
            host = self._take(self._take(1)[0]).decode()
        else:
            host = socket.inet_ntop(socket.AF_INET6, self._take(16))
        port = int.from_bytes(self._take(2), "big")
        self.server.seen.append(Passed("SOCKS", host, port))
        if self.server.refuse is not None:
            self.wfile.write(bytes([5, self.server.refuse, 0, 1, 0, 0, 0, 0, 0, 0]))
            return
        with self.server.dial(host, port) as onward:
            self.wfile.write(bytes([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]))
            _relay(self.connection, onward)

    def _is_known(self) -> bool:
        if self.server.login is None:
            return True
        _, length = self._take(2)
        user = self._take(length).decode()
        password = self._take(self._take(1)[0]).decode()
        is_right = (user, password) == self.server.login
        self.wfile.write(bytes([1, 0 if is_right else 1]))
        return is_right

    def _take(self, count: int) -> bytes:
        data = self.rfile.read(count)
        if len(data) != count:
            raise ConnectionResetError
        return data


def _relay(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes both ways until one side ends."""
    with contextlib.suppress(OSError), selectors.DefaultSelector() as selector:
        selector.register(one, selectors.EVENT_READ)
        selector.register(other, selectors.EVENT_READ)
        while True:
            pending = [one] if isinstance(one, ssl.SSLSocket) and one.pending() else []
            ready = pending or [key.fileobj for key, _ in selector.select(10)]
            if not ready:
                return
            for source in ready:
                chunk = source.recv(1 << 16)
                if not chunk:
                    return
                (other if source is one else one).sendall(chunk)


@contextlib.contextmanager
def running(proxy: Proxy) -> Iterator[Proxy]:
    """Lets *proxy* work until the block ends."""
    thread = threading.Thread(target=proxy.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join(5)
