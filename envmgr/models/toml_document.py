"""TOML read into tables, with the lines of what stands in them found again for messages. Pure.

Python's own parser tells no lines, so a line is looked for: that of the last of some words, each of which
stands at or below the one before. Text that is no TOML, 1.1 or earlier, is refused with the parser's line.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from envmgr.errors import DataError
from envmgr.models.document import LINE_BREAK, decode_document, line_at
from envmgr.models.requirement import Source
from envmgr.models.toml_newer import as_toml_1_0
from envmgr.models.yaml_problem import refuse_merge_markers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN: Final = re.compile(r"[\w.-]+")
_MOST_PARTS: Final = 20
_PLACE: Final = re.compile(r"\s*\(at (?:line (\d+), column \d+|end of document)\)$")

# Python's parser takes time by the square of a key's parts.
_LONG_KEY: Final = re.compile(r"(?<![A-Za-z0-9_-])(?:[A-Za-z0-9_-]{1,100}[ \t]*\.[ \t]*){64}")


class TomlDocument(Struct, frozen=True):
    """The tables of *file*, and its lines."""

    file: str
    table: Mapping[str, Any]
    lines: tuple[str, ...]
    places: dict[str, list[int]] = field(default_factory=dict)
    """The lines of each token, found when the first is asked for."""

    def source(self, *words: str, text: str = "") -> Source:
        """Where the last of *words* stands; the file alone where that cannot be told."""
        place = 0
        for word in words:
            whole = re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w-])")
            found = next((at for at in self._lines_with(word, place) if whole.search(self.lines[at])), None)
            if found is None:
                return Source(self.file, None, text)
            place = found
        return Source(self.file, place + 1, text)

    def _lines_with(self, word: str, place: int) -> Iterator[int]:
        """The lines from *place* on that may have *word*: those with its first token, alone or before a dot."""
        token = _TOKEN.search(word)
        if token is None:
            yield from (at for at in range(place, len(self.lines)) if word in self.lines[at])
            return
        if not self.places:
            for at, line in enumerate(self.lines):
                for each in set(_TOKEN.findall(line)):
                    parts = each.split(".", _MOST_PARTS)
                    for count in range(1, len(parts)):
                        self.places.setdefault(".".join(parts[:count]), []).append(at)
                    self.places.setdefault(each, []).append(at)
        known = self.places.get(token[0], ())
        yield from known[bisect_left(known, place) :]

    def table_at(self, *path: str) -> Mapping[str, Any]:
        """The table at *path*, empty where there is none; raises DataError where something else stands there."""
        found: Any = self.table
        for place, key in enumerate(path):
            found = found.get(key, {})
            if not isinstance(found, dict):
                raise self.refusal(path[: place + 1], f"`{'.'.join(path[: place + 1])}` must be a table")
        return dict(found)

    def list_at(self, *path: str) -> list[Any]:
        """The list at *path*, empty where there is none; raises DataError where something else stands there."""
        found = self.table_at(*path[:-1]).get(path[-1], [])
        if not isinstance(found, list):
            raise self.refusal(path, f"`{'.'.join(path)}` must be a list")
        return found

    def refusal(self, words: tuple[str, ...] | list[str], what: str, hint: str | None = None) -> DataError:
        """The error that *what* is wrong where *words* stand."""
        source = self.source(*words)
        return DataError(f"{source}: {what}.", hint=hint, file=self.file, line=source.line)


def read_toml(content: str | bytes, *, file: str, largest: int | None = None) -> TomlDocument:
    """Read *content*, of *largest* bytes at most; raises DataError with file and line for what is no TOML."""
    text = decode_document(content, file=file, **({} if largest is None else {"largest": largest}))
    refuse_merge_markers(text, file=file)
    long_key = _LONG_KEY.search(text)
    if long_key is not None:
        line = line_at(text, long_key.start())
        raise DataError(f"{file}:{line}: a key has more parts than any file needs.", file=file, line=line)
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib  # type: ignore[import-not-found]
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        try:
            table = tomllib.loads(plain)
        except ValueError:
            older = as_toml_1_0(plain)
            if older == plain:
                raise
            table = tomllib.loads(older)
    except RecursionError:
        raise DataError(f"{file}: lists and tables are nested too deeply.", file=file) from None
    except ValueError as error:
        found = _PLACE.search(str(error))
        line = int(found[1]) if found and found[1] else len(text.splitlines()) or 1
        what = _PLACE.sub("", str(error)).splitlines()[0].rstrip(".")[:200]
        raise DataError(
            f"{file}:{line}: this is no TOML: {what[:1].lower()}{what[1:]}.", file=file, line=line
        ) from None
    return TomlDocument(file, table, tuple(LINE_BREAK.split(text)))
