"""A call of the system that fails, whichever it is, ends in the old or the new environment, and in one sentence.

strace makes single calls fail (``-e inject``). A few are tried here; ENVMGR_TEST_FAULT_EVERY=N tries each N-th of
all pairs of a call and an error, in every kind of change, with and without cached packages.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults import CHANGES, Harm

if TYPE_CHECKING:
    from tests.faults import Ran, World

EVERY = int(os.environ.get("ENVMGR_TEST_FAULT_EVERY", "0"))
SAMPLE = 1
ERRORS = ("EIO", "EPERM", "EROFS", "EDQUOT", "ENOSPC")
READING = ("openat", "read", "pread64", "getdents64", "newfstatat", "readlink", "close", "lseek", "flock")
WRITING = (
    "write", "pwrite64", "rename", "link", "linkat", "unlink", "unlinkat", "rmdir", "mkdir", "symlink",
    "fsync", "fdatasync", "ftruncate", "fchmod", "chmod", "utimensat", "copy_file_range", "sendfile",
)  # fmt: skip
CALL = re.compile(r"(?:\[pid +(\d+)\] )?(\w+)\(")


@pytest.fixture(scope="module")
def traced(world):
    """The world, where strace can follow processes."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    if subprocess.run(
        ["strace", "-q", "-e", "trace=none", "true"], capture_output=True, check=False
    ).returncode:
        pytest.skip("strace may not follow processes here")
    return world


def count_calls(world: World, kind: str, *, cold: bool) -> dict[str, int]:
    """How often a change makes each call, in the thread that makes it most."""
    world.restore(kind, cold=cold)
    done = world.change(
        kind, Harm(strace=["-e", "trace=" + ",".join(f"?{each}" for each in (*READING, *WRITING))])
    )
    assert done.code == 0, done.err
    each = Counter((found[2], found[1]) for line in done.trace.splitlines() if (found := CALL.match(line)))
    most: dict[str, int] = {}
    for (call, _), count in each.items():
        most[call] = max(count, most.get(call, 0))
    return most


def check(world: World, kind: str, states, harmed: Ran, where: str) -> str:
    assert "Traceback" not in harmed.err, f"{where}: {harmed.err}"
    assert "has a defect" not in harmed.err, f"{where}: {harmed.err}"
    assert harmed.code in (0, 1), where
    assert len(harmed.sentences) == harmed.code or "write" in where, f"{where}: {harmed.err}"
    # A file or record that could not be read for a moment is repaired, too, and an earlier generation noted again.
    in_doubt = kind == "repair" or "It is left out." in harmed.err
    try:
        state = world.settle(kind, states, in_doubt=in_doubt)
        assert not (harmed.code == 0 and state == "old")
        assert not world.spoilt_packages()
    except AssertionError as error:
        raise AssertionError(f"{where}: {error}; {harmed.err}") from error
    return f"{state} {harmed.code}"


def try_calls(world: World, kind: str, *, cold: bool, chosen) -> Counter[str]:
    """Let the calls fail that *chosen* picks of all (call, number); how the changes ended."""
    states = world.both_states(kind, cold=cold)
    counts = count_calls(world, kind, cold=cold)
    ends: Counter[str] = Counter()
    for call, when, error in chosen(counts):
        world.restore(kind, cold=cold)
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
        harmed = world.change(kind, Harm(strace=inject))
        hits = [line for line in harmed.trace.splitlines() if "INJECTED" in line]
        where = f"{kind} cold={cold} {call} {error} {when} {hits[:1]}"
        ends[check(world, kind, states, harmed, where) if hits else "not reached"] += 1
    return ends


@pytest.mark.skipif(EVERY > 0, reason="all calls are tried")
@pytest.mark.parametrize("kind", CHANGES)
def test_a_call_that_fails_leaves_the_old_or_the_new(traced, kind):
    chance = random.Random(kind)

    def sample(counts):
        for _ in range(SAMPLE):
            call = chance.choice(
                [each for each in sorted(counts) if each in (*WRITING, "getdents64", "newfstatat")]
            )
            yield call, chance.randint(1, counts[call]), chance.choice(ERRORS)

    ends = try_calls(traced, kind, cold=bool(len(kind) % 2), chosen=sample)
    assert sum(ends.values()) == SAMPLE


@pytest.mark.skipif(EVERY == 0, reason="takes long: ENVMGR_TEST_FAULT_EVERY=N tries each N-th call")
@pytest.mark.timeout(20_000)
@pytest.mark.parametrize("cold", [False, True], ids=["cached", "not cached"])
@pytest.mark.parametrize("kind", CHANGES)
def test_every_call_that_fails_leaves_the_old_or_the_new(traced, kind, cold):
    def every(counts):
        number = 0
        for call, count in sorted(counts.items()):
            for when in range(1, count + 1):
                for error in ERRORS if call in WRITING else ERRORS[:2]:
                    number += 1
                    if number % EVERY == 0:
                        yield call, when, error

    ends = try_calls(traced, kind, cold=cold, chosen=every)
    print(f"{kind}, {'not ' if cold else ''}cached: {dict(ends)}")
    assert ends


# What failed once, and must not again: the call and the words by which its line is found.
LOOKS = {
    "a folder of new files that cannot be listed": ("getdents64", "new/"),
    "the folder of generations that cannot be listed": ("getdents64", "generations"),
    "a new file that cannot be looked at": ("newfstatat", "/new/conda-meta/lib-2.0-0.json"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_look_that_fails_is_not_taken_for_nothing_there(traced, look):
    call, words = LOOKS[look]
    states = traced.both_states("install")
    traced.restore("install")
    plain = traced.change("install", Harm(strace=["-y", "-e", f"trace={call}"]))
    lines = [line for line in plain.trace.splitlines() if CALL.match(line) and not line.startswith("[pid")]
    hits = [number for number, line in enumerate(lines, 1) if words in line]
    assert hits, plain.trace
    for when in hits[-1:]:
        traced.restore("install")
        inject = ["-e", f"trace={call}", "-e", f"inject={call}:error=EIO:when={when}"]
        check(traced, "install", states, traced.change("install", Harm(strace=inject)), f"{look} {when}")
