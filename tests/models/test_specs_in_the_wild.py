"""Versions and specs that public channels and environment files really hold, beside py-rattler's reading of them.

Wherever the two differ, the case is listed with its reason; a new difference fails.
"""

from __future__ import annotations

import bisect
import json
import random
import re
from dataclasses import dataclass

import pytest
import rattler
import zstandard

from envmgr.errors import DataError
from envmgr.models.identifiers import is_build_string, is_package_name, is_version_string
from envmgr.models.match_spec import MatchSpec
from envmgr.models.version import Version
from envmgr.models.version_spec import VersionSpec
from tests.shared_data import shared_path

INDEXES = [
    "conda-forge/linux-64",
    "conda-forge/noarch",
    "pytorch/linux-64",
    "bioconda/linux-64",
    "nvidia/linux-64",
]

# Dependencies and items for which envmgr and py-rattler disagree on purpose.
DIFFERENT = {
    "pandas >=1.0, ==1.*": "a literal trailed by .* is a fuzzy equality (CEP 29); rattler reads ==1",
    "pytorch 1.*.*": "a glob that is not trailing is matched as a string (CEP 29); rattler shortens it to 1.*",
    "x264 >=1 !164.3095,<1!165": "spaces inside a clause are dropped, as in conda; rattler sees a build",
    "mpich===4.2.2[build=external_*]": "=== is read as ==, as conda does; rattler refuses it",
}
# Items of environment files that nobody can read as specs, and what is said about them.
UNREADABLE = {
    "torchmetrics[image]": "expected key=value",
    "rasterio[s3]": "expected key=value",
    "cubed[diagnostics]": "expected key=value",
    "dask[complete]": "expected key=value",
    "pyyaml  - click == 8.0.4": "two version clauses",
    "cartopy - lxml": "'-' is not a version",
    "nc-time-axis - seaborn": "'-' is not a version",
    "numpy=<1.22": "does not begin with one of the operators",
    "numpy=<1.19": "does not begin with one of the operators",
    "pandoc=<2.0.0": "does not begin with one of the operators",
    "open-cravat=>2.1.1": "does not begin with one of the operators",
    "openmm::conda-forge/label/test": "is not a package name",
    "conda-store-server=={{ conda_store.version }}": "expected at most a name, a version and a build",
}


@dataclass(frozen=True)
class Corpus:
    versions: list[str]
    dependencies: list[str]
    names: list[str]
    builds: list[str]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """The distinct strings of some real indexes."""
    versions, dependencies, names, builds = set[str](), set[str](), set[str](), set[str]()
    for index in INDEXES:
        packed = shared_path(f"corpus/{index}/repodata.json.zst").read_bytes()
        repodata = json.loads(zstandard.ZstdDecompressor().stream_reader(packed).read())
        for section in ("packages", "packages.conda"):
            for record in repodata[section].values():
                versions.add(record["version"])
                names.add(record["name"])
                builds.add(record["build"])
                dependencies.update(record.get("depends", ()), record.get("constrains", ()))
    return Corpus(sorted(versions), sorted(dependencies), sorted(names), sorted(builds))


class Ordered:
    """Every version of the corpus as read by both, in envmgr's order."""

    def __init__(self, versions: list[str]) -> None:
        pairs = [(Version.parse(text), rattler.Version(text)) for text in versions]
        self.pairs = sorted(pairs, key=lambda pair: pair[0].key)
        self._keys = [pair[0].key for pair in self.pairs]

    def near(self, text: str) -> list[tuple[Version, rattler.Version]]:
        """The versions around those that *text* names, where a difference would show."""
        places: set[int] = set()
        for literal in re.findall(r"[0-9][0-9A-Za-z._]*", text)[:4]:
            place = bisect.bisect_left(self._keys, Version.parse(literal.rstrip("._")).key)
            places.update(range(max(0, place - 4), min(len(self._keys), place + 4)))
        return [self.pairs[place] for place in sorted(places)]


@pytest.fixture(scope="module")
def ordered(corpus: Corpus) -> Ordered:
    return Ordered(corpus.versions)


@pytest.fixture(scope="module")
def written_specs() -> list[str]:
    """The distinct items of real environment files."""
    lines = shared_path("envfiles/match_specs.tsv").read_text("utf-8").splitlines()
    return [json.loads(line.split("\t")[2]) for line in lines]


def differs_by_rattlers_zeros(spec: VersionSpec, version: Version) -> bool:
    """Whether the one systematic difference is at work.

    rattler drops the zeros at the end of a fuzzy literal before it compares, so that ``=9.0`` accepts ``9b``. By
    CEP 29 the segments before the glob must be equal, and 9 is not 9b; conda agrees.
    """
    return re.search(r"\.0\.\*", str(spec)) is not None and re.search(r"[a-z]", version.text) is not None


def test_every_published_string_can_be_read(corpus: Corpus) -> None:
    assert len(corpus.versions) > 5000
    assert len(corpus.dependencies) > 15000
    for text in corpus.dependencies:
        assert MatchSpec.parse(text).is_name_exact
    assert [name for name in corpus.names if not is_package_name(name)] == []
    assert [build for build in corpus.builds if not is_build_string(build)] == []
    assert [version for version in corpus.versions if not is_version_string(version)] == []


def test_versions_have_rattlers_order(ordered: Ordered) -> None:
    for (one, their_one), (other, their_other) in zip(ordered.pairs, ordered.pairs[1:], strict=False):
        assert (one == other) is (their_one == their_other), (one.text, other.text)
        assert (one < other) is (their_one < their_other), (one.text, other.text)
    choice = random.Random(33).choice
    for _ in range(10_000):
        (one, their_one), (other, their_other) = choice(ordered.pairs), choice(ordered.pairs)
        assert (one < other) is (their_one < their_other), (one.text, other.text)


def test_dependencies_match_what_rattler_matches(corpus: Corpus, ordered: Ordered) -> None:
    seen: set[str] = set()
    for text in corpus.dependencies:
        compare(text, MatchSpec.parse(text), ordered, seen)


def test_items_of_environment_files_match_what_rattler_matches(
    written_specs: list[str], ordered: Ordered
) -> None:
    seen: set[str] = set()
    for text in written_specs:
        try:
            ours = MatchSpec.parse(text)
        except DataError as error:
            said = "a URL must end in .conda" if "://" in text else UNREADABLE.get(text, "missing here")
            assert said in str(error)
            continue
        compare(text, ours, ordered, seen)


def compare(text: str, ours: MatchSpec, ordered: Ordered, seen: set[str]) -> None:
    """*ours* round-trips, both read one build, both versions match the same; *seen* saves repetitions."""
    behind_name = text.removeprefix(ours.name)
    if text in DIFFERENT or behind_name in seen:
        return
    seen.add(behind_name)
    assert MatchSpec.parse(str(ours)) == ours, text
    theirs = rattler.MatchSpec(text)
    assert (str(ours.build) if ours.build else "*") == (theirs.build or "*").lower(), text
    assert (ours.version is None) is (str(theirs.version or "*") == "*"), text
    if ours.version is None or str(ours.version) in seen:
        return
    seen.add(str(ours.version))
    their_version = rattler.VersionSpec(str(theirs.version))
    for version, their_literal in ordered.near(text):
        if ours.version.matches(version) is not their_version.matches(their_literal):
            assert differs_by_rattlers_zeros(ours.version, version), (text, version.text)


@pytest.mark.parametrize(("text", "reason"), DIFFERENT.items())
def test_listed_differences_still_exist(text: str, reason: str) -> None:
    """A line of DIFFERENT that no longer holds must go."""
    assert reason
    if " " not in text and "[" not in text:
        assert str(VersionSpec.parse(text)) != str(rattler.VersionSpec(text))
        return
    try:
        theirs = rattler.MatchSpec(text)
    except Exception:  # noqa: BLE001 -- py-rattler raises an exception of its own that it does not export.
        return
    ours = MatchSpec.parse(text)
    assert (str(ours.version), str(ours.build)) != (str(theirs.version), str(theirs.build))


@pytest.mark.parametrize(
    ("text", "ours", "theirs", "reason"),
    [
        (
            "99999999999999999999",
            True,
            False,
            "rattler's numbers have 64 bits; published versions need more than 32",
        ),
        ("1.0_1-2", True, False, "CEP 33 splits at . _ and -; rattler and conda refuse a mixture of _ and -"),
        ("1__", False, True, "empty segments SHOULD NOT be allowed, one trailing underscore MAY (CEP 33)"),
    ],
)
def test_literals_that_only_one_side_reads(text: str, ours: bool, theirs: bool, reason: str) -> None:
    assert reason
    assert reads(Version.parse, text) is ours
    assert reads(rattler.Version, text) is theirs


@pytest.mark.parametrize(
    ("smaller", "greater", "reason"),
    [
        (
            "1.a",
            "1.a_",
            "a trailing underscore is part of the string before it (CEP 33); for rattler it comes first",
        )
    ],
)
def test_orders_that_differ(smaller: str, greater: str, reason: str) -> None:
    assert reason
    assert Version.parse(smaller) < Version.parse(greater)
    assert rattler.Version(smaller) > rattler.Version(greater)


@pytest.mark.parametrize(
    ("text", "prefix", "reason"),
    [
        (
            "1.0alpha",
            "1.0a",
            "conda lets a string begin with the literal's last string; rattler wants it whole",
        ),
        ("1.0.1_", "1.0.1_", "nothing"),
    ],
)
def test_families_that_differ(text: str, prefix: str, reason: str) -> None:
    assert Version.parse(text).starts_with(Version.parse(prefix))
    assert rattler.Version(text).starts_with(rattler.Version(prefix)) is (reason == "nothing")


def reads(parse: object, text: str) -> bool:
    try:
        parse(text)  # type: ignore[operator]
    except Exception:  # noqa: BLE001 -- as above.
        return False
    return True
