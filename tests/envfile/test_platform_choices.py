"""Selectors and markers hold for just the platforms that they are made for, among those of the file."""

from __future__ import annotations

import itertools

import pytest
from packaging.markers import Marker

from envmgr.envfile.environment_text import Selector, WrittenEnvironment
from envmgr.envfile.environment_yml import parse_environment
from envmgr.envfile.platform_choices import by_text, expressions, marker, selectors
from envmgr.envfile.selectors import platform_names
from envmgr.envfile.source_text import narrowed_text
from envmgr.envfile.text_edit import NotEditableError
from envmgr.errors import UsageError
from envmgr.models.match_spec import parse_match_spec
from envmgr.models.platform import KNOWN_SUBDIRS
from envmgr.pypi.target import PypiTarget

FILES = [
    ["linux-64", "osx-arm64", "win-64"],
    ["linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64", "win-arm64"],
    ["linux-64", "linux-32", "linux-ppc64le", "linux-s390x", "emscripten-wasm32"],
]


def names_on(text: str, subdir: str) -> list[str]:
    file = parse_environment(text, file="e.yml", subdir=subdir)
    return [str(line.spec) for line in file.requirements]


def lines_for(expressions: tuple[str, ...]) -> str:
    return "dependencies:\n" + "".join(f"- x  # [{each}]\n" for each in expressions)


def groups(subdirs: list[str]) -> list[tuple[str, ...]]:
    return [each for size in range(1, len(subdirs)) for each in itertools.combinations(subdirs, size)]


@pytest.mark.parametrize("subdirs", FILES)
def test_every_choice_is_read_back_as_it_was_meant(subdirs: list[str]):
    for chosen in groups(subdirs):
        text = lines_for(expressions(chosen, subdirs))
        assert {each: names_on(text, each) for each in subdirs} == {
            each: ["x"] if each in chosen else [] for each in subdirs
        }
        texts = {"x=1": chosen, "y": tuple(subdirs)}
        for kind in (texts, {**texts, "z": ("linux-64",)}):
            made = WrittenEnvironment(
                None, (), tuple(kind), platforms=tuple(subdirs), selectors=selectors(kind, subdirs)
            )
            for subdir in subdirs:
                found = names_on(made.yaml_text(), subdir)
                assert found == [name for name, subdirs_of_it in kind.items() if subdir in subdirs_of_it]
            assert not ("sel(" in made.yaml_text() and "# [" in made.yaml_text())


def test_every_platform_that_selectors_have_a_name_for_is_told_from_all_others():
    subdirs = sorted(KNOWN_SUBDIRS - {"noarch"})
    names = {each: {name for name, holds in platform_names(each).items() if holds} for each in subdirs}
    for each in subdirs:
        if any(names[each] <= names[other] for other in subdirs if other != each):
            with pytest.raises(UsageError, match=f"no selector that tells {each} from"):
                expressions([each], subdirs)
            continue
        text = lines_for(expressions([each], subdirs))
        assert [subdir for subdir in subdirs if names_on(text, subdir)] == [each]


@pytest.mark.parametrize("subdirs", FILES[:2])
def test_markers_hold_on_just_their_platforms(subdirs: list[str]):
    there = {each: PypiTarget(python="3.12.1", subdir=each).markers for each in subdirs}
    for chosen in groups(subdirs):
        found = Marker(marker(chosen, subdirs, lambda each: there[each]["platform_machine"]))
        assert [each for each in subdirs if found.evaluate(there[each])] == list(chosen)


def test_the_operating_system_is_told_by_sel_and_all_else_by_comments():
    three = ["linux-64", "osx-arm64", "win-64"]
    texts = by_text(
        {"linux-64": ["a", "b=1"], "osx-arm64": ["b=1"], "win-64": ["a", "b=2"]}, lambda text: text[0]
    )
    assert selectors(texts, three) == {
        "a": Selector(names=("linux", "win")),
        "b=1": Selector(names=("unix",)),
        "b=2": Selector(names=("win",)),
    }
    more = [*three, "linux-aarch64"]
    comments = selectors({**texts, "b=1": ("linux-64", "osx-arm64")}, more)
    assert {text: each.comments for text, each in comments.items()} == {
        "a": ("linux64", "win"), "b=1": ("linux64", "osx"), "b=2": ("win",),
    }  # fmt: skip
    made = WrittenEnvironment(None, (), ("a",), platforms=tuple(more), selectors=comments)
    with pytest.raises(UsageError, match="JSON"):
        made.json_text()


def test_a_line_for_all_becomes_one_for_some_in_the_kind_of_its_file():
    some = {parse_match_spec("numpy >=1"): ("linux-64",), parse_match_spec("gdb"): ("linux-64",)}
    subdirs = ["linux-64", "win-64"]
    text = "dependencies:\n- 'numpy>=1'  # why\n- xz\n"
    assert narrowed_text(text, some, subdirs) == text.replace("'numpy>=1'", "sel(linux): 'numpy>=1'")
    more = f"{text}- gdb # [linux]\n"
    assert narrowed_text(more, some, subdirs) == more.replace("'  # why", "'  # [linux]  # why")


def test_a_line_for_several_platforms_comes_once_for_each_selector():
    some = {parse_match_spec("numpy"): ("linux-64", "win-64"), parse_match_spec("gdb"): ("linux-64",)}
    subdirs = ["linux-64", "osx-arm64", "win-64"]
    text = "dependencies:\n- xz\n- numpy  # why"
    assert narrowed_text(text, some, subdirs) == (
        "dependencies:\n- xz\n- sel(linux): numpy  # why\n- sel(win): numpy\n"
    )
    subdirs.append("linux-aarch64")
    assert narrowed_text(text, some, subdirs) == (
        "dependencies:\n- xz\n- numpy  # [linux64]  # why\n- numpy  # [win]\n"
    )
    with pytest.raises(NotEditableError, match="processors"):
        narrowed_text(f"{text}\n- sel(win): vc\n", some, subdirs)
