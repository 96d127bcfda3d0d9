"""create(lock(request)) is create(request): random channels, platforms, groups and indexes of PyPI; real records.

``ENVMGR_TEST_LOCK_SEEDS=200`` tries so many channels, one in five of those with a solution for linux-64 with
environments made for real, and all requests of the benchmarks on the corpus' records.
"""

from __future__ import annotations

import os
import re
import sys
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.builders import make_channel, pkg, script
from tests.cli.test_lock import distribution, state
from tests.pypi.local_index import LocalIndex, serve_index
from tests.servers import serve

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.builders import Pkg
    from tests.command import Envmgr

pytest.importorskip("uv", reason="uv resolves what these tests ask for")

SEEDS = int(os.environ.get("ENVMGR_TEST_LOCK_SEEDS", "0"))
REAL_EVERY = 5
PLATFORMS = ("linux-64", "osx-arm64", "win-64")
NAMES = [f"n{number}" for number in range(9)]
DISTS = [f"w{number}" for number in range(5)]
VERSIONS = ("1.0", "1.1", "2.0", "3.0")
BOUNDS = ("", "", ">=2", "<3", ">=1.1,<3", "1.*", "2.0|3.0")
BUILDS = ("a_0", "b_0", "b_1")
PYTHONS = ("3.11.0", "3.12.0")
MARKER = "; python_version<'3.12'"
# The machines that locks are made for, so that a plan for this one and for them are about the same machine.
PROFILE = {"GLIBC": "2.28", "LINUX": "4.18", "OSX": "13.0", "WIN": "10", "CUDA": "", "CUDA_ARCH": ""}


class Made:
    """One channel with an index beside it, and a request, all drawn from a seed."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = Random(seed)
        self.seed, self.folder = seed, folder
        self.has_pypi = seed % 3 == 2
        self.platforms = sorted(self.random.sample(PLATFORMS, self.random.choice((1, 2, 2, 3))))
        make_channel(folder / "channel" / str(seed), list(self._packages()))

    def _packages(self) -> Iterator[Pkg]:
        choice, chance = self.random.choice, self.random.random
        start = script(f'exec "{os.path.realpath(sys.executable)}" "$@"')
        for version in PYTHONS:
            for subdir in PLATFORMS:
                name = "bin/python" if subdir != "win-64" else "python.exe"
                yield pkg("python", version, subdir=subdir, files={name: start})
        for place, name in enumerate(NAMES):
            shared = chance() < 0.3
            for version in self.random.sample(VERSIONS, self.random.randint(1, len(VERSIONS))):
                for build in self.random.sample(BUILDS, self.random.randint(1, 2)):
                    needs = [
                        f"{other} {choice(BOUNDS)}".strip()
                        for other in NAMES[:place]
                        if chance() < 1.5 / (place + 1)
                    ]
                    needs += ["__glibc >=2.17"] if chance() < 0.1 and not shared else []
                    needs += [f"python {choice(('', '<3.12', '>=3.11'))}".strip()] if chance() < 0.2 else []
                    limits = [f"{other} {choice(('<3', '>=1.1'))}" for other in NAMES if chance() < 0.05]
                    for subdir in ("noarch",) if shared else PLATFORMS:
                        if chance() < 0.9:
                            yield pkg(
                                name, version, build, subdir=subdir, depends=needs, constrains=limits,
                                files={f"share/{name}": f"{version} {build} {subdir}"},
                                **({"noarch": "generic"} if shared else {}),
                            )  # fmt: skip
        for version in ("1.0", "2.0"):
            yield pkg("w0", version, noarch="python", depends=["python"], files=distribution("w0", version))

    def fill(self, index: LocalIndex) -> None:
        """Wheels of this seed; `w0`, which conda has, too, is the same for all."""
        for place, name in list(enumerate(DISTS))[1:]:
            for version in self.random.sample(VERSIONS[:3], self.random.randint(1, 3)):
                needs = [
                    f"{other}{self.random.choice(('', '>=1.1', '<2', MARKER))}"
                    for other in DISTS[:place]
                    if self.random.random() < 0.4
                ]
                index.wheel(f"{name}-{self.seed}", version, [self._own(n) for n in needs])

    def _own(self, need: str) -> str:
        """Names of one seed, so that one index serves all; only the one that conda has, too, is for all."""
        return need if need.startswith("w0") else f"{need[:2]}-{self.seed}{need[2:]}"

    def write(self, url: str) -> list[Path]:
        """The environment files of the request, one or two, the second in the group dev."""
        choice = self.random.choice
        place = self.folder / f"project{self.seed}"
        place.mkdir()
        files = []
        for name in ("environment.yml", "dev.yml")[: choice((1, 2))]:
            names = self.random.sample(NAMES, self.random.randint(1, 3))
            lines: list[Any] = [f"{each} {choice(BOUNDS[:4])}".strip() for each in names]
            if self.random.random() < 0.2:
                lines[-1] += " # [linux]"
            if self.has_pypi:
                items = [self._own(each) for each in self.random.sample(DISTS, self.random.randint(1, 2))]
                lines += ["python", {"pip": items}]
            content = {"channels": [f"{url}/{self.seed}", "nodefaults"], "dependencies": lines}
            content |= {"platforms": self.platforms} if name == "environment.yml" else {"category": "dev"}
            text = re.sub("'(.*) # .linux.'", r"'\1' # [linux]", yaml.safe_dump(content, sort_keys=False))
            (place / name).write_text(text)
            files.append(place / name)
        return files


def plan(envmgr: Envmgr, *words: object) -> Any:
    """The exact packages that a creation would link and what it would note, or None where it is refused."""
    done = envmgr("create", "--dry-run", "--json", "-n", "x", *words)
    said = done.json
    if done.code:
        return None
    keys = ("name", "version", "build_string", "url", "sha256", "channel")
    return sorted(tuple(str(each.get(key)) for key in keys) for each in said["actions"]["LINK"])


def check(envmgr: Envmgr, files: list[Path], platforms: list[str], *options: object) -> tuple[int, int]:
    """Compare, for every platform; how many have a solution, and how many packages were compared."""
    named = [word for file in files for word in ("-f", file)]
    plain = {each: plan(envmgr, *named, *options, "--without-lock", "--platform", each) for each in platforms}
    made = envmgr("lock", *named, *options, "--json")
    lock = files[0].parent / "conda-lock.yml"
    if None in plain.values():
        refused = [each for each, found in plain.items() if found is None]
        assert (made.code, lock.exists()) == (1, False), refused
        assert any(made.json["error"].startswith(f"{each}: ") for each in refused), made.out
        return 0, 0
    assert made.code == 0, made.out
    content = lock.read_bytes()
    notes = yaml.safe_load(content.partition(b"\npackage:")[0])["metadata"].get("custom_metadata", {})
    has_dev = any(name.endswith(".groups") and "dev" in text for name, text in notes.items())
    for each, expected in plain.items():
        used = plan(envmgr, *named, *options, "--locked", "--platform", each)
        # A group of which no platform has any line is none of the lock.
        groups = ("--group", "dev") if has_dev else ()
        alone = plan(envmgr, "-f", lock, *groups, "--platform", each)
        assert used == expected
        assert alone == expected
        if groups:
            main = plan(envmgr, "-f", lock, "--platform", each)
            assert set(main) <= set(expected)
    lock.unlink()
    assert envmgr("lock", *named, *options).code == 0
    assert lock.read_bytes() == content
    assert envmgr("lock", *named, *options, "--check").code == 0
    return len(plain), sum(map(len, plain.values()))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine as the profile has it."""
    for name in [each for each in os.environ if each.startswith(("PIP_", "UV_", "CONDA_OVERRIDE"))]:
        monkeypatch.delenv(name)
    for name, value in PROFILE.items():
        monkeypatch.setenv(f"CONDA_OVERRIDE_{name}", value)
    monkeypatch.setenv("CONDA_OVERRIDE_ARCHSPEC", "x86_64")
    monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")


@pytest.mark.timeout(3600 if SEEDS else 120)
def test_what_a_lock_brings_is_what_the_request_brings(
    envmgr: Envmgr, tmp_path: Path, machine: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = LocalIndex(tmp_path / "index")
    for version in VERSIONS[:3]:
        index.wheel("w0", version)
    solved = packages = here = real = 0
    seeds = range(SEEDS or 6)
    with serve(tmp_path / "channel") as server, serve_index(index) as pypi:
        monkeypatch.setenv("UV_DEFAULT_INDEX", pypi.url)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        for seed in seeds:
            made = Made(seed, tmp_path)
            if made.has_pypi:
                made.fill(index)
            files = made.write(server.url)
            found = check(envmgr, files, made.platforms)
            solved, packages = solved + bool(found[0]), packages + found[1]
            if found[0] and "linux-64" in made.platforms:
                if here % REAL_EVERY == 0:
                    same_for_real(envmgr, files, tmp_path / f"envs{seed}")
                    real += 1
                here += 1
    print(f"{len(seeds)} channels, {solved} solved, {packages} packages compared, {real} pairs made for real")
    assert solved > len(seeds) // 4
    assert real


def same_for_real(envmgr: Envmgr, files: list[Path], folder: Path) -> None:
    """Environments of the request and of its lock, at the same place after each other, with all their files."""
    named = [word for file in files for word in ("-f", file)]
    found = []
    for words in ((*named, "--without-lock"), (*named, "--locked")):
        done = envmgr("create", "-y", "-p", folder / "env", *words)
        assert done.code == 0, done.err
        found.append(state(envmgr, folder / "env"))
        (folder / "env").rename(folder / f"away{len(found)}")
    assert found[0] == found[1]


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not SEEDS, reason="ENVMGR_TEST_LOCK_SEEDS is not set")
def test_requests_on_real_records_come_back_from_their_locks(
    envmgr: Envmgr, tmp_path: Path, machine: None
) -> None:
    from benchmarks.records import corpus_folder, read_repodata
    from benchmarks.requests import REQUESTS

    corpus = corpus_folder()
    if corpus is None:
        pytest.skip("there is no corpus")
    solved = packages = 0
    for request in [each for each in REQUESTS if not each.installed]:
        place = tmp_path / f"project{len(list(tmp_path.iterdir()))}"
        place.mkdir()
        for channel in request.channels:
            for subdir in ("noarch", *PLATFORMS):
                folder = tmp_path / "channels" / channel / subdir
                if not folder.exists():
                    folder.mkdir(parents=True)
                    (folder / "repodata.json").write_bytes(read_repodata(corpus, channel, subdir))
        urls = [(tmp_path / "channels" / channel).as_uri() for channel in request.channels]
        content = {
            "channels": [*urls, "nodefaults"],
            "dependencies": list(request.lines),
            "platforms": ["linux-64"],
        }
        (place / "environment.yml").write_text(yaml.safe_dump(content))
        options = [word for url in urls for word in ("-c", url)]
        for subdir in PLATFORMS:
            (place / "environment.yml").write_text(yaml.safe_dump({**content, "platforms": [subdir]}))
            found = check(envmgr, [place / "environment.yml"], [subdir], *options)
            (place / "conda-lock.yml").unlink(missing_ok=True)
            solved, packages = solved + found[0], packages + found[1]
    print(f"{solved} platforms of requests solved, {packages} packages compared")
    assert solved
