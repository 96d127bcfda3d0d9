from __future__ import annotations

import doctest

import pytest

from envmgr.pypi import native
from envmgr.pypi.native import RULES, find_native_duplicates
from tests.pypi.native_duplicates import HARMLESS, REPORTED, NativeCase


@pytest.mark.parametrize("case", REPORTED, ids=lambda case: case.thread)
def test_a_reported_duplicate_is_warned_about_with_both_sides_and_the_reason(case: NativeCase):
    found = find_native_duplicates(case.conda, case.pypi, case.subdir)
    assert [each.rule.library for each in found] == [library for library, _ in case.warned]
    for each, (library, bringer) in zip(found, case.warned, strict=True):
        text = str(each)
        assert text.startswith(f"{library} comes twice")
        assert bringer in each.pypi
        assert set(each.conda) <= set(case.conda)
        assert set(each.pypi) <= set(case.pypi)
        assert all(name in text for name in (*each.conda, *each.pypi))
        assert text.endswith(f"{each.rule.reason}.")


@pytest.mark.parametrize("case", HARMLESS, ids=lambda case: f"{case.thread} {case.subdir}")
def test_what_only_looks_like_a_duplicate_is_not_warned_about(case: NativeCase):
    assert find_native_duplicates(case.conda, case.pypi, case.subdir) == []


def test_one_side_alone_is_no_duplicate():
    for case in REPORTED:
        assert find_native_duplicates(case.conda, (), case.subdir) == []
        assert find_native_duplicates((), case.pypi, case.subdir) == []


def test_every_rule_is_held_by_a_report():
    assert {rule.report for rule in RULES} == {case.thread for case in REPORTED}


def test_the_example_of_the_documentation_holds():
    assert doctest.testmod(native).failed == 0
