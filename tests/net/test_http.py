"""HTTP against a real server: answers, patience, and sentences for every way in which it can fail."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from envmgr.errors import ChannelError
from envmgr.net.certificates import TlsOptions
from envmgr.net.http import HttpOptions, HttpTransport
from tests.authorities import Authority
from tests.servers import Fault, serve

if TYPE_CHECKING:
    import ssl

QUICK = HttpOptions(retries=2, backoff_seconds=0.25, connect_timeout_seconds=2, read_timeout_seconds=0.5)


class Sleeper:
    """Stands in for time.sleep and remembers the pauses."""

    def __init__(self) -> None:
        self.pauses: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.pauses.append(seconds)


@pytest.fixture
def sleeper():
    return Sleeper()


@pytest.fixture
def told():
    """What the transport had to tell about trying again."""
    return []


@pytest.fixture
def transport(sleeper, told):
    transport = HttpTransport(QUICK, sleep=sleeper, on_retry=told.append)
    yield transport
    transport.close()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "file").write_bytes(b"0123456789" * 20_000)
    return tmp_path


def read(transport, url, headers=None):
    with transport.open(url, headers) as response:
        return response.status, b"".join(response.iter_bytes())


def test_a_file_arrives_whole_with_lower_case_headers(transport, folder):
    with serve(folder) as server, transport.open(f"{server.url}/file") as response:
        assert response.status == 200
        assert response.url == f"{server.url}/file"
        assert response.headers["content-length"] == "200000"
        assert response.headers["etag"]
        chunks = list(response.iter_bytes(10_000))
    assert b"".join(chunks) == (folder / "file").read_bytes()
    assert max(map(len, chunks)) <= 10_000


def test_headers_are_sent_and_any_status_is_an_answer(transport, folder):
    with serve(folder) as server:
        assert read(transport, f"{server.url}/nothing")[0] == 404
        tag = transport.open(f"{server.url}/file").headers["etag"]
        assert read(transport, f"{server.url}/file", {"If-None-Match": tag}) == (304, b"")
        assert server.requests[-1].headers["user-agent"] == "envmgr"


@pytest.mark.parametrize(
    "fault", [Fault(chunked=True), Fault(gzipped=True), Fault(gzipped=True, chunked=True)]
)
def test_encodings_are_undone(transport, folder, fault):
    with serve(folder, faults={"/file": fault}) as server:
        assert read(transport, f"{server.url}/file") == (200, (folder / "file").read_bytes())


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_status_that_passes_is_tried_again_with_growing_pauses(transport, sleeper, folder, status):
    with serve(folder, faults={"/file": Fault(status=status, times=2)}) as server:
        assert read(transport, f"{server.url}/file")[0] == 200
        assert sleeper.pauses == [0.25, 0.5]


def test_the_last_answer_counts_when_trying_again_does_not_help(transport, folder):
    with serve(folder, faults={"/file": Fault(status=503)}) as server:
        assert read(transport, f"{server.url}/file")[0] == 503
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 501])
def test_a_status_that_stays_is_not_tried_again(transport, sleeper, folder, status):
    with serve(folder, faults={"/file": Fault(status=status)}) as server:
        assert read(transport, f"{server.url}/file")[0] == status
        assert (len(server.requests), sleeper.pauses) == (1, [])


@pytest.mark.parametrize(
    ("header", "pause"), [("7", 7.0), ("0", 0.25), ("99999", 30.0), ("soon", 0.25), ("-5", 0.25), ("", 0.25)]
)
def test_retry_after_is_honoured_up_to_a_limit(transport, sleeper, folder, header, pause):
    with serve(
        folder, faults={"/file": Fault(status=429, headers={"Retry-After": header}, times=1)}
    ) as server:
        assert read(transport, f"{server.url}/file")[0] == 200
    assert sleeper.pauses == [pause]


def test_retry_after_may_be_a_date(transport, sleeper, folder):
    date = email.utils.formatdate(time.time() + 20, usegmt=True)
    with serve(folder, faults={"/file": Fault(status=503, headers={"Retry-After": date}, times=1)}) as server:
        assert read(transport, f"{server.url}/file")[0] == 200
    assert 15 < sleeper.pauses[0] <= 20


@pytest.mark.parametrize("date", ["Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_retry_after_may_be_a_date_that_is_past_or_far_away(transport, sleeper, folder, date):
    with serve(folder, faults={"/file": Fault(status=503, headers={"Retry-After": date}, times=1)}) as server:
        assert read(transport, f"{server.url}/file")[0] == 200
    assert sleeper.pauses == [0.25 if "2015" in date else 30.0]


def test_a_server_that_always_asks_for_patience_gets_a_limited_amount(transport, sleeper, folder):
    with serve(folder, faults={"/file": Fault(status=429, headers={"Retry-After": "86400"})}) as server:
        assert read(transport, f"{server.url}/file")[0] == 429
        assert len(server.requests) == 3
    assert sleeper.pauses == [30.0, 30.0]


def test_a_dropped_connection_is_tried_again(transport, sleeper, folder):
    with serve(folder, faults={"/file": Fault(drop=True, times=1)}) as server:
        assert read(transport, f"{server.url}/file")[0] == 200
    assert len(sleeper.pauses) == 1


def test_a_server_that_always_drops_the_connection_is_named(transport, folder):
    with serve(folder, faults={"/file": Fault(drop=True)}) as server:
        with pytest.raises(ChannelError) as caught:
            transport.open(f"{server.url}/file")
        assert str(caught.value) == f"{server.url}/file cannot be reached: the connection was closed."
        assert len(server.requests) == 3


def test_a_refused_connection_is_named(transport, sleeper, folder):
    with serve(folder) as server:
        url = f"{server.url}/file"
    with pytest.raises(ChannelError) as caught:
        transport.open(url)
    assert str(caught.value) == f"{url} cannot be reached: connection refused."
    assert caught.value.hint
    assert len(sleeper.pauses) == 2


def resolver_that_fails(monkeypatch, number):
    """The system's name service, so that the machine's own does not decide what a test sees."""
    asked = []

    def getaddrinfo(host, *more, **options):
        asked.append(host)
        raise socket.gaierror(number, "no address")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("number", [socket.EAI_NONAME, socket.EAI_FAIL])
def test_a_host_that_does_not_exist_is_named_at_once(transport, sleeper, told, monkeypatch, number):
    asked = resolver_that_fails(monkeypatch, number)
    with pytest.raises(ChannelError) as caught:
        transport.open("http://no-such-host.invalid/x")
    assert str(caught.value) == "http://no-such-host.invalid/x cannot be reached: its host name is not known."
    assert caught.value.hint
    assert (asked, sleeper.pauses, told) == (["no-such-host.invalid"], [], [])


def test_a_host_that_cannot_be_looked_up_just_now_is_tried_again(transport, sleeper, told, monkeypatch):
    asked = resolver_that_fails(monkeypatch, socket.EAI_AGAIN)
    expected = "http://host.invalid/x cannot be reached: its host name cannot be looked up now"
    with pytest.raises(ChannelError, match=f"^{expected}\\.$"):
        transport.open("http://host.invalid/x")
    assert (len(asked), sleeper.pauses) == (3, [0.25, 0.5])
    assert told == [f"{expected}; trying again in 1 s."]


def test_trying_again_is_told_once_for_each_host(transport, told, folder):
    faults = {"*": Fault(status=503, headers={"Retry-After": "7"}), "/drop": Fault(drop=True)}
    with serve(folder, faults=faults) as one, serve(folder, faults=faults) as two:
        for _ in range(2):
            read(transport, one.url.replace("//", "//user:secret@") + "/file")
        with pytest.raises(ChannelError):
            transport.open(f"{one.url}/drop")
        with pytest.raises(ChannelError):
            transport.open(f"{two.url}/drop")
    assert told == [
        f"{one.url}/file answered with HTTP status 503; trying again in 7 s.",
        f"{two.url}/drop cannot be reached: the connection was closed; trying again in 1 s.",
    ]


def test_an_answer_at_once_is_nothing_to_tell(transport, told, folder):
    with serve(folder) as server:
        read(transport, f"{server.url}/file")
        read(transport, f"{server.url}/nothing")
    assert told == []


def test_a_server_that_does_not_answer_in_time_is_named(folder):
    options = HttpOptions(retries=0, read_timeout_seconds=0.2)
    expected = pytest.raises(ChannelError, match=r"/file cannot be reached: no answer within 0\.2 s")
    with serve(folder, faults={"/file": Fault(wait=10)}) as server, expected:
        HttpTransport(options).open(f"{server.url}/file")


def test_a_server_that_sends_drop_by_drop_is_given_up(folder):
    transport = HttpTransport(HttpOptions(read_timeout_seconds=0.5))
    with serve(folder, faults={"/file": Fault(body=bytes(10_000), drip=0.05, drip_size=10)}) as server:
        begin = time.monotonic()
        with pytest.raises(
            ChannelError, match=r"/file is too slow: fewer than 1000 bytes a second came for 0.5 s"
        ):
            b"".join(transport.open(f"{server.url}/file").iter_bytes())
        assert time.monotonic() - begin < 5, "the whole would take 50 seconds"


def test_a_server_that_falls_silent_within_the_body_is_named(transport, folder):
    expected = pytest.raises(ChannelError, match=r"/file broke off after .* the server fell silent")
    with serve(folder, faults={"/file": Fault(drip=5, drip_size=1000)}) as server, expected:
        read(transport, f"{server.url}/file")


def test_a_slow_server_that_keeps_sending_is_waited_for(transport, folder):
    with serve(folder, faults={"/file": Fault(drip=0.05, drip_size=20_000)}) as server:
        assert len(read(transport, f"{server.url}/file")[1]) == 200_000


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault(cut_after=1000), "it is shorter than announced"),
        (Fault(content_length=300_000), "it is shorter than announced"),
        (Fault(cut_after=1000, chunked=True), ""),
        (Fault(cut_after=100, gzipped=True), "it is shorter than announced"),
        (Fault(headers={"Content-Encoding": "gzip"}), "its content encoding is damaged"),
    ],
)
def test_a_body_that_is_cut_off_or_damaged_is_an_error_that_names_the_url(transport, folder, fault, reason):
    expected = pytest.raises(ChannelError, match=rf"http://.*/file broke off after \d+ bytes: {reason}")
    with serve(folder, faults={"/file": fault}) as server, expected:
        read(transport, f"{server.url}/file")


def test_redirects_are_followed_and_the_final_url_is_told(transport, folder):
    server = serve(folder, faults={"/old": Fault(redirect="/file")})
    with server as running, transport.open(f"{running.url}/old") as response:
        assert (response.status, response.url) == (200, f"{running.url}/file")


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("/loop", "redirects more than 10 times"),
        ("file:///etc/passwd", "redirects to something that is no web"),
    ],
)
def test_redirects_in_circles_or_away_from_the_web_are_refused(transport, sleeper, folder, target, complaint):
    expected = pytest.raises(ChannelError, match=f"http://.*/loop {complaint}")
    with serve(folder, faults={"/loop": Fault(redirect=target)}) as server, expected:
        transport.open(f"{server.url}/loop")
    assert sleeper.pauses == []


def test_without_following_a_redirect_is_the_answer(folder):
    transport = HttpTransport(HttpOptions(follow_redirects=False))
    with serve(folder, faults={"/old": Fault(redirect="/file?signature=secret")}) as server:
        with transport.open(f"{server.url}/old") as response:
            assert (response.status, response.headers["location"]) == (302, "/file?signature=secret")
        assert server.paths == ["/old"]


def test_a_query_may_be_a_signature_and_is_in_no_message(transport, told, folder):
    faults = {"/cut": Fault(cut_after=5), "/busy": Fault(status=503, times=1), "/drop": Fault(drop=True)}
    with serve(folder, faults=faults) as server:
        for path in ("/cut", "/drop"):
            with pytest.raises(ChannelError, match=f"{path} ") as caught:
                read(transport, f"{server.url}{path}?signature=secret")
            assert "secret" not in f"{caught.value} {caught.value.facts}"
        read(transport, f"{server.url}/busy?signature=secret")
    assert told
    assert "secret" not in "".join(told)


def test_credentials_go_to_their_own_host_and_into_no_message(transport, folder):
    with serve(folder) as other:
        faults = {
            "/away": Fault(redirect=f"http://localhost:{other.port}/file"),
            "/near": Fault(redirect="/file"),
            "/cut": Fault(cut_after=5),
        }
        with serve(folder, faults=faults) as server:
            url = server.url.replace("http://", "http://user:secret@")
            with transport.open(f"{url}/away") as response:
                assert response.status == 200
            basic = "Basic " + base64.b64encode(b"user:secret").decode()
            assert [seen.headers.get("authorization") for seen in server.requests] == [basic]
            assert [seen.headers.get("authorization") for seen in other.requests] == [None]
            with transport.open(f"{url}/near") as response:
                assert response.url == f"{server.url}/file"
            assert [seen.headers.get("authorization") for seen in server.requests] == [basic] * 3
            with transport.open(f"{url}/file") as response:
                assert response.url == f"{server.url}/file"
            with pytest.raises(ChannelError, match="broke off") as cut:
                read(transport, f"{url}/cut")
        with pytest.raises(ChannelError, match="cannot be reached") as refused:
            transport.open(f"{url}/t/token-123/channel")
    for error in (cut.value, refused.value):
        assert "secret" not in f"{error} {error.facts} {error.hint}"
        assert "token-123" not in str(error)


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///file",
        "http://[::1/file",
        "http://host:port/x",
        "http://a\udcff/x",
        "http://user:secret@a\uff03b/x",
        "http://user:secret@host:port/x",
    ],
)
def test_an_address_that_cannot_be_one_is_refused_at_once(transport, sleeper, url):
    with pytest.raises(ChannelError) as caught:
        transport.open(url)
    assert "secret" not in f"{caught.value} {caught.value.facts} {caught.value.hint}"
    assert sleeper.pauses == []


def test_a_server_that_speaks_no_http_is_named(transport):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stop = threading.Event()

        def babble() -> None:
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"220 mail.example.org ESMTP\r\n")

        threading.Thread(target=babble, daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(ChannelError, match=f"{url} cannot be reached: "):
            transport.open(url)
        stop.set()


def test_a_server_without_tls_is_named(transport, folder):
    with serve(folder) as server:
        url = server.url.replace("http:", "https:") + "/file"
        with pytest.raises(ChannelError, match=url):
            transport.open(url)


def test_a_bundle_of_certificates_that_is_missing_is_an_error(folder):
    options = HttpOptions(retries=0, tls=TlsOptions("/nonexistent/bundle.pem"))
    with serve(folder) as server, pytest.raises(ChannelError, match=r"/nonexistent/bundle\.pem"):
        HttpTransport(options).open(server.url.replace("http:", "https:") + "/file")


def test_several_threads_share_one_transport(transport, folder):
    sizes: list[int] = []
    with serve(folder) as server:
        threads = [
            threading.Thread(target=lambda: sizes.append(len(read(transport, f"{server.url}/file")[1])))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert sizes == [200_000] * 8


class Dripper:
    """A server on the loopback interface that sends *head*, then *drop* again and again, and reads nothing."""

    def __init__(self, head: bytes, drop: bytes, *, tls: ssl.SSLContext | None = None) -> None:
        self.head, self.drop, self.tls = head, drop, tls
        self.closing = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        while not self.closing.is_set():
            with contextlib.suppress(OSError):
                connection, _ = self.socket.accept()
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            if self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            connection.recv(1 << 16)
            connection.sendall(self.head)
            while not self.closing.wait(0.1):
                connection.sendall(self.drop)

    def __enter__(self) -> Dripper:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self.socket.close()


HEADS = {
    "status line": (b"HTTP/1.1 200 ", b"O"),
    "header": (b"HTTP/1.1 200 OK\r\nX: ", b"x"),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "early answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("kind", HEADS)
def test_a_head_that_comes_drop_by_drop_is_not_waited_for(kind):
    with Dripper(*HEADS[kind]) as server:
        options = HttpOptions(retries=0, read_timeout_seconds=0.5)
        began = time.monotonic()
        with pytest.raises(ChannelError, match=r"no answer within 0\.5 s"):
            HttpTransport(options).open(f"http://127.0.0.1:{server.port}/x")
        assert time.monotonic() - began < 3


def test_a_head_over_tls_or_of_a_proxy_is_not_waited_for_either(tmp_path):
    authority = Authority(tmp_path)
    options = HttpOptions(
        retries=0,
        read_timeout_seconds=0.5,
        connect_timeout_seconds=0.5,
        tls=TlsOptions(str(authority.bundle)),
    )
    began = time.monotonic()
    with (
        Dripper(*HEADS["header"], tls=authority.server()) as server,
        pytest.raises(ChannelError, match="no answer within"),
    ):
        HttpTransport(options).open(f"https://127.0.0.1:{server.port}/x")
    with Dripper(*HEADS["header"]) as proxy:
        for scheme in ("http", "https"):
            through = replace(options, proxies={scheme: f"http://127.0.0.1:{proxy.port}"})
            with pytest.raises(ChannelError):
                HttpTransport(through).open(f"{scheme}://channel.test/x")
    assert time.monotonic() - began < 6


def test_a_body_may_take_longer_than_its_head(folder):
    drip = Fault(drip=0.1, drip_size=20_000)
    with serve(folder, faults={"/file": drip}) as server:
        transport = HttpTransport(HttpOptions(retries=0, read_timeout_seconds=0.5))
        assert read(transport, f"{server.url}/file") == (200, (folder / "file").read_bytes())
        server.faults.clear()
        assert read(transport, f"{server.url}/file")[0] == 200, "the connection is used again"
        transport.close()
