"""A solution that conda's versions led to releases of long ago is told from one that is merely not the newest."""

from __future__ import annotations

from envmgr.pypi.held_back import HeldBack, aged, held_back
from envmgr.pypi.records import wheel_record
from envmgr.pypi.resolution import Provided, PypiSolution, PypiSource

YEAR = 365 * 86_400_000


def found(uploaded: dict[str, int], **versions: str) -> PypiSolution:
    wheels = [wheel_record(f"https://h/{name}-{text}-py3-none-any.whl") for name, text in versions.items()]
    return PypiSolution(
        tool="", wheels=tuple(wheels), requested=frozenset({"boto", "tool"}), uploaded=uploaded
    )


def test_only_requested_files_of_long_ago_are_aged():
    times = {"boto": 10 * YEAR, "dep": 10 * YEAR, "tool": 15 * YEAR}
    assert aged(found(times), 16 * YEAR) == {"boto"}
    assert aged(found({}), 16 * YEAR) == frozenset()


def test_what_could_be_newer_without_conda_is_told_with_what_would_have_to_move():
    provided = [Provided("urllib", "2.2", ""), Provided("numb", "2.0", ""), Provided("far", "1", "")]
    old = found({}, boto="1.7", tool="2.0")
    free = found({}, boto="1.35", tool="2.0", urllib="1.26", numb="2.0")
    assert held_back(old, free, provided, {"boto", "tool"}) == HeldBack(
        (("boto", "1.7", "1.35"),), frozenset({"urllib"})
    )
    assert held_back(old, free, provided, {"tool"}) is None
    assert held_back(free, free, provided, {"boto"}) is None


def test_sources_count_as_wheels_do():
    source = PypiSource(kind="sdist", name="boto", version="1.7", url="https://h/boto-1.7.tar.gz")
    old = PypiSolution(tool="", sources=(source,), requested=frozenset({"boto"}))
    told = held_back(old, found({}, boto="1.35", urllib="1.26"), [Provided("urllib", "2.2", "")], {"boto"})
    assert told is not None
