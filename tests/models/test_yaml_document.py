"""YAML into nodes with lines, and the sentences for what is not YAML."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.models.document import decode_document, line_at, quoted
from envmgr.models.yaml_document import read_yaml


def refusal(text: str | bytes) -> DataError:
    with pytest.raises(DataError) as caught:
        read_yaml(text, file="a.yml")
    return caught.value


def test_nodes_know_lines_kinds_and_text_as_written():
    root = read_yaml(
        "# first\nversion: 1.10\nlist:\n  - yes\n  - 'yes'\n  - ~\n  - 2024-01-01\n", file="a.yml"
    )
    version, items = root.get("version"), root.get("list").items
    assert (version.text, version.kind, version.line) == ("1.10", "number", 2)
    assert [(item.text, item.kind, item.line) for item in items] == [
        ("yes", "boolean", 4),
        ("yes", "text", 5),
        ("~", "null", 6),
        ("2024-01-01", "date", 7),
    ]


def test_a_text_over_several_lines_knows_its_last_line():
    (item,) = read_yaml("- one\n  two\n", file="a.yml").items
    assert (item.text, item.line, item.last_line, item.is_plain) == ("one two", 1, 2, True)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\ufeff"])
def test_a_document_without_a_value_is_none(text):
    assert read_yaml(text, file="a.yml") is None


def test_aliases_share_the_node_of_their_anchor():
    root = read_yaml("a: &x [1, 2]\nb: *x\n", file="a.yml")
    assert root.get("a") is root.get("b")


@pytest.mark.parametrize("tag", ["!!python/unicode", "!!str", "!"])
def test_tags_for_plain_text_are_read(tag):
    assert read_yaml(f"prefix: {tag} '/a'\n", file="a.yml").get("prefix").kind == "text"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(encoding):
    assert read_yaml("name: grün\n".encode(encoding), file="a.yml").get("name").text == "grün"


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\n"])
def test_every_line_ending_counts_one_line(ending):
    assert read_yaml(f"a: 1{ending}{ending}b: 2{ending}", file="a.yml").get("b").line == 3


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a:\n\t- b\n", "2: a tab cannot indent YAML", "Replace the tab by spaces."),
        ("a: 1\nb: 2\na: 3\n", "3: the key `a` was already given on line 1", "Keep one"),
        ("a:\n<<<<<<< HEAD\n  - b\n", "2: an unresolved merge conflict starts here", "Resolve"),
        ("a: 1\nb: 'x\n>>>>>>> other\n  '\n", "3: an unresolved merge conflict starts here", "Resolve"),
        ("a: {{ b }}\n", "1: `a: {{ b }}` is a template that was not filled in", "Render"),
        ("{% if x %}\na: 1\n", "1: `{% if x %}` is a template that was not filled in", "Render"),
        ("a: *b\n", "1: `*b` refers to an anchor that the file does not define", "Put quotes"),
        (
            "- ***x***\n",
            "1: `- ***x***` starts with `*`, which has a meaning of its own in YAML",
            "Put quotes",
        ),
        ("a: &x [*x]\n", "1: `*x` refers to an anchor that the file does not define", "Put quotes"),
        ("a: 1\n---\nb: 2\n", "2: a second YAML document starts here, and only one is read", "Make it two"),
        (
            "a: !!python/object:os.system x\n",
            "1: the YAML tag `!!python/object:os.system` is not supported here",
            "Remove",
        ),
        ("a: !!set {b, c}\n", "1: the YAML tag `!!set` is not supported here", "Remove"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n", "3: the merge key `<<` is not supported", "Write the keys out."),
        ("[1, 2]: 3\n", "1: a list cannot be a key", None),
        (
            "a:\n  - b\n   - c\n  - d: e\n - f\n",
            "5: the item `- f` is indented by 1 space, which fits no list above it",
            "by 2 spaces, as on line 4",
        ),
        (
            "a:\n- b\n  - pip:\n    - c\n",
            "3: the item `- pip:` is indented by 2 spaces, which fits no list above it",
            "by 0 spaces, as on line 2",
        ),
        (
            "a:\n - pip:\n  - c\n",
            "3: the item `- c` is indented by 2 spaces, which fits no list above it",
            "deeper than `pip:` on line 2",
        ),
        (
            "a:\n  - b\n  pip:\n    - c\n",
            "3: `pip:` stands among the items of a list but is no item itself",
            "Write `- pip:`",
        ),
        ("a:\n  - b\nc\n", "3: `c` is neither a list item (`- ...`) nor a key (`...:`)", "Add the dash"),
        ("a: 'b\nc: d\n", "1: the quotes of `a: 'b` are not closed", "Close the quotes."),
        (
            "a:\n - b\nc:\n\u00a0 \u00a0 - d\n",
            "4: this line holds a space character that YAML does not know as one",
            "anew",
        ),
        ("a: b\x00c\n", "1: the character U+0000 is not allowed in a text file", None),
        ("a: 1\nb: \x1b[0m\n", "2: the character U+001B is not allowed in a text file", None),
        (
            b"a: 1\nb: caf\xe9\n",
            "2: the byte 0xe9 is not UTF-8 text",
            "Save the file with the encoding UTF-8.",
        ),
        ("a: 1\n".encode("utf-16-le"), "1: the character U+0000 is not allowed in a text file", None),
        ("[" * 100, "1: lists and mappings are nested deeper than 64 levels", None),
    ],
)
def test_what_is_not_one_yaml_document_is_refused_with_line_and_advice(text, message, hint):
    error = refusal(text)
    assert str(error) == f"a.yml:{message}."
    assert (error.hint is None) if hint is None else (hint in error.hint)


def test_the_pure_python_parser_gives_the_same_sentences(monkeypatch):
    import yaml

    text = "a:\n- b\n  - pip:\n    - c\n"
    with_c = str(refusal(text))
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    assert str(refusal(text)) == with_c


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_500_000,
        "{a: " * 400_000,
        "- " * 500_000,
        "? " * 500_000,
        "b0: &b0 x\n" + "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 30)),
        "x" * 3_000_000,
        "a: " + "'" * 1_000_000,
        "\n" * 1_900_000 + "a: [",
        "#" * 1_900_000,
        "<<<<<<<x\n" * 200_000 + "a: 1",
        "&a " * 500_000,
        "!" * 1_000_000,
    ],
    ids=lambda text: text[:8].strip(),
)
def test_hostile_text_costs_bounded_time(text):
    started = time.process_time()
    try:
        read_yaml(text, file="a.yml")
    except DataError as error:
        assert len(str(error)) < 300
    assert time.process_time() - started < 5


@given(st.text(alphabet="ab-:[]{}#&*!|>'\"%@`,? \n\t<~", max_size=60))
def test_any_text_is_read_or_refused_with_a_sentence(text):
    try:
        read_yaml(text, file="a.yml")
    except DataError as error:
        assert str(error).startswith("a.yml:")
        assert "\n" not in str(error)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_with_a_sentence(data):
    try:
        read_yaml(data, file="a.yml")
    except DataError as error:
        assert str(error).startswith("a.yml")


def test_text_that_is_too_long_is_refused_before_it_is_parsed():
    with pytest.raises(DataError, match=r"^a.yml has 10.0 MB, and no such file may be larger than 2 MB\.$"):
        decode_document(b"a" * 10_000_000, file="a.yml")


def test_lines_are_counted_from_one_and_quotes_stay_on_one_line():
    assert [line_at("a\r\nb\rc", position) for position in (0, 3, 5)] == [1, 2, 3]
    assert quoted("a\nb") == "`a b`"
    assert len(quoted("x" * 500)) < 90
