"""Whatever style a version is written in, the package that is installed is one that the spec asks for."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace
from packaging.requirements import Requirement
from packaging.version import Version

from envmgr.errors import DataError
from envmgr.models.match_spec import MatchSpec, parse_match_spec
from envmgr.models.record import Origin, PackageRecord
from envmgr.models.spec_style import VERSION_STYLES, VersionStyle, plain_text, restyled
from envmgr.models.version import Version as CondaVersion
from envmgr.pypi.items import restyled_item


def is_version(text: str) -> bool:
    try:
        return bool(CondaVersion.parse(text))
    except DataError:
        return False


NUMBERS = st.integers(0, 30).map(str) | st.sampled_from(["00", "01", "2024", "20240131"])
PARTS = st.one_of(
    NUMBERS, NUMBERS, st.from_regex(r"[0-9]{1,2}(rc|a|b|post|dev|alpha|p|_)[0-9]?", fullmatch=True)
)
LETTERS = st.sampled_from(["2024a", "9e", "1.1.1w", "0.9.8zh", "r1234", "dev", "1.0rc1.dev2", "1.0_2", "1-2"])
EPOCHS = st.sampled_from(["", "", "", "1!", "0!", "12!"])
LOCALS = st.sampled_from(["", "", "", "+cu118", "+1.2", "+g0a1b2c3.d20240101"])
VERSIONS = st.builds(
    lambda epoch, version, local: f"{epoch}{version}{local}",
    EPOCHS,
    st.lists(PARTS, min_size=1, max_size=5).map(".".join) | LETTERS,
    LOCALS,
)
VALID = VERSIONS.filter(lambda text: is_version(text) and is_version(f"{text}.1"))
BUILDS = st.sampled_from(["0", "h0_1", "py312h1103770_0", "cuda118_mkl_2"])
ASKED = st.sampled_from(
    ["{n}", "{n} *", "{n} =={v}", "{n} >={v}", "{n}={v}", "{n} {v}.*", "{n} {v} {b}", "{n}={v}={b}", "{n}=*={b}",
     "{n}=*=*_{t}", "ch::{n}", "{n}[md5=0123456789abcdef0123456789abcdef]", "{n} <={v}|>99", "{n}[license=MIT]"]
)  # fmt: skip


def record(version: str, build: str) -> PackageRecord:
    return PackageRecord(
        name="x-1", version=version, build=build, build_number=int(build.rpartition("_")[2]), license="MIT",
        md5="0123456789abcdef0123456789abcdef", subdir="linux-64",
        origin=Origin("https://conda.anaconda.org/ch", "linux-64", "https://conda.anaconda.org/ch/linux-64/"),
    )  # fmt: skip


@given(version=VALID, build=BUILDS, asked=ASKED, style=st.sampled_from(VERSION_STYLES))
def test_every_style_asks_for_what_is_installed(version: str, build: str, asked: str, style: VersionStyle):
    here = record(version, build)
    text = asked.format(n="x-1", v=version.partition("+")[0], b=build, t=build.rpartition("_")[2])
    spec = parse_match_spec(text)
    assume(spec.matches(here))
    styled = restyled(spec, version, style)
    read = parse_match_spec(plain_text(styled))
    assert read.matches(here)
    assert read == styled
    assert restyled(read, version, style) == styled
    if style == "exact":
        assert not read.matches(replace(here, version=f"{version}.1"))


@given(version=VALID)
def test_the_styles_ask_for_less_and_less(version: str):
    """Whoever the exact spec takes is taken by `=X.Y` and by `>=`, and these by the name alone."""
    name = MatchSpec(name="x-1")
    for other in (version, f"{version}.1", f"{version.partition('+')[0].rstrip('_')}.99", "0", "99!1"):
        taken = [
            restyled(name, version, style).matches(record(other, "0"))
            for style in ("exact", "minor", "minimum", "none")
        ]
        assert taken[3]
        assert taken[0] <= min(taken[1:3])


PYPI = st.builds(
    lambda epoch, release, rest, local: f"{epoch}{release}{rest}{local}",
    st.sampled_from(["", "", "1!"]),
    st.lists(st.integers(0, 40).map(str), min_size=1, max_size=4).map(".".join),
    st.sampled_from(["", "", "a1", "rc2", ".post3", ".dev4", "rc1.post2.dev3"]),
    LOCALS,
)


@given(
    version=PYPI,
    item=st.sampled_from(
        ["Foo_Bar", "foo-bar[x]", "foo-bar>0", "foo-bar; python_version>'3'", "foo.bar[x,y]>=0,<9999"]
    ),
    style=st.sampled_from(VERSION_STYLES),
)
def test_every_style_of_an_item_for_pip_asks_for_what_is_installed(
    version: str, item: str, style: VersionStyle
):
    asked = Requirement(item)
    assume(style != "asked" or asked.specifier.contains(version, prereleases=True))
    styled = Requirement(restyled_item(item, version, style))
    assert styled.specifier.contains(Version(version), prereleases=True)
    assert (styled.name, styled.extras, styled.marker) == (asked.name, asked.extras, asked.marker)
    assert restyled_item(str(styled), version, style) == str(styled)


@pytest.mark.parametrize("version", ["not a version", "1.0-foo-2"])
def test_an_item_with_a_version_of_no_standard_is_still_named(version: str):
    assert restyled_item("foo>1", version, "exact") == ("foo>1" if " " in version else f"foo==={version}")
