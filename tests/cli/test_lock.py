"""envmgr lock, and creating from locks: real uv, a served channel and a served index of our own."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.builders import make_channel, pkg, script
from tests.pypi.local_index import LocalIndex, metadata, serve_index
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.command import Envmgr, Outcome

pytest.importorskip("uv", reason="uv resolves what these tests ask for")

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
START = script(f'exec "{os.path.realpath(sys.executable)}" "$@"')
PLATFORMS = ("linux-64", "osx-arm64", "win-64")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("served")
    packages = [
        pkg("app", "1.0", depends=["lib >=1", "lib <9", "python"], noarch="python"),
        pkg("dist", "2.0", noarch="python", depends=["python"], files=distribution("dist", "2.0")),
        pkg("tester", "5", noarch="python", depends=["lib", "helper", "python"]),
        pkg("helper", "1", noarch="generic"),
        pkg("new-glibc", "1", depends=["__glibc >=2.30"]),
    ]
    for subdir in PLATFORMS:
        name = "bin/python" if subdir != "win-64" else "python.exe"
        packages += [
            pkg("python", f"{VERSION}.0", subdir=subdir, files={name: START, f"bin/python{VERSION}": START}),
            pkg("lib", "1.0", subdir=subdir, files={"share/lib": "one"}),
            pkg("lib", "2.0", "b_1", subdir=subdir, files={"share/lib": "two"}),
        ]
    make_channel(made / "main", packages)
    return made


def distribution(name: str, version: str) -> dict[str, str]:
    info = f"site-packages/{name}-{version}.dist-info"
    return {
        f"site-packages/{name}/__init__.py": "",
        f"{info}/METADATA": metadata(name, version, (), (), None),
    }


@pytest.fixture(scope="module")
def channel(folder: Path) -> Iterator[str]:
    with serve(folder) as server:
        yield f"{server.url}/main"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalIndex]:
    made = LocalIndex(tmp_path / "index")
    made.wheel("wheely", "1.0", ["part", "dist"])
    made.wheel("part", "1.0")
    made.wheel("onlylinux", "1.0", tag="py3-none-manylinux_2_28_x86_64")
    made.wheel("onlylinux", "1.0", tag="py3-none-macosx_11_0_arm64")
    made.wheel("onlylinux", "1.0", tag="py3-none-win_amd64")
    made.sdist("source", "3.0")
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    with serve_index(made) as found:
        monkeypatch.setenv("UV_DEFAULT_INDEX", found.url)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")
        yield made


@pytest.fixture
def write(tmp_path: Path, channel: str) -> Callable[..., Path]:
    """Writes an environment file with the channel of these tests."""

    def written(*specs: str, pip: tuple[str, ...] = (), name: str = "environment.yml", **keys: Any) -> Path:
        dependencies: list[Any] = [*specs, *([{"pip": list(pip)}] if pip else [])]
        content = {"channels": [channel, "nodefaults"], "dependencies": dependencies, **keys}
        place = tmp_path / "project" / name
        place.parent.mkdir(exist_ok=True)
        place.write_text(yaml.safe_dump(content, sort_keys=False))
        return place

    return written


@pytest.fixture
def locked(envmgr: Envmgr) -> Callable[..., Any]:
    """Locks, and gives the lock as its text says it."""

    def made(file: Path, *options: object) -> Any:
        done = envmgr("lock", "-f", file, *options)
        assert done.code == 0, done.err
        return yaml.safe_load((file.parent / "conda-lock.yml").read_text())

    return made


def names(lock: Any, subdir: str = "linux-64") -> dict[str, str]:
    return {each["name"]: str(each["version"]) for each in lock["package"] if each["platform"] == subdir}


def state(envmgr: Envmgr, prefix: Path) -> Any:
    """All that tells what an environment is: records, what was asked for, files with their content.

    An export has the style of the file that it is of, which a lock does not keep; what it says is the same.
    """
    listed = envmgr("list", "-p", prefix, "--json").json
    export = yaml.safe_load(envmgr("export", "-p", prefix, "--from-history").out)
    files = {
        path.relative_to(prefix).as_posix(): path.read_bytes() if path.suffix != ".pyc" else b""
        for path in sorted(prefix.rglob("*"))
        if path.is_file() and not path.is_symlink() and "conda-meta/" not in path.as_posix()
    }
    depends = {
        path.name: yaml.safe_load(path.read_text())["depends"]
        for path in sorted((prefix / "conda-meta").glob("*.json"))
    }
    return listed, export, files, depends


def created(envmgr: Envmgr, prefix: Path, *words: object) -> Outcome:
    done = envmgr("create", "-y", "-p", prefix, *words)
    assert done.code == 0, done.err
    return done


def test_one_lock_holds_all_platforms_with_both_kinds_and_the_target_s_wheels(
    write: Any, locked: Any, index: LocalIndex
) -> None:
    file = write("app", "dist", pip=("wheely", "onlylinux"), platforms=list(PLATFORMS))
    lock = locked(file)
    assert lock["metadata"]["platforms"] == sorted(PLATFORMS)
    for subdir in PLATFORMS:
        assert names(lock, subdir) == {
            "app": "1.0", "dist": "2.0", "lib": "2.0", "python": f"{VERSION}.0",
            "onlylinux": "1.0", "part": "1.0", "wheely": "1.0",
        }  # fmt: skip
    urls = {each["platform"]: each["url"] for each in lock["package"] if each["name"] == "onlylinux"}
    assert [url.rpartition("-")[2][:5] for _, url in sorted(urls.items())] == ["manyl", "macos", "win_a"]
    assert all(len(each["hash"]["sha256"]) == 64 for each in lock["package"])
    assert lock["metadata"]["sources"] == ["environment.yml"]
    assert next(each for each in lock["package"] if each["name"] == "app")["dependencies"]["lib"] == ">=1,<9"


def test_an_environment_from_a_lock_is_the_one_from_the_request(
    envmgr: Envmgr,
    write: Any,
    locked: Any,
    index: LocalIndex,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = write("app", "dist", pip=("wheely",), variables={"MODE": "fast"})
    locked(file)
    monkeypatch.setenv("ENVMGR_ROOT", str(tmp_path / "one"))
    created(envmgr, tmp_path / "env", "-f", file, "--without-lock")
    plain = state(envmgr, tmp_path / "env")
    for number, words in enumerate(((file,), (file.parent / "conda-lock.yml",))):
        monkeypatch.setenv("ENVMGR_ROOT", str(tmp_path / f"other{number}"))
        (tmp_path / "env").rename(tmp_path / f"away{number}")
        created(envmgr, tmp_path / "env", "-f", *words)
        for one, other in zip(state(envmgr, tmp_path / "env"), plain, strict=True):
            assert one == other


def test_a_plan_from_a_lock_tells_why_each_package_comes(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path
) -> None:
    file = write("app", "dist", pip=("wheely",))
    locked(file)
    told = envmgr("create", "-p", tmp_path / "env", "-f", file, "--locked", "--dry-run").err
    rows = [re.split(" {2,}", line[4:]) for line in told.splitlines() if line.startswith("  + ")]
    assert {row[0]: row[-1] for row in rows} == {
        "app": "asked for", "dist": "asked for", "wheely": "asked for", "lib": "needed by app",
        "python": "needed by app, dist and 2 more", "part": "needed by wheely",
    }  # fmt: skip


def test_platforms_that_are_planned_in_forks_give_the_same_lock_and_the_same_sentences(
    envmgr: Envmgr, write: Any, locked: Any
) -> None:
    file = write("app", "dist", "lib[version='1.0|2.0',build=b_1]", platforms=list(PLATFORMS))
    command = [sys.executable, "-m", "envmgr", "lock", "-f", str(file), "--update-all"]
    place = file.parent / "conda-lock.yml"
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    alone = place.read_bytes()
    place.unlink()
    here = envmgr("lock", "-f", file, "--update-all")
    assert (done.stderr, alone) == (here.err, place.read_bytes())

    write("app", "new-glibc", platforms=list(PLATFORMS))
    done = subprocess.run([*command, "--json"], capture_output=True, text=True, timeout=60, check=False)
    here = envmgr("lock", "-f", file, "--update-all", "--json")
    assert (done.returncode, done.stdout) == (1, here.out)


def test_a_second_run_writes_the_same_bytes_and_asks_no_channel(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, folder: Path
) -> None:
    file = write("app", "dist", pip=("wheely",), platforms=["linux-64", "osx-arm64"])
    locked(file)
    place = file.parent / "conda-lock.yml"
    first = place.read_bytes()
    done = envmgr("lock", "-f", file, "--offline", "--json").json
    assert (done["written"], [each["kept"] for each in done["platforms"].values()]) == (False, [True, True])
    place.unlink()
    locked(file)
    assert place.read_bytes() == first
    locked(file, "--update-all")
    assert place.read_bytes() == first
    for unwelcome in (str(file.parent), str(Path.home()), str(folder)):
        assert unwelcome not in first.decode()


def test_a_changed_file_moves_only_what_it_has_to(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex
) -> None:
    locked(write("lib <2", "helper"))
    file = write("lib", "helper", "python")
    checked = envmgr("lock", "--check", "-f", file)
    assert (checked.code, "linux-64: the spec lib is new" in checked.err) == (1, True)
    assert names(locked(file)) == {"lib": "1.0", "helper": "1", "python": f"{VERSION}.0"}
    assert envmgr("lock", "--check", "-f", file).code == 0
    done = envmgr("lock", "-f", file, "--update", "lib")
    assert "lib 1.0 0 -> 2.0 b_1  (asked for)" in done.err
    assert names(yaml.safe_load((file.parent / "conda-lock.yml").read_text()))["lib"] == "2.0"


def test_virtual_packages_of_the_target_count_and_are_recorded(
    envmgr: Envmgr, write: Any, locked: Any
) -> None:
    file = write("new-glibc")
    refused = envmgr("lock", "-f", file)
    assert (refused.code, "linux-64: " in refused.err) == (1, True)
    assert "the machine of the lock has __glibc 2.28 (--virtual changes it)" in refused.err
    assert "CONDA_OVERRIDE" not in refused.err
    wrong = envmgr("lock", "-f", file, "--virtual", "__glibc=1:2")
    assert (wrong.code, "'__glibc=1:2' means nothing for __glibc." in wrong.err) == (2, True)
    assert "hint: __glibc takes a version." in wrong.err
    lock = locked(file, "--virtual", "linux-64:__glibc=99.1")
    assert "__glibc=99.1" in lock["metadata"]["custom_metadata"]["envmgr.linux-64.virtual_packages"]
    assert envmgr("lock", "--check", "-f", file).code == 0
    used = envmgr("create", "-y", "-n", "x", "-f", file.parent / "conda-lock.yml")
    assert used.code == 0, used.err
    lock = (file.parent / "conda-lock.yml").read_text().replace(">=2.30", ">=98")
    (file.parent / "other-conda-lock.yml").write_text(lock)
    refused = envmgr("create", "-y", "-n", "y", "-f", file.parent / "other-conda-lock.yml")
    assert (refused.code, "needs __glibc >=98, and this machine has __glibc" in refused.err) == (1, True)


def test_a_stale_lock_is_not_used_and_locked_refuses_it(
    envmgr: Envmgr, write: Any, locked: Any, tmp_path: Path
) -> None:
    locked(write("lib <2"))
    file = write("lib")
    fresh = created(envmgr, tmp_path / "a", "-f", file)
    assert "is not current: the spec lib is new" in fresh.err
    refused = envmgr("create", "-y", "-p", tmp_path / "b", "-f", file, "--locked")
    assert (refused.code, (tmp_path / "b").exists()) == (1, False)
    frozen = created(envmgr, tmp_path / "b", "-f", file, "--frozen")
    assert "Using the lock" in frozen.err
    found = {name: envmgr("list", "-p", tmp_path / name, "--json").json[0]["version"] for name in "ab"}
    assert found == {"a": "2.0", "b": "1.0"}
    (file.parent / "conda-lock.yml").unlink()
    assert envmgr("create", "-y", "-p", tmp_path / "c", "-f", file, "--locked").code == 1


def test_a_distribution_and_what_conda_brings_for_it_are_in_the_groups_that_lead_to_them(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path
) -> None:
    base = write("python", pip=("onlylinux",))
    dev = write("dist", pip=("wheely",), name="dev.yml", category="dev")
    lock = locked(base, "-f", dev)
    held = {each["name"]: (each["category"], each["dependencies"]) for each in lock["package"]}
    assert {name: held[name] for name in ("onlylinux", "wheely", "part")} == {
        "onlylinux": ("main", {}), "wheely": ("dev", {"dist": "", "part": ""}), "part": ("dev", {}),
    }  # fmt: skip
    assert (held["python"][0], held["dist"][0]) == ("main", "dev")


def test_groups_of_files_are_chosen_when_the_lock_is_used(
    envmgr: Envmgr, write: Any, locked: Any, tmp_path: Path, index: LocalIndex
) -> None:
    base, dev = write("lib"), write("tester", name="dev.yml", category="dev")
    lock = locked(base, "-f", dev)
    groups = {each["name"]: (each["category"], each["optional"]) for each in lock["package"]}
    assert groups == {
        "lib": ("main", False), "tester": ("dev", True), "helper": ("dev", True), "python": ("dev", True),
    }  # fmt: skip
    place = base.parent / "conda-lock.yml"
    created(envmgr, tmp_path / "main", "-f", place)
    created(envmgr, tmp_path / "dev", "-f", place, "--group", "dev")
    found = {
        name: sorted(each["name"] for each in envmgr("list", "-p", tmp_path / name, "--json").json)
        for name in ("main", "dev")
    }
    assert found == {"main": ["lib"], "dev": ["helper", "lib", "python", "tester"]}
    assert "has no group 'docs'" in envmgr("create", "-n", "x", "-f", place, "--group", "docs").err


def test_a_lock_holds_the_groups_and_extras_of_files_that_it_was_made_with(
    envmgr: Envmgr, write: Any, locked: Any, channel: str, index: LocalIndex, tmp_path: Path
) -> None:
    file = write("app", groups={"Te_st": ["tester", {"pip": ["part"]}], "docs": ["new-glibc"]})
    lock = locked(file, "--group", "te-st")
    groups = {each["name"]: each["category"] for each in lock["package"]}
    main = dict.fromkeys(("app", "lib", "python"), "main")
    test = dict.fromkeys(("tester", "helper", "part"), "Te_st")
    assert groups == main | test
    before = (file.parent / "conda-lock.yml").read_bytes()
    assert [envmgr("lock", "-f", file, *words).code for words in ((), ("--check",))] == [0, 0]
    assert (file.parent / "conda-lock.yml").read_bytes() == before
    for words, expected in (((), main), (("--group", "Te_st"), main | test)):
        for name in (file, file.parent / "conda-lock.yml"):
            planned = envmgr("create", "--dry-run", "--json", "-n", "x", "-f", name, "--locked", *words).json
            assert {each["name"] for each in planned["actions"]["LINK"]} == expected.keys()
    refused = envmgr("create", "--dry-run", "-n", "x", "-f", file, "--locked", "--group", "docs")
    assert (refused.code, "it was made without the group docs" in refused.err) == (1, True)
    assert "no file has the group 'te-ts'" in envmgr("lock", "-f", file, "--group", "te-ts").err

    project = tmp_path / "python" / "pyproject.toml"
    project.parent.mkdir()
    dependencies = 'dependencies = []\noptional-dependencies = {plot = ["part"]}\nrequires-python = ">=3"\n'
    project.write_text(f'[project]\nname = "x"\nversion = "1"\n{dependencies}')
    lock = locked(project, "--extra", "plot", "-c", channel, "--override-channels")
    assert names(lock).keys() == {"python", "part"}
    assert envmgr("lock", "-f", project, "--check").code == 0
    plain = envmgr("create", "--dry-run", "-n", "x", "-f", project, "--locked")
    assert (plain.code, "the item for PyPI part is gone" in plain.err) == (1, True)
    assert envmgr("create", "--dry-run", "-n", "x", "-f", project, "--locked", "--extra", "plot").code == 0
    (project.parent / "requirements.txt").write_text("part\n")
    lock = locked(project.parent / "requirements.txt", "-c", channel, "--override-channels")
    assert names(lock).keys() == {"python", "part"}


def test_a_lock_for_other_platforms_says_which_it_has(
    envmgr: Envmgr, write: Any, locked: Any, tmp_path: Path
) -> None:
    file = write("lib")
    locked(file, "--platform", "osx-arm64", "--platform", "win-64")
    refused = envmgr("create", "-y", "-n", "x", "-f", file.parent / "conda-lock.yml")
    assert "has no packages for linux-64; it has them for osx-arm64, win-64" in refused.err
    planned = envmgr(
        "create",
        "-n",
        "x",
        "-f",
        file.parent / "conda-lock.yml",
        "--platform",
        "win-64",
        "--dry-run",
        "--json",
    )
    assert [each["platform"] for each in planned.json["actions"]["LINK"]] == ["win-64"]


def test_an_archive_that_is_not_the_locked_one_is_refused(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path
) -> None:
    file = write("python", pip=("part",))
    lock = locked(file)
    text = (file.parent / "conda-lock.yml").read_text()
    for name in ("python", "part"):
        digest = next(each["hash"]["sha256"] for each in lock["package"] if each["name"] == name)
        (file.parent / "bad-conda-lock.yml").write_text(text.replace(digest, "0" * 63 + "a"))
        refused = envmgr("create", "-y", "-p", tmp_path / "env", "-f", file.parent / "bad-conda-lock.yml")
        assert (refused.code, (tmp_path / "env").exists()) == (1, False), refused.err


def test_what_a_lock_cannot_hold_is_refused_with_its_place(
    envmgr: Envmgr, write: Any, index: LocalIndex, tmp_path: Path
) -> None:
    file = write("python", pip=("-e ./mine",))
    refused = envmgr("lock", "-f", file)
    assert (refused.code, "environment.yml:" in refused.err, str(tmp_path / "project/mine") in refused.err) == (
        1, True, False,
    )  # fmt: skip
    assert not (file.parent / "conda-lock.yml").exists()


def test_a_lock_is_installed_into_an_environment_beside_what_it_has(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path, channel: str
) -> None:
    created(envmgr, tmp_path / "env", "-c", channel, "--override-channels", "helper", "lib=1")
    file = write("lib", "python", pip=("part",))
    locked(file)
    done = envmgr("install", "-y", "-p", tmp_path / "env", "-f", file.parent / "conda-lock.yml")
    assert done.code == 0, done.err
    found = {each["name"]: each["version"] for each in envmgr("list", "-p", tmp_path / "env", "--json").json}
    assert found == {"helper": "1", "lib": "2.0", "part": "1.0", "python": f"{VERSION}.0"}
    asked = envmgr("export", "-p", tmp_path / "env", "--from-history").out
    assert yaml.safe_load(asked)["dependencies"] == ["helper", "lib", "python", {"pip": ["part"]}]


def test_a_source_distribution_is_locked_by_its_checksum_and_built(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path
) -> None:
    file = write("python", pip=("source",))
    (source,) = [each for each in locked(file)["package"] if each["name"] == "source"]
    assert (source["version"], source["url"].rpartition("/")[2]) == ("3.0", "source-3.0.tar.gz")
    created(envmgr, tmp_path / "env", "-f", file.parent / "conda-lock.yml")
    listed = envmgr("list", "-p", tmp_path / "env", "--json").json
    assert ("source", "3.0", "pypi") in [(each["name"], each["version"], each["channel"]) for each in listed]


def test_a_lock_that_was_edited_by_hand_is_checked_for_what_it_holds(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex
) -> None:
    file = write("app")
    locked(file)
    place = file.parent / "conda-lock.yml"
    blocks = place.read_text().split("- name: ")
    place.write_text("- name: ".join(each for each in blocks if not each.startswith("lib")))
    checked = envmgr("lock", "--check", "-f", file, "--json")
    assert (checked.code, checked.json["outdated"]) == (
        1, {"linux-64": ["app-1.0-0 needs lib >=1,<9, and the lock has none"]},
    )  # fmt: skip
    assert names(locked(file)) == {"app": "1.0", "lib": "2.0", "python": f"{VERSION}.0"}
    assert envmgr("lock", "--check", "-f", file).code == 0


def test_py_rattler_reads_the_same_packages(write: Any, locked: Any, index: LocalIndex) -> None:
    rattler = pytest.importorskip("rattler")
    file = write("app", "dist", pip=("wheely",), platforms=["linux-64", "win-64"])
    lock = locked(file)
    read = rattler.LockFile.from_path(str(file.parent / "conda-lock.yml")).default_environment()
    for platform in read.platforms():
        found = {
            each.location: (each.hashes.sha256.hex() if each.hashes else None)
            for each in read.packages(platform)
        }
        subdir = str(getattr(platform, "name", platform))
        assert found == {
            each["url"]: each["hash"]["sha256"] for each in lock["package"] if each["platform"] == subdir
        }


def test_what_a_lock_of_another_tool_brought_stays_with_later_changes(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path, channel: str
) -> None:
    file = write("lib <2", "python", pip=("wheely",), name="environment.yml")
    lock = locked(write("lib <2", "dist", "python", pip=("wheely",)))
    del lock["metadata"]["custom_metadata"]
    (file.parent / "conda-lock.yml").write_text(yaml.safe_dump(lock))
    created(envmgr, tmp_path / "env", "-f", file.parent / "conda-lock.yml")
    done = envmgr("install", "-y", "-p", tmp_path / "env", "helper")
    assert done.code == 0, done.err
    found = {each["name"] for each in envmgr("list", "-p", tmp_path / "env", "--json").json}
    assert found == {"lib", "dist", "python", "wheely", "part", "helper"}


PYLOCK = """\
lock-version = "1.0"
requires-python = ">=3.8"
environments = ["sys_platform == 'linux'"]
dependency-groups = ["dev"]
created-by = "a test"
"""


@pytest.fixture
def pylock(index: LocalIndex, tmp_path: Path) -> Path:
    """A lock with a wheel, one for Windows alone, one of a group, and one that conda has, too."""
    text = PYLOCK
    for name, file, marker in (
        ("part", "part-1.0-py3-none-any.whl", ""),
        ("wheely", "wheely-1.0-py3-none-any.whl", "'dev' in dependency_groups"),
        ("onlylinux", "onlylinux-1.0-py3-none-win_amd64.whl", "sys_platform == 'win32'"),
    ):
        content = (index.folder / "files" / file).read_bytes()
        text += f'[[packages]]\nname = "{name}"\nversion = "1.0"\n'
        text += f'marker = "{marker}"\n' if marker else ""
        text += f'wheels = [{{name = "{file}", url = "{(index.folder / "files" / file).as_uri()}", '
        text += f'hashes = {{sha256 = "{hashlib.sha256(content).hexdigest()}"}}}}]\n'
    text += '[[packages]]\nname = "dist"\nversion = "2.0"\n'
    text += f'wheels = [{{url = "https://x.org/dist-2.0-py3-none-any.whl", hashes = {{sha256 = "{"0" * 64}"}}}}]\n'
    place = tmp_path / "pylock.toml"
    place.write_text(text)
    return place


def test_a_pylock_brings_exact_distributions_beside_conda_packages(
    envmgr: Envmgr, write: Any, pylock: Path, tmp_path: Path
) -> None:
    file = write("dist", "lib")
    for name, groups, extra in (("plain", (), set()), ("dev", ("--group", "dev"), {"wheely"})):
        created(envmgr, tmp_path / name, "-f", file, "-f", pylock, *groups)
        listed = envmgr("list", "-p", tmp_path / name, "--json").json
        found = {each["name"]: each["channel"] for each in listed}
        assert found.keys() == {"dist", "lib", "python", "part", *extra}
        assert (found["part"], found["dist"] != "pypi") == ("pypi", True)
    assert envmgr("install", "-y", "-p", tmp_path / "dev", "helper").code == 0
    assert "wheely" in {each["name"] for each in envmgr("list", "-p", tmp_path / "dev", "--json").json}


def test_a_pylock_changes_the_distributions_of_an_environment_and_nothing_else(
    envmgr: Envmgr, write: Any, pylock: Path, tmp_path: Path
) -> None:
    created(envmgr, tmp_path / "env", "-f", write("dist", "lib <2"))
    before = state(envmgr, tmp_path / "env")
    for words in (["lib"], ["--prune"]):
        command = "update" if "--prune" in words else "install"
        refused = envmgr(command, "-y", "-p", tmp_path / "env", "-f", pylock, *words)
        assert (refused.code, "is exact" in refused.err) == (2, True), refused.err
    assert state(envmgr, tmp_path / "env") == before
    done = envmgr("install", "-y", "-p", tmp_path / "env", "-f", pylock, "--group", "dev", "--json")
    assert done.code == 0, done.out
    assert {each["name"] for each in done.json["actions"]["LINK"]} == {"part", "wheely"}
    asked = yaml.safe_load(envmgr("export", "-p", tmp_path / "env", "--from-history").out)["dependencies"]
    assert asked[-1] == {"pip": ["part==1.0", "wheely==1.0"]}
    assert envmgr("verify", "-p", tmp_path / "env").code == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (('version = "2.0"', 'version = "2.1"'), "has dist 2.1, and the conda package dist-2.0"),
        (('">=3.8"', '">=4"'), "python >=4"),
        (("'linux'", "'darwin'"), "is not for Python"),
        (("sha256 =", "sha512 ="), "has no SHA-256 of part"),
        (('lock-version = "1.0"', 'lock-version = "2.0"'), "lock-version `2.0`"),
        (("[[packages]]", "[[packages]]\nx = {y = [}"), "is no TOML"),
        (('name = "part"', "name = 1"), "`$.packages[0].name`"),
    ],
)
def test_a_pylock_that_does_not_fit_is_refused(
    envmgr: Envmgr, write: Any, pylock: Path, tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    pylock.write_text(pylock.read_text().replace(*change))
    refused = envmgr("create", "-y", "-p", tmp_path / "env", "-f", write("dist"), "-f", pylock)
    assert (refused.code, (tmp_path / "env").exists()) == (1, False), refused.err
    assert why in refused.err


def test_pixi_lock_says_the_same_to_py_rattler_and_to_us(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path
) -> None:
    rattler = pytest.importorskip("rattler")
    noted = {"variables": {"MODE": "x"}, "pins": ["lib <9"]}
    base, dev = (
        write("app", "dist", pip=("wheely",), **noted),
        write("tester", name="dev.yml", category="dev"),
    )
    lock = locked(base, "-f", dev, "--platform", "linux-64", "--platform", "win-64")
    before = (base.parent / "conda-lock.yml").read_bytes()
    place = base.parent / "pixi.lock"
    done = envmgr("lock", "-f", base, "-f", dev, "--pixi", place)
    assert (done.code, (base.parent / "conda-lock.yml").read_bytes() == before) == (0, True), done.err
    for each in ("variables, for which pixi.lock has no place, are left out: MODE.", "left out: lib <9."):
        assert done.err.count(each) == 1
    read = rattler.LockFile.from_path(str(place))
    urls = {each["url"] for each in lock["package"] if each["platform"] == "linux-64"}
    main = {
        each["url"] for each in lock["package"] if each["platform"] == "linux-64" and not each["optional"]
    }
    for name, expected in (("default", main), ("dev", urls)):
        environment = read.environment(name)
        (platform,) = [each for each in environment.platforms() if each.name == "linux-64"]
        found = {each.location: each for each in environment.packages(platform)}
        assert found.keys() == expected
    record = next(each.package_record for url, each in found.items() if "/app-1.0" in url)
    assert (record.depends, record.noarch.python) == (["lib >=1", "lib <9", "python"], True)
    assert next(each.requires_dist for each in found.values() if each.name == "wheely") == ["part", "dist"]
    created(envmgr, tmp_path / "env", "-f", place)
    listed = {each["name"] for each in envmgr("list", "-p", tmp_path / "env", "--json").json}
    assert listed == {"app", "lib", "python", "dist", "wheely", "part"}


def test_a_lock_reads_no_file_of_the_machine_and_names_its_own_faults(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path
) -> None:
    file = write("python", pip=("part",))
    locked(file)
    place = file.parent / "conda-lock.yml"
    text = place.read_text()
    (tmp_path / "secret.txt").write_text("other\n")
    place.write_text(
        text.replace("envmgr.linux-64.pypi: part", f"envmgr.linux-64.pypi: -r {tmp_path}/secret.txt")
    )
    created(envmgr, tmp_path / "env", "-f", place)
    assert "other" not in envmgr("export", "-p", tmp_path / "env", "--from-history").out
    place.write_text(text.replace("python-3", "other-3"))
    refused = envmgr("create", "-y", "-n", "x", "-f", place)
    assert f"{place}:" in refused.err
    assert "has the URL of other-3" in refused.err
    assert "was damaged or edited" in refused.err
    assert (
        "no file has the group 'dev'"
        in envmgr("create", "-n", "x", "-f", file, "--without-lock", "--group", "dev").err
    )


def test_no_login_and_no_token_is_in_a_lock_and_each_that_is_left_out_is_told(
    envmgr: Envmgr, write: Any, channel: str, index: LocalIndex
) -> None:
    with serve_index(index, query="v=1&token=s3kr1t") as served:
        (wheel,) = (each for each in index.folder.rglob("part-1.0-*.whl"))
        where = f"{served.url.removesuffix('/simple')}/{wheel.relative_to(index.folder).as_posix()}"
        text = write("python", pip=(f"part @ {where}?v=1&token=s3kr1t",)).read_text()
        file = write("python")
        file.write_text(text.replace("http://127", "http://me:s3kr1t@127"))
        done = envmgr("lock", "-f", file)
        assert done.code == 0, done.err
        wrong = write("python", pip=(f"part @ {where}?v=2&token=s3kr1t",), name="wrong.yml")
        refused = envmgr("lock", "-f", wrong, "--lockfile", file.parent / "wrong-conda-lock.yml")
        assert (refused.code, f"{where}?v=2 could not be reached" in refused.err) == (1, True)
        assert "s3kr1t" not in refused.err
    lock = (file.parent / "conda-lock.yml").read_text()
    assert ("s3kr1t" in lock, "s3kr1t" in done.out + done.err) == (False, False)
    for each in (f"login for {channel} is", f"login for part @ {where}?v=1 is"):
        assert done.err.count(each) == 1
    assert envmgr("lock", "-f", file, "--check").code == 0


def test_what_no_lock_can_hold_is_created_without_the_lock(
    envmgr: Envmgr, write: Any, folder: Path, tmp_path: Path
) -> None:
    here = (folder / "main").as_uri()
    file = write("lib", channels=[here, "nodefaults"])
    refused = envmgr("lock", "-f", file)
    assert (refused.code, "is a folder of this machine" in refused.err) == (1, True)
    assert envmgr("lock", "-f", file, "-c", here).code == 0
    assert "Using the lock" in created(envmgr, tmp_path / "env", "-f", file, "--locked").err
    assert "Using the lock" in created(envmgr, tmp_path / "other", "-f", file, "-c", here, "--locked").err


def test_names_to_update_are_found_as_they_are_written_and_what_stays_is_told_why(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex
) -> None:
    file = write("app", "dist", "lib=1", pip=("wheely",))
    locked(file)

    def update(*names: str) -> Outcome:
        return envmgr("lock", "-f", file, *(word for name in names for word in ("--update", name)))

    assert "lib stays  (2.0 does not go with what stays: environment.yml:" in update("LIB").err.replace(
        f"{file.parent}/", ""
    )
    index.wheel("part", "2.0")
    assert "part 1.0 -> 2.0" in update("Part").err
    again = update("part", "python")
    assert "part stays  (the index has nothing newer that goes with the rest)" in again.err
    assert "python stays  (it is the newest)" in again.err
    write("app", "dist", "lib", pip=("wheely",))
    assert "lib 1.0 0 -> 2.0 b_1  (asked for)" in update("lib").err
    for name, told in (
        ("wheeli", "Did you mean wheely?"),
        ("lib=2", "Name the package without a version."),
        ("helper", "the lock holds no package helper"),
    ):
        refused = update(name)
        assert (refused.code, told in refused.err) == (2, True), refused.err


def test_what_the_command_line_said_holds_for_the_next_run_and_for_check(
    envmgr: Envmgr, write: Any, folder: Path, tmp_path: Path
) -> None:
    here, copy = (folder / "main").as_uri(), tmp_path / "copy"
    shutil.copytree(folder / "main", copy)
    file = write("lib", channels=["nodefaults"], platforms=list(PLATFORMS))
    place = file.parent / "conda-lock.yml"
    said = ("-c", here, "--platform", "linux-64", "--platform", "osx-arm64", "--virtual", "__glibc=2.17")
    assert envmgr("lock", "-f", file, *said).code == 0
    content = place.read_bytes()
    for words in ((), said):
        assert envmgr("lock", "-f", file, "--check", *words).code == 0, words
        assert envmgr("lock", "-f", file, *words).code == 0
        assert place.read_bytes() == content
    env = created(envmgr, tmp_path / "env", "-f", file, "--locked", "--json").json
    assert {each["name"] for each in env["actions"]["LINK"]} == {"lib"}
    exported = envmgr("export", "-p", tmp_path / "env", "--from-history")
    assert here in exported.err, "a folder is left out of an export, and told"

    assert envmgr("lock", "-f", file, "--strategy", "lowest").code == 0
    assert envmgr("lock", "-f", file).code == 0
    assert "strategy=lowest" in place.read_text()
    assert envmgr("lock", "-f", file, "--strategy", "highest").code == 0
    assert place.read_bytes() == content

    assert envmgr("lock", "-f", file, "--update-all").code == 0
    assert place.read_bytes() == content
    other = envmgr("lock", "-f", file, "--check", "-c", copy)
    assert (other.code, f"the channel {copy.as_uri()} is new" in other.err) == (1, True)
    write("lib", channels=["nodefaults"], platforms=["linux-64", "win-64"])
    for wrong, told in (("osx-64", "Add it to `platforms:`"), ("linux-46", "Did you mean linux-64?")):
        assert told in envmgr("lock", "-f", file, "--platform", wrong).err
    plain = write("lib", name="plain.yml", channels=["nodefaults"])
    assert "'noarch' is not a platform" in envmgr("lock", "-f", plain, "--platform", "noarch").err
    changed = envmgr("lock", "-f", file, "--check")
    assert (changed.code, "win-64: it has no packages" in changed.err) == (1, True)
    assert "osx-arm64: the files do not ask for this platform" in changed.err


def test_a_lock_of_someone_else_names_no_folder_by_a_note(envmgr: Envmgr, write: Any, folder: Path) -> None:
    file = write("lib", channels=["nodefaults"])
    assert envmgr("lock", "-f", file, "-c", folder / "main").code == 0
    place = file.parent / "conda-lock.yml"
    place.write_text(place.read_text().replace("envmgr.channels: file:", "envmgr.channels: ../../file:"))
    done = envmgr("lock", "-f", file, "--check")
    assert (done.code, "is gone" in done.err) == (1, True)


def test_a_lock_is_compared_with_the_environment_that_was_made_from_it(
    envmgr: Envmgr, write: Any, locked: Any, index: LocalIndex, tmp_path: Path
) -> None:
    index.wheel("other", "1.0")
    file = write("python", pip=("part",))
    locked(file)
    place = file.parent / "conda-lock.yml"
    created(envmgr, tmp_path / "env", "-f", place)
    same = envmgr("diff", place, tmp_path / "env", "--json")
    assert same.code == 0, same.out
    assert envmgr("install", "-y", "-p", tmp_path / "env", "--pypi", "other").code == 0
    changed = envmgr("diff", place, tmp_path / "env", "--json")
    assert changed.code == 1
    assert [each["name"] for each in changed.json["differences"]] == ["other"]
