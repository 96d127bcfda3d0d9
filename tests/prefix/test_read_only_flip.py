"""A file system that turns read-only in the middle of a change, as after an error of the disk, and comes back."""

from __future__ import annotations

import pytest

from tests.builders import make_channel, pkg, script
from tests.faults import World, packages

FLIP = "test -e {flag} || mount -o remount,ro {disk}; echo > {flag}"
# Before the decision, and after it; a script that fails on top has the change taken back on a disk that takes none.
SCRIPTS = {
    "before the journal": {"bin/.flipping-pre-unlink.sh": FLIP},
    "after the journal": {"bin/.flipping-post-link.sh": FLIP},
    "after the journal, by a script that fails": {"bin/.flipping-post-link.sh": FLIP + "\nexit 3"},
}


@pytest.fixture
def flipping(tmp_path, disk, forks, request):
    files = {
        path: script(text.format(disk=disk.place, flag=tmp_path / "flipped"))
        for path, text in SCRIPTS[request.param].items()
    }
    files["share/flipping"] = b"f"
    make_channel(tmp_path / "channel", [*packages(), pkg("flipping", "1.0", depends=["new"], files=files)])
    world = World(tmp_path, forks, place=disk.place / "place")
    world.prepare()
    return world


@pytest.mark.parametrize("flipping", list(SCRIPTS)[1:], indirect=True)
def test_an_installation_on_a_disk_that_turns_read_only_is_ended_by_the_next_command(flipping, disk):
    old = flipping.snapshot()
    failed = flipping.run(*flipping.words("install", "flipping"))
    assert failed.code == 1
    assert len(failed.sentences) == 1, failed.err
    refused = flipping.look()
    assert refused.code == 1
    assert "Read-only file system" in refused.out
    disk.make_read_only(yes=False)
    looked = flipping.look()
    assert looked.code == 0
    assert "had been interrupted" in looked.err
    if "flipping" in looked.out:
        assert (flipping.prefix / "share/flipping").exists()
        assert flipping.run("verify", "-p", str(flipping.prefix)).code == 0
    else:
        assert flipping.snapshot() == old
    assert flipping.left_over() == []


@pytest.mark.parametrize("flipping", list(SCRIPTS)[:1], indirect=True)
def test_a_removal_on_a_disk_that_turned_read_only_changes_nothing(flipping, disk):
    assert flipping.run(*flipping.words("install", "flipping")).code == 0
    old = flipping.snapshot()
    failed = flipping.run(*flipping.words("remove", "flipping"))
    assert failed.code == 1
    assert len(failed.sentences) == 1, failed.err
    assert "Read-only file system" in failed.err
    assert flipping.snapshot() == old
    disk.make_read_only(yes=False)
    assert flipping.look().code == 0
    assert flipping.snapshot() == old


@pytest.mark.parametrize("flipping", list(SCRIPTS)[1:], indirect=True)
def test_a_creation_on_a_disk_that_turns_read_only_is_no_environment(flipping, disk):
    flipping.restore("create")
    failed = flipping.run(*flipping.words("create", "flipping"))
    assert failed.code == 1
    assert len(failed.sentences) == 1, failed.err
    disk.make_read_only(yes=False)
    assert flipping.look().code == 1
    states = flipping.both_states("create")
    assert flipping.settle("create", states) == "new"


@pytest.mark.parametrize("flipping", list(SCRIPTS)[:1], indirect=True)
def test_a_disk_that_is_read_only_from_the_beginning_is_told(flipping, disk):
    disk.make_read_only(yes=True)
    old = flipping.snapshot()
    for kind in ("install", "update", "remove", "rollback"):
        failed = flipping.change(kind)
        assert failed.code == 1
        assert len(failed.sentences) == 1, failed.err
        assert "Read-only file system" in failed.err
    assert flipping.snapshot() == old
