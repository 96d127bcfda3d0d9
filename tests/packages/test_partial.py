"""Downloads that end before their archive is whole: the next run goes on with what came, whoever runs it."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import ChannelError
from envmgr.packages.partial import FOLDER, KEPT_SECONDS, LEAST_BYTES
from envmgr.packages.store import PackageCache
from envmgr.packages.work_area import remove_abandoned
from envmgr.ports import Phase, RecordingReporter
from tests.builders import make_channel, pkg
from tests.packages.test_store import leftovers, obtain, records_of, start_slow_obtain
from tests.servers import Fault, Server, serve

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.packages.unpacked import CachedPackage

BIG = pkg("big", files={"f": random.Random(5).randbytes(3_000_000)})
PATH = f"/linux-64/{BIG.file_name}"
CUT = 2_000_000


def record_of(server: Server) -> PackageRecord:
    return records_of(server.url, server.folder)[BIG.file_name]


def bring(tmp_path: Path, server: Server, **options: object) -> CachedPackage:
    record = record_of(server)
    return obtain(PackageCache([tmp_path / "pkgs"]), [record], **options)[record]


def break_off(tmp_path: Path, server: Server) -> int:
    """A run that gets no further than CUT bytes; how many it kept."""
    server.faults[PATH] = [Fault(cut_after=CUT, times=1), Fault(drop=True)]
    with pytest.raises(ChannelError):
        bring(tmp_path, server)
    (kept,) = (tmp_path / "pkgs" / FOLDER).iterdir()
    assert kept.name == record_of(server).sha256
    assert leftovers(tmp_path / "pkgs") == [FOLDER]
    server.faults.clear()
    server.forget()
    return (kept / "archive").stat().st_size


def is_whole(package: CachedPackage) -> bool:
    assert package.archive is not None
    return hashlib.sha256(package.archive.read_bytes()).hexdigest() == package.record.sha256


def test_the_next_run_asks_for_the_rest_only(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [BIG])
    with serve(tmp_path / "channel") as server:
        kept = break_off(tmp_path, server)
        assert LEAST_BYTES < kept <= CUT
        reporter = RecordingReporter()
        assert is_whole(bring(tmp_path, server, reporter=reporter))
        (seen,) = server.requests
        assert (seen.status, seen.headers["range"]) == (206, f"bytes={kept}-")
        size = record_of(server).size or 0
        assert server.bytes_sent == size - kept
        assert reporter.advanced[Phase.DOWNLOAD] == size
    assert leftovers(tmp_path / "pkgs") == []


def test_a_file_that_changed_meanwhile_is_fetched_whole(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [BIG])
    with serve(tmp_path / "channel") as server:
        break_off(tmp_path, server)
        os.utime(tmp_path / "channel" / PATH[1:], (1, 1))
        archive = tmp_path / "channel" / PATH[1:]
        (kept,) = (tmp_path / "pkgs" / FOLDER).iterdir()
        (kept / "source.json").write_text(
            (kept / "source.json").read_text().replace('"validator":"', '"validator":"x')
        )
        assert is_whole(bring(tmp_path, server))
        assert server.bytes_sent == archive.stat().st_size


def spoil(kept: Path) -> None:
    content = bytearray((kept / "archive").read_bytes())
    content[1000] ^= 1
    (kept / "archive").write_bytes(content)


def lengthen(kept: Path) -> None:
    with open(kept / "archive", "ab") as file:
        file.write(bytes(5_000_000))


def lead_away(kept: Path) -> None:
    (kept / "archive").unlink()
    (kept / "archive").symlink_to("/etc/passwd")


BAD = {
    "other bytes": spoil,
    "too long": lengthen,
    "a symlink": lead_away,
    "another URL": lambda kept: (kept / "source.json").write_text(
        '{"key":"a","url":"http://x","validator":"y"}'
    ),
    "no source": lambda kept: (kept / "source.json").unlink(),
    "a broken source": lambda kept: (kept / "source.json").write_text("{"),
    "no bytes": lambda kept: (kept / "archive").unlink(),
}


@pytest.mark.parametrize("case", BAD)
def test_what_was_kept_is_never_believed(case: str, tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [BIG])
    with serve(tmp_path / "channel") as server:
        break_off(tmp_path, server)
        (kept,) = (tmp_path / "pkgs" / FOLDER).iterdir()
        BAD[case](kept)
        assert is_whole(bring(tmp_path, server))
    assert leftovers(tmp_path / "pkgs") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_what_an_interrupted_process_had_is_gone_on_with(number: signal.Signals, tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [BIG])
    slow = Fault(drip=0.01, drip_size=50_000, times=1)
    with serve(tmp_path / "channel", faults={PATH: slow}) as server:
        process = start_slow_obtain(tmp_path, server.url)
        assert process.stdout is not None
        limit = time.monotonic() + 30
        while server.bytes_sent < 1_700_000:
            assert time.monotonic() < limit
            time.sleep(0.01)
        process.send_signal(number)
        process.communicate(timeout=20)
        server.forget()
        assert is_whole(bring(tmp_path, server))
        (seen,) = server.requests
        assert seen.status == 206 and int(seen.headers["range"][6:-1]) >= LEAST_BYTES
    assert leftovers(tmp_path / "pkgs") == []


def test_an_archive_that_was_whole_needs_no_request(tmp_path: Path) -> None:
    """As after a kill between the end of the download and the unpacking."""
    make_channel(tmp_path / "channel", [BIG])
    with serve(tmp_path / "channel") as server:
        break_off(tmp_path, server)
        (kept,) = (tmp_path / "pkgs" / FOLDER).iterdir()
        (kept / "archive").write_bytes((tmp_path / "channel" / PATH[1:]).read_bytes())
        assert is_whole(bring(tmp_path, server))
        assert server.requests == []


def test_a_server_that_names_no_version_of_its_file_is_asked_for_all(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [BIG])
    faults = [Fault(cut_after=CUT, validators=False, times=1), Fault(drop=True)]
    with serve(tmp_path / "channel", faults={PATH: faults}) as server:
        with pytest.raises(ChannelError):
            bring(tmp_path, server)
        assert os.listdir(tmp_path / "pkgs") == []


def test_what_nobody_goes_on_with_for_a_week_is_removed(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [BIG])
    with serve(tmp_path / "channel") as server:
        break_off(tmp_path, server)
    (kept,) = (tmp_path / "pkgs" / FOLDER).iterdir()
    for age, stays in ((KEPT_SECONDS - 100, True), (KEPT_SECONDS + 100, False)):
        moment = time.time() - age
        for path in (*kept.iterdir(), kept):
            os.utime(path, (moment, moment))
        remove_abandoned(tmp_path / "pkgs")
        assert kept.exists() == stays


def test_of_two_broken_downloads_the_longer_is_kept(tmp_path: Path) -> None:
    make_channel(tmp_path / "channel", [BIG])
    with serve(tmp_path / "channel") as server:
        first = break_off(tmp_path, server)
    (kept,) = (tmp_path / "pkgs" / FOLDER).iterdir()
    kept.rename(tmp_path / "longer")
    faults = [Fault(cut_after=1_500_000, times=1), Fault(drop=True)]
    with serve(tmp_path / "channel", faults={PATH: faults}) as server, pytest.raises(ChannelError):
        bring(tmp_path, server)
    assert (kept / "archive").stat().st_size < first
    # Another process claimed the longer one at its start, and gives it back at its end.
    claimed = tmp_path / "pkgs" / ".envmgr-work-gone-1-a" / "place" / "partial"
    claimed.parent.mkdir(parents=True)
    (tmp_path / "longer").rename(claimed)
    os.utime(claimed.parent.parent, (1, 1))
    remove_abandoned(tmp_path / "pkgs")
    assert (kept / "archive").stat().st_size == first
    assert leftovers(tmp_path / "pkgs") == [FOLDER]
