"""A web server over a folder, on the loopback interface, that misbehaves where a test asks for it.

It shares no code with envmgr. It answers GET and HEAD, gives every file a strong ETag and a Last-Modified,
honours If-None-Match, If-Modified-Since, Range and If-Range, keeps connections alive, and remembers each request.

>>> with serve(folder, faults={"/noarch/repodata.json.zst": Fault(status=503, times=2)}) as server:
...     fetch(server.url + "/noarch/repodata.json.zst")
...     assert [seen.status for seen in server.requests] == [503, 503, 200]
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import re
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one path; the parts combine. Sizes are bytes, times seconds.

    Attributes:
        status: answer with this status and a short text instead of the file.
        headers: sent besides (or instead of) the usual ones; a value of None takes a header away.
        redirect: answer 302 (or `status`) with this Location.
        cut_after: close the connection after this many bytes of the body.
        content_length: claim this length, whatever the body's is.
        body: serve these bytes instead of the file's.
        chunked: send the body in chunks and no Content-Length.
        gzipped: send the body compressed, with Content-Encoding: gzip.
        validators: whether ETag and Last-Modified are sent and honoured.
        ranges: whether Range and If-Range are honoured.
        drip: sleep so long between pieces of `drip_size` bytes.
        wait: sleep so long before the answer.
        drop: close the connection without an answer.
        times: how many requests meet the fault; None means all of them.
    """

    status: int | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    redirect: str | None = None
    cut_after: int | None = None
    content_length: int | None = None
    body: bytes | None = None
    chunked: bool = False
    gzipped: bool = False
    validators: bool = True
    ranges: bool = True
    drip: float = 0.0
    drip_size: int = 1024
    wait: float = 0.0
    drop: bool = False
    times: int | None = None


@dataclass
class Seen:
    """One request as it came, and what it was answered; header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    status: int = 0
    body_bytes: int = 0


class Server:
    """A running server; `url` has no trailing slash.

    `requests` is in the order of arrival; `bytes_sent` counts bodies only. `faults` may be changed while it
    runs: path -> Fault, or a sequence of faults that are used up one after the other. The path "*" stands for
    every path that has no fault of its own. With *tls* it speaks https.
    """

    def __init__(
        self,
        folder: Path,
        faults: Mapping[str, Fault | Sequence[Fault]],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.folder = folder
        self.requests: list[Seen] = []
        self.faults: dict[str, Fault | Sequence[Fault]] = dict(faults)
        self.closing = threading.Event()
        self._used: dict[int, int] = {}
        self._lock = threading.Lock()
        self._http = _HttpServer(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self._http.block_on_close = False
        self._http.owner = self  # type: ignore[attr-defined]
        self.port: int = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if tls is not None:
            self.url = f"https://127.0.0.1:{self.port}"
            # The handshake is left to the thread of the connection.
            self._http.socket = tls.wrap_socket(
                self._http.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def bytes_sent(self) -> int:
        """Bytes of all bodies sent so far."""
        return sum(seen.body_bytes for seen in self.requests)

    @property
    def paths(self) -> list[str]:
        """The paths asked for, in order."""
        return [seen.path for seen in self.requests]

    def forget(self) -> None:
        """Forgets the requests seen so far."""
        self.requests.clear()

    def close(self) -> None:
        """Stops listening; answers under way end early."""
        self.closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(5)

    def note(self, seen: Seen) -> None:
        """Keeps a request."""
        with self._lock:
            self.requests.append(seen)

    def fault_for(self, path: str) -> Fault:
        """The fault that this request meets; counts it."""
        with self._lock:
            found = self.faults.get(path, self.faults.get("*", ()))
            for fault in (found,) if isinstance(found, Fault) else found:
                used = self._used.get(id(fault), 0)
                if fault.times is None or used < fault.times:
                    self._used[id(fault)] = used + 1
                    return fault
        return Fault()


class _HttpServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news; anything else is a defect of this server."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        owner: Server = self.server.owner  # type: ignore[attr-defined]
        path = unquote(urlsplit(self.path).path)
        seen = Seen(self.command, path, {key.lower(): value for key, value in self.headers.items()})
        owner.note(seen)
        fault = owner.fault_for(path)
        owner.closing.wait(fault.wait) if fault.wait else None
        if fault.drop or owner.closing.is_set():
            self.close_connection = True
            return
        with contextlib.suppress(ConnectionError):
            self._answer(owner, path, seen, fault)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, owner: Server, path: str, seen: Seen, fault: Fault) -> None:
        file = owner.folder / path.lstrip("/")
        headers: dict[str, str | None] = {"Content-Type": "application/octet-stream"}
        if fault.redirect is not None:
            status, body = fault.status or 302, b"moved\n"
            headers["Location"] = fault.redirect
        elif fault.status is not None:
            status, body = fault.status, fault.body or b"this server was told to fail\n"
        elif fault.body is None and (not file.is_file() or ".." in path.split("/")):
            status, body = 404, b"not found\n"
        else:
            status, body = 200, file.read_bytes() if fault.body is None else fault.body
            if fault.validators:
                modified = file.stat().st_mtime if file.exists() else time.time()
                headers["ETag"] = f'"{hashlib.md5(body).hexdigest()}"'
                headers["Last-Modified"] = formatdate(modified, usegmt=True)
                status = 304 if self._unchanged(headers) else 200
            if status == 200 and fault.ranges and not fault.gzipped:
                status, body = self._part(body, headers)
        if fault.gzipped:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        self._send(owner, seen, fault, status, body, {**headers, **fault.headers})

    def _unchanged(self, headers: Mapping[str, str | None]) -> bool:
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            return headers["ETag"] in [tag.strip() for tag in tags.split(",")]
        since = self.headers.get("If-Modified-Since")
        modified = headers["Last-Modified"]
        if not since or not modified:
            return False
        return parsedate_to_datetime(modified) <= parsedate_to_datetime(since)

    def _part(self, body: bytes, headers: dict[str, str | None]) -> tuple[int, bytes]:
        """What the Range header asks for, unless If-Range forbids it."""
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if asked is None or condition not in (None, headers.get("ETag"), headers.get("Last-Modified")):
            return 200, body
        start, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
        if start >= len(body):
            headers["Content-Range"] = f"bytes */{len(body)}"
            return 416, b""
        headers["Content-Range"] = f"bytes {start}-{last}/{len(body)}"
        return 206, body[start : last + 1]

    def _send(
        self,
        owner: Server,
        seen: Seen,
        fault: Fault,
        status: int,
        body: bytes,
        headers: Mapping[str, str | None],
    ) -> None:
        seen.status = status
        self.send_response(status)
        for key, value in headers.items():
            if value is not None:
                self.send_header(key, value)
        if status == 304:
            body = b""
        elif fault.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            length = len(body) if fault.content_length is None else fault.content_length
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if seen.method == "HEAD":
            return
        whole = len(body)
        body = body if fault.cut_after is None else body[: fault.cut_after]
        self._write(owner, seen, fault, body)
        if len(body) < whole or fault.content_length is not None:
            self.close_connection = True
        elif fault.chunked and status != 304:
            self.wfile.write(b"0\r\n\r\n")

    def _write(self, owner: Server, seen: Seen, fault: Fault, body: bytes) -> None:
        size = fault.drip_size if fault.drip else 1 << 16
        for start in range(0, len(body), size):
            piece = body[start : start + size]
            # Counted before, since who gets the last piece may ask at once.
            seen.body_bytes += len(piece)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if fault.chunked else piece)
            if fault.drip:
                self.wfile.flush()
                if owner.closing.wait(fault.drip):
                    self.close_connection = True
                    return


@contextlib.contextmanager
def serve(
    folder: Path,
    *,
    faults: Mapping[str, Fault | Sequence[Fault]] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Server]:
    """Serves *folder* until the block ends."""
    server = Server(folder, faults or {}, tls)
    try:
        yield server
    finally:
        server.close()
