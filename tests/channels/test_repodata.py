"""What is taken from repodata documents and what is refused."""

from __future__ import annotations

import json

import msgspec
import pytest

from envmgr.channels.file_names import without_superseded
from envmgr.channels.parts import Content, records_in
from envmgr.channels.repodata import RepodataReader
from envmgr.errors import DataError


def record(name: str, version: str = "1.0", build: str = "0", **more: object) -> dict[str, object]:
    return {"name": name, "version": version, "build": build, "build_number": 0, "depends": [], **more}


def read(document: object, **options: int) -> tuple[RepodataReader, dict[str, list[str]]]:
    text = document if isinstance(document, bytes) else json.dumps(document).encode()
    reader = RepodataReader([text], **options)
    found: dict[str, list[str]] = {}
    for batch in reader:
        for name, records in batch.groups.items():
            found.setdefault(name, []).extend(records)
    return reader, found


def test_both_sections_are_sorted_by_package_name():
    reader, found = read(
        {
            "packages": {"a-1.0-0.tar.bz2": record("a"), "a-b-1.0-0.tar.bz2": record("a-b")},
            "packages.conda": {"a-2.0-0.conda": record("a", "2.0"), "b-1.0-0.conda": record("b")},
        }
    )
    assert found == {
        "a": ["a-1.0-0.tar.bz2", "a-2.0-0.conda"],
        "a-b": ["a-b-1.0-0.tar.bz2"],
        "b": ["b-1.0-0.conda"],
    }
    assert (reader.records, reader.skipped) == (4, 0)


def test_keys_of_a_revision_get_their_extension():
    """CEP 48: "a non-empty string representing the artifact filename without its extension"."""
    _, found = read({"v3": {"tar.bz2": {"a-1.0-0": record("a")}, "conda": {"a-2.0-0": record("a", "2.0")}}})
    assert found == {"a": ["a-1.0-0.tar.bz2", "a-2.0-0.conda"]}


@pytest.mark.parametrize("text", [b"", b" \n", b"{}", b'{"packages": {}, "packages.conda": {}}'])
def test_an_empty_file_is_an_empty_dictionary(text):
    """CEP 36: "An empty file MUST be considered equivalent to an empty dictionary"."""
    assert read(text)[1] == {}


def test_unknown_keys_signatures_and_removed_files_are_ignored():
    """CEP 36: "Additional top-level keys MUST be allowed but they MUST be ignored if not recognized"."""
    signatures = {"a-1.0-0.conda": {"key": {"signature": "ab" * 32}}}
    document = {
        "signatures": signatures,
        "removed": ["b-1.0-0.conda"],
        "new": [{"x": [1, 2]}],
        "newer": 1.5e3,
        "newest": {"a": 1, "b": None},
        "packages.conda": {"a-1.0-0.conda": record("a")},
    }
    assert read(document)[1] == {"a": ["a-1.0-0.conda"]}


@pytest.mark.parametrize("first", [True, False])
def test_base_url_is_found_wherever_info_stands(first):
    packages = {"packages.conda": {"a-1.0-0.conda": record("a")}}
    info = {
        "info": {"subdir": "noarch", "base_url": "https://files.example.org/noarch"},
        "repodata_version": 2,
    }
    reader, _ = read({**info, **packages} if first else {**packages, **info})
    assert reader.base_url == "https://files.example.org/noarch"


def test_a_newer_repodata_version_is_refused():
    for document in ({"repodata_version": 3}, {"info": {"repodata_version": 3}}):
        with pytest.raises(DataError, match="its repodata_version is 3; this envmgr knows up to 2"):
            read(document)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"<!DOCTYPE html><html>", "a page of HTML or XML"),
        (b"[]", "something that starts with '\\['"),
        (b'{"packages": []}', "its section 'packages' is not a JSON object"),
        (b'{"v3": {"conda": 1}}', "its section 'v3.conda' is not a JSON object"),
        (b'{"v3": 1}', "its section 'v3' is not a JSON object"),
        (b'{"info": []}', "its 'info' is not valid"),
        (b'{"repodata_version": "x"}', "its 'repodata_version' is not valid"),
        (b'{"packages": {}', "not valid JSON"),
    ],
)
def test_what_is_not_repodata_is_refused_with_the_reason(text, complaint):
    with pytest.raises(DataError, match=complaint):
        read(text)


@pytest.mark.parametrize(
    ("fn", "content"),
    [
        ("a-1.0-0.conda", 5),
        ("a-1.0-0.conda", {"version": "1.0"}),
        ("a-1.0-0.conda", {"name": 1, "version": "1.0"}),
        ("a-1.0-0.zip", record("a")),
        ("../a-1.0-0.conda", record("../a")),
        (".a-1.0-0.conda", record(".a")),
        ("a-1.0-0.conda", record("a/b")),
        ("a-1.0-0.conda", record("..")),
        ("a\\b-1.0-0.conda", record("a\\b")),
        ("a b-1.0-0.conda", record("a b")),
        ("a\nb-1.0-0.conda", record("a\nb")),
        ("", record("a")),
    ],
)
def test_a_record_whose_names_cannot_be_trusted_is_left_out(fn, content):
    reader, found = read({"packages.conda": {fn: content, "b-1.0-0.conda": record("b")}})
    assert found == {"b": ["b-1.0-0.conda"]}
    assert reader.skipped == 1


@pytest.mark.parametrize(
    ("fn", "content"),
    [
        ("a-1.0-0.conda", {"name": "a"}),
        ("a-1.0-0.conda", record("a", build="../../x")),
        ("a-1.0-0.conda", record("a", version="1\n0")),
        ("a-1.0-0.conda", record("b", purls=[{"name": "a"}])),
        ("a/../1.0-0.conda", record("a")),
    ],
)
def test_a_record_that_says_something_else_than_its_file_name_is_left_out_when_its_name_is_read(fn, content):
    text = json.dumps({fn: content, "a-2.0-0.conda": record("a", "2.0")}).encode()
    found, unusable = records_in(Content(text, is_shard=False), "a")
    assert [*found] == ["a-2.0-0.conda"]
    assert [*unusable] == [fn]


def test_a_record_that_is_not_utf_8_is_left_out():
    text = json.dumps({"packages.conda": {"a-1.0-0.conda": record("a?"), "b-1.0-0.conda": record("b")}})
    reader, found = read(text.encode().replace(b'"a?"', b'"a\xff"'))
    assert found == {"b": ["b-1.0-0.conda"]}
    assert reader.skipped == 1


def test_a_file_name_that_differs_from_its_record_is_kept_as_it_is():
    _, found = read(
        {"packages.conda": {"Foo-1.0-0.conda": record("Foo"), "odd-file-1.conda": record("foo", "2.0")}}
    )
    assert found == {"foo": ["Foo-1.0-0.conda", "odd-file-1.conda"]}


def test_records_come_in_batches_of_bounded_size():
    document = {"packages.conda": {f"p{n:05}-1.0-0.conda": record(f"p{n:05}") for n in range(40_000)}}
    text = json.dumps(document).encode()
    chunks = [text[start : start + 65536] for start in range(0, len(text), 65536)]
    batches = [sum(map(len, batch.groups.values())) for batch in RepodataReader(chunks, batch_bytes=1 << 20)]
    assert sum(batches) == 40_000
    assert len(batches) == 3


def test_the_slices_are_the_published_text():
    content = record("a", mystery={"x": [1, 2.50, "ü"]})
    text = json.dumps({"packages.conda": {"a-1.0-0.conda": content}}).encode()
    (batch,) = RepodataReader([text])
    raw = batch.groups["a"]["a-1.0-0.conda"]
    assert isinstance(raw, msgspec.Raw)
    assert bytes(raw) == json.dumps(content).encode()


def test_an_old_archive_is_superseded_by_the_same_package_in_the_new_format():
    names = dict.fromkeys(["a-1-0.tar.bz2", "a-1-0.conda", "a-2-0.tar.bz2"])
    assert [*without_superseded(names)] == ["a-1-0.conda", "a-2-0.tar.bz2"]


@pytest.mark.parametrize(
    "content",
    [
        record("b", purls=[{"name": "a"}]),
        {"x": {"name": "a"}, **record("b")},
        b'{"name": "a", "version": "1.0", "name": "b"}',
        b'{"n\\u0061me": "b", "version": "1.0", "x": {"name":"a"}}',
        b'{"summary": "\\"name\\":\\"a\\"", "name" : "b", "version": "1.0"}',
    ],
)
def test_a_record_is_found_under_the_name_that_it_says_itself(content):
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    document = b'{"packages": {"a-1.0-0.tar.bz2": %b, "a-2.0-0.tar.bz2": %b}}'
    reader, found = read(document % (text, json.dumps(record("a", "2.0")).encode()))
    assert found == {"b": ["a-1.0-0.tar.bz2"], "a": ["a-2.0-0.tar.bz2"]}
    assert reader.strays == {"b"}
    records, unusable = records_in(Content(b'{"a-1.0-0.tar.bz2": %b}' % text, is_shard=False), "b")
    assert ([*records], unusable) == (["a-1.0-0.tar.bz2"], {})
