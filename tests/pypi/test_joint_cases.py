"""Real requests that pip after conda breaks, planned jointly.

The recorded ones need no network. ``ENVMGR_TEST_REAL_PYPI=1`` plans all of them over records of conda-forge and
over PyPI itself.
"""

from __future__ import annotations

import json
import os
import re
import urllib.error
import urllib.request
from functools import cache
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from envmgr.models.match_spec import MatchSpec
from envmgr.models.record import PackageRecord
from tests.command import Envmgr, Outcome, in_process
from tests.pypi.joint_cases import CASES, JointCase
from tests.pypi.joint_records import RECORDED
from tests.pypi.joint_world import (
    World,
    ask_uv,
    normalized,
    provided,
    python_names,
    recorded_world,
    uv_program,
)
from tests.shared_data import shared_path

if TYPE_CHECKING:
    from pathlib import Path

    from tests.pypi.joint_world import Link

REAL = os.environ.get("ENVMGR_TEST_REAL_PYPI") == "1"
KNOWN = {case.name: case for case in CASES}
SMALL = [KNOWN[name] for name in RECORDED]

pytestmark = pytest.mark.skipif(uv_program() is None, reason="uv is not installed")


def by_outcome(cases: list[JointCase], *, refused: bool) -> pytest.MarkDecorator:
    wanted = [case for case in cases if bool(case.told) == refused]
    return pytest.mark.parametrize("case", wanted, ids=lambda case: case.name)


@pytest.fixture
def envmgr(capfd: pytest.CaptureFixture[str]) -> Envmgr:
    return in_process(capfd)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> World:
    return recorded_world(tmp_path_factory.mktemp("recorded"))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> World:
    from benchmarks.records import unpack_channel

    if not REAL:
        pytest.skip("ENVMGR_TEST_REAL_PYPI is not set")
    corpus = shared_path("corpus")
    if not pypi_answers():
        pytest.skip("PyPI cannot be reached from here")
    channel = unpack_channel(corpus, "conda-forge", tmp_path_factory.mktemp("real"))
    return World(channel, None, python_names(channel))


@cache
def pypi_answers() -> bool:
    try:
        with urllib.request.urlopen("https://pypi.org/simple/six/", timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, TimeoutError):
        return False


@pytest.fixture(autouse=True)
def a_linux_target(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The same target on every machine, and one cache of uv for all tests."""
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.28")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "uv-cache"))
    for name in ("PIP_FIND_LINKS", "PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)


def plan(envmgr: Envmgr, case: JointCase, world: World, folder: Path, *, pip: bool) -> Outcome:
    """The dry run of the case's environment file, with or without its pip items."""
    lines = [f"channels: [{json.dumps(world.channel.as_uri())}]", "dependencies:"]
    lines += [f"  - {json.dumps(line)}" for line in case.conda]
    if pip:
        lines += ["  - pip:", *(f"      - {json.dumps(line)}" for line in (*world.index_options, *case.pip))]
    file = folder / "environment.yml"
    file.write_text("\n".join(lines) + "\n")
    words = ["create", "--dry-run", "--json", "-p", folder / "env", "-f", file, "--platform", "linux-64"]
    words += ["-c", world.channel.as_uri(), "--override-channels"]
    if world.index is None:
        words += ["--exclude-newer", case.exclude_newer]
    return envmgr(*words)


def check_that_pip_after_conda_fails(envmgr: Envmgr, case: JointCase, world: World, folder: Path) -> None:
    alone = plan(envmgr, case, world, folder, pip=False)
    assert alone.code == 0, alone.out + alone.err
    link = alone.json["actions"]["LINK"]
    stubs = provided(link, world.python_names)
    answer = ask_uv(case.pip, stubs, version_of(link, "python"), folder / "stubs", world, case.exclude_newer)
    assert answer.versions is None
    assert "No solution found" in answer.told
    of_conda = [name for name in stubs if re.search(rf"\b{name}(\[\w+\])?[=<>]", answer.told)]
    assert of_conda or "Python ABI tag" in answer.told, answer.told


def check_that_the_joint_plan_holds(envmgr: Envmgr, case: JointCase, world: World, folder: Path) -> None:
    planned = plan(envmgr, case, world, folder, pip=True)
    assert planned.code == 0, planned.out + planned.err
    link = planned.json["actions"]["LINK"]
    wheels = {each["name"]: each["version"] for each in link if each["channel"] == "pypi"}
    stubs = provided(link, world.python_names)
    assert not wheels.keys() & stubs.keys(), "a wheel shadows what conda provides"
    versions = wheels | {each["name"]: each["version"] for each in link if each["channel"] != "pypi"}
    for name, wanted in case.holds.items():
        assert SpecifierSet(wanted).contains(versions[name], prereleases=True), f"{name} {versions[name]}"
    for line in case.conda:
        assert any(MatchSpec.parse(line).matches(record(each)) for each in link), line
    for item in case.pip:
        assert normalized(Requirement(item).name) in wheels | stubs, item
    pins = [*case.pip, *(f"{name}=={version}" for name, version in wheels.items())]
    answer = ask_uv(pins, stubs, version_of(link, "python"), folder / "stubs", world, case.exclude_newer)
    assert answer.versions is not None, answer.told
    assert answer.versions.keys() - stubs.keys() == wheels.keys()


def check_that_the_refusal_names_both_halves(
    envmgr: Envmgr, case: JointCase, world: World, folder: Path
) -> None:
    refused = plan(envmgr, case, world, folder, pip=True)
    assert refused.code == 1
    assert "Traceback" not in refused.err
    answer = refused.json
    assert answer["success"] is False
    told = json.dumps(answer)
    assert all(half in told for half in case.told), told


def record(entry: dict[str, object]) -> PackageRecord:
    fields = {"build": entry["build_string"], "build_number": entry["build_number"], "depends": []}
    subdir = entry["platform"]
    return PackageRecord.parse(
        {"name": entry["name"], "version": entry["version"], "subdir": subdir, **fields}
    )


def version_of(link: Link, name: str) -> str:
    return next(each["version"] for each in link if each["name"] == name)


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.name)
def test_pip_after_conda_has_no_solution(envmgr: Envmgr, small: World, tmp_path: Path, case: JointCase):
    check_that_pip_after_conda_fails(envmgr, case, small, tmp_path)


@by_outcome(SMALL, refused=False)
def test_a_joint_plan_holds(envmgr: Envmgr, small: World, tmp_path: Path, case: JointCase):
    check_that_the_joint_plan_holds(envmgr, case, small, tmp_path)


@by_outcome(SMALL, refused=True)
def test_a_refusal_names_both_halves(envmgr: Envmgr, small: World, tmp_path: Path, case: JointCase):
    check_that_the_refusal_names_both_halves(envmgr, case, small, tmp_path)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_pip_after_conda_has_no_solution_on_pypi(
    envmgr: Envmgr, real: World, tmp_path: Path, case: JointCase
):
    check_that_pip_after_conda_fails(envmgr, case, real, tmp_path)


@by_outcome([*CASES], refused=False)
def test_a_joint_plan_over_pypi_holds(envmgr: Envmgr, real: World, tmp_path: Path, case: JointCase):
    check_that_the_joint_plan_holds(envmgr, case, real, tmp_path)


@by_outcome([*CASES], refused=True)
def test_a_refusal_over_pypi_names_both_halves(envmgr: Envmgr, real: World, tmp_path: Path, case: JointCase):
    check_that_the_refusal_names_both_halves(envmgr, case, real, tmp_path)
