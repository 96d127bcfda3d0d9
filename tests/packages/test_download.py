"""Downloads that break off: what is asked for again, and what decides whether the pieces fit."""

from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import ChannelError
from envmgr.models.record import Origin, PackageRecord
from envmgr.net.http import HttpOptions, HttpTransport
from envmgr.net.mirrors import MirrorTransport
from envmgr.packages.download import ATTEMPTS, MOST_ATTEMPTS, Downloader
from envmgr.ports import Phase, RecordingReporter
from tests.servers import Fault, Server, serve

if TYPE_CHECKING:
    from pathlib import Path

NAME = "a-1.0-0.conda"
PATH = f"/linux-64/{NAME}"
# What comes whole before a break: the transport hands out pieces of 64 KiB.
KB = 1 << 10
CUT = 1536 * KB
BODY = random.Random(7).randbytes(3_500_000)
OTHER = random.Random(8).randbytes(len(BODY))


class Totals(RecordingReporter):
    """What a progress bar would know of the work left."""

    def __init__(self) -> None:
        super().__init__()
        self.grown = 0

    def phase_grew(self, phase: Phase, amount: int) -> None:
        self.grown += amount


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "channel/linux-64").mkdir(parents=True)
    file = tmp_path / "channel" / PATH[1:]
    file.write_bytes(BODY)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return tmp_path / "channel"


def record(url: str, body: bytes | None = BODY, size: int | None = len(BODY)) -> PackageRecord:
    sums = {"sha256": hashlib.sha256(body).hexdigest()} if body is not None else {}
    origin = Origin(url, "linux-64", f"{url}/linux-64/")
    return PackageRecord(
        name="a", version="1.0", build="0", fn=NAME, origin=origin, size=size, timestamp=1, **sums
    )


def quick() -> HttpTransport:
    return HttpTransport(HttpOptions(retries=0, read_timeout_seconds=5))


def fetch(wanted: PackageRecord, place: Path, transport=None) -> Totals:
    """Downloads, and checks that what is reported and what arrives agree."""
    totals = Totals()
    arrived = Downloader(transport or quick(), totals, lambda: None).fetch(wanted, place)
    assert arrived.sha256 == hashlib.sha256(place.read_bytes()).hexdigest()
    assert totals.advanced[Phase.DOWNLOAD] - totals.grown == arrived.size
    return totals


def asked(server: Server) -> list[str | None]:
    """The Range header of each request."""
    return [seen.headers.get("range") for seen in server.requests]


def test_archive_that_breaks_off_is_continued_where_it_ended(folder, tmp_path):
    cuts = [Fault(cut_after=CUT, times=1), Fault(cut_after=CUT, times=1)]
    with serve(folder, faults={PATH: cuts}) as server:
        totals = fetch(record(server.url), tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BODY
    assert [seen.status for seen in server.requests] == [200, 206, 206]
    assert asked(server) == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]
    tag = server.requests[1].headers["if-range"]
    assert tag == f'"{hashlib.md5(BODY).hexdigest()}"'
    assert (server.bytes_sent, totals.grown) == (len(BODY), 0)


def test_attempts_that_bring_much_do_not_count_but_have_an_end(folder, tmp_path):
    body = random.Random(9).randbytes(8 * CUT)
    (folder / PATH[1:]).write_bytes(body)
    with serve(folder, faults={PATH: Fault(cut_after=CUT)}) as server:
        fetch(record(server.url, body, len(body)), tmp_path / "got")
        assert len(server.requests) == 8 > ATTEMPTS
    assert MOST_ATTEMPTS < 100


def test_attempts_that_bring_little_soon_end(folder, tmp_path):
    with serve(folder, faults={PATH: Fault(cut_after=64 * KB)}) as server:
        with pytest.raises(ChannelError, match="broke off"):
            fetch(record(server.url), tmp_path / "got")
        assert asked(server) == [None, f"bytes={64 * KB}-", f"bytes={128 * KB}-"]
    assert not (tmp_path / "got").exists()


def test_file_that_changed_meanwhile_is_fetched_from_the_beginning(folder, tmp_path):
    with serve(folder, faults={PATH: [Fault(cut_after=CUT, body=OTHER, times=1), Fault()]}) as server:
        totals = fetch(record(server.url), tmp_path / "got")
        assert [seen.status for seen in server.requests] == [200, 200]
        assert asked(server) == [None, f"bytes={CUT}-"]
    assert (tmp_path / "got").read_bytes() == BODY
    assert totals.grown == CUT


TAG = '"one"'
NOT_THE_REST = {
    "another place": {"Content-Range": f"bytes 5-9/{len(BODY)}", "ETag": TAG},
    "another size": {"Content-Range": f"bytes {CUT}-{len(BODY) - 1}/9999999", "ETag": TAG},
    "another file": {"Content-Range": f"bytes {CUT}-{len(BODY) - 1}/{len(BODY)}", "ETag": '"two"'},
    "no place": {"ETag": TAG},
}


@pytest.mark.parametrize("case", NOT_THE_REST)
def test_part_that_is_not_the_rest_is_not_used(case, folder, tmp_path):
    faults = [
        Fault(cut_after=CUT, headers={"ETag": TAG}, times=1),
        Fault(status=206, body=BODY[CUT:], headers=NOT_THE_REST[case], times=1),
    ]
    with serve(folder, faults={PATH: faults}) as server:
        fetch(record(server.url), tmp_path / "got")
        assert [seen.status for seen in server.requests] == [200, 206, 200]
        assert asked(server) == [None, f"bytes={CUT}-", None]
        assert server.requests[2].headers["cache-control"] == "no-cache"
    assert (tmp_path / "got").read_bytes() == BODY


def test_pieces_that_do_not_fit_are_found_by_the_checksum_and_fetched_anew(folder, tmp_path):
    rest = {"Content-Range": f"bytes {CUT}-{len(BODY) - 1}/{len(BODY)}", "ETag": TAG}
    faults = [
        Fault(cut_after=CUT, headers={"ETag": TAG}, times=1),
        Fault(status=206, body=OTHER[CUT:], headers=rest, times=1),
    ]
    with serve(folder, faults={PATH: faults}) as server:
        fetch(record(server.url), tmp_path / "got")
        assert asked(server) == [None, f"bytes={CUT}-", None]
    assert (tmp_path / "got").read_bytes() == BODY


@pytest.mark.parametrize(
    "headers",
    [
        {"ETag": 'W/"weak"'},
        {"ETag": None, "Last-Modified": None},
        {"ETag": None, "Date": "Tue, 14 Nov 2023 22:13:20 GMT"},
        {"ETag": None, "Last-Modified": "yesterday"},
    ],
)
def test_without_a_strong_validator_nothing_is_continued(headers, folder, tmp_path):
    with serve(folder, faults={PATH: Fault(cut_after=CUT, headers=headers, times=1)}) as server:
        fetch(record(server.url), tmp_path / "got")
        assert asked(server) == [None, None]


def test_a_time_that_is_old_enough_is_a_validator(folder, tmp_path):
    cut = Fault(cut_after=CUT, headers={"ETag": None}, times=1)
    with serve(folder, faults={PATH: cut}) as server:
        fetch(record(server.url), tmp_path / "got")
        assert asked(server) == [None, f"bytes={CUT}-"]
        assert server.requests[1].headers["if-range"] == "Tue, 14 Nov 2023 22:13:20 GMT"


def test_without_a_checksum_or_through_an_encoding_nothing_is_continued(folder, tmp_path):
    for wanted, fault in [
        ({"body": None, "size": None}, Fault(cut_after=CUT, times=1)),
        ({}, Fault(cut_after=CUT, gzipped=True, times=1)),
    ]:
        with serve(folder, faults={PATH: fault}) as server:
            fetch(record(server.url, **wanted), tmp_path / "got")
            assert asked(server) == [None, None]


def test_server_without_ranges_sends_the_whole_again(folder, tmp_path):
    faults = [Fault(cut_after=CUT, times=1), Fault(ranges=False)]
    with serve(folder, faults={PATH: faults}) as server:
        fetch(record(server.url), tmp_path / "got")
        assert [seen.status for seen in server.requests] == [200, 200]


def test_file_that_is_shorter_now_is_fetched_from_the_beginning(folder, tmp_path):
    faults = [Fault(cut_after=CUT, times=1), Fault(status=416, times=1)]
    with serve(folder, faults={PATH: faults}) as server:
        fetch(record(server.url), tmp_path / "got")
        assert asked(server) == [None, f"bytes={CUT}-", None]


def test_another_mirror_with_the_same_file_continues(folder, tmp_path):
    with serve(folder, faults={PATH: Fault(cut_after=CUT)}) as one, serve(folder) as two:
        mirrors = {"https://channel.test/c": [one.url, two.url]}
        fetch(record("https://channel.test/c"), tmp_path / "got", MirrorTransport(quick(), mirrors))
        assert (asked(one), asked(two)) == ([None], [f"bytes={CUT}-"])
        assert two.requests[0].status == 206
    assert (tmp_path / "got").read_bytes() == BODY


def test_another_mirror_with_another_tag_sends_the_whole(folder, tmp_path):
    fault = Fault(cut_after=CUT, headers={"ETag": TAG})
    with serve(folder, faults={PATH: fault}) as one, serve(folder) as two:
        mirrors = {"https://channel.test/c": [one.url, two.url]}
        fetch(record("https://channel.test/c"), tmp_path / "got", MirrorTransport(quick(), mirrors))
        assert two.requests[0].status == 200
    assert (tmp_path / "got").read_bytes() == BODY
