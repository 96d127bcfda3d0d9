"""Which lines and choices of an environment file hold for a platform (CEP 24, "Preprocessing selectors")."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.envfile.selectors import (
    dictionary_selector,
    evaluate_dictionary_selector,
    platform_names,
    select_lines,
)
from envmgr.errors import DataError
from envmgr.models.requirement import Source


def keeps(expression: str, subdir: str = "linux-64") -> bool:
    selected = select_lines(f"- a  # [{expression}]\n", file="e.yml", subdir=subdir)
    assert selected.warnings == ()
    return selected.text == f"- a  # [{expression}]\n"


@pytest.mark.parametrize(
    ("expression", "where"),
    [
        ("linux", {"linux-64", "linux-aarch64"}),
        ("osx", {"osx-64", "osx-arm64"}),
        ("win", {"win-64"}),
        ("unix", {"linux-64", "linux-aarch64", "osx-64", "osx-arm64"}),
        ("linux64", {"linux-64"}),
        ("osx64", {"osx-64"}),
        ("osx and x64", {"osx-64"}),
        ("win64", {"win-64"}),
        ("arm64", {"osx-arm64"}),
        ("aarch64", {"linux-aarch64"}),
        ("x86_64", {"linux-64", "osx-64", "win-64"}),
        ("x86", {"linux-64", "osx-64", "win-64"}),
        ("not linux", {"osx-64", "osx-arm64", "win-64"}),
        ("win or osx", {"osx-64", "osx-arm64", "win-64"}),
        ("linux and not aarch64 or win", {"linux-64", "win-64"}),
        ("linux and (aarch64 or win)", {"linux-aarch64"}),
        ("not (linux or osx)", {"win-64"}),
        ("not not win", {"win-64"}),
        (" linux ", {"linux-64", "linux-aarch64"}),
        ("s390x or ppc64le", set()),
    ],
)
def test_a_comment_selector_keeps_its_line_on_these_platforms(expression, where):
    subdirs = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
    assert {subdir for subdir in subdirs if keeps(expression, subdir)} == where


def test_an_unselected_line_becomes_empty_so_that_line_numbers_stay():
    text = "a:\r\n  - b  # [win]\r\n  - c #[linux]\r\n  - d  # why # [osx]\r\n"
    assert select_lines(text, file="e.yml", subdir="linux-64").text == "a:\r\n\r\n  - c #[linux]\r\n\r\n"


@pytest.mark.parametrize(
    "line",
    [
        "- a  # [some note]",
        "- a  # see [win]",
        "- a  # [DH-319] https://example.org/issues/5827, ESPM 157",
        "- a  # [ticket 12, see below]",
        "- a  # []",
        "- a[win]",
        "- a#[win]",
        "# [win]",
        "  # - a  # [win]",
        '- "a # [win]"',
        "- 'it''s # [win]'",
    ],
)
def test_these_are_no_selectors(line):
    assert select_lines(f"{line}\n", file="e.yml", subdir="linux-64") == (f"{line}\n", ())


def test_brackets_inside_a_text_of_several_lines_are_no_selector():
    text = "variables:\n  A: |\n    x # [win]\n    y\nb: 1\n"
    assert select_lines(text, file="e.yml", subdir="linux-64").text == text


@pytest.mark.parametrize("note", ["docs", "wip", "arms", "test and docs", "linux only", "linux and", "(osx"])
def test_a_note_that_could_be_taken_for_a_selector_keeps_its_line_with_a_warning(note):
    selected = select_lines(f"a:\n- b  # [{note}]\n", file="e.yml", subdir="win-64")
    assert selected.text == f"a:\n- b  # [{note}]\n"
    assert len(selected.warnings) == 1
    assert selected.warnings[0].startswith(f"e.yml:2: `# [{note}]` is ")


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("windows", "uses the unknown selector `windows`", "Did you mean `win`?"),
        ("macos or linux", "uses the unknown selector `macos`", "Did you mean `osx`?"),
        ("linux and gpu", "uses the unknown selector `gpu`", "The names are aarch64, "),
        ("osx-arm64", "uses the unknown selector `osx-arm64`", "Did you mean `osx and arm64`?"),
        ("lniux", "uses the unknown selector `lniux`", "Did you mean `linux`?"),
        ("linx", "uses the unknown selector `linx`", "Did you mean `linux`?"),
        ("osx_64", "uses the unknown selector `osx_64`", "Did you mean `osx64`?"),
        ("aarch46", "uses the unknown selector `aarch46`", "Did you mean `aarch64`?"),
        ("py27", "uses `py27`, which environment files do not support (CEP 24)", "two environment files"),
        ("py<312", "uses `py`, which environment files do not support (CEP 24)", "two environment files"),
        ("linux and py>=38", "uses `py`, which environment files do not support (CEP 24)", "two environment"),
        ("build_platform", "uses `build_platform`, which environment files do not support (CEP 24)", "two"),
    ],
)
def test_an_unknown_selector_is_refused_with_file_and_line(expression, message, hint):
    with pytest.raises(DataError) as caught:
        select_lines(f"a:\n- b  # [{expression}]\n", file="e.yml", subdir="linux-64")
    assert str(caught.value) == f"e.yml:2: `# [{expression}]` {message}."
    assert hint in caught.value.hint


@pytest.mark.parametrize("subdir", ["linux-64", "osx-arm64", "win-64"])
def test_a_choice_holds_on_its_platforms(subdir):
    system = subdir.split("-")[0]
    for name, systems in {"unix": "linux osx", "linux": "linux", "osx": "osx", "win": "win"}.items():
        expected = system in systems.split()
        assert evaluate_dictionary_selector(name, source=Source("e.yml", 1, name), subdir=subdir) is expected
        assert (
            evaluate_dictionary_selector(f"not {name}", source=Source("e.yml", 1, name), subdir=subdir)
            is not expected
        )


@pytest.mark.parametrize(
    ("key", "expression"),
    [("sel(linux)", "linux"), ("sel( linux )", "linux"), ("sel()", ""), ("pip", None), ("select(x)", None)],
)
def test_keys_of_choices_are_told_from_subsections(key, expression):
    assert dictionary_selector(key) == expression


@pytest.mark.parametrize(
    ("expression", "message", "hint"),
    [
        ("macos", "uses the unknown selector `macos`", "Did you mean `osx`?"),
        ("linux64", "uses the unknown selector `linux64`", "The names are linux, osx, unix, win."),
        ("aarch64", "uses the unknown selector `aarch64`", "The names are linux, osx, unix, win."),
        ("", "is not a selector: expected a name such as `linux`", None),
        ("linux win", "is not a selector: expected a name such as `linux`", None),
        ("__import__('os')", "uses the unknown selector `__import__`", "The names are"),
        ("(" * 500, "is not a selector: expected a name such as `linux`", None),
    ],
)
def test_a_wrong_choice_is_refused(expression, message, hint):
    with pytest.raises(DataError) as caught:
        evaluate_dictionary_selector(expression, source=Source("e.yml", 3, expression), subdir="linux-64")
    assert str(caught.value).startswith("e.yml:3: `sel(")
    assert str(caught.value).endswith(f"{message}.")
    assert hint is None or hint in caught.value.hint


_EXPRESSIONS = st.recursive(
    st.sampled_from(["linux", "osx", "win", "unix", "x86_64", "arm64"]),
    lambda inner: st.one_of(
        inner.map(lambda text: f"not {text}"),
        inner.map(lambda text: f"({text})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
    ),
    max_leaves=6,
)


@given(
    _EXPRESSIONS.filter(lambda text: len(text) <= 120), st.sampled_from(["linux-64", "osx-arm64", "win-32"])
)
def test_expressions_mean_what_they_mean_in_python(expression, subdir):
    """CEP 24 points to conda-build, where selectors are Python expressions."""
    assert keeps(expression, subdir) is eval(expression, {}, platform_names(subdir))


def test_every_line_of_a_long_file_is_judged_in_bounded_time():
    lines = [f"- a{n}  # [{'linux' if n % 2 else 'win'}]" for n in range(20_000)]
    selected = select_lines("\n".join(lines), file="e.yml", subdir="linux-64").text.split("\n")
    assert len(list(itertools.filterfalse(None, selected))) == 10_000


@pytest.mark.parametrize("start", ["[", "{a: ", "- ", "? ", "'", "a: [b, ", "&a "])
def test_a_hostile_file_with_one_selector_costs_bounded_time(start):
    text = f"{start * (1_500_000 // len(start))}\n- a # [win]\n"
    started = time.process_time()
    select_lines(text, file="e.yml", subdir="linux-64")
    assert time.process_time() - started < 5


def test_very_many_notes_cost_bounded_time():
    text = "".join(f"- a # [l{n:x}]\n" for n in range(20_000))
    started = time.process_time()
    select_lines(text, file="e.yml", subdir="linux-64")
    assert time.process_time() - started < 5
