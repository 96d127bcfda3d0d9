"""String matching of CEP 29: exact, glob and regular expression, whatever the case."""

from __future__ import annotations

import fnmatch
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.models.string_match import StringMatch


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("py37_0", "py37_0", True),
        ("py37_0", "PY37_0", True),
        ("py37_0", "py37_01", False),
        ("py37*", "py37_0", True),
        ("*37*", "PY37_0", True),
        ("py*_0", "py37_1", False),
        ("py**0", "py37_0", True),
        ("*", "", True),
        ("a.c*", "abcd", False),
        ("a+b", "a+b", True),
        ("^py3[67]$", "py36", True),
        ("^py3[67]$", "PY37", True),
        ("^py3[67]$", "py38", False),
        ("^a|b$", "xb", True),
        ("^.*(?:cuda|rocm).*$", "py_cuda_0", True),
        ("^\\$$", "$", True),
        ("^", "^", True),
        ("$", "$", True),
    ],
)
def test_pattern_matches_as_its_kind_says(pattern: str, text: str, expected: bool) -> None:
    assert StringMatch.parse(pattern).matches(text) is expected


@pytest.mark.parametrize(
    "pattern", ["^(?=a)b$", "^(?!a)b$", "^(?<=a)b$", "^(?i)b$", "^(a)\\1$", "^(?P<n>a)(?P=n)$", "^[$", "^(a$"]
)
def test_dangerous_and_broken_expressions_are_refused(pattern: str) -> None:
    with pytest.raises(DataError, match="the regular expression"):
        StringMatch.parse(pattern)


def test_patterns_are_equal_when_they_match_the_same_text() -> None:
    assert StringMatch.parse("PY*") == StringMatch.parse("py*")
    assert hash(StringMatch.parse("PY*")) == hash(StringMatch.parse("py*"))
    assert StringMatch.parse("^\\D$") != StringMatch.parse("^\\d$")
    assert pickle.loads(pickle.dumps(StringMatch.parse("py*"))) == StringMatch.parse("py*")


def test_pattern_knows_its_kind() -> None:
    assert StringMatch.parse("a").is_exact
    assert not StringMatch.parse("a*").is_exact
    assert not StringMatch.parse("^a$").is_exact
    assert StringMatch.parse("*").is_any


@given(st.text(alphabet="ab*.", max_size=8), st.text(alphabet="ab.", max_size=8))
def test_globs_agree_with_fnmatch(pattern: str, text: str) -> None:
    assert StringMatch.parse(pattern).matches(text) is fnmatch.fnmatchcase(text, pattern)
