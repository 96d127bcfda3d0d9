"""A recipe as written: YAML as a tree in which every value knows its line.

The tree keeps what evaluation and error messages need: the order of keys, the place of each value, and
scalars with their type. YAML 1.1's surprises are left out: only ``true`` and ``false`` are booleans, only
decimal digits are numbers, and dates stay text. This module reads text that it is given; it opens no files.
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

from msgspec import Struct

from envmgr.build.pins import Pin
from envmgr.errors import BuildError
from envmgr.models.yaml_document import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmgr.models.yaml_document import Node as YamlNode

_MAX_NODES = 100_000
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"-?[0-9]+\.[0-9]+([eE][-+]?[0-9]+)?\Z")
_WORDS = {"true": True, "True": True, "false": False, "False": False, "null": None, "~": None, "": None}


class Place(Struct, frozen=True):
    """Where a value stands: the recipe's file, as shown to the reader, and its line counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def fail(self, sentence: str, *, hint: str | None = None, **facts: Any) -> NoReturn:
        """Raise the BuildError that says *sentence* about this place."""
        raise BuildError(f"{self}: {sentence}", hint=hint, file=self.file, line=self.line, **facts)


class Scalar(Struct, frozen=True):
    """One plain value: text, a number, a boolean or None; after evaluation also a pin."""

    value: Any
    place: Place


class Items(Struct, frozen=True):
    """A list."""

    values: tuple[Node, ...]
    place: Place


class Table(Struct, frozen=True):
    """A mapping in the order of the file; `places` holds the place of each key."""

    entries: Mapping[str, Node]
    places: Mapping[str, Place]
    place: Place

    def get(self, key: str) -> Node | None:
        """The value of *key*; None where the key is missing or its value is null."""
        node = self.entries.get(key)
        return None if isinstance(node, Scalar) and node.value is None else node

    def check_keys(self, allowed: Iterable[str], what: str) -> None:
        """Raise BuildError for the first key that is not among *allowed*, naming the nearest one that is."""
        known = list(allowed)
        for key in self.entries:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"Did you mean {near[0]!r}?" if near else f"Known keys are {', '.join(sorted(known))}."
                self.places[key].fail(f"{key!r} is not a key of {what}.", hint=hint)

    def without(self, *keys: str) -> Table:
        """This table without *keys*."""
        kept = {key: node for key, node in self.entries.items() if key not in keys}
        return Table(kept, self.places, self.place)

    def merged_over(self, base: Table) -> Table:
        """This table laid over *base*: tables are merged key by key, everything else is replaced."""
        entries = dict(base.entries)
        for key, node in self.entries.items():
            under = entries.get(key)
            both = isinstance(node, Table) and isinstance(under, Table)
            entries[key] = node.merged_over(under) if both else node  # type: ignore[union-attr, arg-type]
        return Table(entries, {**base.places, **self.places}, self.place)


Node: TypeAlias = "Scalar | Items | Table"


def parse_document(text: str | bytes, file: str) -> Table:
    """Read *text* as one YAML mapping; *file* is the name that errors show.

    Raises DataError with the place for text that is not one YAML document, and BuildError for one that is
    not a mapping.
    """
    root = read_yaml(text, file=file)
    if root is None:
        Place(file, 1).fail("the file is empty.")
    tree = _Reader(file).node(root)
    if not isinstance(tree, Table):
        tree.place.fail(f"expected a mapping with keys such as 'package', found {kind_of(tree)}.")
    return tree


class _Reader:
    """Turns YAML nodes into ours; counts them, so that nested aliases cannot fill the memory."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0

    def node(self, node: YamlNode) -> Node:
        place = Place(self._file, node.line)
        self._count += 1
        if self._count > _MAX_NODES:
            place.fail(f"the file unfolds to more than {_MAX_NODES} values.")
        if node.kind == "list":
            return Items(tuple(self.node(child) for child in node.items), place)
        if node.kind == "mapping":
            places = {key.text: Place(self._file, key.line) for key, _ in node.entries}
            return Table({key.text: self.node(value) for key, value in node.entries}, places, place)
        return Scalar(_plain_value(node), place)


def _plain_value(node: YamlNode) -> Any:
    text = node.text
    if not node.is_plain:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text


def kind_of(node: Node) -> str:
    """What a reader would call this value, for error messages."""
    if isinstance(node, Items):
        return "a list"
    if isinstance(node, Table):
        return "a mapping"
    if node.value is None:
        return "nothing"
    names = {bool: "the boolean", int: "the number", float: "the number", str: "the text"}
    return f"{names.get(type(node.value), 'the value')} {node.value!r}"


def iter_items(node: Node | None) -> Iterator[Node]:
    """The members of a list; a single value counts as a list of one, None as an empty one."""
    if isinstance(node, Items):
        yield from node.values
    elif node is not None:
        yield node


def to_plain(node: Node | None) -> Any:
    """The tree as dictionaries, lists and plain values; pins become mappings (CEP 40 "Recipe section")."""
    if node is None:
        return None
    if isinstance(node, Items):
        return [to_plain(value) for value in node.values]
    if isinstance(node, Table):
        return {key: to_plain(value) for key, value in node.entries.items()}
    return node.value.plain() if isinstance(node.value, Pin) else node.value
