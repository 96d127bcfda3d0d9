"""Takes values out of the nodes of a lock, and says in a sentence where one is not what its format has there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NoReturn

from envmgr.errors import DataError
from envmgr.models.document import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.models.yaml_document import Node

_SUM = {"md5": re.compile(r"[0-9a-f]{32}"), "sha256": re.compile(r"[0-9a-f]{64}")}


class Fields:
    """One mapping of the lock *file*, as keys and nodes; *what* it is, for sentences."""

    def __init__(self, node: Node, file: str, what: str) -> None:
        self.file, self.what, self.line = file, what, node.line
        if node.kind != "mapping":
            self.refuse(node.line, f"expected {what}, found {node.describe()}")
        self.nodes = {key.text: value for key, value in node.entries}

    def refuse(self, line: int, why: str) -> NoReturn:
        """Raise DataError for what stands on *line*."""
        raise DataError(f"{self.file}:{line}: {why}.", file=self.file, line=line)

    def refuse_key(self, key: str, expected: str) -> NoReturn:
        """Raise DataError for the value of *key*."""
        node = self.nodes.get(key)
        if node is None:
            self.refuse(self.line, f"{self.what} has no {quoted(key)}")
        self.refuse(
            node.line, f"{quoted(key)} of {self.what} is {expected}, and here it is {node.describe()}"
        )

    def get(self, key: str) -> Node | None:
        """The node of *key*; None where there is none, or nothing."""
        node = self.nodes.get(key)
        return None if node is None or node.kind == "null" else node

    def optional(self, key: str) -> str | None:
        """The text of *key*, as it is written; None where there is none."""
        node = self.get(key)
        if node is None:
            return None
        if not node.is_scalar:
            self.refuse_key(key, "a text")
        return node.text or None

    def text(self, key: str) -> str:
        """The text of *key*, which has to be there."""
        found = self.optional(key)
        if found is None:
            self.refuse_key(key, "a text")
        return found

    def number(self, key: str) -> int | None:
        """The whole number of *key*; None where there is none."""
        text = self.optional(key)
        if text is not None and not (text.isascii() and text.isdigit() and len(text) < 19):
            self.refuse_key(key, "a whole number")
        return None if text is None else int(text)

    def checksum(self, key: str) -> str | None:
        """The MD5 or SHA-256 of *key*, in small letters; None where there is none."""
        text = self.optional(key)
        if text is not None and not _SUM[key].fullmatch(text.lower()):
            self.refuse_key(key, f"{len(text)} characters long, not the digits of a checksum")
        return None if text is None else text.lower()

    def items(self, key: str) -> tuple[Node, ...]:
        """The values of the list *key*; none where there is no such key."""
        node = self.get(key)
        if node is None:
            return ()
        if node.kind != "list":
            self.refuse_key(key, "a list")
        return node.items

    def texts(self, key: str) -> tuple[str, ...]:
        """The texts of the list *key*."""
        for each in self.items(key):
            if not each.is_scalar:
                self.refuse(each.line, f"expected a text in {quoted(key)}, found {each.describe()}")
        return tuple(each.text for each in self.items(key))

    def mapping(self, key: str) -> Fields | None:
        """The mapping *key*; None where there is none."""
        node = self.get(key)
        return None if node is None else Fields(node, self.file, quoted(key))

    def pairs(self, key: str) -> Iterator[tuple[str, str]]:
        """The names and texts of the mapping *key*."""
        inner = self.mapping(key)
        for name in inner.nodes if inner is not None else ():
            assert inner is not None
            yield name, inner.optional(name) or ""
