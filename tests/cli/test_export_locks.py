"""envmgr export to locks, pixi.toml and lists with hashes, which their own tools read, and envmgr.

``ENVMGR_TEST_NEWEST_READERS=1`` downloads the pip, uv and conda-lock of today, and has them read and install.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import yaml

from envmgr.cli.main import run_command_line
from tests.builders import make_channel, pkg, script
from tests.pypi.local_index import LocalIndex, serve_index
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Envmgr, Outcome

pytest.importorskip("uv", reason="uv resolves what these tests ask for")

# The environment variables of the caller, with which the tools are downloaded.
OUTSIDE = dict(os.environ)
needs_newest = pytest.mark.skipif(
    "ENVMGR_TEST_NEWEST_READERS" not in OUTSIDE, reason="downloads tools: set ENVMGR_TEST_NEWEST_READERS"
)
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
START = script(f'exec "{os.path.realpath(sys.executable)}" "$@"')
NAMES = {
    "conda-lock": "conda-lock.yml",
    "pixi-lock": "pixi.lock",
    "pixi": "pixi.toml",
    "pylock": "pylock.toml",
    "requirements": "requirements.txt",
}


@pytest.fixture(scope="module")
def channel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    made = tmp_path_factory.mktemp("served")
    packages = [
        pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": START, "bin/python": START}),
        pkg("app", "1.0", "b_1", depends=["lib >=1", "lib <9"], license="MIT"),
        pkg("lib", "1.0"),
        pkg("lib", "2.0", "b_2", noarch="generic"),
    ]
    make_channel(made / "main", packages)
    with serve(made) as server:
        yield f"{server.url}/main"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    made = LocalIndex(tmp_path_factory.mktemp("index"))
    made.wheel("wheely", "1.0", ["part (<9,>=1)"])
    made.wheel("part", "1.0")
    made.sdist("source", "3.0")
    with serve_index(made) as found:
        yield found.url


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Caches are shared, so that a source is built once."""
    return tmp_path_factory.mktemp("root")


@pytest.fixture(autouse=True)
def alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(root, monkeypatch)


def settle(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_", "CONDA_", "ENVMGR_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("ENVMGR_ROOT", str(root))
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("UV_CACHE_DIR", str(root / "uv"))
    monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")


@pytest.fixture(scope="module")
def prefix(channel: str, index: str, root: Path) -> Path:
    """An environment with packages of both worlds, one of them built from its source; no test changes it."""
    content = {
        "channels": [channel, "nodefaults"],
        "dependencies": [
            "python", "app >=1", {"pip": [f"--index-url {index}", "wheely>=1", "source"]},
        ],
        "variables": {"MODE": 'fast "and" loose'},
    }  # fmt: skip
    (root / "first.yml").write_text(yaml.safe_dump(content, sort_keys=False))
    made = root / "made/envs/first"
    with pytest.MonkeyPatch.context() as monkeypatch:
        settle(root, monkeypatch)
        assert run_command_line(["create", "-y", "-q", "-p", str(made), "-f", str(root / "first.yml")]) == 0
    return made


def created(envmgr: Envmgr, prefix: Path, *words: object) -> Path:
    done = envmgr("create", "-y", "-p", prefix, *words)
    assert done.code == 0, done.err
    return prefix


def exported(envmgr: Envmgr, prefix: Path, *words: object) -> Outcome:
    done = envmgr("export", "-p", prefix, *words)
    assert done.code == 0, done.err
    return done


def listed(envmgr: Envmgr, prefix: Path) -> Any:
    return envmgr("list", "-p", prefix, "--json").json


@pytest.mark.parametrize(
    "options",
    [
        ["--format", "conda-lock"],
        ["--format", "pixi-lock"],
        ["--format", "pixi"],
        ["--format", "pixi", "--from-history"],
        ["--format", "pixi", "--from-history", "--versions", "minor"],
    ],
)
def test_what_is_made_of_an_export_is_the_same_and_exports_the_same(
    envmgr: Envmgr, prefix: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    before = exported(envmgr, prefix, *options)
    file = tmp_path / NAMES[options[1]]
    file.write_text(before.out)
    monkeypatch.setenv("ENVMGR_CHANNELS", "https://127.0.0.1:9/none")
    copy = created(envmgr, tmp_path / "elsewhere/envs/first", "-f", file)
    assert listed(envmgr, copy) == listed(envmgr, prefix)
    assert exported(envmgr, copy, *options).out == before.out
    if options == ["--format", "conda-lock"]:
        asked = exported(envmgr, prefix, "--from-history", "--format", "json")
        assert exported(envmgr, copy, "--from-history", "--format", "json").out == asked.out


def test_a_pylock_brings_the_distributions_of_pypi_again(
    envmgr: Envmgr, prefix: Path, channel: str, tmp_path: Path
) -> None:
    before = exported(envmgr, prefix, "--format", "pylock")
    (tmp_path / "pylock.toml").write_text(before.out)
    copy = created(
        envmgr, tmp_path / "copy", "-f", tmp_path / "pylock.toml", "-c", channel, "--override-channels"
    )
    ours = {each["name"]: each for each in listed(envmgr, prefix)}
    assert {each["name"]: each for each in listed(envmgr, copy)} == {
        name: ours[name] for name in ("python", "wheely", "part", "source")
    }
    assert exported(envmgr, copy, "--format", "pylock").out == before.out
    document = msgspec.toml.decode(before.out)
    assert document["requires-python"] == f"=={VERSION}.*"
    (source,) = [each["sdist"] for each in document["packages"] if each["name"] == "source"]
    assert (source["name"], len(source["hashes"]["sha256"])) == ("source-3.0.tar.gz", 64)


def test_conda_lock_yml_tells_what_distributions_need(envmgr: Envmgr, prefix: Path) -> None:
    lock = yaml.safe_load(exported(envmgr, prefix, "--format", "conda-lock").out)
    needs = {each["name"]: each["dependencies"] for each in lock["package"] if each["manager"] == "pip"}
    assert needs["wheely"] == {"part": ">=1,<9"}
    assert needs["part"] == {}


def test_py_rattler_reads_the_locks(envmgr: Envmgr, prefix: Path, tmp_path: Path) -> None:
    rattler = pytest.importorskip("rattler")
    urls = {each["url"]: each["sha256"] for each in listed(envmgr, prefix)}
    for name in ("pixi.lock", "conda-lock.yml"):
        exported(envmgr, prefix, "-f", tmp_path / name)
        environment = rattler.LockFile.from_path(str(tmp_path / name)).default_environment()
        (platform,) = environment.platforms()
        assert getattr(platform, "name", str(platform)) == "linux-64"
        found = {each.location: each for each in environment.packages(platform)}
        assert {url for url in found if "/files/" not in url} == {
            url for url in urls if url.endswith(".conda")
        }
        assert len(found) == len(urls)
        for url in found.keys() & urls.keys():
            assert found[url].hashes.sha256.hex() == urls[url]
        (wheely,) = [each for each in found.values() if each.name == "wheely"]
        assert wheely.requires_dist == ["part>=1,<9"]


@pytest.fixture(scope="module")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the programs pip, uv and conda-lock, as PyPI has them today."""
    made = tmp_path_factory.mktemp("newest")
    subprocess.run([sys.executable, "-m", "venv", str(made)], check=True, timeout=100)
    command = [str(made / "bin/python"), "-m", "pip", "install", "-q", "-U", "pip", "uv", "conda-lock"]
    subprocess.run(command, check=True, timeout=500, env=OUTSIDE)
    return made / "bin"


def ran(*words: object, folder: Path) -> None:
    done = subprocess.run(
        list(map(str, words)), cwd=folder, check=False, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr


@needs_newest
def test_the_newest_conda_lock_reads_the_lock_as_what_is_installed(
    envmgr: Envmgr, prefix: Path, newest: Path, tmp_path: Path
) -> None:
    exported(envmgr, prefix, "-f", tmp_path / "conda-lock.yml")
    ran(newest / "conda-lock", "render", "-k", "explicit", "-p", "linux-64", folder=tmp_path)
    rendered = (tmp_path / "conda-linux-64.lock").read_text()
    ours = listed(envmgr, prefix)
    conda = {f"{each['url']}#{each['md5']}" for each in ours if each["url"].endswith(".conda")}
    assert {line for line in rendered.splitlines() if line[0] not in "#@"} == conda
    built = {each["name"] for each in ours if each["url"] and not each["url"].endswith(".conda")}
    assert {line.split()[2] for line in rendered.splitlines() if line.startswith("# pip ")} == built
    (tmp_path / "again.txt").write_text(rendered)
    copy = created(envmgr, tmp_path / "copy", "-f", tmp_path / "again.txt")
    assert {each["url"] for each in listed(envmgr, copy)} == {text.partition("#")[0] for text in conda}


@needs_newest
def test_the_newest_pip_and_uv_install_what_is_exported(
    envmgr: Envmgr, prefix: Path, index: str, channel: str, newest: Path, tmp_path: Path
) -> None:
    exported(envmgr, prefix, "-f", tmp_path / "pylock.toml")
    exported(envmgr, prefix, "-f", tmp_path / "requirements.txt", "--hashes")
    names = ["part-1.0.dist-info", "source-3.0.dist-info", "wheely-1.0.dist-info"]
    for number, (program, file) in enumerate(
        (program, file) for program in ("pip", "uv pip") for file in ("pylock.toml", "requirements.txt")
    ):
        first, *words = program.split()
        options = ["--python", newest / "python"] if first == "uv" else ["--no-cache-dir"]
        target = tmp_path / str(number)
        ran(newest / first, *words, "install", "-r", file, "--target", target, *options, folder=tmp_path)
        assert sorted(each.name for each in target.glob("*.dist-info")) == names, (program, file)
    options = ["-r", "requirements.txt", "-o", "pylock.pips.toml", "--no-build-isolation"]
    ran(newest / "pip", "lock", "--quiet", *options, folder=tmp_path)
    asked = ["-f", tmp_path / "pylock.pips.toml", "-c", channel, "--override-channels", "python"]
    copy = created(envmgr, tmp_path / "copy", *asked)
    ours = {each["name"]: each["version"] for each in listed(envmgr, prefix)}
    found = {each["name"]: each["version"] for each in listed(envmgr, copy)}
    assert found == {name: ours[name] for name in ("python", "wheely", "part", "source")}


def uv_reads(file: Path, *options: str) -> list[str]:
    """What uv would install of *file*."""
    command = [
        "uv",
        "pip",
        "install",
        "--dry-run",
        "-r",
        str(file),
        "--target",
        str(file.parent / "t"),
        *options,
    ]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--python", sys.executable],
        check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return sorted(line.strip(" +") for line in done.stderr.splitlines() if line.startswith(" + "))


def pip_reads(file: Path, *options: str) -> list[str]:
    """What pip would install of *file*."""
    command = ["pip", "install", "--dry-run", "--ignore-installed", "--no-build-isolation", "--report", "-"]
    done = subprocess.run(
        [sys.executable, "-m", *command, "--quiet", "-r", str(file), *options],
        check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)["install"]
    return sorted(f"{each['metadata']['name']}=={each['metadata']['version']}" for each in report)


def test_uv_and_pip_read_requirements_with_hashes(
    envmgr: Envmgr, prefix: Path, index: str, tmp_path: Path
) -> None:
    file = tmp_path / "requirements.txt"
    exported(envmgr, prefix, "-f", file, "--hashes")
    assert file.read_text().startswith(f"--index-url {index}\npart==1.0 --hash=sha256:")
    expected = ["part==1.0", "source==3.0", "wheely==1.0"]
    assert uv_reads(file, "--require-hashes") == expected
    assert pip_reads(file, "--require-hashes") == expected
    plain = exported(envmgr, prefix, "--format", "requirements").out.splitlines()
    assert plain == [f"--index-url {index}", *expected]
    file.write_text(file.read_text().replace("sha256:", "sha256:00")[:-2])
    assert envmgr("create", "-y", "-n", "x", "-f", file).code == 1


def test_uv_and_pip_read_the_pylock(envmgr: Envmgr, prefix: Path, tmp_path: Path) -> None:
    file = tmp_path / "pylock.deploy.toml"
    exported(envmgr, prefix, "-f", file)
    expected = ["part==1.0", "source==3.0", "wheely==1.0"]
    assert uv_reads(file) == expected
    standard = pytest.importorskip("packaging.pylock", reason="packaging knows no locks before 26")
    standard.Pylock.from_dict(msgspec.toml.decode(file.read_text()))
    shown = subprocess.run(
        [sys.executable, "-m", "pip", "--version"], capture_output=True, text=True, check=True
    )
    if tuple(map(int, shown.stdout.split()[1].split(".")[:2])) < (26, 1):
        pytest.skip("this pip reads no pylock.toml")
    assert pip_reads(file) == expected
