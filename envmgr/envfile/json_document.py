"""JSON files of other tools, read by the rules for YAML, of which JSON is a part. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from envmgr.envfile.toml_document import TomlDocument
from envmgr.errors import DataError
from envmgr.models.document import LINE_BREAK, decode_document
from envmgr.models.yaml_document import read_yaml

if TYPE_CHECKING:
    from envmgr.models.yaml_document import Node

_WORDS = {"true": True, "false": False}


def read_json_document(content: str | bytes, *, file: str) -> TomlDocument:
    """The object in *content* as tables whose lines can be found; raises DataError with file and line."""
    text = decode_document(content, file=file)
    root = read_yaml(re.sub(r"(?m)^[\t ]+", lambda found: found[0].replace("\t", "  "), text), file=file)
    if root is None or root.kind != "mapping":
        raise DataError(f"{file}: expected one JSON object.", file=file)
    return TomlDocument(file, _value(root, 0), tuple(LINE_BREAK.split(text)))


def _value(node: Node, depth: int) -> Any:
    if depth > 64:  # Aliases of YAML could go on below any depth.
        return None
    if node.kind == "mapping":
        return {key.text: _value(value, depth + 1) for key, value in node.entries}
    if node.kind == "list":
        return [_value(item, depth + 1) for item in node.items]
    if node.kind == "boolean" and node.is_plain:
        return _WORDS.get(node.text.lower(), node.text)
    return None if node.kind == "null" else node.text
