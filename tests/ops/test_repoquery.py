"""Who needs a package: the answer over whole channels against one found by looking at each record by itself."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import pytest

from envmgr.models.match_spec import MatchSpec
from envmgr.models.record import PackageRecord
from tests.builders import make_channel, pkg
from tests.command import in_process
from tests.servers import serve
from tests.shards import write_shards
from tests.shared_data import shared_path

if TYPE_CHECKING:
    from pathlib import Path

    from tests.builders import Pkg
    from tests.command import Envmgr

NAMES = ["a", "b", "c", "ab", "a-b"]
ENTRIES = ["{}", "{} >=2", "{} <2", "{} 1.*", "{} >=1,<3", "{} * x*", "{} !=2.0"]


@pytest.fixture
def envmgr(capfd: pytest.CaptureFixture[str]) -> Envmgr:
    return in_process(capfd)


def made_packages(seed: int) -> list[Pkg]:
    source = random.Random(seed)
    made: dict[str, Pkg] = {}
    for _ in range(25):
        entries = [source.choice(ENTRIES).format(source.choice(NAMES)) for _ in range(source.randint(0, 4))]
        build = f"{source.choice('xy')}_{source.randint(0, 1)}"
        package = pkg(source.choice(NAMES), f"{source.randint(1, 3)}.0", build, depends=entries)
        made[package.file_name] = package
    return list(made.values())


def record_of(package: Pkg) -> PackageRecord:
    return PackageRecord(name=package.name, version=package.version, build=package.build)


def needing(packages: list[Pkg], spec: MatchSpec) -> set[str]:
    """The files whose entries about the spec's name accept together a record that it matches."""
    wanted = [record for record in map(record_of, packages) if spec.matches(record)]
    found = set()
    for package in packages:
        entries = [MatchSpec.parse(text) for text in package.index["depends"]]
        about = [entry for entry in entries if entry.name == spec.name]
        fits = any(all(entry.matches(record) for entry in about) for record in wanted)
        if about and (fits or spec == MatchSpec(name=spec.name)):
            found.add(package.file_name)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_each_record_that_needs_a_package_is_found(envmgr: Envmgr, tmp_path: Path, seed: int):
    packages = made_packages(seed)
    channel = make_channel(tmp_path / "main", packages)
    for text in ("a", "b 2.*", "a-b >=2", "ab * x_*", "c <3"):
        spec = MatchSpec.parse(text)
        words = ["-c", channel, "--override-channels", "--json"]
        found = envmgr("repoquery", "whoneeds", text, "--builds", *words)
        if not any(spec.matches(record_of(package)) for package in packages):
            assert found.code == (0 if text == "a" and needing(packages, spec) else 1)
            continue
        expected = needing(packages, spec)
        assert {each["fn"] for each in found.json["result"]["pkgs"]} == expected, text
        newest = envmgr("repoquery", "whoneeds", text, *words).json["result"]["pkgs"]
        assert {each["name"] for each in newest} == {name.rsplit("-", 2)[0] for name in expected}
        assert sum(1 + each["other_builds"] for each in newest) == len(expected)


@pytest.mark.parametrize("forms", ["whole", "both", "shards"])
def test_only_names_that_may_matter_get_a_table(
    envmgr: Envmgr, tmp_path: Path, isolated_home: Path, forms: str
):
    others = [pkg(f"other{number}", depends=["zlib"]) for number in range(20)]
    needing = [pkg("one", depends=["Tool >=1"]), pkg("two", depends=["main::tool", "zlib"])]
    channel = make_channel(tmp_path / "main", [*others, *needing, pkg("tool"), pkg("toolbox"), pkg("zlib")])
    if forms != "whole":
        write_shards(channel, remove_others=forms == "shards")
    with serve(tmp_path) as server:
        found = envmgr("repoquery", "whoneeds", "tool", "-c", f"{server.url}/main", "--override-channels")
        assert found.code == 0, found.err
        shards = [path for path in server.paths if "/shards/" in path]
    assert [line.split()[0] for line in found.out.splitlines()[1:]] == ["one", "two"]
    assert bool(shards) == (forms == "shards")
    index = isolated_home / "root" / "index"
    tables = [path for path in index.rglob("*") if path.is_file() and "tables" in path.parts]
    assert 3 <= len(tables) <= 4  # tool, one, two and perhaps toolbox


def test_real_records(envmgr: Envmgr, tmp_path: Path):
    from benchmarks.records import SECTIONS, read_repodata, unpack_channel

    corpus = shared_path("corpus")
    channel = unpack_channel(corpus, "bioconda", tmp_path)
    expected = set()
    for subdir in ("linux-64", "noarch"):
        repodata = json.loads(read_repodata(corpus, "bioconda", subdir))
        for section in SECTIONS:
            for record in repodata.get(section, {}).values():
                if any(entry.split(" ")[0] == "samtools" for entry in record["depends"]):
                    expected.add(record["name"])
    words = ["-c", channel, "--override-channels", "--json"]
    found = envmgr("repoquery", "whoneeds", "samtools", *words).json["result"]["pkgs"]
    assert {each["name"] for each in found} == expected
    assert len(expected) > 3
