"""Reads YAML as programs write it into locks, six times as fast as the reader of all YAML. Pure.

Each line is a key, a value, or both, at the beginning of an item or not, and no value has several. Of anything
else (anchors, tags, flow, folded and literal texts, a key twice, a text that goes on, comments between) the whole
document is left to `envmgr.models.yaml_document`, which reads it, or says what is wrong with it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.models.yaml_document import DEEPEST_NESTING, MOST_VALUES, Node, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_LINE = re.compile(
    r"^( *)(- )?(?:([A-Za-z0-9_][A-Za-z0-9_./+-]*):(?: (?=[^\n])|$))?"
    r"((?:[A-Za-z0-9_./<($^=~+][^\n]*|'(?:[^'\n]|'')*'|\"[^\"\\\n]*\"|\[\]|\{\})?)$",
    re.MULTILINE,
)
_PACKAGES = re.compile(r"^packages?:$", re.MULTILINE)
_NO_HEAD = re.compile("^(?:---|[.][.][.]| *[{&!])|[\r\x85\u2028\u2029]", re.MULTILINE)
"""What may end a document, or be one that takes no more keys, and other breaks of lines."""

_OTHERS = ("\r", "\t", "\x85", "\u2028", "\u2029", " \n", " #")
"""Breaks of lines and words that YAML knows, too, and the beginning of a comment."""

_NULLS = frozenset(("~", "null", "Null", "NULL"))
_PIECE = 1 << 20
"""Characters whose lines are in memory as rows at one time."""

_Row = tuple[str, str, str, str]


class _Open(Struct):
    """A list or mapping that goes on; ``key`` waits for its value."""

    indent: int
    is_list: bool
    line: int
    items: list[Node] = field(default_factory=list)
    entries: list[tuple[Node, Node]] = field(default_factory=list)
    key: Node | None = None

    def add(self, node: Node) -> None:
        """The next value."""
        if self.is_list:
            self.items.append(node)
        else:
            assert self.key is not None
            self.entries.append((self.key, node))
            self.key = None

    def node(self, line: int) -> Node | None:
        """All of it, up to *line*; None where a key is there twice."""
        if self.key is not None:
            self.add(_null(line))
        if self.is_list:
            return Node("list", self.line, line, "", tuple(self.items))
        if len({key.text for key, _ in self.entries}) != len(self.entries):
            return None
        return Node("mapping", self.line, line, "", (), tuple(self.entries))


def read_plain_lock(text: str, *, file: str) -> Node | None:
    """The document in *text*, where its list of packages is plain; what stands before may be any YAML.

    None for everything else. Raises DataError for what `read_yaml` refuses in the first part.
    """
    packages = _PACKAGES.search(text)
    if packages is None:
        return None
    start = packages.start()
    body = read_plain_yaml(text, start)
    before = text[:start]
    if body is None or _NO_HEAD.search(before):
        return None
    head = read_plain_yaml(before) or read_yaml(before, file=file, most_bytes=len(text) * 4)
    if head is None or head.kind != "mapping":
        return None
    entries = (*head.entries, *body.entries)
    if len({key.text for key, _ in entries}) != len(entries):
        return None
    return Node("mapping", head.line, body.last_line, entries=entries)


def read_plain_yaml(text: str, start: int = 0) -> Node | None:
    """The mapping that *text* is from *start* on; None for everything that is not as the module's text says."""
    while text.startswith("#", start):
        start = text.find("\n", start) + 1
        if not start:
            return None
    if text.count("\n", start) > MOST_VALUES // 2:
        return None
    if not text.endswith("\n") or any(text.find(each, start) >= 0 for each in _OTHERS):
        return None
    body = _Body(text, start)
    root = body.read()
    # What is a key to YAML has to be one here.
    if root is None or (body.values, body.keys) != (text.count(": ", start), text.count(":\n", start)):
        return None
    return root


class _Body:
    """The lines of *text* from *start* on; ``values`` counts keys with a value beside them, ``keys`` others."""

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._nodes: dict[str, Node] = {}
        self.values = self.keys = 0

    def _pieces(self) -> Iterator[list[_Row] | None]:
        """The rows of some lines after another; None where a line is of no known form."""
        text, place = self._text, self._start
        while place < len(text):
            end = text.find("\n", min(place + _PIECE, len(text) - 1)) + 1
            # Without its last line break, since one is looked for at the end of each line.
            rows = _LINE.findall(text, place, end - 1)
            yield rows if len(rows) == text.count("\n", place, end) else None
            place = end

    def read(self) -> Node | None:
        """The document as one mapping; None where it is none."""
        line = self._text.count("\n", 0, self._start)
        stack = [_Open(0, is_list=False, line=line + 1)]
        for rows in self._pieces():
            if rows is None:
                return None
            for row in rows:
                line += 1
                if not self._take(row, stack, line):
                    return None
        while len(stack) > 1:
            if not _close(stack, line):
                return None
        return stack[0].node(line) if stack[0].entries or stack[0].key else None

    def _take(self, row: _Row, stack: list[_Open], line: int) -> bool:
        spaces, dash, key, value = row
        if not (key or value):
            return not (spaces or dash)  # An empty line.
        indent = len(spaces)
        top = stack[-1]
        if top.key is not None and (indent > top.indent or (dash and indent == top.indent)):
            top = _Open(indent, bool(dash), line)
            stack.append(top)
        while indent < top.indent or (top.is_list and not dash and indent == top.indent):
            if not _close(stack, line - 1):
                return False
            top = stack[-1]
        if indent != top.indent or top.is_list != bool(dash) or len(stack) > DEEPEST_NESTING:
            return False
        if top.key is not None:
            top.add(_null(line - 1))
        if key:
            if dash:
                top = _Open(indent + 2, is_list=False, line=line)
                stack.append(top)
            node = self._nodes.get(key)
            if node is None:
                node = self._nodes[key] = Node("text", line, line, key)
            if not value:
                self.keys += 1
                top.key = node
            else:
                self.values += 1
                top.entries.append((node, _value(value, line)))
            return True
        if not dash:
            return False  # A text that goes on, or stands alone.
        top.items.append(_value(value, line))
        return True


def _close(stack: list[_Open], line: int) -> bool:
    if len(stack) < 2:
        return False
    node = stack.pop().node(line)
    if node is None:
        return False
    stack[-1].add(node)
    return True


def _value(text: str, line: int) -> Node:
    first = text[0]
    if first == "'":
        return Node("text", line, line, text[1:-1].replace("''", "'"))
    if first == '"':
        return Node("text", line, line, text[1:-1])
    if first == "[":
        return Node("list", line, line)
    if first == "{":
        return Node("mapping", line, line)
    if text in _NULLS:
        return Node("null", line, line, text)
    return Node("text", line, line, text)


def _null(line: int) -> Node:
    return Node("null", line, line)
