"""A disk that is full at any stage: one sentence, nothing half-made, and all is well once there is room.

The caches, the environment, or both lie on a small file system (tmpfs) that has some free pages or some free inodes
left, so that the failure comes at another stage each time. ENVMGR_TEST_FULL_STEP=1 tries every number of both.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict

import pytest

from tests.faults import CHANGES, Harm, World

STEP = int(os.environ.get("ENVMGR_TEST_FULL_STEP", "0"))
_ALL = [(kind, where) for kind in CHANGES for where in ("cache", "prefix", "both")]
_SAMPLE = [("create", "both"), ("update", "prefix"), ("rollback", "prefix")]
# The stages by what the path of a failed call holds, the first that fits.
_STAGES = {
    r'/index["/]': "index",
    r"\.envmgr-work-[^/]*/[^/]*/archive": "download",
    r"\.envmgr-work-[^/]*/[^/]*/package": "unpack",
    r"\.envmgr-work-": "work area",
    r'/pkgs"': "cache folder",
    r"/pkgs/": "publish",
    r"/new/conda-meta/envmgr/generations": "generation",
    r"/new/conda-meta/history": "history",
    r"/new/conda-meta": "records",
    r"/work-[^/]*/new": "staging",
    r"/work-[^/]*/old": "carry out",
    r"/conda-meta/envmgr/\.journal": "journal",
    r"/conda-meta/envmgr/(generations|work-)": "work folder",
    r"\.env\.envmgr-[^/]*/conda-meta": "records of a creation",
    r"\.env\.envmgr-": "staging of a creation",
    r"/env/conda-meta/(history|envmgr)": "history of a creation",
    r"/env/": "folders that come",
}


def stage_of(trace: str) -> set[str]:
    """At which stages calls failed for want of room."""
    found = set()
    for line in trace.splitlines():
        if "ENOSPC" in line and "resumed>" not in line:
            found.add(next((name for pattern, name in _STAGES.items() if re.search(pattern, line)), line))
    return found


@pytest.mark.timeout(3000)
@pytest.mark.parametrize(("kind", "where"), _ALL if STEP else _SAMPLE)
def test_a_full_disk_leaves_the_old_and_room_leads_to_the_new(tmp_path, disk, forks, kind, where):
    world = World(
        tmp_path,
        forks,
        place=disk.place / "place" if where != "cache" else None,
        cache=disk.place if where != "prefix" else None,
    )
    world.prepare()
    states = world.both_states(kind, cold=True)
    stages, failed = defaultdict(int), 0
    for unit, most in (("pages", 60), ("inodes", 160)):
        free = 1 - (STEP or 23)
        in_a_row = 0
        while in_a_row < 2 and free < most:
            free += STEP or 23
            world.restore(kind, cold=True)
            disk.leave(**{unit: free})
            trace = ["-y", "-Z", "-e", "trace=file,desc"] if STEP and shutil.which("strace") else []
            full = world.change(kind, Harm(strace=trace))
            in_a_row = in_a_row + 1 if full.code == 0 else 0
            at_once = world.snapshot()
            disk.leave()
            if full.code == 0:
                assert at_once == states.new
                continue
            failed += 1
            for stage in stage_of(full.trace):
                stages[stage] += 1
            told = f"{free} {unit}: {full.err}"
            assert full.code == 1, told
            assert len(full.sentences) == 1, told
            assert re.search("[Nn]o space left|database or disk is full", full.err), told
            assert at_once == states.old, told
            assert world.left_over() == [], told
            assert world.work_areas() == world.spoilt_packages() == [], told
            assert world.settle(kind, states) == "old", told
    assert failed or where == "cache"
    print(f"{kind}, {where} on the small disk: {failed} failures at {len(stages)} stages {dict(stages)}")
