"""The stream of members must say what a whole-document decoder says, for every layout and every chunking."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.channels import json_stream
from envmgr.channels.json_stream import JsonStream
from envmgr.errors import DataError

TRICKY = st.sampled_from(['},"', '"},"x":{"', "\\", '\\"', "}", "{", '],"', "é", "\n", '}, "', "\\u007d"])
STRINGS = st.one_of(TRICKY, st.text(max_size=5), st.lists(TRICKY, max_size=3).map("".join))
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-(10**6), 10**6), STRINGS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(STRINGS, VALUES, max_size=6)
LAYOUTS = st.sampled_from(
    [
        {"separators": (",", ":")},
        {},
        {"indent": 2},
        {"indent": "\t", "separators": (" \r\n, ", " : ")},
        {"ensure_ascii": False},
    ]
)


def chunks_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def read_members(data: bytes, *, chunk: int = 7, piece: int = 16) -> dict[str, object]:
    stream = JsonStream(chunks_of(data, chunk), piece_bytes=piece)
    found = {key: msgspec.json.decode(raw) for group in stream.members() for key, raw in group.items()}
    stream.finish()
    return found


@given(OBJECTS, LAYOUTS, st.integers(1, 40), st.integers(1, 80))
def test_members_are_those_of_the_whole_document(value, layout, chunk, piece):
    assert read_members(json.dumps(value, **layout).encode(), chunk=chunk, piece=piece) == value


@settings(max_examples=60)
@given(st.dictionaries(STRINGS, OBJECTS, max_size=30), st.integers(20, 400))
def test_members_that_are_objects_are_those_of_the_whole_document(value, piece):
    data = json.dumps(value, separators=(",", ":")).encode()
    assert read_members(data, chunk=64, piece=piece) == value


@given(st.dictionaries(STRINGS, VALUES, min_size=1, max_size=5), LAYOUTS, st.integers(1, 30))
def test_every_kind_of_value_can_be_read_or_skipped(value, layout, chunk):
    data = json.dumps(value, **layout).encode()
    stream = JsonStream(chunks_of(data, chunk), piece_bytes=8)
    found = {key: msgspec.json.decode(stream.value()) for key in stream.iter_keys()}
    stream.finish()
    assert found == value
    skipping = JsonStream(chunks_of(data, chunk), piece_bytes=8)
    assert [skipping.skip() or key for key in skipping.iter_keys()] == list(value)
    skipping.finish()


@settings(max_examples=60)
@given(st.dictionaries(STRINGS, OBJECTS, min_size=1, max_size=8), st.data())
def test_a_text_that_is_cut_off_anywhere_is_refused(value, data):
    text = json.dumps(value).encode()
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(DataError):
        read_members(text[:end])


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":{}} {}',
        b'{"a":{},}',
        b'{"a" {}}',
        b'{"a":{}, "b"}',
        b'{,"a":{}}',
        b'{"a":{}]',
        b'{"a":{]}',
        b"{a:{}}",
        b'["a"]',
        b'{"a":tru}',
        b'{"a":01}',
        b'{"a":{"x":1}{"y":2}}',
        b'{"\\x":1}',
        b"<html></html>",
    ],
)
@pytest.mark.parametrize("piece", [2, 1000])
def test_what_is_not_json_is_refused(text, piece):
    with pytest.raises(DataError, match="not valid JSON"):
        read_members(text, piece=piece)


def test_the_place_of_a_mistake_is_named():
    with pytest.raises(DataError, match=r"expected ':' at byte 11, where it reads '7\}'"):
        read_members(b'{"a":1,"b" 7}')


def test_only_a_piece_is_held_at_a_time():
    member = b'"name-%06d":{"depends":["a >=1","b"],"size":12},'
    text = b"{" + b"".join(member % number for number in range(20_000))[:-1] + b"}"
    stream = JsonStream(chunks_of(text, 1000), piece_bytes=10_000)
    groups = list(stream.members())
    assert sum(map(len, groups)) == 20_000
    assert max(map(len, groups)) < 500


def test_a_member_larger_than_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(json_stream, "LARGEST_VALUE_BYTES", 1 << 10)
    with pytest.raises(DataError, match="one value is larger than"):
        read_members(b'{"a":"' + b"x" * 5000 + b'"}', chunk=100)


@pytest.mark.parametrize("text", [b'{"a":{}}' + b" " * 5000, b'{"a":[' + b"1," * 2000 + b'1],"b":{}}'])
def test_a_text_larger_than_the_limit_is_refused(monkeypatch, text):
    monkeypatch.setattr(json_stream, "LARGEST_TEXT_BYTES", len(text) - 1)
    with pytest.raises(DataError, match="its text is larger than"):
        read_members(text, chunk=100)
    monkeypatch.setattr(json_stream, "LARGEST_TEXT_BYTES", len(text))
    assert "a" in read_members(text, chunk=100)
