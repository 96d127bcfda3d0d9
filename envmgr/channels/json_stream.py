"""Reads one large JSON object as a stream, members first, without holding the whole of it. Pure.

The members of an object come out in groups: ``{key: raw value}``, where the values are slices that nobody has
decoded. Finding where one group can end is the whole trick. A place that looks like ``}, "`` is tried: when the
text from a known member's start up to there, set in braces, is a valid object, then the place lies between two
members of this very object, because reading JSON from the left can go only one way. When the last few such
places fail (they lie inside a nested object, or beyond the object's end), the first places with two closing braces
are tried, and then a tokenizer walks the text.
So the result is right for every valid JSON text, however it is laid out, and quick for those that exist.

Only an array, string or single member larger than `LARGEST_VALUE_BYTES` is refused, nesting deeper than Python's
limit, and a text larger than `LARGEST_TEXT_BYTES`.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from envmgr.errors import DataError
from envmgr.models.decoding import UNDECODABLE
from envmgr.models.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

PIECE_BYTES = 1 << 20
LARGEST_VALUE_BYTES = 16 << 20
LARGEST_TEXT_BYTES = 4 << 30
"""Some ten times the largest index there is; a few bytes on the wire can stand for any number of spaces."""

_SPACE = lazy_pattern(rb"[ \t\r\n]*")
_AFTER_BRACE = lazy_pattern(rb'[ \t\r\n]*,[ \t\r\n]*"')
_TWO_BRACES = lazy_pattern(rb"\}[ \t\r\n]*\}")
_SCALAR = lazy_pattern(rb"[^\s,\]}]+")
# The lone quotation mark matches where the text breaks off inside a string.
_TOKEN = lazy_pattern(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],"]', re.DOTALL)
_BRACKET = lazy_pattern(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\]"]', re.DOTALL)
_PLACE = lazy_pattern(r" \(byte (\d+)\)$")
_GUESSES = 8

Members = dict[str, msgspec.Raw]
_decode_members = msgspec.json.Decoder(Members).decode


class JsonStream:
    """A cursor over the text of one JSON document; every method raises DataError where the text is not JSON."""

    def __init__(self, chunks: Iterable[bytes], *, piece_bytes: int = PIECE_BYTES) -> None:
        self._chunks = iter(chunks)
        self._piece_bytes = piece_bytes
        self._text = b""
        self._at = 0
        self._passed = 0

    @property
    def position(self) -> int:
        """How many bytes of the text were consumed so far."""
        return self._passed + self._at

    def peek(self) -> bytes:
        """The next byte that is not white space, not consumed; empty at the end of the text."""
        while True:
            self._at = _space_end(self._text, self._at)
            if self._at < len(self._text):
                return self._text[self._at : self._at + 1]
            if not self._fetch(self._piece_bytes):
                return b""

    def expect(self, byte: bytes) -> None:
        """Consume the next byte that is not white space, which must be *byte*."""
        found = self.peek()
        if not found:
            raise self._error("it ends too early")
        if found != byte:
            raise self._error(f"expected '{byte.decode()}'")
        self._at += 1

    def iter_keys(self) -> Iterator[str]:
        """The keys of an object; between two of them the caller must consume the value."""
        self.expect(b"{")
        if self._closes():
            return
        while True:
            key = self._key()
            self.expect(b":")
            yield key
            if self._ends_after_member():
                return

    def members(self) -> Iterator[Members]:
        """The members of an object in groups, in order; within a group the last of equal keys wins."""
        self.expect(b"{")
        if self._closes():
            return
        self._check_key()
        while True:
            yield self._next_members()
            if self._ends_after_member():
                return

    def value(self) -> msgspec.Raw:
        """Consume one value; whether it is valid shows when the caller decodes it."""
        self.peek()
        wanted = self._piece_bytes
        while True:
            end = _value_end(self._text, self._at)
            if end > 0 and (end < len(self._text) or not self._fetch(wanted)):
                break
            if end < 0 and not self._fetch(wanted):
                raise self._error("it ends too early")
            wanted = len(self._text)
        found = msgspec.Raw(self._text[self._at : end])
        self._at = end
        return found

    def skip(self) -> None:
        """Consume one value and forget it; an object may be of any size."""
        if self.peek() == b"{":
            for _ in self.members():
                pass
        else:
            self.value()

    def finish(self) -> None:
        """Check that nothing but white space follows, which also reads the input to its end."""
        if self.peek():
            raise self._error("something follows the end of the document")

    def _next_members(self) -> Members:
        if len(self._text) - self._at < self._piece_bytes:
            self._fetch(self._piece_bytes)
        while True:
            found = self._guess_members() or self._guess_last_members() or self._walk_members()
            if found is not None:
                return found
            if not self._fetch(max(self._piece_bytes, len(self._text))):
                raise self._error("it ends too early")

    def _guess_members(self) -> Members | None:
        brace = len(self._text)
        for _ in range(_GUESSES):
            brace = self._text.rfind(b"}", self._at, brace)
            if brace < 0:
                return None
            if _AFTER_BRACE.match(self._text, brace + 1):
                try:
                    found = self._decode(brace + 1)
                except UNDECODABLE:
                    continue
                self._at = brace + 1
                return found
        return None

    def _guess_last_members(self) -> Members | None:
        """All that is left of the object, where it ends soon: after two braces, of a member and its own."""
        for found in islice(_TWO_BRACES.finditer(self._text, self._at), _GUESSES):
            end = found.start() + 1
            try:
                members = self._decode(end)
            except UNDECODABLE:
                continue
            self._at = end
            return members
        return None

    def _walk_members(self) -> Members | None:
        end = _last_member_end(self._text, self._at)
        if end < 0:
            return None
        try:
            found = self._decode(end)
        except RecursionError:
            raise self._error("a value is nested too deeply") from None
        except UnicodeDecodeError:
            raise self._error("a key is not UTF-8") from None
        except msgspec.DecodeError as error:
            raise self._malformed(str(error)) from None
        self._at = end
        return found

    def _decode(self, end: int) -> Members:
        return _decode_members(b"".join((b"{", memoryview(self._text)[self._at : end], b"}")))

    def _key(self) -> str:
        self._check_key()
        try:
            return str(msgspec.json.decode(self.value(), type=str))
        except UNDECODABLE:
            raise self._error("a key is malformed") from None

    def _closes(self) -> bool:
        if self.peek() != b"}":
            return False
        self._at += 1
        return True

    def _ends_after_member(self) -> bool:
        if self._closes():
            return True
        self.expect(b",")
        self._check_key()
        return False

    def _check_key(self) -> None:
        if self.peek() != b'"':
            raise self._error("expected a key")

    def _fetch(self, wanted: int) -> bool:
        """Forget what is consumed and read about *wanted* bytes more; False at the end of the input."""
        kept = self._text[self._at :]
        if len(kept) > LARGEST_VALUE_BYTES:
            raise self._error(f"one value is larger than {LARGEST_VALUE_BYTES >> 20} MiB")
        parts, grown = [kept], 0
        for chunk in self._chunks:
            parts.append(chunk)
            grown += len(chunk)
            if grown >= wanted:
                break
        self._passed += self._at
        self._text, self._at = b"".join(parts), 0
        if self._passed + len(self._text) > LARGEST_TEXT_BYTES:
            raise DataError(f"its text is larger than {LARGEST_TEXT_BYTES >> 20} MiB.")
        return grown > 0

    def _malformed(self, complaint: str) -> DataError:
        """The decoder's complaint about the members at the cursor, told with the place in the whole text."""
        found = _PLACE.search(complaint)
        if found:
            self._at += int(found.group(1)) - 1  # The brace that was put before the members.
        return self._error(_PLACE.sub("", complaint).rpartition(": ")[2])

    def _error(self, reason: str) -> DataError:
        found = self._text[self._at : self._at + 20].decode("utf-8", "replace")
        what = f"where it reads {found!r}" if found else "where it ends"
        return DataError(f"it is not valid JSON: {reason} at byte {self.position}, {what}.")


def _space_end(text: bytes, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _value_end(text: bytes, at: int) -> int:
    """Where the value that starts at *at* ends, or -1 when the text is too short to tell."""
    first = text[at : at + 1]
    if first in (b"{", b"["):
        return _closing_end(text, at)
    if first == b'"':
        return _string_end(text, at)
    found = _SCALAR.match(text, at)
    return found.end() if found else -1


def _string_end(text: bytes, at: int) -> int:
    """A quotation mark ends a string unless an odd number of backslashes stands before it."""
    end = at
    while True:
        end = text.find(b'"', end + 1)
        if end < 0:
            return -1
        start = end
        while text[start - 1 : start] == b"\\":
            start -= 1
        if (end - start) % 2 == 0:
            return end + 1


def _closing_end(text: bytes, at: int) -> int:
    depth = 0
    for token in _BRACKET.finditer(text, at):
        byte = token.group()
        if byte in (b"{", b"["):
            depth += 1
        elif byte in (b"}", b"]"):
            depth -= 1
            if depth == 0:
                return token.end()
        elif byte == b'"':
            return -1
    return -1


def _last_member_end(text: bytes, at: int) -> int:
    """Where the last member ends that is surely whole, counted from the member that starts at *at*; or -1."""
    depth = 0
    end = -1
    for token in _TOKEN.finditer(text, at):
        byte = token.group()
        if byte in (b"{", b"["):
            depth += 1
        elif byte in (b"}", b"]"):
            depth -= 1
            if depth < 0:
                return token.start()
        elif byte == b"," and depth == 0:
            end = token.start()
        elif byte == b'"':
            break
    return end
