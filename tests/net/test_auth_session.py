"""What servers get to see: real requests to real servers on several ports, redirected in every direction."""

from __future__ import annotations

import base64
import contextlib

import pytest

from envmgr.errors import ChannelError
from envmgr.net.auth import BasicLogin, BearerToken, CondaToken, Secret
from envmgr.net.auth_store import CredentialStore
from envmgr.net.http import HttpOptions, HttpTransport
from tests.servers import Fault, serve

BASIC = "Basic " + base64.b64encode(b"ann:pw").decode()
OPTIONS = HttpOptions(retries=0, connect_timeout_seconds=5, read_timeout_seconds=5)


class Logins:
    """A place with logins; `questions` are the keys that were looked up."""

    name, is_writable = "the test", False

    def __init__(self, logins):
        self.logins = logins
        self.questions = []

    def find(self, key):
        self.questions.append(key)
        return self.logins.get(key)

    def entries(self):
        return self.logins.items()


@contextlib.contextmanager
def transport(logins):
    store = CredentialStore(lambda: [[logins if isinstance(logins, Logins) else Logins(logins)]])
    made = HttpTransport(OPTIONS, find_credential=store.find)
    try:
        yield made
    finally:
        made.close()


def get(made, url, headers=None):
    with made.open(url, headers) as response:
        list(response.iter_bytes())
        return response


def sent(server):
    return [(seen.path, seen.headers.get("authorization")) for seen in server.requests]


@pytest.fixture
def folder(tmp_path):
    for path in ("a/x", "b/x", "t/tk-1/a/x", "t/tk-1/b/x"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"content")
    return tmp_path


@pytest.mark.parametrize(
    ("login", "expected"),
    [
        (BearerToken(Secret("tk-1")), ("/a/x", "Bearer tk-1")),
        (BasicLogin("ann", Secret("pw")), ("/a/x", BASIC)),
        (CondaToken(Secret("tk-1")), ("/t/tk-1/a/x", None)),
    ],
    ids=["bearer", "basic", "conda-token"],
)
def test_each_kind_is_sent_in_its_way_and_the_answer_tells_nothing_of_it(folder, login, expected):
    with serve(folder) as server, transport({"127.0.0.1": login}) as made:
        response = get(made, f"{server.url}/a/x")
        assert (response.status, response.url) == (200, f"{server.url}/a/x")
        assert sent(server) == [expected]


def test_a_host_without_a_login_gets_none(folder):
    with serve(folder) as server, transport({"localhost": BearerToken(Secret("t"))}) as made:
        get(made, f"{server.url}/a/x")
        get(made, f"http://localhost:{server.port}/a/x")
        assert sent(server) == [("/a/x", None), ("/a/x", "Bearer t")]


def test_what_the_caller_or_the_url_says_is_stronger_than_the_store(folder):
    stored = Logins({"127.0.0.1": BearerToken(Secret("stored"))})
    with serve(folder) as server, transport(stored) as made:
        get(made, f"{server.url}/a/x", {"Authorization": "Bearer given"})
        get(made, server.url.replace("//", "//ann:pw@") + "/a/x")
        get(made, f"{server.url}/t/tk-1/a/x")
        assert sent(server) == [("/a/x", "Bearer given"), ("/a/x", BASIC), ("/t/tk-1/a/x", None)]
    assert stored.questions == []


def test_user_and_password_in_a_url_are_decoded(folder):
    with serve(folder) as server, transport({}) as made:
        get(made, server.url.replace("//", "//an%40n:p%3Aw%C3%A9@") + "/a/x")
        written = base64.b64encode("an@n:p:wé".encode()).decode()
        assert sent(server) == [("/a/x", f"Basic {written}")]


def test_requests_own_reading_of_netrc_adds_nothing(folder, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login eve password pw\nmachine localhost login eve password pw\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with serve(folder) as server, transport({}) as made:
        server.faults["/redirect"] = Fault(redirect=f"http://localhost:{server.port}/a/x")
        get(made, f"{server.url}/redirect")
        assert [authorization for _, authorization in sent(server)] == [None, None]


EACH = [
    pytest.param({"127.0.0.1": BearerToken(Secret("tk-1"))}, "", {}, id="bearer"),
    pytest.param({"127.0.0.1": BasicLogin("ann", Secret("tk-1"))}, "", {}, id="basic"),
    pytest.param({"127.0.0.1": CondaToken(Secret("tk-1"))}, "", {}, id="conda-token"),
    pytest.param({}, "ann:tk-1@", {}, id="in the URL"),
    pytest.param({}, "", {"Authorization": "Bearer tk-1"}, id="given"),
    pytest.param({}, "", {"x-amz-security-token": "tk-1", "Cookie": "tk-1"}, id="other headers"),
]


@pytest.mark.parametrize(("logins", "userinfo", "headers"), EACH)
@pytest.mark.parametrize("direction", ["other host", "other port"])
def test_a_redirect_to_another_place_takes_no_login_along(folder, logins, userinfo, headers, direction):
    """The other place has a login stored, too: nothing is looked up for it, whoever sends us there."""
    with (
        serve(folder) as server,
        serve(folder) as other,
        transport({**logins, "localhost": BearerToken(Secret("tk-1"))}) as made,
    ):
        host = "localhost" if direction == "other host" else "127.0.0.1"
        away = Fault(redirect=f"http://{host}:{other.port}/step")
        server.faults.update({"/away": away, "/t/tk-1/away": away})
        other.faults["/step"] = Fault(redirect="/a/x")
        response = get(made, server.url.replace("//", f"//{userinfo}") + "/away", headers)
        assert (response.status, response.url) == (200, f"http://{host}:{other.port}/a/x")
        assert [seen.path for seen in other.requests] == ["/step", "/a/x"]
        secrets = ("tk-1", base64.b64encode(b"ann:tk-1").decode())
        shown = [f"{seen.path} {seen.headers}" for seen in other.requests]
        assert not [text for text in shown for secret in secrets if secret in text]
        assert any(secret in f"{seen.path} {seen.headers}" for seen in server.requests for secret in secrets)


@pytest.mark.parametrize(("logins", "userinfo", "headers"), EACH[:5])
def test_a_login_does_not_come_back_by_way_of_another_place(folder, logins, userinfo, headers):
    with serve(folder) as server, serve(folder) as other, transport(logins) as made:
        away = Fault(redirect=f"{other.url}/back")
        server.faults.update({"/away": away, "/t/tk-1/away": away})
        other.faults["/back"] = Fault(redirect=f"{server.url}/a/x")
        get(made, server.url.replace("//", f"//{userinfo}") + "/away", headers)
        assert sent(server)[1:] == [("/a/x", None)]


@pytest.mark.parametrize(("logins", "userinfo", "headers"), EACH[:5])
def test_a_redirect_within_one_place_keeps_the_login(folder, logins, userinfo, headers):
    with serve(folder) as server, transport(logins) as made:
        near = Fault(redirect="/a/x")
        server.faults.update({"/near": near, "/t/tk-1/near": near})
        get(made, server.url.replace("//", f"//{userinfo}") + "/near", headers)
        first, second = sent(server)
        assert first[1] == second[1]
        assert first[0].removesuffix("near") == second[0].removesuffix("a/x")


def test_a_login_that_is_bound_to_a_folder_stays_in_it(folder):
    with serve(folder) as server:
        logins = {
            f"{server.url}/a": BearerToken(Secret("a")),
            f"{server.url}/b": BasicLogin("ann", Secret("pw")),
        }
        server.faults["/a/to-b"] = Fault(redirect="/b/x")
        server.faults["/b/to-c"] = Fault(redirect="/c/x")
        with transport(logins) as made:
            get(made, f"{server.url}/a/to-b")
            get(made, f"{server.url}/b/to-c")
            get(made, f"{server.url}/ax")
        assert sent(server) == [
            ("/a/to-b", "Bearer a"),
            ("/b/x", BASIC),
            ("/b/to-c", BASIC),
            ("/c/x", None),
            ("/ax", None),
        ]


def test_a_redirect_that_names_a_login_of_its_own_is_followed_without_it(folder):
    with serve(folder) as server, serve(folder) as other, transport({}) as made:
        server.faults["/away"] = Fault(redirect=f"http://eve:pw@127.0.0.1:{other.port}/a/x")
        response = get(made, f"{server.url}/away")
        assert (response.status, sent(other)) == (200, [("/a/x", None)])


def test_redirects_are_left_to_those_who_want_that(folder):
    options = HttpOptions(retries=0, follow_redirects=False)
    with serve(folder, faults={"/away": Fault(redirect="/a/x")}) as server:
        made = HttpTransport(options)
        assert get(made, f"{server.url}/away").status == 302
        made.close()
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503),
        Fault(drop=True),
        Fault(cut_after=3),
        Fault(redirect="/t/tk-1/a/x"),
        Fault(redirect="ftp://x/"),
    ],
    ids=["503", "drop", "cut", "circle", "ftp"],
)
@pytest.mark.parametrize(("logins", "userinfo", "headers"), EACH[:4])
def test_no_failure_names_a_login(folder, logins, userinfo, headers, fault):
    told = []
    store = CredentialStore(lambda: [[Logins(logins)]])
    made = HttpTransport(
        HttpOptions(retries=1, read_timeout_seconds=5),
        sleep=lambda _: None,
        on_retry=told.append,
        find_credential=store.find,
    )
    with serve(folder, faults={"*": fault}) as server, contextlib.suppress(ChannelError):
        try:
            get(made, server.url.replace("//", f"//{userinfo}") + "/a/x")
        except ChannelError as error:
            told.append(f"{error} {error.facts} {error.hint} {error.__cause__}")
            raise
        finally:
            made.close()
    assert told
    assert "tk-1" not in "".join(told)
