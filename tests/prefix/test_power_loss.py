"""With ``durability: power``, what a name leads to is on the disk before the name is, in the order of the calls.

No power is cut here: strace tells in which order files are synced and names are changed.
"""

from __future__ import annotations

import json
import re
import shutil

import pytest

from envmgr.prefix.marker import MARKER, Owner
from tests.faults import Harm

SYNC = r"\b(sync|syncfs)\("


@pytest.fixture(scope="module")
def calls(world):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")

    def run(kind: str, durability: str) -> list[str]:
        world.restore(kind, cold=True)
        world.environ["ENVMGR_DURABILITY"] = durability
        trace = ["-y", "-e", "trace=sync,syncfs,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"]
        done = world.change(kind, Harm(strace=trace))
        del world.environ["ENVMGR_DURABILITY"]
        assert done.code == 0, done.err
        return done.trace.splitlines()

    return run


def places(calls: list[str], pattern: str) -> list[int]:
    return [number for number, call in enumerate(calls) if re.search(pattern, call)]


def the_place(calls: list[str], pattern: str) -> int:
    (found,) = places(calls, pattern)
    return found


def test_a_change_is_on_the_disk_before_its_journal_and_its_end(calls):
    made = calls("install", "power")
    syncs = places(made, SYNC)
    written = the_place(made, r"fsync\(\d+<.*/conda-meta/envmgr/\.journal\.json\.\d+>")
    decided = the_place(made, r"rename\(.*\.journal\.json\.\d+\", \".*/journal\.json\"")
    placed = places(made, r"rename\(.*/new/.*, \".*/env/(?!conda-meta/envmgr/work-)")
    ended = the_place(made, r"unlink\(\".*/journal\.json\"")
    folders = places(made, r"fsync\(\d+<.*/env/conda-meta/envmgr>")
    assert max(each for each in syncs if each < decided) < written < decided
    assert any(decided < folder < min(placed) for folder in folders)
    assert any(max(placed) < sync < ended for sync in syncs)
    assert any(ended < folder for folder in folders)


def test_a_creation_is_on_the_disk_before_it_is_seen_and_before_it_is_an_environment(calls):
    made = calls("create", "power")
    syncs = places(made, SYNC)
    placed = the_place(made, r"rename\(\".*/\.env\.envmgr-\d+-\w+\", \".*/env\"\)")
    seen = places(made, r"fsync\(\d+<.*/place>\)")
    history = the_place(made, r"rename\(.*/generations/1\.json\"\)")
    finished = the_place(made, rf"unlink\(\".*/env/{MARKER}\"")
    assert any(sync < placed for sync in syncs)
    assert any(placed < each < history for each in seen)
    assert any(history < sync < finished for sync in syncs)
    assert any(finished < each for each in places(made, r"fsync\(\d+<.*/env/conda-meta>\)"))


def test_a_package_is_on_the_disk_before_it_is_in_the_cache(calls):
    made = calls("create", "power")
    published = places(made, r"/package\", \".*/pkgs/[^/]+\"")
    assert len(published) == 6
    assert min(places(made, SYNC)) < min(published)
    assert len([sync for sync in places(made, SYNC) if sync < max(published)]) >= len(published)


def test_without_the_setting_nobody_waits_for_all_of_the_disk(calls):
    for kind in ("create", "install"):
        assert places(calls(kind, "kill"), SYNC) == []


def test_what_died_before_the_machine_was_started_anew_is_no_hindrance(world):
    """After a loss of power, the next creation at the place goes ahead, as after a kill."""
    states = world.both_states("create")
    world.restore("create")
    here = Owner.this_process()
    if not (here.machine and here.boot):
        pytest.skip("this machine has no number")
    marker = world.prefix / MARKER
    for folder in (world.prefix, world.prefix.with_name(".env.envmgr-1-00")):
        (folder / MARKER).parent.mkdir(parents=True)
        said = {"pid": 1, "started": "1", "machine": here.machine, "boot": "before"}
        (folder / MARKER).write_text(json.dumps({"host": f"{here.host}-before", **said}))
    assert world.settle("create", states) == "old"
    assert not marker.exists()
