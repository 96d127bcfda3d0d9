"""Mirrors on real servers: whose turn it is, who loses it, and what nobody but a mirror may see."""

from __future__ import annotations

import base64
import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from envmgr.config.settings import Settings, default_folders
from envmgr.errors import ChannelError
from envmgr.net.credentials import CredentialTransport
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.mirrors import MirrorTransport
from envmgr.net.transport import make_transport
from tests.servers import Fault, serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHANNEL = "https://channel.test/forge"
FILE = f"{CHANNEL}/noarch/file"
PATH = "/noarch/file"
DEAD = "http://127.0.0.1:9"
"""The discard port, on which nothing listens."""


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told():
    return []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "served/noarch").mkdir(parents=True)
    (tmp_path / "served/noarch/file").write_bytes(b"0123456789" * 20_000)
    return tmp_path / "served"


def hasty() -> HttpTransport:
    return HttpTransport(HttpOptions(retries=0, connect_timeout_seconds=2, read_timeout_seconds=1))


def patient() -> HttpTransport:
    return HttpTransport(HttpOptions(retries=2, backoff_seconds=0.01, read_timeout_seconds=1))


@contextlib.contextmanager
def two_servers(folder: Path, one: dict | None = None, two: dict | None = None) -> Iterator[tuple]:
    with serve(folder, faults=one) as first, serve(folder, faults=two) as second:
        yield first, second


def mirrored(clock, told, *urls, prefix=CHANNEL, **others):
    return MirrorTransport(
        patient(), {prefix: list(urls), **others}, hasty=hasty(), now=clock, on_warning=told.append
    )


def read(transport, url=FILE, headers=None):
    with transport.open(url, headers) as response:
        return response.status, b"".join(response.iter_bytes())


def test_the_first_mirror_has_its_turn_and_others_are_left_alone(clock, told, folder):
    with two_servers(folder) as (one, two):
        transport = mirrored(clock, told, one.url, two.url)
        assert read(transport) == (200, (folder / "noarch/file").read_bytes())
        assert read(transport, FILE, {"If-None-Match": '"x"'})[0] == 200
        assert (one.paths, two.paths) == ([PATH, PATH], [])
        assert one.requests[1].headers["if-none-match"] == '"x"'
    assert told == []


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(status=503), "fails (HTTP status 503)"),
        (Fault(status=429), "fails (HTTP status 429)"),
        (Fault(status=401), "fails (HTTP status 401)"),
        (Fault(drop=True), "cannot be reached: the connection was closed)"),
        (Fault(wait=5), "no answer within 1 s)"),
    ],
)
def test_a_mirror_that_fails_loses_its_turn_for_a_while_and_is_told_of_once(
    clock, told, folder, fault, words
):
    with two_servers(folder, {"*": fault}) as (one, two):
        transport = mirrored(clock, told, one.url, two.url)
        for _ in range(3):
            assert read(transport)[0] == 200
        assert (len(one.requests), len(two.requests)) == (1, 3)
        clock.now += 61
        read(transport)
        assert (len(one.requests), len(two.requests)) == (2, 4)
        clock.now += 61
        read(transport)
        assert len(one.requests) == 2, "the second failure in a row costs more than a minute"
        one.faults.clear()
        clock.now += 120
        assert read(transport)[0] == 200
        assert (len(one.requests), len(two.requests)) == (3, 5)
    (sentence,) = told
    assert sentence.startswith(f"the mirror {one.url} fails (")
    assert words in sentence
    assert sentence.endswith("; the others are asked first for a while.")


def test_a_mirror_that_cannot_be_reached_loses_its_turn(clock, told, folder):
    with serve(folder) as server:
        transport = mirrored(clock, told, DEAD, server.url)
        assert read(transport)[0] == 200
        assert read(transport)[0] == 200
    reason = f"{DEAD}/noarch/file cannot be reached: connection refused"
    assert told == [f"the mirror {DEAD} fails ({reason}); the others are asked first for a while."]


def test_a_body_that_breaks_off_costs_the_turn_and_is_the_readers_to_ask_for_again(clock, told, folder):
    with two_servers(folder, {"*": Fault(cut_after=70_000)}) as (one, two):
        transport = mirrored(clock, told, one.url, two.url)
        with pytest.raises(ChannelError, match=f"{one.url}{PATH} broke off"):
            read(transport)
        assert read(transport)[0] == 200
        assert (len(one.requests), len(two.requests)) == (1, 1)
    assert len(told) == 1


def test_every_mirror_gets_a_quick_try_before_any_is_waited_for(clock, told, folder):
    passing = {"*": Fault(status=503, times=1)}
    with two_servers(folder, passing, passing) as (one, two):
        transport = mirrored(clock, told, one.url, two.url)
        assert read(transport)[0] == 200
        assert [seen.status for seen in one.requests] == [503, 200]
        assert [seen.status for seen in two.requests] == [503]


def test_the_last_failure_is_the_answer_where_no_mirror_has_one(clock, told, folder):
    with two_servers(folder, {"*": Fault(status=503)}, {"*": Fault(status=500)}) as (one, two):
        assert read(mirrored(clock, told, one.url, two.url))[0] == 500
        assert (len(one.requests), len(two.requests)) == (4, 4)
    with pytest.raises(ChannelError, match=f"^{DEAD}/a/noarch/file cannot be reached"):
        read(mirrored(clock, told, f"{DEAD}/a", f"{DEAD}/b"))


def test_what_a_lagging_mirror_lacks_comes_from_another(clock, told, folder):
    with two_servers(folder, {PATH: Fault(status=404)}) as (one, two):
        transport = mirrored(clock, told, one.url, two.url)
        assert read(transport)[0] == 200
        assert read(transport)[0] == 200
        assert len(one.requests) == 2, "a file that is missing is no failure"
        assert read(transport, f"{CHANNEL}/nothing")[0] == 404
        assert (one.paths[-1], two.paths[-1]) == ("/nothing", "/nothing")
    assert told == []


def test_what_a_mirror_lacks_is_not_asked_of_those_that_fail(clock, told, folder):
    with two_servers(folder, {"*": Fault(status=503)}) as (one, two):
        transport = mirrored(clock, told, one.url, two.url)
        assert read(transport, f"{CHANNEL}/nothing")[0] == 404
        assert read(transport, f"{CHANNEL}/nothing")[0] == 404
        assert (len(one.requests), len(two.requests)) == (1, 2)


def test_the_longest_prefix_wins_and_ends_at_a_component(clock, told, folder):
    with two_servers(folder) as (one, two):
        transport = mirrored(clock, told, one.url, prefix="https://channel.test", **{CHANNEL: [two.url]})
        read(transport)
        read(transport, "https://Channel.test/forge-2/noarch/file")
        assert two.paths == [PATH]
        assert one.paths == ["/forge-2/noarch/file"]
        assert read(transport, f"{one.url}/noarch/file")[0] == 200


def test_the_channel_itself_is_asked_only_where_it_is_listed(clock, told, folder):
    with two_servers(folder, {}, {"*": Fault(status=503)}) as (channel, mirror):
        transport = mirrored(clock, told, mirror.url, prefix=channel.url)
        assert read(transport, f"{channel.url}/noarch/file")[0] == 503
        assert channel.paths == []
        transport = mirrored(clock, told, mirror.url, channel.url, prefix=channel.url)
        assert read(transport, f"{channel.url}/noarch/file")[0] == 200
        assert channel.paths == [PATH]


def test_credentials_stay_with_whom_they_belong_to(clock, told, folder):
    with two_servers(folder, {}, {"*": Fault(status=503, times=1)}) as (channel, mirror):
        own = mirror.url.replace("//", "//them:word@")
        transport = mirrored(clock, told, own, channel.url, prefix=channel.url)
        written = CredentialTransport(transport, [channel.url.replace("//", "//me:secret@")])
        for _ in range(2):
            assert read(written, f"{channel.url}/noarch/file")[0] == 200

        def basic(text: bytes) -> list[str]:
            return ["Basic " + base64.b64encode(text).decode()]

        assert [seen.headers["authorization"] for seen in mirror.requests] == basic(b"them:word")
        assert [seen.headers["authorization"] for seen in channel.requests] == 2 * basic(b"me:secret")
        assert "word" not in f"{told} {transport!r}"
        with pytest.raises(ChannelError) as caught:
            read(mirrored(clock, told, f"http://a:word@{DEAD[7:]}"))
        assert "word" not in f"{caught.value} {caught.value.facts} {told}"


def test_a_mirror_that_dawdles_with_its_answers_loses_its_turn(told, folder):
    clock = Clock()

    class Dawdling:
        """The time that the first mirror's answers take passes on the test's clock."""

        def __init__(self, url: str) -> None:
            self.inner, self.url = hasty(), url

        def open(self, url, headers=None):
            clock.now += 9 if url.startswith(self.url) else 0.1
            return self.inner.open(url, headers)

    with two_servers(folder) as (one, two):
        transport = MirrorTransport(
            patient(),
            {CHANNEL: [one.url, two.url]},
            hasty=Dawdling(one.url),
            now=clock,
            on_warning=told.append,
        )
        for _ in range(3):
            read(transport)
        assert (len(one.requests), len(two.requests)) == (1, 2)
        clock.now += 121
        read(transport)
        assert len(one.requests) == 2
    assert told == [
        f"the mirror {one.url} is slow (9 s for an answer); the others are asked first for a while."
    ]


def test_a_mirror_whose_bytes_trickle_loses_its_turn(told, folder):
    with two_servers(folder, {"*": Fault(drip=0.2, drip_size=4_000)}) as (one, two):
        (folder / "noarch/file").write_bytes(b"x" * 60_000)
        transport = MirrorTransport(
            hasty(), {CHANNEL: [one.url, two.url]}, hasty=hasty(), on_warning=told.append
        )
        read(transport)
        read(transport)
        assert (len(one.requests), len(two.requests)) == (1, 1)
    (sentence,) = told
    assert sentence.startswith(f"the mirror {one.url} is slow (")
    assert "kB/s)" in sentence


def settings(tmp_path: Path, **values) -> Settings:
    quick = {"retries": 0, "backoff_seconds": 0.01, **values}
    return Settings(**default_folders(tmp_path / "root"), subdir="linux-64", **quick)


def test_offline_only_folders_are_mirrors(tmp_path, folder):
    mirrors = {CHANNEL: (DEAD, folder.as_uri()), "https://other.test": (DEAD,)}
    transport = make_transport(
        settings(tmp_path, offline=True, mirrors=mirrors), environ={}, home=tmp_path, warn=pytest.fail
    )
    assert read(transport)[0] == 200
    with pytest.raises(
        ChannelError, match=r"^https://other\.test/x was not fetched, because envmgr is offline"
    ):
        transport.open("https://other.test/x")


def test_folders_may_be_mirrors_of_web_channels(tmp_path, folder):
    told = []
    chosen = settings(tmp_path, mirrors={CHANNEL: (DEAD, folder.as_uri())})
    transport = make_transport(chosen, environ={}, home=tmp_path, warn=told.append)
    assert read(transport) == (200, (folder / "noarch/file").read_bytes())
    assert len(told) == 1


def test_mirrors_import_nothing_of_the_web_until_it_is_used(tmp_path, folder):
    code = (
        "import sys, pathlib; from envmgr.net.transport import make_transport;"
        "from envmgr.config.settings import Settings, default_folders;"
        f"home = pathlib.Path({str(tmp_path)!r});"
        f"mirrors = {{{CHANNEL!r}: ({folder.as_uri()!r},)}};"
        "settings = Settings(**default_folders(home), subdir='linux-64', mirrors=mirrors);"
        f"make_transport(settings, environ={{}}, home=home).open({FILE!r});"
        "sys.exit(any(name in sys.modules for name in ('requests', 'urllib3', 'ssl', 'socks')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=30).returncode == 0
