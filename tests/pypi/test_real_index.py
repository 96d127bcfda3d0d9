"""Cases from PyPI itself, as it was on one day: what is uploaded later changes nothing."""

from __future__ import annotations

import functools
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from msgspec.structs import replace

from envmgr.pypi.held_back import aged, held_back
from envmgr.pypi.resolution import Candidate
from envmgr.pypi.target import PypiTarget
from tests.pypi.asking import files, refusal, request, solution, variables

# 2025-01-01T00:00:00Z, in milliseconds.
THEN = 1_735_689_600_000


@functools.cache
def unreachable() -> str | None:
    try:
        with urllib.request.urlopen("https://pypi.org/simple/packaging/", timeout=10):
            return None
    except (urllib.error.URLError, OSError) as error:
        return f"PyPI cannot be reached from here: {error}"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    reason = unreachable()
    if reason is not None:
        pytest.skip(reason)
    return variables(tmp_path)


def test_an_old_numba_is_refused_beside_numpy_2_and_led_to_numpy_1(environ: dict[str, str]) -> None:
    found = refusal(request("numba==0.59.1", conda={"numpy": "2.1.0"}, exclude_newer_ms=THEN), environ)
    assert found.provided == {"numpy"}
    assert "conda provides numpy 2.1.0" in found.reasons[0]
    led = solution(
        request(
            "numba==0.59.1",
            candidates={"numpy": (Candidate("2.1.0"), Candidate("1.26.4"), Candidate("1.24.0"))},
            exclude_newer_ms=THEN,
        ),
        environ,
    )
    assert led.answered == {"numpy": "1.26.4"}
    assert files(led) == [
        "llvmlite-0.42.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "numba-0.59.1-cp312-cp312-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
    ]


def test_botocore_holds_the_urllib3_that_conda_has(environ: dict[str, str]) -> None:
    target = PypiTarget(python="3.9.18", subdir="linux-64", glibc="2.28")
    asked = request("boto3>=1.35.50", conda={"urllib3": "2.2.3"}, target=target, exclude_newer_ms=THEN)
    assert refusal(asked, environ).provided == {"urllib3"}
    asked = request("boto3>=1.35.50", conda={"urllib3": "2.2.3"}, exclude_newer_ms=THEN)
    names = {record.name for record in solution(asked, environ).wheels}
    assert {"pypi:boto3", "pypi:botocore"} <= names
    assert "pypi:urllib3" not in names


@pytest.mark.skipif(
    not os.environ.get("ENVMGR_TEST_REAL_INDEX"), reason="takes 7 s; ENVMGR_TEST_REAL_INDEX=1 runs it"
)
def test_a_solution_of_long_ago_is_told_with_what_holds_it_back(environ: dict[str, str]) -> None:
    """boto3 without a bound goes back to 2018, since only newer releases refuse urllib3 2."""
    target = PypiTarget(python="3.9.18", subdir="linux-64", glibc="2.28")
    asked = request("boto3", conda={"urllib3": "2.2.3"}, target=target, exclude_newer_ms=THEN)
    found = solution(asked, environ)
    assert aged(found, THEN) == {"boto3"}
    free = solution(replace(asked, provided=()), environ)
    assert aged(free, THEN) == frozenset()
    told = held_back(found, free, asked.provided, aged(found, THEN))
    assert told is not None
    assert told.movable == {"urllib3"}
    assert [(name, could) for name, _, could in told.older] == [("boto3", "1.35.90")]


def test_pydantic_1_and_what_needs_2_cannot_be_together(environ: dict[str, str]) -> None:
    asked = request("langchain-core>=0.3", conda={"pydantic": "1.10.19"}, exclude_newer_ms=THEN)
    assert "pydantic" in refusal(asked, environ).provided


def test_wheels_of_another_platform_are_chosen(environ: dict[str, str]) -> None:
    target = PypiTarget(python="3.11.9", subdir="osx-arm64", macos="13.0")
    found = solution(request("orjson", target=target, exclude_newer_ms=THEN), environ)
    (record,) = found.wheels
    assert "macosx" in record.fn
    assert record.origin is not None
    assert record.origin.channel == "https://pypi.org/simple"
    assert record.size


def test_a_package_without_wheels_is_a_source(environ: dict[str, str]) -> None:
    found = solution(
        request("docopt==0.6.2", prefix_python=Path(sys.executable), exclude_newer_ms=THEN), environ
    )
    assert [(source.name, source.kind) for source in found.sources] == [("docopt", "sdist")]
