"""Editing the text of a settings file: what is wanted changes, and every other line stays as it was."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.config.edit import (
    insert_items,
    read_values,
    remove_items,
    remove_setting,
    set_value,
)
from envmgr.errors import ConfigError

FILE = """\
# Mine.
channels:  # best first
  - a  # the first
  # about b
  - b

retries: 3  # three
pkgs_dirs: [/x, /y]  # caches

# The end.
offline: true
"""


def changed(before: str, after: str) -> tuple[list[str], list[str]]:
    """The lines that went and the lines that came."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


@pytest.mark.parametrize(
    ("name", "value", "gone", "come"),
    [
        ("retries", "5", ["retries: 3  # three"], ["retries: 5  # three"]),
        ("offline", "false", ["offline: true"], ["offline: false"]),
        (
            "channels",
            ("x", "y z"),
            ["  - a  # the first", "  # about b", "  - b"],
            ["  - x", '  - "y z"'],
        ),
        (
            "channels",
            (),
            ["channels:  # best first", "  - a  # the first", "  # about b", "  - b"],
            ["channels: []  # best first"],
        ),
        ("pkgs_dirs", ("/z",), ["pkgs_dirs: [/x, /y]  # caches"], ["pkgs_dirs: [/z]  # caches"]),
        ("retries", ("1", "2"), ["retries: 3  # three"], ["retries:  # three", "  - 1", "  - 2"]),
        ("subdir", "linux-64", [], ["subdir: linux-64"]),
        ("mirrors", {"https://a/b": ("c",)}, [], ["mirrors:", "  https://a/b:", "    - c"]),
    ],
)
def test_setting_changes_its_own_lines_only(name, value, gone, come):
    assert changed(FILE, set_value(FILE, (name,), value, file="f")) == (gone, come)


@pytest.mark.parametrize(
    ("name", "at_front", "gone", "come"),
    [
        ("channels", False, [], ["  - c"]),
        ("channels", True, [], ["  - c"]),
        ("pkgs_dirs", False, ["pkgs_dirs: [/x, /y]  # caches"], ["pkgs_dirs: [/x, /y, c]  # caches"]),
        ("pkgs_dirs", True, ["pkgs_dirs: [/x, /y]  # caches"], ["pkgs_dirs: [c, /x, /y]  # caches"]),
    ],
)
def test_a_list_keeps_its_form_when_it_grows(name, at_front, gone, come):
    after = insert_items(FILE, (name,), ["c"], file="f", at_front=at_front)
    assert changed(FILE, after) == (gone, come)
    values = read_values(after, file="f")[name]
    assert values[0 if at_front else -1] == "c"


def test_removed_items_take_their_own_line_and_comment():
    assert changed(FILE, remove_items(FILE, ("channels",), [0], file="f")) == (["  - a  # the first"], [])
    assert "pkgs_dirs: [/x]  # caches\n" in remove_items(FILE, ("pkgs_dirs",), [1], file="f")
    assert "pkgs_dirs: [/y]  # caches\n" in remove_items(FILE, ("pkgs_dirs",), [0], file="f")
    assert "pkgs_dirs: []  # caches\n" in remove_items(FILE, ("pkgs_dirs",), [0, 1], file="f")


def test_a_removed_setting_takes_its_lines():
    after = remove_setting(FILE, ("channels",), file="f")
    assert after == FILE.replace("channels:  # best first\n  - a  # the first\n  # about b\n  - b\n", "")
    assert remove_setting("a: 1\n", ("a",), file="f") == ""


def test_entries_of_mappings_are_set_and_removed():
    text = "mirrors:\n  u: [a]  # one\nretries: 1\n"
    more = set_value(text, ("mirrors", "v"), ("b",), file="f")
    assert more == "mirrors:\n  u: [a]  # one\n  v:\n    - b\nretries: 1\n"
    assert remove_setting(more, ("mirrors", "v"), file="f") == text
    assert remove_setting(text, ("mirrors", "u"), file="f") == "retries: 1\n"
    assert set_value("m: {u: a}\n", ("m", "v"), "b", file="f") == "m: {u: a, v: b}\n"
    assert set_value("m: {}\n", ("m", "v"), "b", file="f") == "m: {v: b}\n"
    assert remove_setting("m: {u: a, v: b}\n", ("m", "u"), file="f") == "m: {v: b}\n"
    assert set_value("m:\n", ("m", "v"), "b", file="f") == "m:\n  v: b\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "a: 1\n"),
        ("# nothing yet", "# nothing yet\na: 1\n"),
        ("---\n", "---\na: 1\n"),
        ("b: 2", "b: 2\na: 1\n"),
        ("b: 2\r\nc: 3\r\n", "b: 2\r\nc: 3\r\na: 1\r\n"),
        ("a:\n", "a: 1\n"),
        ("a: ~ # none\n", "a: 1 # none\n"),
        ("a: |\n  long\n  text\nb: 2\n", "a: 1\nb: 2\n"),
        ("a: 'quo\n  ted'\nb: 2\n", "a: 1\nb: 2\n"),
        ("a:\n- x\n- y\nb: 2\n", "a: 1\nb: 2\n"),
        ("a: [x,\n  y] # c\nb: 2\n", "a: 1 # c\nb: 2\n"),
        ("{b: 2}\n", "{b: 2, a: 1}\n"),
        ("  b: 2\n", "  b: 2\n  a: 1\n"),
    ],
)
def test_every_form_of_yaml_takes_a_value(before, after):
    assert set_value(before, ("a",), "1", file="f") == after


@pytest.mark.parametrize(
    "text", ["~", "null", "", "a: b", "#x", "- a", "*a", "&a", "{", "a,b", "é\t☃", "'", '"', ">=3"]
)
def test_any_text_is_read_back_as_it_was(text):
    assert read_values(set_value("", ("a",), (text, "z"), file="f"), file="f") == {"a": (text, "z")}
    assert read_values(set_value("a: [q]", ("a",), (text, "z"), file="f"), file="f") == {"a": (text, "z")}
    assert read_values(set_value("", ("a",), {"k": text}, file="f"), file="f") == {"a": {"k": text}}


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: remove_setting(text, ("a",), file="f"),
        lambda text: insert_items(text, ("b",), ["z"], file="f"),
        lambda text: remove_items(text, ("b",), [0], file="f"),
    ],
)
def test_what_anchors_would_break_is_refused(edit):
    with pytest.raises(ConfigError, match=r"^f: `[ab]` stands there in a form that is not changed"):
        edit("a: &x [p, q]\nb: *x\n")


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "- a\n", "a: 1\n---\nb: 2\n", "a\n"])
def test_a_broken_file_is_refused_with_its_line(text):
    with pytest.raises(ConfigError, match=r"^f:\d+: "):
        set_value(text, ("b",), "1", file="f")


NAMES = st.sampled_from(["a", "b", "c"])
ITEMS = st.text(alphabet="ax1 :#,-[]{}'\"~\té", max_size=5)
VALUES = st.one_of(ITEMS, st.lists(ITEMS, max_size=3).map(tuple))
COMMENTS = st.sampled_from(["", "# about\n", "\n", "  # indented\n"])


@st.composite
def files(draw) -> str:
    """A settings file in the styles that people use, with comments between and behind."""
    text = draw(COMMENTS)
    for name in draw(st.lists(NAMES, unique=True)):
        value = draw(VALUES)
        tail = draw(st.sampled_from(["", "  # note"]))
        if isinstance(value, tuple) and value and draw(st.booleans()):
            dash = draw(st.sampled_from(["- ", "  - ", "    -   "]))
            items = "".join(f"{dash}{quoted(item)}{tail}\n{draw(COMMENTS)}" for item in value)
            text += f"{name}:{tail}\n{items}"
        elif isinstance(value, tuple):
            text += f"{name}: [{', '.join(map(quoted, value))}]{tail}\n"
        else:
            text += f"{name}: {quoted(value)}{tail}\n"
        text += draw(COMMENTS)
    return text


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@given(files(), NAMES, VALUES, st.booleans())
def test_edits_of_any_file_keep_all_comments_that_are_not_inside_the_value(text, name, value, at_front):
    """Every edit says what was wanted and nothing else (the editor would raise), and can be undone."""
    before = read_values(text, file="f")
    after = set_value(text, (name,), value, file="f")
    assert read_values(after, file="f") == {**before, name: value}
    assert after.count("# about") >= text.count("# about") - inner_comments(text, name)
    if isinstance(value, tuple) and value:
        longer = insert_items(after, (name,), ["new"], file="f", at_front=at_front)
        place = 0 if at_front else len(value)
        assert remove_items(longer, (name,), [place], file="f") == after
    removed = remove_setting(after, (name,), file="f")
    assert read_values(removed, file="f") == {key: each for key, each in before.items() if key != name}


def inner_comments(text: str, name: str) -> int:
    """The comment lines of the list *name*, which may go with it."""
    inside, count = False, 0
    for line in text.splitlines():
        if line.startswith(("a:", "b:", "c:")):
            inside = line.startswith(name)
        count += inside and line.startswith("# about")
    return count
