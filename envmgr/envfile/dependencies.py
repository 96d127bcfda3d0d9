"""The list `dependencies` of an environment file: specs, choices, other installers' lists (CEP 24).

Choices are written `sel(linux): gdb`. A subsection's items are texts with places; what they mean is its
installer's business. `pip:` must be a list of texts and choices. `include:` is no installer but names other files:
tools that do not know it are to refuse it as an entry of this list, and must not pass over what it stands for.
Other subsections are kept whatever their shape, for the error that says that nobody can install them.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from envmgr.envfile.environment_file import Item
from envmgr.envfile.selectors import dictionary_selector, evaluate_dictionary_selector
from envmgr.envfile.spec_line import joined_items, parse_requirement
from envmgr.models.document import quoted
from envmgr.models.yaml_problem import template_problem

if TYPE_CHECKING:
    from envmgr.envfile.findings import Findings
    from envmgr.errors import DataError
    from envmgr.models.requirement import Requirement, Source
    from envmgr.models.yaml_document import Node

_OPERATOR = re.compile(r"[<>=!~,|]")


class DependencyList:
    """Reads the list for the platform *subdir*; *lines* are the file's, for subsections of another shape."""

    def __init__(self, findings: Findings, subdir: str, lines: list[str]) -> None:
        self.requirements: list[Requirement] = []
        self.subsections: dict[str, list[Item]] = {}
        self.subsection_sources: dict[str, Source] = {}
        self.includes: list[Item] = []
        self._findings = findings
        self._subdir = subdir
        self._lines = lines

    def read(self, node: Node) -> None:
        """Read the value of `dependencies`; no value at all is an empty list with a warning."""
        if node.kind == "null":
            self._findings.warn(node, "`dependencies` is empty")
        elif node.kind != "list":
            hint = "Write one `- name` line for each package."
            self._findings.expected(node, "`dependencies`", "a list of package specs", hint)
        for item in node.items:
            with self._findings.attempt(item):
                self._read_item(item)

    def _read_item(self, item: Node) -> None:
        if item.kind != "mapping":
            self._read_spec(item)
            return
        for key, value in item.entries:
            selected = self._selected(key)
            if selected is None and key.text == "include":
                self._read_includes(value)
            elif selected is None:
                self._read_subsection(key, value)
            elif selected:
                self._read_spec(value)

    def _read_includes(self, value: Node) -> None:
        """Names of files; one may stand without a list."""
        for item in value.items if value.kind == "list" else (value,):
            with self._findings.attempt(item):
                if item.kind != "text" or not item.text.strip():
                    raise self._findings.wrong_item(item, "the path of a file")
                if "://" in item.text:
                    what = f"{quoted(item.text)} is a URL, and only files can be included"
                    raise self._findings.error(item.line, what)
                self.includes.append(Item(item.text, self._findings.source(item)))

    def _selected(self, key: Node) -> bool | None:
        """Whether a key `sel(...)` holds here; None for a key of any other kind."""
        expression = dictionary_selector(key.text)
        if expression is None:
            return None
        return evaluate_dictionary_selector(
            expression, source=self._findings.source(key), subdir=self._subdir
        )

    def _read_spec(self, node: Node) -> None:
        if node.kind != "text":
            raise self._findings.wrong_item(node, "a package spec")
        self._refuse_lost_dash(node)
        self.requirements.append(parse_requirement(node.text, self._findings.source(node)))

    def _refuse_lost_dash(self, node: Node) -> None:
        """A plain text on several lines is one spec only where operators join all its words."""
        if not node.is_plain or node.line == node.last_line or joined_items(node.text):
            return
        pairs = itertools.pairwise(node.text.split())
        if all(_OPERATOR.match(after) or _OPERATOR.match(before[-1]) for before, after in pairs):
            return
        what = f"the item that starts here goes on to line {node.last_line} and reads {quoted(node.text)}"
        raise self._findings.error(node.line, what, "Start each package with `- ` on a line of its own.")

    def _read_subsection(self, key: Node, value: Node) -> None:
        name = key.text
        if value.is_scalar and value.kind != "null":
            raise self._wrong_subsection(key, value)
        self.subsection_sources.setdefault(name, self._findings.source(key))
        items = self.subsections.setdefault(name, [])
        if value.kind == "null":
            self._findings.warn(key, f"the subsection `{name}` is empty")
        elif name == "pip" and value.kind != "list":
            self._findings.expected(value, "`pip`", "a list", "Start each item with `- `.")
        elif name == "pip" or (value.kind == "list" and all(item.is_scalar for item in value.items)):
            for item in value.items:
                with self._findings.attempt(item):
                    self._read_subsection_item(name, item, items)
        else:
            written = "\n".join(self._lines[value.line - 1 : value.last_line]).rstrip()
            items.append(Item(written, self._findings.source(value)))

    def _wrong_subsection(self, key: Node, value: Node) -> DataError:
        """A key with one text: `pip: name` without dash, or `python: 3.12` meant as a spec."""
        shown = quoted(f"{key.text}: {value.text}")
        if key.text == "pip":
            hint = f"Write `- pip:` and below it, indented deeper, {quoted(f'- {value.text}')}."
            return self._findings.error(key.line, f"{shown} must be a list", hint)
        separator = "" if _OPERATOR.match(value.text) else "="
        what = f"{shown} is neither a package spec nor a subsection with a list"
        return self._findings.error(
            key.line, what, f"Write {quoted(f'- {key.text}{separator}{value.text}')}."
        )

    def _read_subsection_item(self, name: str, item: Node, items: list[Item]) -> None:
        if item.kind == "mapping":
            for key, value in item.entries:
                selected = self._selected(key)
                if selected is None:
                    raise self._findings.wrong_item(item, f"a text for `{name}`")
                if selected:
                    self._read_subsection_text(name, value, items)
        else:
            self._read_subsection_text(name, item, items)

    def _read_subsection_text(self, name: str, item: Node, items: list[Item]) -> None:
        if item.kind != "text":
            raise self._findings.wrong_item(item, f"a text for `{name}`")
        found = template_problem(item.text)
        if found is None and item.line != item.last_line:
            found = joined_items(item.text)
        if found is not None:
            raise self._findings.error(item.line, *found)
        items.append(Item(item.text, self._findings.source(item)))
