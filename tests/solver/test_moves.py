"""Why each package of a plan moves: one case for each reason, and silence where the records give none."""

from __future__ import annotations

import pytest

from envmgr.models.record import Origin, PackageRecord
from envmgr.models.requirement import Requirement, Source
from envmgr.ops.request import parse_requirement
from envmgr.solver.moves import tell_moves


def record(text: str, *depends: str, **more) -> PackageRecord:
    name, version, *build = text.split()
    return PackageRecord(name=name, version=version, build=(build or ["0"])[0], depends=list(depends), **more)


def told(before, after, asked=(), lines=()):
    return tell_moves(before, after, set(asked), lines=lines, machine=lambda _: None)


OLD_NUMPY, NEW_NUMPY = record("numpy 1.26"), record("numpy 2.0")

CASES = {
    "what was named was asked for": ([], [record("a 1")], ["a"], {"a": "asked for"}),
    "what comes for another is needed by it": (
        [],
        [record("b 1"), record("a 1", "b")],
        ["a"],
        {"a": "asked for", "b": "needed by a"},
    ),
    "of many users those that were asked for are named": (
        [],
        [record("z 1"), *(record(f"{name} 1", "z") for name in "abcde")],
        ["e"],
        {**dict.fromkeys("abcd", ""), "e": "asked for", "z": "needed by e, a and 3 more"},
    ),
    "two users more than one are all named": (
        [],
        [record("z 1"), *(record(f"{name} 1", "z") for name in "abc")],
        "abc",
        {**dict.fromkeys("abc", "asked for"), "z": "needed by a, b and c"},
    ),
    "a need that refuses the old version is quoted": (
        [OLD_NUMPY, record("scipy 1.11", "numpy <2")],
        [NEW_NUMPY, record("scipy 1.14", "numpy >=2")],
        ["scipy"],
        {"scipy": "asked for", "numpy": "scipy 1.14 needs numpy >=2"},
    ),
    "a need of the old version that no longer holds is quoted": (
        [OLD_NUMPY, record("scipy 1.11", "numpy <2")],
        [NEW_NUMPY, record("scipy 1.14", "numpy")],
        ["numpy"],
        {"numpy": "asked for", "scipy": "1.11 needs numpy <2"},
    ),
    "a run constraint excludes the old version": (
        [record("b 1"), record("a 1")],
        [record("b 2"), record("a 2", constrains=["b >=2"])],
        ["a"],
        {"a": "asked for", "b": "a 2 excludes b 1"},
    ),
    "a run constraint of the old version excludes what comes": (
        [record("a 1"), record("b 1", constrains=["a <2"])],
        [record("a 2"), record("b 2")],
        ["a"],
        {"a": "asked for", "b": "1 excludes a 2"},
    ),
    "what needs something that goes, goes": (
        [record("b 1"), record("a 1", "b")],
        [],
        ["b"],
        {"b": "asked for", "a": "needs b, which goes"},
    ),
    "what only the removed packages needed goes": (
        [record("b 1"), record("a 1", "b")],
        [],
        ["a"],
        {"a": "asked for", "b": "was needed by a"},
    ),
    "what goes because nobody asks for it is not told of what it needed": (
        [record("c 1"), record("b 1", "c"), record("a 1", "b")],
        [],
        [],
        {"a": "nothing asks for it", "b": "was needed by a", "c": "was needed by b"},
    ),
    "what a moved package no longer needs is no reason for it": (
        [record("b 1"), record("a 1", "b")],
        [record("a 2")],
        [],
        {"a": "newer", "b": "was needed by a"},
    ),
    "what needs what is excluded goes with it": (
        [record("c 1"), record("b 1", "c"), record("a 1", "b"), record("x 1")],
        [record("x 2", constrains=["c <0"])],
        ["x"],
        {"x": "asked for", "c": "x 2 excludes c 1", "b": "needs c, which goes", "a": "needs b, which goes"},
    ),
    "what nobody needed says so": ([record("a 1")], [], [], {"a": "nothing asks for it"}),
    "what moves without need is newer": ([record("a 1")], [record("a 2")], [], {"a": "newer"}),
    "or older": ([record("a 2")], [record("a 1")], [], {"a": "older"}),
    "or a newer build": (
        [record("a 1 x_0")],
        [record("a 1 x_1", build_number=1)],
        [],
        {"a": "newer build"},
    ),
    "what stays is not told": ([record("a 1")], [record("a 1"), record("b 1")], ["b"], {"b": "asked for"}),
}


@pytest.mark.parametrize("case", CASES)
def test_each_move_has_its_reason(case: str):
    before, after, asked, expected = CASES[case]
    assert told(before, after, asked) == {name: why for name, why in expected.items() if why}


def test_another_channel_is_a_reason():
    places = [Origin(f"https://x.org/{name}", "noarch", f"https://x.org/{name}/noarch/") for name in "ab"]
    old, new = (record("a 1", origin=place) for place in places)
    assert told([old], [new]) == {"a": "another channel comes first"}


def test_a_need_that_no_longer_holds_explains_a_removal():
    before = [OLD_NUMPY, record("scipy 1.11", "numpy <2")]
    assert told(before, [NEW_NUMPY], ["numpy"])["scipy"] == "1.11 needs numpy <2"


def test_what_an_extra_needs_is_needed_by_its_package():
    a = record("a 1", extra_depends={"plot": ["b"]})
    line = Requirement(parse_requirement("a[extras=[plot]]").spec, Source(None, None, "a"))
    assert told([], [record("b 1"), a], ["a"], [line])["b"] == "needed by a"


def test_entries_that_cannot_be_read_break_nothing():
    broken = record("a 2", "b [[", constrains=["b >>"])
    assert told([record("b 1")], [record("b 2"), broken], ["a"]).keys() == {"a", "b"}
