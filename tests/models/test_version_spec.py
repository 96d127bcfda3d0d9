"""Version specifiers, rule by rule of CEP 29, "Version matching"."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.models.version import Version
from envmgr.models.version_spec import ANY_VERSION, VersionSpec

# specifier, canonical text, versions that match, versions that do not
CASES = [
    # "A single version literal", "exact equality ... normalized version literal equality".
    ("1.8", "==1.8", "1.8 1.8.0 1.8+0", "1.8.1 1.80 1.7 1.8rc1"),
    ("==1.8", "==1.8", "1.8 1.8.0.0", "1.8.1 1.8post1"),
    ("===1.8", "==1.8", "1.8", "1.8.1"),
    # Fuzzy equality: "prefixed by one = symbol, or a version literal trailed by .* or *".
    ("=1.8", "1.8.*", "1.8 1.8.0 1.8.3 1.8rc1 1.8+x", "1.80 1.7 1.9 1!1.8"),
    ("1.8.*", "1.8.*", "1.8 1.8.3 1.8post1", "1.80 1.9"),
    ("1.8*", "1.8.*", "1.8 1.8.3", "1.80 1.81"),
    ("=1.8.*", "1.8.*", "1.8.1", "1.9"),
    ("==1.8.*", "1.8.*", "1.8 1.8.1", "1.9"),
    ("2.*", "2.*", "2 2.1 2a1", "20 1 3"),
    # Exclusion.
    ("!=1.8", "!=1.8", "1.8.1 1.9 1.7", "1.8 1.8.0"),
    ("!=1.8.*", "!=1.8.*", "1.9 1.7.9 1.80", "1.8 1.8.1 1.8rc1"),
    ("!=1.8*", "!=1.8.*", "1.9", "1.8.1"),
    # Ordered comparisons; a trailing glob is dropped, as conda does.
    ("<1.8", "<1.8", "1.7.99 1.8rc1 1.8dev1", "1.8 1.8.0 1.9 1.8post1"),
    (">1.8", ">1.8", "1.8.1 1.9 1.8post1 1!0", "1.8 1.8.0 1.7"),
    ("<=1.8", "<=1.8", "1.8 1.8.0 1.7", "1.8.1 1.8post1"),
    (">=1.8", ">=1.8", "1.8 1.8.0 1.9", "1.8rc1 1.7"),
    (">=1.8.*", ">=1.8", "1.8 1.9", "1.7 1.8rc1"),
    ("<1.8.*", "<1.8", "1.7", "1.8 1.8.1"),
    (">=1.8*", ">=1.8", "1.8 1.9", "1.7"),
    # "~=0.5.3 expands to >=0.5.3,0.5.*".
    ("~=0.5.3", "~=0.5.3", "0.5.3 0.5.4 0.5.3.post1 0.5.10", "0.5.2 0.6 0.5.3rc1 1.5.3"),
    ("~=1.2", "~=1.2", "1.2 1.3 1.99", "1.1 2.0"),
    ("~=1!1.2", "~=1!1.2", "1!1.2 1!1.3", "1.2 1!2"),
    # String matching: "a regex", "a non-trailing glob".
    ("^1\\.[89]$", "^1\\.[89]$", "1.8 1.9", "1.80 1.8.0 11.8"),
    ("^(1|2)\\.0,?$", "^(1|2)\\.0,?$", "1.0 2.0", "3.0"),
    ("1.*.2", "1.*.2", "1.5.2 1.5.6.2", "1.5.3 1.2"),
    ("*.2", "*.2", "1.2 5.2", "2 1.20"),
    ("*+cu118", "*+cu118", "2.0+cu118", "2.0 2.0+cu121"),
    ("1.*.*", "1.*.*", "1.2.3", "1.2 1"),
    ("!=1.*.2", "!=1.*.2", "1.5.3", "1.5.2"),
    # "A single glob".
    ("*", "*", "0 1 a 9!9", ""),
    ("=*", "*", "0", ""),
    ("==*", "*", "0", ""),
    (">=*", "*", "0", ""),
    # "| denotes the logical OR; , denotes the logical AND; , has higher precedence than |".
    (">=3,<4", ">=3,<4", "3 3.9", "2.9 4 4.1"),
    ("1.8|2.0", "==1.8|==2.0", "1.8 2.0", "1.9"),
    (">=1,<2|>=3", ">=1,<2|>=3", "1.5 3 9", "2 2.5 0.9"),
    (">=3|>=1,<2", ">=3|>=1,<2", "1.5 3", "2.5"),
    (">=1,(<2|>3),!=5", ">=1,(<2|>3),!=5", "1 1.5 4", "2 3 5 0.5"),
    ("(>=1,<2)|3.*", ">=1,<2|3.*", "1.5 3.7", "2 4"),
    (
        "((1.5|((1.6|1.7),1.8),1.9|2.0))|2.1",
        "==1.5|(==1.6|==1.7),==1.8,==1.9|==2.0|==2.1",
        "1.5 2.0 2.1",
        "1.8 1.9",
    ),
    (">1,<2,!=1.5,!=1.6", ">1,<2,!=1.5,!=1.6", "1.4 1.7", "1.5 1.6 1 2"),
    ("=1.2|=1.3|=1.4", "1.2.*|1.3.*|1.4.*", "1.2.1 1.3 1.4.9", "1.5"),
    # "Version expressions SHOULD NOT contain spaces ... MUST be removed and ignored if present."
    (" >= 1.0 , < 2.0 ", ">=1.0,<2.0", "1.5", "2.0"),
    (">=1 !164.3095,<1!165", ">=1!164.3095,<1!165", "1!164.3095", "164.3095 1!165"),
    ("1.8 | 2.0", "==1.8|==2.0", "1.8", "1.9"),
    (">=1.0A", ">=1.0a", "1.0a 1.0", "1.0dev"),
]


@pytest.mark.parametrize(("text", "canonical", "inside", "outside"), CASES, ids=[case[0] for case in CASES])
def test_specifier_matches_what_the_standard_says(
    text: str, canonical: str, inside: str, outside: str
) -> None:
    spec = VersionSpec.parse(text)
    assert str(spec) == canonical
    assert [version for version in inside.split() if not spec.matches(Version.parse(version))] == []
    assert [version for version in outside.split() if spec.matches(Version.parse(version))] == []


@pytest.mark.parametrize("canonical", [case[1] for case in CASES])
def test_canonical_text_parses_to_an_equal_specifier(canonical: str) -> None:
    spec = VersionSpec.parse(canonical)
    assert str(spec) == canonical
    assert spec == VersionSpec.parse(canonical)
    assert hash(spec) == hash(VersionSpec.parse(canonical))


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ("", "empty", None),
        ("=<1.19", "'=<1.19' does not begin with one of the operators", "<="),
        ("=>1.65.0", "'=>1.65.0' does not begin with one of the operators", ">="),
        ("<>2", "does not begin with one of the operators", "!="),
        ("!", "does not begin with one of the operators", None),
        ("==", "'==' has no version behind its operator", None),
        ("<*", "'<*' has no version behind its operator", None),
        (">=1.0<2.0", "is not one operator and one version", "comma"),
        ("1.0 2.0", "is not one operator and one version", None),
        (">=1,", "a version is missing at its end", None),
        (">=1,,<2", "a version is missing before ','", None),
        (">=1||<2", "a version is missing before '|'", None),
        ("(>=1", "a parenthesis is not closed", None),
        (">=1)", "found ')' without a partner", None),
        ("()", "a version is missing before ')'", None),
        ("^1.2", "begin with ^ and end with $", None),
        ("1.2$", "begin with ^ and end with $", None),
        ("^1(?=2)$", "lookaround", None),
        ("^(1)\\1$", "backreference", None),
        ("^1[$", "regular expression", None),
        ("~=1", "at least two segments", ">=1"),
        ("~=1.*", "without '*'", None),
        ("~=1.*.2", "without '*'", None),
        (">=1.2..3", "'1.2..3' is not a version", None),
        (">=1;python_version<'3'", "is not one operator and one version", "environment markers"),
        ("1@2", "is not one operator and one version", None),
    ],
)
def test_refusal_says_what_was_expected(text: str, said: str, hint: str | None) -> None:
    with pytest.raises(DataError) as caught:
        VersionSpec.parse(text)
    assert said in str(caught.value)
    assert hint is None or hint in str(caught.value.hint)


def test_specifier_knows_its_kind() -> None:
    assert VersionSpec.parse("1.8").is_exact
    assert not VersionSpec.parse("1.8.*").is_exact
    assert VersionSpec.parse("=1.8").is_fuzzy
    assert not VersionSpec.parse("1.8|1.9").is_exact
    assert VersionSpec.parse("==*").is_any
    assert ANY_VERSION.matches(Version.parse("0"))


def test_specifier_survives_pickling_and_cannot_be_changed() -> None:
    spec = VersionSpec.parse(">=1,(<2|>3)")
    assert pickle.loads(pickle.dumps(spec)) == spec
    with pytest.raises(AttributeError):
        spec.text = "*"


LITERALS = st.sampled_from(["0", "1", "1.0", "1.2", "1.2.3", "2", "2.0rc1", "1!1", "1.2+x"])
CLAUSES = st.one_of(
    st.builds(str.__add__, st.sampled_from(["", "=", "==", "!=", "<", "<=", ">", ">="]), LITERALS),
    LITERALS.map(lambda literal: f"{literal}.*" if "+" not in literal else literal),
)
SPECS = st.recursive(
    CLAUSES,
    lambda inner: st.builds(
        lambda parts, mark: "(" + mark.join(parts) + ")",
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from("|,"),
    ),
    max_leaves=6,
)
VERSIONS = st.sampled_from(
    ["0", "1", "1.0.1", "1.1", "1.2", "1.2.3", "1.2.4", "1.2rc1", "2", "2.0rc1", "3", "1!1", "1!1.2", "1.2+x"]
)


@given(SPECS, VERSIONS)
def test_canonical_text_means_the_same(text: str, literal: str) -> None:
    spec = VersionSpec.parse(text)
    again = VersionSpec.parse(str(spec))
    assert again == spec
    assert again.matches(Version.parse(literal)) == spec.matches(Version.parse(literal))


@given(SPECS, SPECS, VERSIONS)
def test_comma_and_bar_are_and_and_or(one: str, other: str, literal: str) -> None:
    version = Version.parse(literal)
    first, second = VersionSpec.parse(one).matches(version), VersionSpec.parse(other).matches(version)
    assert VersionSpec.parse(f"({one}),({other})").matches(version) == (first and second)
    assert VersionSpec.parse(f"({one})|({other})").matches(version) == (first or second)


@given(CLAUSES.filter(lambda clause: not clause.startswith(("=", "!", "<", ">"))), VERSIONS)
def test_exclusion_is_the_opposite(clause: str, literal: str) -> None:
    version = Version.parse(literal)
    assert VersionSpec.parse(f"!={clause}").matches(version) is not VersionSpec.parse(clause).matches(version)


@given(st.text(alphabet="01.*,|()<>=!~^$ a+[", max_size=12))
def test_any_text_is_a_specifier_or_a_data_error(text: str) -> None:
    try:
        spec = VersionSpec.parse(text)
    except DataError as error:
        assert str(error).endswith(".")
    else:
        assert VersionSpec.parse(str(spec)) == spec
