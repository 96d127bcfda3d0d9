"""A clock that jumps by years, either way, loses no history and takes nobody's work away.

Debian's faketime gives one process another time; what processes leave behind keeps the times of theirs.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from envmgr.packages.work_area import PREFIX, abandoned_areas
from tests.builders import make_channel, pkg, script
from tests.servers import Fault, serve

ROOT = Path(__file__).resolve().parents[2]
WAITING = 'touch "$PREFIX/began"; for _ in $(seq 200); do [ -e "$PREFIX/go" ] && break; sleep 0.1; done'
PACKAGES = [
    pkg("a", "1.0", files={"a/file": b"1"}),
    pkg("a", "2.0", files={"a/file": b"2"}),
    pkg("b", "1.0", files={"b/file": b"b" * 3_000}),
    pkg("slow", "1.0", files={"bin/.slow-post-link.sh": script(WAITING), "slow/file": b"s"}),
]
needs_faketime = pytest.mark.skipif(shutil.which("faketime") is None, reason="faketime is not installed")


@pytest.fixture
def channel(tmp_path):
    return make_channel(tmp_path / "channel", PACKAGES)


def start(years: int, *words: object) -> subprocess.Popen[str]:
    """envmgr, whose clock is some years ahead or behind."""
    command = [*(["faketime", "-f", f"{years:+d}y"] if years else []), sys.executable, "-m", "envmgr"]
    return subprocess.Popen(
        [*command, *map(str, words)],
        cwd=ROOT,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(years: int, *words: object) -> tuple[int, str, str]:
    process = start(years, *words)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def await_path(parent: Path, pattern: str) -> Path:
    end = time.monotonic() + 30
    while not (found := list(parent.glob(pattern))):
        assert time.monotonic() < end, f"{parent}/{pattern} does not appear"
        time.sleep(0.02)
    return found[0]


@needs_faketime
def test_generations_keep_their_order_whatever_the_clock_says(tmp_path, channel):
    prefix = tmp_path / "env"
    source = ["--override-channels", "-c", channel]
    commands = [
        (0, "create", "-y", "-p", prefix, *source, "a=1"),
        (20, "install", "-y", "-p", prefix, *source, "a=2"),
        (-20, "install", "-y", "-p", prefix, *source, "b"),
        (5, "rollback", "-y", "-p", prefix, "--offline"),
        (-5, "rollback", "-y", "-p", prefix, "1", "--offline"),
    ]
    for command in commands:
        code, _, err = run(*command)
        assert code == 0, err
    code, out, err = run(0, "history", "-p", prefix, "--json")
    assert code == 0, err
    steps = json.loads(out)
    assert [step["generation"] for step in steps] == [1, 2, 3, 4, 5]
    assert (prefix / "a/file").read_bytes() == b"1"
    assert not (prefix / "b").exists()
    assert (prefix / "conda-meta/history").read_text().count("==> ") == 5
    assert run(0, "verify", "-p", prefix)[0] == 0


@needs_faketime
def test_a_download_under_way_is_left_alone_by_a_process_of_a_later_time(tmp_path, channel):
    years = 20
    with serve(channel, faults={"/linux-64/b-1.0-0.conda": Fault(drip=0.4, drip_size=200)}) as server:
        source = ["--override-channels", "-c", server.url]
        slow = start(0, "create", "-y", "-p", tmp_path / "one", *source, "b")
        await_path(Path(os.environ["ENVMGR_ROOT"]) / "pkgs", f"{PREFIX}*/*")
        code, _, err = run(
            years, "create", "-y", "-p", tmp_path / "two", "--override-channels", "-c", channel, "a"
        )
        assert code == 0, err
        assert run(years, "clean", "--tempfiles", "-y")[0] == 0
        _, err = slow.communicate(timeout=60)
        assert slow.returncode == 0, err
    assert (tmp_path / "one/b/file").read_bytes() == b"b" * 3_000


@needs_faketime
def test_a_creation_under_way_is_left_alone_by_a_process_of_an_earlier_time(tmp_path, channel, monkeypatch):
    years = -20
    monkeypatch.setenv("ENVMGR_LOCK_WAIT_SECONDS", "0")
    prefix = tmp_path / "env"
    words = ["create", "-y", "-p", prefix, "--override-channels", "-c", channel, "slow"]
    first = start(0, *words)
    await_path(tmp_path, "env/began")
    code, _, err = run(years, *words)
    assert code == 1
    assert f"is being created by another process ({first.pid})" in err or "is being changed" in err, err
    assert run(years, "clean", "--tempfiles", "-y")[0] == 0
    (prefix / "go").touch()
    _, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert run(0, "verify", "-p", prefix)[0] == 0


def test_work_areas_of_other_machines_are_judged_by_the_clock_of_their_file_system(tmp_path):
    """Our own clock does not say how old they are: something newer in the same folder must tell."""
    area = tmp_path / f"{PREFIX}elsewhere-1-00"
    area.mkdir()
    now = time.time()
    for layer, of_area, is_abandoned in [
        (now - 20 * 365 * 86_400, now - 20 * 365 * 86_400 - 3_600, False),
        (now, now + 365 * 86_400, False),
        (now - 20 * 365 * 86_400, now - 20 * 365 * 86_400 - 2 * 86_400, True),
    ]:
        os.utime(area, (of_area, of_area))
        os.utime(tmp_path, (layer, layer))
        assert (abandoned_areas(tmp_path) == [area]) == is_abandoned


def test_the_area_of_a_living_process_stays_however_old_it_looks(tmp_path):
    machine = "".join(letter for letter in socket.gethostname() if letter.isalnum())[:32] or "unnamed"
    mine, dead = (tmp_path / f"{PREFIX}{machine}-{pid}-00" for pid in (os.getpid(), 2**22 + 1))
    for area in (mine, dead):
        area.mkdir()
        os.utime(area, (0, 0))
    assert abandoned_areas(tmp_path) == [dead]
