"""Ranges of PEP 440 in conda's words take the same versions, or are refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from envmgr.errors import DataError
from envmgr.models.python_range import conda_alternatives, conda_range
from envmgr.models.version import Version
from envmgr.models.version_spec import VersionSpec

RELEASES = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(lambda parts: ".".join(map(str, parts)))
SUFFIXES = st.sampled_from(["", "", "", "a1", "b2", "rc1", ".dev0", ".post1"])
VERSIONS = st.builds(
    lambda epoch, release, end: epoch + release + end, st.sampled_from(["", "", "1!"]), RELEASES, SUFFIXES
)


@st.composite
def clauses(draw: st.DrawFn) -> str:
    operator = draw(st.sampled_from(["==", "!=", ">=", "<=", ">", "<", "~=", "==*", "!=*"]))
    if operator.endswith("*"):
        return f"{operator[:2]}{draw(RELEASES)}.*"
    version = draw(VERSIONS)
    version = (
        version
        if version[-1].isdigit() and version.replace("!", "").replace(".", "").isdigit()
        else padded(version)
    )
    release = version.partition("!")[2] or version
    return f"{operator}{version}" if operator != "~=" or "." in release.split("rc")[0][:2] else f">={version}"


def padded(version: str) -> str:
    """*version* with a release of three numbers, as channels have: `1.0rc1` and `1rc1` are two to conda."""
    from packaging.version import Version as Pep440

    known = Pep440(version)
    release = ".".join(map(str, (*known.release, 0, 0)[:3]))
    plain = known.base_version.rpartition("!")[2]
    epoch, mark, rest = str(known).rpartition("!")
    return f"{epoch}{mark}{release}{rest.removeprefix(plain)}"


@given(st.lists(clauses(), min_size=1, max_size=3).map(",".join), VERSIONS)
def test_a_range_takes_the_versions_that_pep_440_takes(text: str, version: str) -> None:
    """PEP 440, "Version specifiers"; which pre-releases count at all is asked apart from that."""
    whole = padded(version)
    assume(
        not (".dev" in whole and re.search("[0-9](a|b|rc)[0-9]", text))
    )  # conda orders `.dev0` after `a1`.
    try:
        said = conda_range(text)
    except DataError:
        return
    wanted = SpecifierSet(text).contains(whole, prereleases=True)
    assert VersionSpec.parse(said or "*").matches(Version.parse(whole)) == wanted, (said, whole)


def test_what_conda_cannot_say_is_refused_with_why() -> None:
    for text, words in (
        ("===1.0", "compares texts"),
        ("==1.0+cpu", "local version"),
        (">=x", "no version specifier"),
    ):
        with pytest.raises(DataError, match=words):
            conda_range(text)


def test_alternatives_stay_alternatives() -> None:
    assert conda_alternatives(">=3.8,<3.9 || ~=3.10.1") == ">=3.8,<3.9dev0|>=3.10.1,3.10.*"
    assert conda_alternatives("* ".strip("* ")) == ""
