"""Changes one setting in the text of a settings file, and leaves every other line as it was (pure).

The file is a person's: comments, order, blank lines and quoting stay. So the text is cut and joined at the places
where the parser saw its values, and never written anew. A place is a path of keys: `("retries",)`, or
`("proxy_servers", "http")` inside a mapping.

Rules: a list keeps its form, one item a line or in brackets; a new list or mapping gets one item a line; a new
setting goes to the end; a comment behind a value stays, one behind a removed item goes with it. At the end the
new text is read again: it must say what was wanted and, of everything else, what it said before. A text for which
that fails (anchors, odd layouts) is refused and left to an editor.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from msgspec import Struct, field

from envmgr.errors import ConfigError, DataError
from envmgr.models.document import LINE_BREAK
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.yaml_document import read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.models.yaml_document import Node

Value: TypeAlias = "str | tuple[Value, ...] | dict[str, Value]"
"""What a file says: the text of a scalar as written, a list, a mapping."""

KeyPath: TypeAlias = "tuple[str, ...]"
"""The keys that lead to a value, from the outside in."""

# What YAML reads as one plain scalar whatever stands around it, in brackets too.
_PLAIN = lazy_pattern(r"[A-Za-z0-9_./][A-Za-z0-9_./+@%=~:-]*(?<!:)")


class _Spot(Struct):
    """A value and where it stands: characters ``start`` to ``end`` of the text, without what follows it."""

    kind: Literal["scalar", "list", "mapping", "alias"]
    start: int
    end: int
    in_brackets: bool = False
    items: list[_Spot] = field(default_factory=list)
    """The items of a list, or the keys of a mapping."""
    keys: list[tuple[str, _Spot]] = field(default_factory=list)
    """A mapping's keys with their values."""

    def find(self, name: str) -> int | None:
        """The number of the entry called *name*; None where there is none."""
        return next((place for place, (key, _) in enumerate(self.keys) if key == name), None)


def read_values(text: str, *, file: str) -> dict[str, Value]:
    """What the settings file says; raises ConfigError with *file* and line where it cannot be read."""
    try:
        root = read_yaml(text, file=file)
    except DataError as error:
        raise ConfigError(str(error), hint=error.hint, **error.facts) from None
    if root is None:
        return {}
    if root.kind != "mapping":
        raise ConfigError(
            f"{file}:{root.line}: expected settings, one `name: value` a line, found {root.describe()}."
        )
    return {key.text: content(value) for key, value in root.entries}


def content(node: Node) -> Value:
    """The value of *node* without its place; nothing at all is the empty text."""
    if node.kind == "mapping":
        return {key.text: content(value) for key, value in node.entries}
    if node.kind == "list":
        return tuple(content(item) for item in node.items)
    return "" if node.kind == "null" else node.text


def value_at(values: Value, path: KeyPath) -> Value | None:
    """The value at *path*; None where nothing is written."""
    for name in path:
        if not isinstance(values, dict) or name not in values:
            return None
        values = values[name]
    return values


def set_value(text: str, path: KeyPath, value: Value, *, file: str) -> str:
    """*text* with *value* at *path*, whatever was there; *file* is the name that errors show."""
    return _checked(text, _Editor(text, file).set(path, value), path, value, file)


def insert_items(text: str, path: KeyPath, items: Sequence[str], *, file: str, at_front: bool = False) -> str:
    """*text* with *items* added to the list at *path*, which exists, behind or before the others."""
    old = value_at(read_values(text, file=file), path)
    assert isinstance(old, tuple)
    wanted = (*items, *old) if at_front else (*old, *items)
    return _checked(text, _Editor(text, file).insert(path, items, at_front=at_front), path, wanted, file)


def remove_items(text: str, path: KeyPath, places: Sequence[int], *, file: str) -> str:
    """*text* without the items number *places* of the list at *path*; an empty list is left as `[]`."""
    old = value_at(read_values(text, file=file), path)
    assert isinstance(old, tuple)
    wanted = tuple(item for place, item in enumerate(old) if place not in places)
    if not wanted:
        return set_value(text, path, (), file=file)
    edited: str | None = text
    for place in sorted(places, reverse=True):
        edited = None if edited is None else _Editor(edited, file).remove_item(path, place)
    return _checked(text, edited, path, wanted, file)


def remove_setting(text: str, path: KeyPath, *, file: str) -> str:
    """*text* without the entry at *path*; a mapping that would be empty goes as a whole."""
    while len(path) > 1 and len(value_at(read_values(text, file=file), path[:-1]) or ()) == 1:
        path = path[:-1]
    return _checked(text, _Editor(text, file).remove_entry(path), path, None, file)


def _checked(before: str, after: str | None, path: KeyPath, wanted: Value | None, file: str) -> str:
    """*after*, if it says what *before* said but for *wanted* at *path*; raises ConfigError otherwise."""
    expected = _with(read_values(before, file=file), path, wanted)
    try:
        if after is not None and read_values(after, file=file) == expected:
            return after
    except ConfigError:
        pass
    raise ConfigError(
        f"{file}: `{'.'.join(path)}` stands there in a form that is not changed automatically.",
        hint="Change it with an editor.",
        file=file,
    )


def _with(values: dict[str, Value], path: KeyPath, wanted: Value | None) -> dict[str, Value]:
    name, rest = path[0], path[1:]
    changed = dict(values)
    if rest:
        inner = values.get(name)
        changed[name] = _with(inner if isinstance(inner, dict) else {}, rest, wanted)
    elif wanted is None:
        del changed[name]
    else:
        changed[name] = wanted
    return changed


class _Editor:
    """One text with its values' places; each method answers with a new text, None where it cannot.

    Raises ConfigError for a text that is no settings file.
    """

    def __init__(self, text: str, file: str) -> None:
        read_values(text, file=file)
        self._text = text
        self._newline = "\r\n" if "\r\n" in text else "\n"
        self._root = _locate(text)

    def set(self, path: KeyPath, value: Value) -> str | None:
        around = self._root
        if around is None or (around.kind == "scalar" and around.start == around.end):
            return self._at_end(path, value, "")
        for depth, name in enumerate(path):
            place = around.find(name) if around.kind == "mapping" else None
            if around.kind != "mapping":
                # What is here is no mapping yet (nothing, or a value of the wrong kind): it gives way to one.
                return self._replace(path[:depth], _nested(path[depth:], value)) if depth else None
            if place is None:
                return self._add_entry(around, path[depth:], value, is_root=not depth)
            around = around.keys[place][1]
        return self._replace(path, value)

    def insert(self, path: KeyPath, items: Sequence[str], *, at_front: bool) -> str | None:
        found = self._find(path)
        if found is None or found.kind != "list":
            return None
        if found.in_brackets:
            shown = ", ".join(_scalar(item) for item in items)
            if not found.items:
                return self._splice(found.start + 1, found.end - 1, shown)
            if at_front:
                return self._splice(found.items[0].start, found.items[0].start, f"{shown}, ")
            return self._splice(found.items[-1].end, found.items[-1].end, f", {shown}")
        dash = self._dash(found.items[0])
        start = self._line_start(dash)
        lines = [f"{self._text[start:dash]}- {_scalar(item)}" for item in items]
        if at_front:
            return self._insert_lines(start, lines)
        return self._insert_lines(self._next_line(found.items[-1].end), lines)

    def remove_item(self, path: KeyPath, place: int) -> str | None:
        found = self._find(path)
        if found is None or found.kind != "list":
            return None
        item = found.items[place]
        if not found.in_brackets:
            return self._splice(self._line_start(self._dash(item)), self._next_line(item.end), "")
        return self._cut_from_row([(each.start, each.end) for each in found.items], place)

    def remove_entry(self, path: KeyPath) -> str | None:
        around = self._find(path[:-1])
        place = around.find(path[-1]) if around is not None else None
        if around is None or place is None:
            return None
        if around.in_brackets:
            return self._cut_from_row(
                [(key.start, value.end) for key, (_, value) in zip(around.items, around.keys, strict=True)],
                place,
            )
        start, end = around.items[place].start, around.keys[place][1].end
        return self._splice(self._line_start(start), self._next_line(end), "")

    # How one value takes the place of another.

    def _replace(self, path: KeyPath, value: Value) -> str | None:
        around = self._find(path[:-1])
        place = around.find(path[-1]) if around is not None else None
        if around is None or place is None:
            return None
        old = around.keys[place][1]
        if around.in_brackets or (old.in_brackets and value):
            return self._splice(old.start, old.end, _row(value))
        key = around.items[place]
        colon = self._text.index(":", key.end) + 1
        indent = self._text[self._line_start(key.start) : key.start]
        first, *more = _entry_lines(path[-1], value, indent)
        first = first.removeprefix(f"{indent}{_scalar(path[-1])}:")
        if old.end > colon and old.end == self._line_start(old.end):
            # A block of text takes the end of its last line along.
            return self._splice(colon, old.end, "".join(f"{line}{self._newline}" for line in (first, *more)))
        comment = self._comment(colon if self._is_below(old, colon) else old.end)
        lines = self._newline.join([first + comment, *more])
        return self._splice(colon, self._line_end(old.end), lines)

    def _add_entry(self, around: _Spot, path: KeyPath, value: Value, *, is_root: bool) -> str:
        value = _nested(path[1:], value)
        if around.in_brackets:
            shown = f"{_scalar(path[0])}: {_row(value)}"
            if not around.keys:
                return self._splice(around.start + 1, around.end - 1, shown)
            return self._splice(around.keys[-1][1].end, around.keys[-1][1].end, f", {shown}")
        start = around.items[0].start
        indent = self._text[self._line_start(start) : start]
        if is_root:
            return self._at_end(path[:1], value, indent)
        lines = _entry_lines(path[0], value, indent)
        return self._insert_lines(self._next_line(around.keys[-1][1].end), lines)

    def _at_end(self, path: KeyPath, value: Value, indent: str) -> str:
        return self._insert_lines(len(self._text), _entry_lines(path[0], _nested(path[1:], value), indent))

    # Where things are.

    def _find(self, path: KeyPath) -> _Spot | None:
        spot = self._root
        for name in path:
            place = spot.find(name) if spot is not None else None
            if spot is None or place is None:
                return None
            spot = spot.keys[place][1]
        return spot

    def _dash(self, item: _Spot) -> int:
        return self._text.rindex("-", 0, item.start)

    def _is_below(self, value: _Spot, colon: int) -> bool:
        """Whether the value of the key before *colon* begins on a later line, so that the key's line is free."""
        return LINE_BREAK.search(self._text, colon, max(colon, value.start)) is not None

    def _comment(self, start: int) -> str:
        """The comment from *start* to the end of its line, with the spaces before it; empty for anything else."""
        rest = self._text[start : self._line_end(start)].rstrip()
        return rest if rest.lstrip().startswith("#") and rest[0].isspace() else ""

    def _line_start(self, place: int) -> int:
        return max(self._text.rfind("\n", 0, place), self._text.rfind("\r", 0, place)) + 1

    def _line_end(self, place: int) -> int:
        found = LINE_BREAK.search(self._text, place)
        return found.start() if found else len(self._text)

    def _next_line(self, place: int) -> int:
        """Where the line after the value that ends at *place* begins; a block of text ends there itself."""
        if place and place == self._line_start(place):
            return place
        found = LINE_BREAK.search(self._text, place)
        return found.end() if found else len(self._text)

    # How text is cut.

    def _splice(self, start: int, end: int, new: str) -> str:
        return self._text[:start] + new + self._text[end:]

    def _insert_lines(self, place: int, lines: Sequence[str]) -> str:
        """*lines* as lines of their own at *place*, which begins a line or ends the text."""
        before = "" if place == self._line_start(place) else self._newline
        return self._splice(place, place, before + "".join(f"{line}{self._newline}" for line in lines))

    def _cut_from_row(self, spans: Sequence[tuple[int, int]], place: int) -> str:
        """Without one of the things between commas, and without one comma."""
        if place + 1 < len(spans):
            return self._splice(spans[place][0], spans[place + 1][0], "")
        start = spans[place - 1][1] if place else spans[place][0]
        return self._splice(start, spans[place][1], "")


# How values are written.


def _nested(path: KeyPath, value: Value) -> Value:
    for name in reversed(path):
        value = {name: value}
    return value


def _entry_lines(name: str, value: Value, indent: str) -> list[str]:
    """`name: value`, with one line for each item of a list and each entry of a mapping."""
    head = f"{indent}{_scalar(name)}:"
    if isinstance(value, dict) and value:
        return [
            head,
            *(line for key, each in value.items() for line in _entry_lines(key, each, f"{indent}  ")),
        ]
    if isinstance(value, tuple) and value:
        return [head, *(f"{indent}  - {_row(item)}" for item in value)]
    return [f"{head} {_row(value)}"]


def _row(value: Value) -> str:
    """The value within one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_scalar(key)}: {_row(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple):
        return "[" + ", ".join(_row(item) for item in value) + "]"
    return _scalar(value)


def _scalar(text: str) -> str:
    """The text so that YAML reads exactly it: plain where that is safe, else quoted."""
    return text if _PLAIN.fullmatch(text) and text.lower() != "null" else json.dumps(text, ensure_ascii=False)


# Where values are.


def _locate(text: str) -> _Spot | None:
    """The places of all values, from the parser's events; the text has been read before, so it is sound."""
    import yaml

    events = iter(yaml.parse(text, Loader=yaml.SafeLoader))
    for event in events:
        if isinstance(event, yaml.NodeEvent):
            return _spot(event, events)
    return None


def _spot(event: Any, events: Iterator[Any]) -> _Spot:
    import yaml

    start, end = int(event.start_mark.index), _end(event)
    if isinstance(event, yaml.AliasEvent):
        return _Spot("alias", start, end)
    if isinstance(event, yaml.ScalarEvent):
        return _Spot("scalar", start, end)
    is_list = isinstance(event, yaml.SequenceStartEvent)
    spot = _Spot("list" if is_list else "mapping", start, end, in_brackets=bool(event.flow_style))
    for inner in events:
        if isinstance(inner, yaml.CollectionEndEvent):
            if spot.in_brackets:
                spot.end = _end(inner)
            break
        child = _spot(inner, events)
        spot.items.append(child)
        if not is_list:
            value = _spot(next(events), events)
            spot.keys.append((inner.value if isinstance(inner, yaml.ScalarEvent) else "", value))
            child = value
        spot.end = child.end
    return spot


def _end(event: Any) -> int:
    return int(event.end_mark.index)
