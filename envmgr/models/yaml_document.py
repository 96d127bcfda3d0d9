"""YAML read into nodes that know their lines, so that every complaint can name its place.

Rules, for all formats that use YAML (environment files, settings, recipes):

- Plain scalars keep the text as written beside the kind that YAML 1.1 gives them: `1.10` stays `1.10`.
- One document a file; no key twice; no merge key `<<`; tags other than YAML's own plain ones are refused,
  except the three that old tools wrote for text and lists in Python 2.
- Anchors and aliases are read. An alias shares its anchor's node, so nothing multiplies while reading; a
  reader that walks nodes to a fixed depth stays bounded too.
- Nesting is limited, events are read one after another, and the text's size is limited before: a hostile file
  costs no more than an honest one of the same size.

What a value must look like is the caller's business. The sentences for text that is not YAML stand in
`yaml_problem`. PyYAML is imported only when something is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from msgspec import Struct, field

from envmgr.errors import DataError
from envmgr.models.document import LARGEST_DOCUMENT_BYTES, LINE_BREAK, decode_document, quoted
from envmgr.models.yaml_problem import refuse_merge_markers, syntax_error, template_problem

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST_NESTING = 64
"""Levels of lists and mappings; environment files need five, recipes about ten."""

MOST_VALUES = 4_000_000
"""Values in one document, which take 600 MB; only locks can come near, and the largest have half a million."""

Kind = Literal["text", "null", "boolean", "number", "date", "list", "mapping"]

_KINDS: dict[str, Kind] = {
    "tag:yaml.org,2002:str": "text",
    "tag:yaml.org,2002:python/unicode": "text",
    "tag:yaml.org,2002:python/str": "text",
    "!": "text",
    "tag:yaml.org,2002:value": "text",
    "tag:yaml.org,2002:merge": "text",
    "tag:yaml.org,2002:null": "null",
    "tag:yaml.org,2002:bool": "boolean",
    "tag:yaml.org,2002:int": "number",
    "tag:yaml.org,2002:float": "number",
    "tag:yaml.org,2002:timestamp": "date",
    "tag:yaml.org,2002:seq": "list",
    "tag:yaml.org,2002:python/tuple": "list",
    "tag:yaml.org,2002:map": "mapping",
}
_WORDS: dict[Kind, str] = {
    "text": "text",
    "null": "nothing",
    "boolean": "a boolean",
    "number": "a number",
    "date": "a date",
    "list": "a list",
    "mapping": "a mapping",
}


class Node(Struct, frozen=True, gc=False):
    """One value of a YAML document.

    ``text`` is the text of a scalar as written, without quotes; ``items`` are a list's values, ``entries`` a
    mapping's pairs in file order, with keys that are scalars and differ. Lines count from 1.
    ``is_plain`` is true for scalars without quotes and block markers. No node holds itself, so that Python need not
    look for cycles among many.
    """

    kind: Kind
    line: int
    last_line: int
    text: str = ""
    items: tuple[Node, ...] = ()
    entries: tuple[tuple[Node, Node], ...] = ()
    is_plain: bool = False

    @property
    def is_scalar(self) -> bool:
        """Whether this is one value and not a list or mapping."""
        return self.kind not in ("list", "mapping")

    def get(self, key: str) -> Node | None:
        """The value of *key* in a mapping; None where there is no such key."""
        return next((value for name, value in self.entries if name.text == key), None)

    def describe(self) -> str:
        """What was found, for a sentence: `the number `3.14``, `a list`."""
        if not self.is_scalar or self.kind == "null":
            return _WORDS[self.kind]
        return f"the {_WORDS[self.kind].removeprefix('a ')} {quoted(self.text)}"


class _Open(Struct):
    """A list or mapping whose end has not been read yet."""

    kind: Kind
    line: int
    anchor: str | None
    children: list[Node] = field(default_factory=list)


def read_yaml(source: str | bytes, *, file: str, most_bytes: int = LARGEST_DOCUMENT_BYTES) -> Node | None:
    """The document in *source* as nodes; None for a file without any value.

    Raises DataError, one sentence with *file* and line, for everything that is not one YAML document.
    """
    text = decode_document(source, file=file, largest=most_bytes)
    refuse_merge_markers(text, file=file)
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _compose(yaml.parse(text, Loader=loader), text, file)
    except yaml.YAMLError as error:
        raise syntax_error(error, text, file=file) from None


def _compose(events: Iterator[Any], text: str, file: str) -> Node | None:
    """Build nodes from parser events, iteratively, so that depth is no danger to the interpreter."""
    import yaml

    composer = _Composer(text, file)
    documents = 0
    event: Any
    for number, event in enumerate(events):
        if number > MOST_VALUES:
            raise _refusal(file, _line(event), f"more than {MOST_VALUES} values are too many for one file")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                line = _line(event)
                what, hint = "a second YAML document starts here, and only one is read", "Make it two files."
                raise _refusal(file, line, what, hint=hint)
        elif isinstance(event, yaml.AliasEvent):
            composer.add(composer.resolve_alias(event))
        elif isinstance(event, yaml.ScalarEvent):
            composer.add(composer.make_scalar(event), event.anchor)
        elif isinstance(event, yaml.CollectionStartEvent):
            composer.open(event, "list" if isinstance(event, yaml.SequenceStartEvent) else "mapping")
        elif isinstance(event, yaml.CollectionEndEvent):
            composer.close(event)
    return composer.root


class _Composer:
    """Keeps the open collections and the finished anchors of one document."""

    def __init__(self, text: str, file: str) -> None:
        from yaml.resolver import Resolver

        self.root: Node | None = None
        self._text = text
        self._file = file
        self._stack: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._resolver: Any = Resolver()

    def add(self, node: Node, anchor: str | None = None) -> None:
        """Put a finished node into the collection around it."""
        if anchor is not None:
            self._anchors[anchor] = node
        if self._stack:
            self._stack[-1].children.append(node)
        elif node.kind != "null" or node.text:
            self.root = node

    def resolve_alias(self, event: Any) -> Node:
        """The node that an alias stands for; anchors are known once complete, so no node holds itself."""
        node = self._anchors.get(event.anchor)
        if node is None:
            what = f"`*{event.anchor}` refers to an anchor that the file does not define"
            hint = "Put quotes around a text that starts with `*`."
            raise _refusal(self._file, _line(event), what, hint=hint)
        return node

    def make_scalar(self, event: Any) -> Node:
        """A scalar with the kind that its tag, or YAML's rules for plain text, give it."""
        import yaml

        tag = event.tag
        if tag is None or (tag == "!" and event.implicit[0]):
            tag = self._resolver.resolve(yaml.ScalarNode, event.value, event.implicit)
        kind = self._kind(tag, event)
        first, last = _line(event), event.end_mark.line + 1
        is_plain = event.style is None or event.style == ""
        return Node(kind, first, max(first, last), text=event.value, is_plain=is_plain)

    def open(self, event: Any, kind: Kind) -> None:
        """A list or mapping begins."""
        line = _line(event)
        if len(self._stack) >= DEEPEST_NESTING:
            raise _refusal(
                self._file, line, f"lists and mappings are nested deeper than {DEEPEST_NESTING} levels"
            )
        if event.tag is not None and self._kind(event.tag, event) != kind:
            raise self._foreign_tag(event)
        self._stack.append(_Open(kind, line, event.anchor))

    def close(self, event: Any) -> None:
        """The innermost list or mapping ends."""
        opened = self._stack.pop()
        last = max(opened.line, event.end_mark.line + 1)
        if opened.kind == "list":
            node = Node("list", opened.line, last, items=tuple(opened.children))
        else:
            entries = tuple(zip(opened.children[::2], opened.children[1::2], strict=True))
            self._check_keys(entries)
            node = Node("mapping", opened.line, last, entries=entries)
        self.add(node, opened.anchor)

    def _check_keys(self, entries: tuple[tuple[Node, Node], ...]) -> None:
        seen: dict[str, int] = {}
        for key, _ in entries:
            if not key.is_scalar:
                line = LINE_BREAK.split(self._text)[key.line - 1]
                what, hint = template_problem(line) or (f"{key.describe()} cannot be a key", None)
                raise _refusal(self._file, key.line, what, hint=hint)
            if key.text == "<<" and key.is_plain:
                raise _refusal(
                    self._file, key.line, "the merge key `<<` is not supported", hint="Write the keys out."
                )
            if key.text in seen:
                what = f"the key {quoted(key.text)} was already given on line {seen[key.text]}"
                raise _refusal(
                    self._file, key.line, what, hint="Keep one of the two, or join what they hold."
                )
            seen[key.text] = key.line

    def _kind(self, tag: str, event: Any) -> Kind:
        kind = _KINDS.get(tag)
        if kind is None:
            raise self._foreign_tag(event)
        return kind

    def _foreign_tag(self, event: Any) -> DataError:
        tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        hint = "Remove the tag, or put quotes around a text that starts with `!`."
        what = f"the YAML tag {quoted(tag)} is not supported here"
        return _refusal(self._file, _line(event), what, hint=hint)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _refusal(file: str, line: int, what: str, *, hint: str | None = None) -> DataError:
    return DataError(f"{file}:{line}: {what}.", hint=hint, file=file, line=line)
