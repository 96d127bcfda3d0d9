"""Changes lists, keys and single values in the text of an environment.yml, and leaves all else as it was. Pure.

The places come from the text as it is read for one platform, in which lines with selectors of other platforms are
empty: such lines are never touched. What stands in a form that cannot be changed line by line (aliases, keys that
share a line, comments inside brackets) raises NotEditableError. Whoever edits reads the new text before it counts.
"""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from envmgr.models.document import LINE_BREAK
from envmgr.models.lazy_pattern import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_DASH = lazy_pattern(r"[ \t]*-[ \t]+")
# What YAML reads as one plain text in a list, whatever stands behind it.
_PLAIN = lazy_pattern(
    r"(?:[A-Za-z_]|--?[A-Za-z])[\w.<>=!~*+|,/@:;#\[\]-]*(?<!:)"
    r"(?: [\w.<>=!~*+|,/@-][\w.<>=!~*+|,/@:;#\[\]-]*(?<!:))*"
)
# What readers with YAML's types would take for something else.
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


class NotEditableError(Exception):
    """A place has a form that is not changed automatically; the text says which, for a sentence."""


def written(text: str, *, in_brackets: bool = False, like: str = "") -> str:
    """*text* as a value of YAML: in the quotes that *like* begins with, plain where it can be, or in quotes."""
    mark = like[:1]
    if mark and mark in "'\"" and not ({mark, "\\", "\n"} & set(text)):
        return f"{mark}{text}{mark}"
    is_plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
    if is_plain and not (in_brackets and {",", "[", "]"} & set(text)):
        return text
    return json.dumps(text, ensure_ascii=False)


class TextEditor:
    """Collects the changes of one *text*, which reads as *selected* for the platform it is changed for.

    Both have the same lines, but that some are empty in *selected*, which must be a mapping of YAML.
    """

    def __init__(self, text: str, selected: str) -> None:
        import yaml

        self._text = text
        self._breaks = [found.span() for found in LINE_BREAK.finditer(text)]
        self._starts = [0, *(end for _, end in self._breaks)]
        self._end_of_line = next((text[start:end] for start, end in self._breaks), "\n")
        self._changes: list[tuple[int, int, int, str]] = []
        self.root: Any = yaml.compose(selected, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        if not isinstance(self.root, yaml.MappingNode):
            raise NotEditableError("its keys do not stand at its top")
        self._empty = [not line.strip() for line in LINE_BREAK.split(selected)]
        self._full = [bool(line.strip()) for line in LINE_BREAK.split(text)]

    def value(self, key: str) -> Any:
        """The node of the value of a top-level key; None where there is no such key."""
        return next((value for name, value in self.root.value if name.value == key), None)

    def edited(self) -> str:
        """The text with all changes."""
        text = self._text
        for start, end, _, new in sorted(self._changes, reverse=True):
            text = text[:start] + new + text[end:]
        return text

    def replace(self, node: Any, text: str, *, in_brackets: bool = False) -> None:
        """Write *text* in the place of a single value, in the same quotes."""
        start, end = self._span(node)
        if start == end:
            self._change(start, start, f" {written(text)}")
            return
        old = self._text[start:end]
        if old[:1] in "&*!|>":
            raise NotEditableError(
                "it has anchors, tags or texts of several lines where something else is to stand"
            )
        self._change(start, end, written(text, in_brackets=in_brackets, like=old))

    def multiply(self, node: Any, around: Sequence[tuple[str, str]]) -> None:
        """Write an item of a list once for each pair of texts that are to stand *around* its value."""
        dash = self._dash(node)
        start, end = self._span(node)
        (before, behind), *others = around
        self._change(start, None, before)
        self._change(end, None, behind)
        self._insert_behind(end, [f"{dash}{each}{self._text[start:end]}{last}" for each, last in others])

    def insert_key(self, before: Any, lines: Iterable[str]) -> None:
        """Write *lines* before the line of the key whose node is *before*."""
        if self.root.flow_style:
            raise NotEditableError("its keys stand in braces")
        self._change(self._line_start(self._span(before)[0]), None, self._block(lines))

    def append_key(self, lines: Iterable[str]) -> None:
        """Write *lines* behind all keys."""
        if self.root.flow_style:
            raise NotEditableError("its keys stand in braces")
        self._insert_behind(self._last(self.root.value[-1][1], self.root.value[-1][0]), lines)

    def fill(self, key: str, lines: Sequence[str]) -> None:
        """Write *lines* as the value of a top-level key that has none, or an empty list."""
        if not lines:
            return
        if self.root.flow_style:
            raise NotEditableError("its keys stand in braces")
        name, value = next(each for each in self.root.value if each[0].value == key)
        end = self._span(name)[1]
        start, last = self._span(value)
        if start != last:
            self._change(end, last, ":")
        self._insert_behind(last if start != last else end, lines)

    def remove_entry(self, mapping: Any, key: str) -> None:
        """Remove a key with its value and the comment behind it."""
        for name, value in mapping.value:
            if name.value == key:
                if mapping.flow_style:
                    raise NotEditableError("keys that go stand in braces")
                start = self._span(name)[0]
                if self._text[self._line_start(start) : start].strip():
                    raise NotEditableError("keys that go share a line with others")
                self._remove_lines(start, self._last(value, name))

    def set_entries(self, mapping: Any, wanted: Mapping[str, str]) -> None:
        """Make the entries of a mapping of names to single values those of *wanted*; new ones follow the last."""
        present = {name.value: value for name, value in mapping.value}
        for name, value in present.items():
            if name not in wanted:
                self.remove_entry(mapping, name)
            elif value.value != wanted[name]:
                self.replace(value, wanted[name], in_brackets=bool(mapping.flow_style))
        new = [f"{name}: {written(text)}" for name, text in wanted.items() if name not in present]
        if new and mapping.flow_style:
            raise NotEditableError("variables stand in braces")
        if new:
            name, value = mapping.value[-1]
            first = self._span(mapping.value[0][0])[0]
            indent = self._text[self._line_start(first) : first]
            if indent.strip():
                raise NotEditableError("keys share a line with others")
            self._insert_behind(self._last(value, name), [f"{indent}{line}" for line in new])

    def set_items(
        self, listed: Any, planned: Sequence[str | None], added: Mapping[int, Sequence[str]] | None = None
    ) -> None:
        """Change a list: *planned* has the new text of each item, None for one that goes, "" for one that stays.

        *added* are new items by the place that they come before.
        """
        new = {place: texts for place, texts in (added or {}).items() if texts}
        if listed.flow_style and (new or None in planned):
            self._rewrite_flow(listed, planned, new)
            return
        for node, plan in zip(listed.value, planned, strict=True):
            if plan is None:
                self._remove_item(node)
            elif plan:
                self.replace(node, plan, in_brackets=bool(listed.flow_style))
        for place, texts in new.items():
            self._add_items(listed, place, [written(each) for each in texts])

    def _add_items(self, listed: Any, place: int, texts: Sequence[str]) -> None:
        if not listed.value:
            raise NotEditableError("a list without items is to get some")
        model = listed.value[place - 1] if place else listed.value[0]
        prefix = self._dash(model)
        lines = [f"{prefix}{each}" for each in texts]
        if place:
            self._insert_behind(self._last(model), lines)
        else:
            self._change(self._line_start(self._span(model)[0]), None, self._block(lines))

    def add_section(self, listed: Any, name: str, texts: Sequence[str]) -> None:
        """Add a mapping of *name* to a list of *texts* behind the items of a list."""
        if listed.flow_style or not listed.value:
            raise NotEditableError("its dependencies stand in brackets")
        prefix = self._dash(listed.value[-1])
        inner = " " * (len(prefix) + 2)
        lines = [f"{prefix}{name}:", *(f"{inner}- {written(each)}" for each in texts)]
        self._insert_behind(self._last(listed.value[-1]), lines)

    def remove_item(self, node: Any) -> None:
        """Remove an item of a list in lines, with all that is in it, unless other platforms have lines in it."""
        start, end = self._span(node)[0], self._last(node)
        first, last = self._line_of(start), self._line_of(end)
        if any(self._full[line] and self._empty[line] for line in range(first, last + 1)):
            raise NotEditableError("what goes has lines for other platforms")
        self._remove_item(node)

    def _remove_item(self, node: Any) -> None:
        self._dash(node)
        self._remove_lines(self._span(node)[0], self._last(node))

    def _rewrite_flow(
        self, listed: Any, planned: Sequence[str | None], added: Mapping[int, Sequence[str]]
    ) -> None:
        start, end = self._span(listed)
        if "#" in self._text[start:end] or self._line_of(start) != self._line_of(end):
            raise NotEditableError("a list in brackets goes over several lines or holds comments")
        parts: list[str] = []
        for place, (node, plan) in enumerate(zip_longest(listed.value, planned)):
            parts += [written(each, in_brackets=True) for each in added.get(place, ())]
            first, last = self._span(node)
            old = self._text[first:last].rstrip()
            if plan is not None:
                parts.append(written(plan, in_brackets=True, like=old) if plan else old)
        parts += [written(each, in_brackets=True) for each in added.get(len(listed.value), ())]
        self._change(start, end, f"[{', '.join(parts)}]")

    def _dash(self, node: Any) -> str:
        """What stands on its line before an item of a list."""
        start = self._span(node)[0]
        before = self._text[self._line_start(start) : start]
        if _DASH.fullmatch(before) is None:
            raise NotEditableError("items of a list do not stand on lines of their own")
        return before

    def _span(self, node: Any) -> tuple[int, int]:
        first, last = self._index(node.start_mark), self._index(node.end_mark)
        if isinstance(node.value, list):
            return first, last
        return first, first + len(self._text[first:last].rstrip())

    def _index(self, mark: Any) -> int:
        if mark.line >= len(self._starts):  # The end may stand below the last line.
            return len(self._text)
        return int(self._starts[mark.line] + mark.column)

    def _last(self, node: Any, key: Any = None) -> int:
        """The index behind the last character of a value; of a block its end mark may stand far below."""
        if isinstance(node.value, list) and not node.flow_style and node.value:
            inner = node.value[-1]
            return self._last(inner[1], inner[0]) if isinstance(inner, tuple) else self._last(inner)
        start, end = self._span(node)
        return self._span(key)[1] if key is not None and start == end else end

    def _line_of(self, index: int) -> int:
        import bisect

        return bisect.bisect_right(self._starts, index) - 1

    def _line_start(self, index: int) -> int:
        return self._starts[self._line_of(index)]

    def _line_end(self, index: int) -> tuple[int, int]:
        """Where the line of *index* ends, without and with its line break."""
        line = self._line_of(index)
        return self._breaks[line] if line < len(self._breaks) else (len(self._text), len(self._text))

    def _remove_lines(self, start: int, end: int) -> None:
        self._change(self._line_start(start), self._line_end(end)[1], "")

    def _insert_behind(self, index: int, lines: Iterable[str]) -> None:
        stop, after = self._line_end(index)
        block = self._block(lines)
        if stop == after:  # The last line has no line break.
            self._change(stop, None, self._end_of_line + block)
        else:
            self._change(after, None, block)

    def _block(self, lines: Iterable[str]) -> str:
        return "".join(f"{line}{self._end_of_line}" for line in lines)

    def _change(self, start: int, end: int | None, new: str) -> None:
        """*end* None is for an insertion; those at one place come out in the order in which they were asked for."""
        self._changes.append((start, start if end is None else end, len(self._changes), new))
