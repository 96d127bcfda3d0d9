"""Files of every format that are broken in every way: read, or refused with one sentence that names the place.

ENVMGR_TEST_HOSTILE=N runs all of it at full size in processes of their own, whose time and memory are looked at,
with files of 50 MB and N random changes of each format.
"""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.hostile_files import (
    BENIGN,
    FORMATS,
    HUGE,
    KINDS,
    REFUSED,
    REFUSED_WITH_LINE,
    has_types,
    random_change,
    wrong_types,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr, Outcome

LONG_RUN = int(os.environ.get("ENVMGR_TEST_HOSTILE", "0"))
SIZE = 30_000  # of what is repeated
MOST_SECONDS = 4.0
MOST_BYTES_AT_FULL_SIZE = 1_500_000_000
MOST_SECONDS_AT_FULL_SIZE = 40.0


def check(name: str, kind: str, done: Outcome) -> None:
    """That *done*, the comparison of a good file with a hostile one, is a correct reading or a refusal."""
    assert "Traceback" not in done.err, done.err
    assert "has a defect" not in done.err, done.err
    assert len(done.err) < 2000, done.err
    if kind in BENIGN:
        assert (done.code, done.err.strip()) == (0, "both are the same"), done.err
    elif kind in REFUSED:
        assert done.code == 2, (done.out, done.err)
    assert done.code in (0, 1, 2)
    if done.code == 2:
        first, *others = re.sub(r"\n    ", " ", done.err.rstrip("\n")).split("\n")
        assert first.startswith("envmgr: "), done.err
        assert name in first, done.err
        assert first.endswith("."), done.err
        assert all(line.startswith("  hint: ") for line in others), done.err
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", done.err), repr(done.err)
        if kind in REFUSED_WITH_LINE and "is JSON, and no environment file" not in first:
            assert re.search(rf"{re.escape(name)}:\d+: ", first), first


@pytest.mark.parametrize("kind", KINDS)
def test_a_hostile_file_of_any_format_is_read_or_refused_with_its_place(
    envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (tmp_path / "good").mkdir()
    monkeypatch.chdir(tmp_path)
    for name, good in FORMATS.items():
        (tmp_path / "good" / name).write_bytes(good)
        (tmp_path / name).write_bytes(KINDS[kind](name, good, SIZE))
        start = time.perf_counter()
        done = envmgr("diff", f"good/{name}", name, "--platform", "linux-64")
        seconds = time.perf_counter() - start
        check(name, kind, done)
        assert seconds < MOST_SECONDS, (name, seconds)


@pytest.mark.parametrize("name", FORMATS)
def test_what_is_no_file_with_text_is_refused_at_once(
    envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir()
    refused = envmgr("create", "-n", "x", "-f", name)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"envmgr: {name} is a folder")
    (tmp_path / name).rmdir()
    (tmp_path / name).symlink_to(name)
    refused = envmgr("create", "-n", "x", "-f", name)
    assert (refused.code, refused.out) == (1, "")
    assert refused.err.startswith(f"envmgr: {name} cannot be read: too many levels of symbolic links")


@pytest.mark.skipif(not LONG_RUN, reason="ENVMGR_TEST_HOSTILE is not set")
@pytest.mark.timeout(7200)
def test_hostile_files_of_full_size_end_in_bounded_time_and_memory(tmp_path: Path) -> None:
    (tmp_path / "good").mkdir()
    worst: list[tuple[float, int, str]] = []
    codes: dict[int, int] = {}
    for name, good in FORMATS.items():
        (tmp_path / "good" / name).write_bytes(good)
        for kind in (*KINDS, *HUGE):
            write(tmp_path / name, kind, good)
            seconds, memory, done = measured(tmp_path, name)
            (tmp_path / name).unlink()
            worst.append((seconds, memory, f"{kind} in {name}"))
            check(name, kind, done)
            assert seconds < MOST_SECONDS_AT_FULL_SIZE, worst[-1]
            assert memory < MOST_BYTES_AT_FULL_SIZE, worst[-1]
            codes[done.code] = codes.get(done.code, 0) + 1
    for seconds, memory, what in (*sorted(worst)[-10:], *sorted(worst, key=lambda each: each[1])[-10:]):
        print(f"{seconds:6.2f} s {memory / 1e6:6.0f} MB  {what}")
    print(f"{len(worst)} files, by exit code {codes}")


def write(place: Path, kind: str, good: bytes) -> None:
    """The file at full size; this process stays small, since its size counts as that of its children."""
    if kind in KINDS:
        place.write_bytes(KINDS[kind](place.name, good, 1_000_000))
        return
    piece, size = HUGE[kind]
    pieces = (piece or good) * (1_000_000 // len(piece or good))
    with place.open("wb") as file:
        file.write(good)
        while file.tell() < size:
            file.write(pieces)


def measured(folder: Path, name: str) -> tuple[float, int, Outcome]:
    """The seconds and the bytes of memory that one comparison takes in a process of its own."""
    from tests.command import Outcome

    start = time.perf_counter()
    words = [sys.executable, "-m", "envmgr", "diff", f"good/{name}", name, "--platform", "linux-64"]
    with (folder / "out").open("w+b") as out, (folder / "err").open("w+b") as err:
        process = subprocess.Popen(words, cwd=folder, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    texts = [(folder / each).read_text(errors="replace") for each in ("out", "err")]
    return seconds, usage.ru_maxrss * 1024, Outcome(process.returncode, texts[0], texts[1])


@pytest.mark.timeout(7200)
def test_files_with_random_changes_are_read_or_refused(
    envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "good").mkdir()
    codes: dict[int, int] = {}
    for name, good in FORMATS.items():
        (tmp_path / "good" / name).write_bytes(good)
        for seed in range(LONG_RUN or 10):
            chance = random.Random(f"{name} {seed}")
            is_typed = seed % 2 == 1 and has_types(name)
            changed = wrong_types(name, good, chance) if is_typed else random_change(good, chance)
            (tmp_path / name).write_bytes(changed)
            try:
                done = envmgr("diff", f"good/{name}", name, "--platform", "linux-64")
                check(name, "random", done)
            except Exception as error:
                raise AssertionError(f"{name} {seed}: {changed!r}") from error
            codes[done.code] = codes.get(done.code, 0) + 1
    print(codes)
    assert codes.keys() == {0, 1, 2}
