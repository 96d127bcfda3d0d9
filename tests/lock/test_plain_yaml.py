"""The quick reader of locks gives what the reader of all YAML gives, or nothing."""

from __future__ import annotations

import contextlib
import random
import re
import string

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.lock.plain_yaml import read_plain_lock, read_plain_yaml
from envmgr.lock.read import read_lock
from envmgr.models.yaml_document import Node, read_yaml
from tests.lock.test_read import CONDA_LOCKS, PIXI_LOCKS

PLAIN = """\
version: 6
environments:
  default:
    channels:
    - url: https://x.org/
    packages:
      linux-64:
      - conda: https://x.org/linux-64/a-1-0.conda
      - conda: https://x.org/linux-64/b-1-0.conda
packages:
- conda: https://x.org/linux-64/a-1-0.conda
  sha256: fe51de6107f9edc7aa4f786a70f4a883943bc9d39b3bb7307c04c41410990726
  depends:
  - __glibc >=2.17,<3.0.a0
  - 'b * [build=x]'
  constrains: []
  license: GPL-3.0-only WITH GCC-exception-3.1
  purls:
  - pkg:pypi/a?source=hash-mapping
  size: 28948
- conda: https://x.org/linux-64/b-1-0.conda
  md5: d7c89558ba9fa0495403155b64376d81
  license: "It's"
  arch: null
  track_features:
"""
WORDS = [
    "a", "b", "key", "1.10", "null", "~", "yes", "2020-01-01", "x y", "a:b", "a: b", "'it''s'",
    "'a", '"q"', '"\\n"', "[]", "{}", "[a]", "{a: b}", "*a", "&a", "!!str", "|", ">", "|-", ">=1",
    "<2", "<<", "=", "==1", "- a", "-", "?", "@", "%", "`", "#", "a #b", "a#b", "a ", "é", "\u2028",
    "\t", "---", "...", "<<<<<<< HEAD", "'a: b'", "a:", "0", "🎉", "", ",",
]  # fmt: skip


def shape(node: Node) -> object:
    """What a lock's readers look at."""
    if node.kind == "list":
        return [shape(each) for each in node.items]
    if node.kind == "mapping":
        return {key.text: shape(value) for key, value in node.entries}
    return (None if node.kind == "null" else node.text, node.line if node.text else None)


def check(text: str) -> bool:
    plain = read_plain_yaml(text)
    if plain is not None:
        full = read_yaml(text, file="x", most_bytes=10**6)
        assert full is not None
        assert shape(plain) == shape(full), text
    return plain is not None


def test_locks_as_programs_write_them_are_plain() -> None:
    assert check(PLAIN)
    assert check("# made by x: y\n# z #\n" + PLAIN)


def line(indent: int, dash: str, key: str, value: str) -> str:
    return f"{' ' * indent}{dash}{key}{value}"


lines = st.builds(
    line,
    st.sampled_from([0, 0, 0, 2, 2, 4, 1]),
    st.sampled_from(["", "", "- ", "- ", "-", "- - "]),
    st.sampled_from(["", "a: ", "b: ", "c:", "d:", "'e': ", "f:\t", "a:  ", "yes: ", "<<: ", "? "]),
    st.one_of(st.sampled_from(WORDS), st.text(alphabet=string.printable.rstrip("\x0b\x0c"), max_size=4)),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(lines, max_size=7))
def test_any_lines_are_read_as_all_yaml_reads_them_or_not(parts: list[str]) -> None:
    check("\n".join(parts))
    check("\n".join([*parts, ""]))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 3))
def test_a_lock_with_a_few_other_characters_is_read_as_all_yaml_reads_it_or_not(
    seed: int, count: int
) -> None:
    rng = random.Random(seed)
    text = PLAIN
    for _ in range(count):
        place = rng.randrange(len(text))
        text = text[:place] + rng.choice([*WORDS, "\n", "  ", ": "]) + text[place + rng.randint(0, 3) :]
    check(text)
    try:
        quick = read_plain_lock(text, file="x")
    except DataError:
        return
    if quick is not None:
        full = read_yaml(text, file="x")
        assert full is not None
        assert shape(quick) == shape(full), text


@pytest.mark.parametrize(
    "head", ["custom: |-\n  a\n\n  b\n", "a: 'x\n\n  y'\n", "a: {b: [c]}\n", "# c\na: &a b # d\n"]
)
def test_what_stands_before_the_packages_may_be_any_yaml(head: str) -> None:
    text = f"{head}packages:\n- conda: a\n"
    found, full = read_plain_lock(text, file="x"), read_yaml(text, file="x")
    assert found is not None
    assert full is not None
    assert shape(found) == shape(full)


@pytest.mark.parametrize(
    "head", ["{}\n", " &x {a: b}\n", "a: b\n...\n", "a: b\n---\n", "packages: []\n", "- a\n", "a: '\n"]
)
def test_what_is_no_beginning_of_a_lock_is_left_to_the_reader_of_all_yaml(head: str) -> None:
    text = f"{head}packages:\n- conda: a\n"
    with contextlib.suppress(DataError):
        assert read_plain_lock(text, file="x") is None
    with pytest.raises(DataError):
        read_lock(text, file="x")


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("environments:", "environments: 3\nold:", "x:2: expected `environments`, found the number `3`."),
        ("sha256: fe", "sha256: gg", "x:12: `sha256` of a package is 64 characters long, not the digits"),
        ("size: 28948", "size: 28948\n  size: 1", "x:21: the key `size` was already given on line 20"),
    ],
)
def test_a_refusal_tells_its_place(old: str, new: str, told: str) -> None:
    with pytest.raises(DataError, match=re.escape(told)):
        read_lock(PLAIN.replace(old, new), file="x")


@pytest.mark.parametrize("text", [*CONDA_LOCKS.values(), *PIXI_LOCKS.values()])
def test_every_generation_that_a_program_wrote_is_plain_and_means_the_same(text: str) -> None:
    written = yaml.safe_dump(yaml.safe_load(text), sort_keys=False, width=1000)
    assert read_plain_lock(written, file="x") is not None
    plain, full = read_lock(written, file="x"), read_lock(text, file="x")
    assert {subdir: [each.url for each in packages] for subdir, packages in plain.platforms.items()} == {
        subdir: [each.url for each in packages] for subdir, packages in full.platforms.items()
    }
