"""A change or creation that is killed, or interrupted, at any instant leaves the old or the new environment.

ENVMGR_TEST_KILLS is the number of kills, ENVMGR_TEST_SEED chooses the instants; the seed of each run is told.
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter

import pytest

from tests.faults import CHANGES, Harm

KILLS = int(os.environ.get("ENVMGR_TEST_KILLS", "6"))
SEED = int(os.environ.get("ENVMGR_TEST_SEED", "0") or "0") or random.SystemRandom().randrange(1, 10**6)


@pytest.mark.timeout(60 + KILLS)
@pytest.mark.parametrize("kind", CHANGES)
def test_a_kill_at_any_instant_leaves_the_old_or_the_new(world, kind):
    chance = random.Random(f"{SEED} {kind}")
    found = Counter()
    wanted = -(-KILLS // (2 * len(CHANGES)))
    for cold in (False, True) if KILLS >= 2 * len(CHANGES) else (len(kind) % 2 == 0,):
        states = world.both_states(kind, cold=cold)
        left, seconds = wanted, states.done.seconds
        for number in range(4 * wanted + 8):
            if left == 0:
                break
            world.restore(kind, cold=cold)
            # Half of the kills are late, where files of the environment are changed.
            instant = chance.uniform(0.6 * (number % 2), 1.0) * seconds
            killed = world.change(kind, Harm(after=instant))
            pending = (world.prefix / "conda-meta/envmgr/journal.json").exists()
            if pending and number % 2:
                world.look(Harm(after=chance.uniform(0.0, 0.02)))  # Recovery is killed, too.
            state = world.settle(kind, states)
            assert not world.spoilt_packages()
            if killed.code == -signal.SIGKILL:
                found[f"{state}, decided" if pending else state] += 1
                left -= 1
            else:
                seconds *= 0.9  # The machine has more time for us than when the length was taken.
    print(f"seed {SEED}, {kind}: {dict(found)}")
    assert sum(found.values()) > 0


@pytest.mark.timeout(60 + KILLS)
@pytest.mark.parametrize("kind", CHANGES)
def test_an_interrupt_at_any_instant_leaves_the_old_or_the_new(world, kind):
    chance = random.Random(f"{SEED} {kind} interrupt")
    states = world.both_states(kind, cold=True)
    found, untidy = Counter(), 0
    for number in range(-(-KILLS // (2 * len(CHANGES)))):
        world.restore(kind, cold=True)
        signum = (signal.SIGINT, signal.SIGTERM)[number % 2]
        ended = world.change(kind, Harm(after=chance.uniform(0.0, 1.1 * states.done.seconds), signal=signum))
        assert "Traceback" not in ended.err
        assert ended.code in (0, 128 + signum, -signum), ended.err
        if ended.code == 128 + signum:
            assert ended.sentences in ([], ["envmgr: interrupted; nothing was left half-done."])
            untidy += len(world.work_areas())
        found[world.settle(kind, states), ended.code] += 1
        assert not world.spoilt_packages()
    print(f"seed {SEED}, {kind}: {dict(found)}, {untidy} work areas left")
    # An interrupt that comes while one is removed may leave it to the next command.
    assert untidy <= 1 + KILLS // 100


def test_the_files_of_a_killed_download_go_with_the_next(world):
    """What a kill leaves in the cache is removed by whoever brings in packages next."""
    states = world.both_states("install", cold=True)
    for part in range(30, 90, 2):
        world.restore("install", cold=True)
        world.change("install", Harm(after=part / 100 * states.done.seconds))
        # One that is not locked yet is left alone for a minute.
        if any((world.root / "pkgs" / area / ".lock").exists() for area in world.work_areas()):
            break
    else:
        pytest.skip("no kill came while packages were fetched")
    world.restore("install")
    world.run("install", "--download-only", *world.words("install", "app=2", "noisy", "pure", "failing")[1:])
    assert world.work_areas() == []
