"""Version literals and their order, sentence by sentence of CEP 33."""

from __future__ import annotations

import itertools
import pickle
from itertools import zip_longest

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.models.version import Version

# CEP 33, "Examples": each line is one place in the order; versions on one line are equal.
NORMATIVE_ORDER = """
    0.4 0.4.0
    0.4.1.rc 0.4.1.RC
    0.4.1+local
    0.4.1+0.local
    0.4.1 0.4.1+0
    0.4.1+1.local
    0.5a1
    0.5b3
    0.5C1
    0.5
    0.9.6
    0.960923
    1.0
    1.1dev1
    1.1a1
    1.1.0dev1 1.1.dev1
    1.1.a1
    1.1.0rc1
    1.1.0.0 1.1.0 1.1
    1.1.post1 1.1.0post1
    1.1post1
    1996.07.12
    1!0.4.1
    1!3.1.1.6
    2!0.4.1
"""
NORMATIVE = [line.split() for line in NORMATIVE_ORDER.strip().splitlines()]
LITERALS = [(place, text) for place, line in enumerate(NORMATIVE) for text in line]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(LITERALS, 2)))
def test_normative_examples_stand_in_their_order(first: tuple[int, str], second: tuple[int, str]) -> None:
    one, other = Version.parse(first[1]), Version.parse(second[1])
    if first[0] == second[0]:
        assert one == other
        assert hash(one) == hash(other)
    else:
        assert one < other
        assert other > one
        assert one != other


@pytest.mark.parametrize(
    ("text", "epoch", "segments", "local"),
    [
        ("1.2g.beta15.rc", 0, ((1,), (2, "g"), (0, "beta", 15), (0, "rc")), ()),
        ("1!2.15.1_ALPHA", 1, ((2,), (15,), (1,), (0, "alpha")), ()),
        ("1!2.15.1alpha_", 1, ((2,), (15,), (1, "alpha_")), ()),
        ("1!2.15.1_alpha+1.2.3h123", 1, ((2,), (15,), (1,), (0, "alpha")), ((1,), (2,), (3, "h", 123))),
        ("1.0.1_", 0, ((1,), (0,), (1, "_")), ()),
        ("1-2", 0, ((1,), (2,)), ()),
        ("007.08", 0, ((7,), (8,)), ()),
        ("1+a-b_c", 0, ((1,),), ((0, "a"), (0, "b"), (0, "c"))),
    ],
)
def test_literals_are_split_as_the_standard_shows(
    text: str, epoch: int, segments: object, local: object
) -> None:
    version = Version.parse(text)
    assert (version.epoch, version.segments, version.local_segments) == (epoch, segments, local)


@pytest.mark.parametrize(
    ("smaller", "greater"),
    [
        ("1.0.1_", "1.0.1a"),  # "A single trailing underscore MAY be used ... (e.g. 1.0.1_ < 1.0.1a)."
        ("1.0.1a", "1.0.1"),  # The reason for it: without the underscore a letter makes a pre-release.
        ("1.1rc", "1.1.rc"),  # The warning: "1.1.0rc" == "1.1.rc" > "1.1rc".
        ("1.0dev", "1.0_"),  # "The substring dev is always smaller."
        ("1.0dev", "1.0a"),
        ("1.0", "1.0post"),  # "... except for post, which is always greater."
        ("1.99999999", "1post"),
        ("1.a", "1.a_"),
        ("1", "1.0.0.0.0.0.1"),
        ("1.0.0.0.0.0.dev", "1"),
        ("1a", "1"),
        ("1+a", "1"),
        ("1.0.0a", "1"),
        ("1.0a", "1.0.0a"),
        ("1.0.0.0a", "1.0.0.0.0b"),
        ("a", "0"),
        ("20210323183018", "20210323183019"),
    ],
)
def test_smaller_version_comes_first(smaller: str, greater: str) -> None:
    assert Version.parse(smaller) < Version.parse(greater)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1.1.0rc", "1.1.rc"),
        ("1", "1.0.0.0"),
        ("1+0.0", "1"),
        ("01.02", "1.2"),
        ("1.A", "1.a"),
        ("0!1", "1"),
        ("1-2", "1_2"),
    ],
)
def test_versions_that_are_written_differently_can_be_equal(one: str, other: str) -> None:
    assert Version.parse(one) == Version.parse(other)
    assert hash(Version.parse(one)) == hash(Version.parse(other))


@pytest.mark.parametrize(
    "text",
    # Empty, with empty parts, without an epoch or a local part behind its mark, or with strange characters.
    [
        "",
        "  ",
        "1..2",
        "1._2",
        ".1",
        "1.",
        "1__",
        "+1",
        "1+",
        "!1",
        "1!",
        "a!1",
        "1!2!3",
        "1+2+3",
        "1*",
        "1 2",
        "1,2",
        "1/2",
        "ä",
        "²",
        "1\n2",
        "1" * 600,
    ],
)
def test_text_that_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(DataError, match="version"):
        Version.parse(text)


def test_refusal_names_the_characters_that_do_not_belong() -> None:
    with pytest.raises(DataError, match=r"'1\.2 \(beta\)' is not a version: it holds ' \(\)'"):
        Version.parse("1.2 (beta)")


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("1.8", "1.8", True),
        ("1.8.0", "1.8", True),
        ("1.8.1", "1.8", True),
        ("1.80", "1.8", False),
        ("1.8rc1", "1.8", True),
        ("1.8.dev0", "1.8", True),
        ("1.8", "1.8.0", True),
        ("1", "1.0.0", True),
        ("1a", "1.0", False),
        ("1.7.9", "1.8", False),
        ("1!1.8", "1.8", False),
        ("1!1.8.1", "1!1.8", True),
        ("1.8+local", "1.8", True),
        ("1.8+cu118", "1.8+cu118", True),
        ("1.8+cu118.1", "1.8+cu118", True),
        ("1.8.1+cu118", "1.8+cu118", False),
        ("1.0alpha1", "1.0a", True),
        ("1.0post1", "1.0p", False),
        ("1.0dev1", "1.0d", False),
        ("1.0dev1", "1.0dev", True),
        ("9e", "9", True),
        ("2.1b2", "2.1b", True),
        ("2.1b2", "2.1b3", False),
        ("1.0.rc0", "1.0.rc", True),
    ],
)
def test_fuzzy_equality_compares_the_segments_before_the_glob(text: str, prefix: str, expected: bool) -> None:
    assert Version.parse(text).starts_with(Version.parse(prefix)) is expected


@pytest.mark.parametrize(
    ("text", "shorter"),
    [("0.5.3", "0.5"), ("1!2.3", "1!2"), ("1.2rc1.4", "1.2rc1"), ("1.0.0+x.1", "1.0"), ("7", "0")],
)
def test_without_last_drops_one_segment(text: str, shorter: str) -> None:
    assert str(Version.parse(text).without_last()) == shorter


def test_version_survives_pickling() -> None:
    version = Version.parse("1!2.0rc1+x.3")
    assert pickle.loads(pickle.dumps(version)) == version


def test_comparison_key_is_computed_once() -> None:
    version = Version.parse("1.2.3rc4")
    assert version.key is version.key
    assert all(type(part) in (int, float, str) for part in version.key)


def test_version_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Version.parse("1.0").text = "2.0"  # type: ignore[misc]


# Few letters and small numbers, so that near-equal versions are frequent.
RUNS = st.sampled_from(["0", "1", "2", "10", "a", "b", "rc", "dev", "post", "00"])
SEGMENTS = st.lists(RUNS, min_size=1, max_size=3).map("".join)
MAIN = st.lists(SEGMENTS, min_size=1, max_size=4).map(".".join)
VERSIONS = st.builds(
    lambda epoch, main, mark, local: f"{epoch}{main}{mark}{local}",
    st.sampled_from(["", "", "0!", "1!"]),
    MAIN,
    st.sampled_from(["", "", "_"]),
    st.sampled_from(["", "", "+0", "+a", "+1.b"]),
)


def compare_slowly(one: Version, other: Version) -> int:
    """CEP 33's comparison written out: "When a component has no correspondent, ... assumed to be 0"."""

    def rank(component: int | str) -> tuple[int, int | str]:
        if component == "dev":
            return 0, 0
        if component == "post":
            return 3, 0
        return (1, component) if isinstance(component, str) else (2, component)

    def compare(mine: object, theirs: object) -> int:
        for ours, others in zip_longest(mine, theirs, fillvalue=()):  # type: ignore[call-overload]
            for first, second in zip_longest(ours, others, fillvalue=0):
                if rank(first) != rank(second):
                    return -1 if rank(first) < rank(second) else 1
        return 0

    mine, theirs = ((one.epoch,), *one.segments), ((other.epoch,), *other.segments)
    return compare(mine, theirs) or compare(one.local_segments, other.local_segments)


@given(VERSIONS, VERSIONS)
@example("1.0.0a", "1.0a0.0")
@example("1.0.0.post", "1")
def test_key_orders_as_the_padded_comparison_does(one: str, other: str) -> None:
    first, second = Version.parse(one), Version.parse(other)
    expected = compare_slowly(first, second)
    assert (first > second) - (first < second) == expected
    assert (first == second) is (expected == 0)
    assert (first <= second) is (expected <= 0)
    assert (first >= second) is (expected >= 0)


@given(VERSIONS)
def test_text_round_trips(text: str) -> None:
    version = Version.parse(text)
    assert str(version) == text
    assert Version.parse(str(version)) == version


@given(VERSIONS)
def test_padding_with_zero_segments_changes_nothing(text: str) -> None:
    main, plus, local = text.partition("+")
    if main.endswith("_"):
        return
    assert Version.parse(f"{main}.0.0{plus}{local}") == Version.parse(text)
    assert Version.parse(text.upper()) == Version.parse(text)


@given(VERSIONS)
def test_every_version_begins_with_itself(text: str) -> None:
    version = Version.parse(text)
    assert version.starts_with(version)


@given(st.text(max_size=12))
def test_any_text_is_a_version_or_a_data_error(text: str) -> None:
    try:
        assert str(Version.parse(text)) == text.strip()
    except DataError as error:
        assert str(error).endswith(".")
