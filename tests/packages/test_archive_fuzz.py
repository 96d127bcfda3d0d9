"""Fuzzing the archive reader: whatever the bytes are, a sound tree or a sentence, and nothing else on the disk.

``ENVMGR_TEST_FUZZ_SECONDS=600`` fuzzes for so long: guided by coverage where atheris is installed, else with
examples that differ from those of the suite.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.errors import DataError
from tests.packages.archive_fuzz import (
    BLOCK,
    LIMITS,
    as_archive,
    judge,
    padded,
    pax_record,
    seeds,
    tar_block,
)
from tests.packages.test_tar import expected, read_all

SECONDS = int(os.environ.get("ENVMGR_TEST_FUZZ_SECONDS", "0"))
SEEDS = seeds()
KINDS = st.integers(0, 5)


def outcome(kind: int, data: bytes) -> str | None:
    with tempfile.TemporaryDirectory() as folder:
        name, content = as_archive(kind, data)
        (Path(folder) / name).write_bytes(content)
        return judge(Path(folder) / name)


EDITS = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "insert", "repeat"]),
        st.floats(0, 1),
        st.binary(min_size=1, max_size=12),
    ),
    max_size=5,
)


def edited(data: bytes, edits: list[tuple[str, float, bytes]]) -> bytes:
    for what, place, value in edits:
        at = int(place * len(data))
        if what == "set":
            data = data[:at] + value + data[at + len(value) :]
        elif what == "cut":
            data = data[:at] + data[at + len(value) ** 3 :]
        elif what == "insert":
            data = data[:at] + value + data[at:]
        else:
            data = data[:at] + data[at - BLOCK * len(value) : at] + data[at:]
    return data


SPARSE = ["major", "minor", "name", "size", "realsize", "numblocks", "map", "offset", "numbytes"]
KEYS = [b"path", b"linkpath", b"size", b"hdrcharset", *(f"GNU.sparse.{each}".encode() for each in SPARSE)]
NAMES = [
    b"a",
    b"b",
    b"a/b",
    b"A",
    b"d/",
    b"./a",
    b"a//b",
    b"",
    b".",
    b"..",
    b"../x",
    b"/x",
    b"a/../../x",
    b"l",
    b"l/x",
]
NAMES += [b"\xff", b"n" * 300, b"conda-meta/x", b"info/files", b"x/" * 150, b"a\0b"]
NUMBERS = [b"0", b"1", b"5", b"512", b"1024", b"700", b"-1", b"", b"x", b"9" * 25, b"9" * 5000]
SIZES = [b"00000000001\0", b"\xff" * 12, b"\x80" + bytes(10) + b"\7", b"x", b"", b"77777777777\0"]
MODES = [b"0000644\0", b"0007777\0", b"\x80\xff", b"x"]
LISTS = st.lists(st.sampled_from(NUMBERS), max_size=6).map(b",".join)
RECORDS = st.builds(
    pax_record, st.sampled_from(KEYS), st.sampled_from(NAMES) | st.sampled_from(NUMBERS) | LISTS
)
PAX_ENDS = [b"", b"", b"", b"\0", b"5 a", b"99 a=b\n"]
MAPS = st.lists(st.integers(0, 1024), min_size=1, max_size=8).map(
    lambda steps: b"".join(map(b"%011o\0".__mod__, steps))
)


@st.composite
def members(draw: st.DrawFn) -> bytes:
    """One tar member, or a header before one, of words that are right, wrong and dangerous."""
    flag = draw(st.sampled_from([bytes([each]) for each in b"0000012257LKxxxgSXMVD\0"]))
    content = draw(st.binary(max_size=700) | st.just(b"7" * 512))
    if flag in (b"x", b"g", b"X"):
        content = b"".join(draw(st.lists(RECORDS, max_size=7))) + draw(st.sampled_from(PAX_ENDS))
    elif flag in (b"L", b"K"):
        content = draw(st.sampled_from(NAMES)) + b"\0"
    fields = {"link": draw(st.sampled_from(NAMES)), "mode": draw(st.sampled_from(MODES))}
    size = len(content) if draw(st.integers(0, 9)) else draw(st.sampled_from(SIZES))
    if flag == b"S" or draw(st.integers(0, 9)) == 0:
        fields["magic"] = draw(st.sampled_from([b"ustar  \0", b"ustar\x0000", b""]))
        follows = draw(st.sampled_from([b"\0", b"\1"]))
        fields["prefix"] = (
            bytes(41) + draw(MAPS).ljust(96, b"\0") + follows + b"%011o\0" % draw(st.integers(0, 3000))
        )
    return tar_block(draw(st.sampled_from(NAMES)), flag, size, **fields) + padded(content)


ENDS = st.sampled_from([bytes(1024), bytes(1024), b"", b"x"])
TARS = st.builds(lambda parts, end: b"".join(parts) + end, st.lists(members(), max_size=6), ENDS)


def test_every_seed_is_sound() -> None:
    assert [outcome(seed[0], seed[1:]) for seed in SEEDS] == [None] * len(SEEDS)


def try_edited_archive(seed: bytes, edits: list[tuple[str, float, bytes]], sums: bool) -> None:
    outcome(seed[0] + (2 if sums and seed[0] == 2 else 0), edited(seed[1:], edits))


def try_made_archive(kind: int, tar: bytes) -> None:
    outcome(2 + kind % 2, tar)


def try_against_tarfile(tar: bytes) -> None:
    """Whatever both readers take for sound, they read alike.

    But for two things: an empty ``path`` of a pax header gives way to the header's here, as POSIX has it, and a
    file with a name like ``d/`` is a folder here, as GNU tar has it.
    """
    try:
        ours = read_all(tar, 4096, LIMITS)
    except DataError:
        return
    with contextlib.suppress(tarfile.TarError):
        for mine, theirs in zip(ours, expected(tar), strict=False):
            if theirs[0] and not mine[0].endswith("/"):
                assert mine == theirs


def try_bytes(kind: int, data: bytes) -> None:
    outcome(kind, data)


RULES = [
    (try_edited_archive, (st.sampled_from(SEEDS), EDITS, st.booleans()), 200),
    (try_made_archive, (KINDS, TARS), 200),
    (try_against_tarfile, (TARS,), 150),
    (try_bytes, (KINDS, st.binary(max_size=3000)), 60),
]


@pytest.mark.parametrize("rule", range(len(RULES)))
def test_any_archive_becomes_a_sound_tree_or_is_refused_with_a_sentence(rule: int) -> None:
    check, strategies, count = RULES[rule]
    settings(max_examples=count)(given(*strategies)(check))()


@pytest.mark.skipif(not SECONDS, reason="ENVMGR_TEST_FUZZ_SECONDS is not set")
@pytest.mark.timeout(SECONDS + 300)
def test_long_fuzzing_finds_nothing(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris"):
        command = [sys.executable, "-m", "tests.packages.fuzz_with_atheris", tmp_path, str(SECONDS)]
        done = subprocess.run(command, capture_output=True, timeout=SECONDS + 200, check=False)
        assert done.returncode == 0, done.stderr[-5000:].decode()
        print(done.stderr[-400:].decode())
        return
    end, tried = time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        for check, strategies, count in RULES:
            settings(max_examples=count, derandomize=False)(given(*strategies)(check))()
            tried += count
    print(f"{tried} archives tried")
