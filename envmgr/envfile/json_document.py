"""JSON files of other tools, read into tables whose lines can be found for messages. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from envmgr.errors import DataError
from envmgr.models.document import LARGEST_DOCUMENT_BYTES, decode_document
from envmgr.models.toml_document import TomlDocument
from envmgr.models.yaml_problem import refuse_merge_markers

if TYPE_CHECKING:
    from collections.abc import Iterator


def read_json_document(
    content: str | bytes, *, file: str, largest: int = LARGEST_DOCUMENT_BYTES
) -> TomlDocument:
    """The object in *content*, of *largest* bytes at most; raises DataError with file and line.

    Numbers are the texts that were written, so that the version 1.10 stays 1.10.
    """
    text = decode_document(content, file=file, largest=largest)
    refuse_merge_markers(text, file=file)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        table = json.loads(
            text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_object
        )
    except RecursionError:
        raise DataError(f"{file}: lists and objects are nested too deeply.", file=file) from None
    except json.JSONDecodeError as error:
        what = error.msg[:1].lower() + error.msg[1:]
        raise DataError(
            f"{file}:{error.lineno}: this is no JSON: {what}.", file=file, line=error.lineno
        ) from None
    except _TwiceError as error:
        line = _second_line(text, error.key)
        place = f"{file}:{line}" if line else file
        raise DataError(
            f"{place}: the key `{error.key[:80]}` was already given in the same object.",
            hint="Keep one of the two, or join what they hold.",
            file=file,
            line=line or 1,
        ) from None
    if not isinstance(table, dict):
        raise DataError(f"{file}: expected one JSON object.", file=file)
    return TomlDocument(file, table, tuple(text.split("\n")))


class _TwiceError(ValueError):
    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of *pairs*, in which each key may stand once."""
    table = dict(pairs)
    if len(table) != len(pairs):
        raise _TwiceError(next(_repeated(pairs)))
    return table


def _repeated(pairs: list[tuple[str, Any]]) -> Iterator[str]:
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            yield key
        seen.add(key)


def _second_line(text: str, key: str) -> int | None:
    """The line on which *key* stands again; None where it stands in more than one object."""
    found = list(re.finditer(rf"{re.escape(json.dumps(key, ensure_ascii=False))}\s*:", text))
    return 1 + text.count("\n", 0, found[1].start()) if len(found) == 2 else None
