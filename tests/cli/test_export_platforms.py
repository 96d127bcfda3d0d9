"""envmgr export --platform: several platforms in one file, of which each makes what was solved for it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

import envmgr as api
from tests.builders import make_channel, pkg, script
from tests.pypi.local_index import LocalIndex, serve_index
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Envmgr

THREE = ("linux-64", "osx-arm64", "win-64")
FIVE = (*THREE, "osx-64", "linux-aarch64")
WINDOWS = ((), ("pywin32", "vc"))
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


def solved(envmgr: Envmgr, folder: Path, text: str, subdir: str, name: str = "solved.yml") -> set[str]:
    (folder / "solved").mkdir(exist_ok=True)
    (folder / "solved" / name).write_text(text)
    done = envmgr(
        "create",
        "--dry-run",
        "--json",
        "-p",
        folder / "none",
        "-f",
        folder / "solved" / name,
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


@pytest.mark.parametrize(
    ("level", "platforms"),
    [
        ((), FIVE),
        (("--no-builds",), THREE),
        (("--from-history", "--versions", "exact"), FIVE),
        (("--json",), THREE),
    ],
)
def test_each_platform_makes_of_the_file_what_was_solved_for_it(
    envmgr: Envmgr, text: str, tmp_path: Path, level: tuple[str, ...], platforms: tuple[str, ...]
):
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


def test_what_a_command_line_asked_for_counts_where_it_is(envmgr: Envmgr, text: str, tmp_path: Path):
    prefix = made(envmgr, tmp_path, text)
    assert envmgr("install", "-y", "-p", prefix, "perf").code == 0
    done = envmgr("export", "-p", prefix, "--from-history", "--platform", "linux-64", "--platform", "win-64")
    assert "no channel has these for win-64, where they are left out: perf." in done.err
    assert done.out.splitlines()[1:] == [
        *text.splitlines()[1:3], "platforms:", "  - linux-64", "  - win-64", "dependencies:",
        "- app <2   # not yet 2", "- pure", "- sel(linux): perf", "- sel(win): pywin32 >=300",
    ]  # fmt: skip


def test_what_a_file_asks_for_everywhere_has_to_be_there(envmgr: Envmgr, text: str, tmp_path: Path):
    prefix = made(envmgr, tmp_path, f"{text}- perf\n")
    done = envmgr("export", "-p", prefix, "--from-history", "--platform", "win-64")
    assert (done.code, done.out) == (1, "")
    assert "win-64: 'perf' (env.yml:8) cannot be fulfilled" in done.err
    assert "perf is there for linux-64" in done.err
    aarch64 = exported(envmgr, prefix, "--from-history", platforms=("linux-64", "linux-aarch64"))
    assert aarch64.endswith("- sel(win): pywin32 >=300\n- perf\n")


def test_selectors_count_also_where_the_text_of_the_file_cannot_be_kept(
    envmgr: Envmgr, channel: str, tmp_path: Path
):
    text = f"{{channels: [{channel}, nodefaults], dependencies: [lib, {{sel(win): pywin32}}, app <2]}}\n"
    prefix = made(envmgr, tmp_path, text)
    assert envmgr("install", "-y", "-p", prefix, "app <3", "pure").code == 0
    done = envmgr("export", "-p", prefix, "--from-history", "--platform", "linux-64", "--platform", "win-64")
    assert "is not kept, with its comments and its order: its keys stand in braces" in done.err
    assert yaml.safe_load(done.out)["dependencies"] == ["lib", "app <3", "pure", {"sel(win)": "pywin32"}]


@pytest.mark.parametrize(
    ("file", "level"),
    [("conda-lock.yml", ()), ("pixi.lock", ()), ("pixi.toml", ()), ("pixi.toml", ("--from-history",))],
)
def test_locks_and_pixi_hold_all_platforms(
    envmgr: Envmgr, text: str, tmp_path: Path, file: str, level: tuple[str, ...]
):
    prefix = made(envmgr, tmp_path, text)
    words = [word for each in FIVE for word in ("--platform", each)]
    assert envmgr("export", "-p", prefix, "-f", tmp_path / file, *level, *words).code == 0
    for subdir in FIVE:
        found = solved(envmgr, tmp_path, (tmp_path / file).read_text(), subdir, file)
        assert found == solved(envmgr, tmp_path, text, subdir)
    copy = tmp_path / "elsewhere/envs/demo"
    assert envmgr("create", "-y", "-p", copy, "-f", tmp_path / file).code == 0
    (tmp_path / "again").mkdir()
    again = envmgr("export", "-p", copy, "-f", tmp_path / "again" / file, *level, "--platform", "win-64")
    assert f"hat {file} asks for on other platforms is not noted" in again.err
    assert again.code == (1 if (file, level) == ("pixi.toml", ()) else 0)


def test_conda_lock_and_py_rattler_read_all_platforms(envmgr: Envmgr, text: str, tmp_path: Path):
    lockfile = pytest.importorskip("conda_lock.lockfile", reason="conda-lock is not installed")
    rattler = pytest.importorskip("rattler")
    prefix = made(envmgr, tmp_path, text)
    words = [word for each in FIVE for word in ("--platform", each)]
    for file in ("conda-lock.yml", "pixi.lock"):
        assert envmgr("export", "-p", prefix, "-f", tmp_path / file, *words).code == 0
        environment = rattler.LockFile.from_path(str(tmp_path / file)).default_environment()
        found = {
            getattr(platform, "name", str(platform)): {each.name for each in environment.packages(platform)}
            for platform in environment.platforms()
        }
        assert found == {each: {"app", "lib", "pure", *WINDOWS[each == "win-64"]} for each in FIVE}
    read = lockfile.parse_conda_lock_file(tmp_path / "conda-lock.yml")
    assert {each.platform for each in read.package if each.name == "app"} == set(FIVE)


def test_conda_lock_reads_the_selectors_of_comments(envmgr: Envmgr, text: str, tmp_path: Path):
    reader = pytest.importorskip(
        "conda_lock.src_parser.environment_yaml", reason="conda-lock is not installed"
    )
    prefix = made(envmgr, tmp_path, text)
    file = tmp_path / "together.yml"
    file.write_text(exported(envmgr, prefix, "--no-builds", platforms=FIVE))
    read = reader.parse_environment_file(file, platforms=list(FIVE), mapping_url="")
    for subdir, dependencies in read.dependencies.items():
        expected = solved(envmgr, tmp_path, text, subdir)
        assert {each.name for each in dependencies} == {name.rsplit("-", 2)[0] for name in expected}


def test_items_of_pypi_that_differ_get_markers(
    envmgr: Envmgr, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pytest.importorskip("uv", reason="uv resolves what this test asks for")
    index = LocalIndex(tmp_path / "index")
    index.wheel("wheely", "1.0", ["part>=1; sys_platform != 'win32'"])
    index.wheel("part", "1.0")
    index.wheel("winly", "2.0")
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    with serve_index(index) as served:
        monkeypatch.setenv("UV_DEFAULT_INDEX", served.url)
        items = "- python\n- pip:\n  - wheely  # a wheel\n  - winly; sys_platform == 'win32'\n"
        prefix = made(envmgr, tmp_path, f"{text}{items}  - sel(win): ./of-windows\n")
        words = [word for each in THREE for word in ("--platform", each)]
        done = envmgr("export", "-p", prefix, "--from-history", *words)
        assert "./of-windows is a file or folder of this machine to pip, and is left out" in done.err
        asked = done.out
        assert asked.endswith(items)
        alone = envmgr("export", "-p", prefix, "--from-history", "--versions", "exact").out
        assert "  - wheely==1.0  # a wheel\n  - winly; sys_platform == 'win32'\n" in alone
        chosen = exported(envmgr, prefix, "--from-history", "--versions", "exact")
        assert yaml.safe_load(chosen)["dependencies"][-1]["pip"][1:] == [
            'winly==2.0; sys_platform == "win32"'
        ]
        exact = exported(envmgr, prefix, "--no-builds")
        pip = yaml.safe_load(exact)["dependencies"][-1]["pip"]
        assert pip == [
            'part==1.0; sys_platform == "linux" or sys_platform == "darwin"',
            "wheely==1.0",
            'winly==2.0; sys_platform == "win32"',
        ]
        assert solved(envmgr, tmp_path, exact, "win-64") == solved(envmgr, tmp_path, asked, "win-64")
        lock = yaml.safe_load(exported(envmgr, prefix, "--format", "conda-lock"))
        asked = lock["metadata"]["custom_metadata"]["envmgr.linux-64.pypi"].splitlines()
        assert asked == ["wheely", "winly; sys_platform == 'win32'"]
        wheels = {(each["name"], each["platform"]) for each in lock["package"] if each["manager"] == "pip"}
        assert wheels == {
            *(("wheely", each) for each in THREE),
            *(("part", each) for each in THREE[:2]),
            ("winly", "win-64"),
        }


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


def test_platforms_are_solved_within_the_pins_of_the_environment(envmgr: Envmgr, text: str, tmp_path: Path):
    prefix = made(envmgr, tmp_path, text)
    (prefix / "conda-meta/pinned").write_text("lib <1.6\n")
    words = ("-p", prefix, "--from-history", "--platform", "linux-64", "--platform", "win-64")
    refused = envmgr("export", *words)
    assert (refused.code, "conda-meta/pinned:1" in refused.err, "win-64" in refused.err) == (1, True, True)
    free = envmgr("export", *words, "--no-pin")
    assert (free.code, free.err) == (0, "warning: --no-pin leaves out the pins lib <1.6.\n")
    assert "pins" not in yaml.safe_load(free.out)
    (prefix / "conda-meta/pinned").write_text("lib <1.7\n")
    held = envmgr("export", *words)
    assert (held.code, yaml.safe_load(held.out)["pins"]) == (0, ["lib <1.7"])


def test_a_platform_that_is_named_twice_is_written_once(envmgr: Envmgr, text: str, tmp_path: Path):
    prefix = made(envmgr, tmp_path, text)
    twice = exported(envmgr, prefix, platforms=("win-64", "win-64"))
    assert twice == exported(envmgr, prefix, platforms=("win-64",))
    assert yaml.safe_load(twice)["platforms"] == ["win-64"]
    explicit = exported(envmgr, prefix, "--format", "explicit", platforms=("linux-64", "linux-64"))
    assert explicit == envmgr("export", "-p", prefix, "--format", "explicit").out


def test_a_program_gets_the_same(envmgr: Envmgr, text: str, tmp_path: Path):
    prefix = made(envmgr, tmp_path, text)
    assert api.export(prefix, platforms=THREE).text == exported(envmgr, prefix)
    with pytest.raises(api.SolveError, match="linux-s390x"):
        api.export(prefix, platforms=["linux-s390x"])


def test_offline_only_what_was_fetched_is_solved(
    envmgr: Envmgr, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    prefix = made(envmgr, tmp_path, text)
    monkeypatch.setenv("ENVMGR_ROOT", str(tmp_path / "other"))
    done = envmgr("export", "-p", prefix, "--platform", "win-64", "--offline")
    assert (done.code, "win-64 is not on this machine" in done.err) == (1, True)


def test_logins_are_used_and_not_written(
    envmgr: Envmgr, text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    make_channel(tmp_path / "served/more", [pkg("pywin32", "400", subdir="win-64", depends=["vc"])])
    with serve(tmp_path / "served") as server:
        private = f"{server.url}/more"
        prefix = made(envmgr, tmp_path, text)
        login = private.replace("//", "//me:s3kr1t@")
        words = ("--platform", "linux-64", "--platform", "win-64", "--no-builds", "-c", login)
        done = envmgr("export", "-p", prefix, *words)
        assert (done.code, "s3kr1t" in done.out + done.err) == (0, False), done.err
        assert f"the login for {private} is left out" in done.err
        assert {"sel(win)": "pywin32=400"} in yaml.safe_load(done.out)["dependencies"]
        sent = [each.headers.get("authorization") for each in server.requests if "win-64" in each.path]
        assert None not in sent
        assert sent
