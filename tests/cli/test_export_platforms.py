"""envmgr export --platform: several platforms in one file, of which each makes what was solved for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.builders import make_channel, pkg, script
from tests.pypi.local_index import LocalIndex, serve_index
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Envmgr

THREE = ("linux-64", "osx-arm64", "win-64")
FIVE = (*THREE, "osx-64", "linux-aarch64")
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
START = script(f'exec "{os.path.realpath(sys.executable)}" "$@"')


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a channel in which platforms have other versions, and other packages."""
    served = tmp_path_factory.mktemp("served")
    packages = [pkg("pure", "3", noarch="generic"), pkg("pywin32", "300", subdir="win-64", depends=["vc"])]
    for subdir, version in zip(FIVE, ("1.5", "1.5", "1.6", "1.4", "1.5"), strict=True):
        depends = ["lib >=1", *(["vc"] if subdir == "win-64" else [])]
        python = {"bin/python": START, f"bin/python{VERSION}": START}
        packages += [
            pkg("lib", version, subdir=subdir),
            pkg("app", "1.2.3", "b_1", depends=depends, subdir=subdir),
            pkg(
                "python",
                f"{VERSION}.0",
                subdir=subdir,
                files=python if "win" not in subdir else {"python.exe": ""},
            ),
        ]
    packages += [pkg("vc", "14", subdir="win-64"), pkg("perf", "2"), pkg("perf", "2", subdir="linux-aarch64")]
    make_channel(served / "main", packages)
    with serve(served) as server:
        yield f"{server.url}/main"


@pytest.fixture
def text(channel: str) -> str:
    return (
        f"# ours\nname: demo\nchannels: [{channel}, nodefaults]\ndependencies:\n"
        "- app <2   # not yet 2\n- pure\n- sel(win): pywin32 >=300\n"
    )


@pytest.fixture(autouse=True)
def _without_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")


def made(envmgr: Envmgr, place: Path, text: str) -> Path:
    file = place / "env.yml"
    place.mkdir(exist_ok=True)
    file.write_text(text)
    done = envmgr("create", "-y", "-p", place / "envs/demo", "-f", file)
    assert done.code == 0, done.err
    return place / "envs/demo"


def exported(envmgr: Envmgr, prefix: Path, *options: str, platforms: tuple[str, ...] = THREE) -> str:
    words = [word for each in platforms for word in ("--platform", each)]
    done = envmgr("export", "-p", prefix, *options, *words)
    assert done.code == 0, done.err
    return done.out


def solved(envmgr: Envmgr, folder: Path, text: str, subdir: str) -> set[str]:
    (folder / "solved.yml").write_text(text)
    done = envmgr(
        "create",
        "--dry-run",
        "--json",
        "-p",
        folder / "none",
        "-f",
        folder / "solved.yml",
        "--platform",
        subdir,
    )
    assert done.code == 0, done.out
    return {record["dist_name"] for record in done.json["actions"]["LINK"]}


def test_what_was_asked_for_stays_the_file_and_names_its_platforms(envmgr: Envmgr, text: str, tmp_path: Path):
    prefix = made(envmgr, tmp_path, text)
    platforms = "platforms:\n  - linux-64\n  - osx-arm64\n  - win-64\n"
    together = text.replace("dependencies:", f"{platforms}dependencies:")
    assert exported(envmgr, prefix, "--from-history") == together
    exact = exported(envmgr, prefix, "--from-history", "--versions", "exact")
    for asked, installed in (
        ("app <2", "app==1.2.3"),
        ("- pure", "- pure==3"),
        ("pywin32 >=300", "pywin32==300"),
    ):
        together = together.replace(asked, installed)
    assert exact == together


@pytest.mark.parametrize("platforms", [THREE, FIVE])
@pytest.mark.parametrize(
    "level", [(), ("--no-builds",), ("--from-history", "--versions", "exact"), ("--json",)]
)
def test_each_platform_makes_of_the_file_what_was_solved_for_it(
    envmgr: Envmgr, text: str, tmp_path: Path, level: tuple[str, ...], platforms: tuple[str, ...]
):
    if (level, platforms) == (("--json",), FIVE):
        pytest.skip("JSON has no comments, by which processors are told apart")
    together = exported(envmgr, made(envmgr, tmp_path, text), *level, platforms=platforms)
    for subdir in platforms:
        assert solved(envmgr, tmp_path, together, subdir) == solved(envmgr, tmp_path, text, subdir)
    again = made(envmgr, tmp_path / "elsewhere", together)
    assert exported(envmgr, again, *level, platforms=platforms) == together


def test_versions_and_packages_that_differ_get_selectors(
    envmgr: Envmgr, text: str, tmp_path: Path, channel: str
):
    prefix = made(envmgr, tmp_path, text)
    assert yaml.safe_load(exported(envmgr, prefix, "--no-builds"))["dependencies"] == [
        "app=1.2.3", {"sel(unix)": "lib=1.5"}, {"sel(win)": "lib=1.6"}, "pure=3",
        {"sel(win)": "pywin32=300"}, {"sel(win)": "vc=14"},
    ]  # fmt: skip
    assert exported(envmgr, prefix, "--no-builds", platforms=FIVE) == (
        f"name: demo\nchannels:\n  - {channel}\n  - nodefaults\ndependencies:\n  - app=1.2.3\n"
        "  - lib=1.5  # [linux]\n  - lib=1.5  # [arm64]\n  - lib=1.6  # [win]\n  - lib=1.4  # [osx64]\n  - pure=3\n"
        "  - pywin32=300  # [win]\n  - vc=14  # [win]\n"
        "platforms:\n  - linux-64\n  - osx-arm64\n  - win-64\n  - osx-64\n  - linux-aarch64\n"
    )


def test_a_package_that_only_some_platforms_have_counts_there(envmgr: Envmgr, text: str, tmp_path: Path):
    prefix = made(envmgr, tmp_path, text)
    assert envmgr("install", "-y", "-p", prefix, "perf").code == 0
    done = envmgr("export", "-p", prefix, "--from-history", "--platform", "linux-64", "--platform", "win-64")
    assert "no channel has these for win-64, where they are left out: perf." in done.err
    assert done.out.splitlines()[1:] == [
        *text.splitlines()[1:3], "platforms:", "  - linux-64", "  - win-64", "dependencies:",
        "- app <2   # not yet 2", "- pure", "- sel(linux): perf", "- sel(win): pywin32 >=300",
    ]  # fmt: skip


def test_items_of_pypi_that_differ_get_markers(
    envmgr: Envmgr, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("uv", reason="uv resolves what this test asks for")
    index = LocalIndex(tmp_path / "index")
    index.wheel("wheely", "1.0", ["part>=1; sys_platform != 'win32'"])
    index.wheel("part", "1.0")
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    with serve_index(index) as served:
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
        items = "- python\n- pip:\n  - wheely  # a wheel\n"
        prefix = made(envmgr, tmp_path, text + items)
        asked = exported(envmgr, prefix, "--from-history")
        assert asked.endswith(items)
        exact = exported(envmgr, prefix, "--no-builds")
        pip = yaml.safe_load(exact)["dependencies"][-1]["pip"]
        assert pip == [
            'part==1.0; sys_platform == "linux" or sys_platform == "darwin"',
            "wheely==1.0",
        ]
        assert solved(envmgr, tmp_path, exact, "win-64") == solved(envmgr, tmp_path, asked, "win-64")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("--platform", "win-46"), "'win-46' is not a platform of environments"),
        (("--platform", "noarch"), "'noarch' is not a platform"),
        (
            ("--platform", "win-64", "--format", "explicit"),
            "explicit holds what is installed, on one platform",
        ),
        (("--platform", "osx-64", "--platform", "osx-arm64", "--json"), "JSON"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    envmgr: Envmgr, text: str, tmp_path: Path, wrong: tuple[str, ...], words: str
):
    prefix = made(envmgr, tmp_path, text)
    done = envmgr("export", "-p", prefix, *wrong)
    assert (done.code, words in done.out + done.err) == (2, True), done.err


def test_a_platform_without_a_solution_is_named(envmgr: Envmgr, channel: str, tmp_path: Path):
    text = f"channels: [{channel}, nodefaults]\ndependencies: [lib=1.5]\n"
    prefix = made(envmgr, tmp_path, text)
    done = envmgr("export", "-p", prefix, "--from-history", "--platform", "linux-64", "--platform", "win-64")
    assert (done.code, "win-64: " in done.err, "lib=1.5" in done.err) == (1, True, True)
