"""What a file asks for on another platform, after the environment that it made was changed on this one."""

from __future__ import annotations

import pytest

from envmgr.envfile.environment_text import WrittenEnvironment
from envmgr.envfile.lines_elsewhere import lines_elsewhere
from envmgr.envfile.source_text import Meanings
from envmgr.errors import DataError
from envmgr.models.requirement import Source
from envmgr.ops.export_source import item_key
from envmgr.pypi.items import item_name

MEANINGS = Meanings({}, item_key, item_name)
TEXT = """\
dependencies:
- numpy <2
- xz  # [unix]
- gdb >=12  # [linux]
- gdb >=9  # [osx]
- vc  # [win]
- __glibc >=2.17  # [linux]
- __win  # [win]
- pip:
  - six
  - --pre
  - wmi  # [win]
  - dbus  # [linux]
"""
NOW = ("numpy <2", "xz", "gdb >=12")


@pytest.mark.parametrize(
    ("specs", "subdir", "found"),
    [
        (NOW, "win-64", {"numpy <2": 2, "vc": 6, "__win": 8}),
        (NOW, "osx-64", {"numpy <2": 2, "xz": 3, "gdb >=9": 5}),
        (("numpy >=2", "xz", "gdb >=12"), "win-64", {"numpy >=2": None, "vc": 6, "__win": 8}),
        (("xz", "gdb >=13"), "osx-64", {"xz": 3, "gdb >=9": 5}),
        (("numpy <2", "gdb >=13", "new"), "linux-aarch64",
         {"numpy <2": 2, "gdb >=13": None, "__glibc >=2.17": 7, "new": None}),
        ((*NOW, "vc >=14", "new"), "win-64", {"numpy <2": 2, "vc": 6, "__win": 8, "new": None}),
    ],
)  # fmt: skip
def test_lines_for_both_change_as_here_and_others_stay(
    specs: tuple[str, ...], subdir: str, found: dict[str, int | None]
):
    wanted = WrittenEnvironment(None, (), specs, ("six", "--pre", "dbus"))
    lines = lines_elsewhere(Source("e.yml", None, TEXT), wanted, MEANINGS, "linux-64", subdir)
    assert {each.source.text: each.source.line for each in lines.specs} == found


@pytest.mark.parametrize(
    ("items", "subdir", "found"),
    [
        (("six", "--pre", "dbus"), "win-64", ("six", "--pre", "wmi")),
        (("Six>=1", "dbus"), "osx-64", ("Six>=1",)),
        (("six", "--pre", "-i https://h", "dbus", "new"), "win-64", ("six", "--pre", "wmi", "-i https://h", "new")),
    ],
)  # fmt: skip
def test_items_for_pip_do_the_same(items: tuple[str, ...], subdir: str, found: tuple[str, ...]):
    wanted = WrittenEnvironment(None, (), NOW, items)
    assert lines_elsewhere(Source("e.yml", None, TEXT), wanted, MEANINGS, "linux-64", subdir).items == found


def test_a_file_that_cannot_be_read_there_is_named():
    text = "dependencies:\n- a\n- sel(win): '>=1'\n"
    wanted = WrittenEnvironment(None, (), ("a",))
    with pytest.raises(DataError, match=r"e\.yml:3"):
        lines_elsewhere(Source("e.yml", None, text), wanted, MEANINGS, "linux-64", "win-64")
