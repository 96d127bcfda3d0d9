"""TOML 1.1 is read as pixi and uv read it, and its lines stay where they are."""

from __future__ import annotations

import pytest

from envmgr.errors import DataError
from envmgr.models.toml_document import read_toml

READ = {
    "a table over several lines": ("a = {\n  b = 1,  # },\n\n  c = [2,\n 3,],\n}\n", {"a": {"b": 1, "c": [2, 3]}}),
    "tables in tables and lists": (
        "a = [{\n b = {c = {\n},\n},\n}, {d = 1}]\n",
        {"a": [{"b": {"c": {}}}, {"d": 1}]},
    ),
    "Windows' line ends": ("a = {\r\n b = 1,\r\n}\r\n", {"a": {"b": 1}}),
    "texts with signs": (
        "a = {\n b = '},{', c = \"\\\"{\", d = '''\n{''''\n, e = \"\"\"\n# {\"\"\"\"\n}\n",
        {"a": {"b": "},{", "c": '"{', "d": "{'", "e": '# {"'}},
    ),
    "escapes": (r'a = "\e[1m \x41 \\e \\x41"' + "\n", {"a": "\x1b[1m A \\e \\x41"}),
}  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_what_toml_1_1_added_is_read(text: str) -> None:
    written, table = READ[text]
    read = read_toml(f"{written}last = 1\n", file="pixi.toml")
    assert read.table == {**table, "last": 1}
    assert read.source("last").line == written.count("\n") + 1


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = {\n b = 1,,\n}\n", 1),
        ("a = {,\n}\n", 1),
        ("a = {\n b = 1\n c = 2\n}\n", 1),
        ("a = {\n b = 1,\n}\nc = {\n}\nd =\n", 6),
        ("a = {\n b = 1,\n", 2),
        ('a = "\\x4"\nb = {\n}\n', 1),
    ],
)
def test_what_is_no_toml_of_any_version_is_refused_with_its_line(text: str, line: int) -> None:
    with pytest.raises(DataError, match=f"^x.toml:{line}: this is no TOML"):
        read_toml(text, file="x.toml")
