"""The graph of chosen records as a tree of rows: from the user's lines down, or from a package up to them.

A package that was opened before is not opened again (``repeated``) unless everything is wanted, and never below
itself (``circle``). The walk keeps its own stack and ends at `MOST_ROWS`, since the ways through a graph of 400
packages are beyond counting. tree_lines draws the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from envmgr.models.record import is_pypi_name
from envmgr.models.visible_text import visible
from envmgr.solver.graph import shown_name, told_need

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envmgr.solver.graph import Graph

MOST_ROWS = 20_000
MOST_LINES_OF_ONE = 3  # requests told behind one package

Mark = Literal["", "repeated", "circle", "cut"]


class TreeOptions(Struct, frozen=True):
    """How to walk; *depth* counts the levels below the roots, None for all of them."""

    depth: int | None = None
    inverted: bool = False
    everything: bool = False


class Row(Struct, frozen=True, omit_defaults=True):
    """One line of the tree, *level* 0 for a root.

    *specs* is what the edge to it says, *requests* the user's lines that name it. *version* is None for what is
    needed but not there. *lasts* tells for each level above, and for its own, whether it is the last one there.
    """

    name: str
    version: str | None
    level: int
    lasts: tuple[bool, ...]
    specs: str = ""
    requests: tuple[str, ...] = ()
    mark: Mark = ""


class _Open(Struct):
    """A package whose neighbours are being walked: what is left of them, and the ways above."""

    name: str
    left: list[tuple[str, str]]
    lasts: tuple[bool, ...]


def tree_rows(graph: Graph, roots: Sequence[str], options: TreeOptions) -> Iterator[Row]:
    """The rows below *roots*, depth first; no more than `MOST_ROWS`."""
    walk = _Walk(graph, options)
    for name in roots:
        yield from walk.below(name)
        if walk.count >= MOST_ROWS:
            return


def reached(graph: Graph, roots: Sequence[str], options: TreeOptions) -> list[str]:
    """The names within the depth of *options*, each once, nearest to the roots first."""
    level = list(dict.fromkeys(roots))
    found = dict.fromkeys(level)
    depth = 0
    while level and (options.depth is None or depth < options.depth):
        nearby = [name for near in level for name, _ in reversed(neighbours(graph, near, options))]
        level = [name for name in dict.fromkeys(nearby) if name not in found]
        found |= dict.fromkeys(level)
        depth += 1
    return list(found)


def neighbours(graph: Graph, name: str, options: TreeOptions) -> list[tuple[str, str]]:
    """The next packages with what the edge says, in the reverse of the order in which they are shown."""
    if options.inverted:
        needs = [(need.source, told_need(need.specs, need.extras)) for need in graph.needed_by.get(name, ())]
    else:
        needs = [
            (need.target, told_need(need.specs, need.extras)) for need in graph.needs.get(name, {}).values()
        ]
    return sorted((each for each in needs if each[0] != name), reverse=True)


class _Walk:
    """One walk over all roots, which remembers how deep below a root each package was opened."""

    def __init__(self, graph: Graph, options: TreeOptions) -> None:
        self.graph = graph
        self.options = options
        self.opened: dict[str, int] = {}
        self.count = 0

    def below(self, root: str) -> Iterator[Row]:
        """The rows of one root."""
        path: list[_Open] = []
        yield self._row(root, "", (), path)
        while path and self.count < MOST_ROWS:
            top = path[-1]
            if not top.left:
                path.pop()
                continue
            name, specs = top.left.pop()
            yield self._row(name, specs, (*top.lasts, not top.left), path)

    def _row(self, name: str, specs: str, lasts: tuple[bool, ...], path: list[_Open]) -> Row:
        """The row of a package, which is opened if it may be."""
        self.count += 1
        record, level = self.graph.find(name), len(path)
        nearby = neighbours(self.graph, name, self.options)
        mark = self._mark(name, level, path) if nearby else ""
        if nearby and not mark:
            self.opened[name] = min(level, self.opened.get(name, level))
            path.append(_Open(name, nearby, lasts))
        lines = [line.source.text for line in self.graph.lines_about(name)]
        return Row(name, record.version if record else None, level, lasts, specs, tuple(lines), mark)

    def _mark(self, name: str, level: int, path: Iterable[_Open]) -> Mark:
        limit = self.options.depth
        if any(above.name == name for above in path):
            return "circle"
        if limit is not None and level >= limit:
            return "cut"
        if self.options.everything or name not in self.opened:
            return ""
        # With a limit, what was opened far down may have been cut; higher up it shows more.
        return "repeated" if limit is None or self.opened[name] <= level else ""


class Glyphs(Struct, frozen=True):
    """What the branches are drawn with."""

    branch: str
    last: str
    pipe: str
    space: str


BOXES = Glyphs("├── ", "└── ", "│   ", "    ")
PLAIN = Glyphs("|-- ", "`-- ", "|   ", "    ")


def tree_lines(rows: Iterable[Row], glyphs: Glyphs, *, specs: bool) -> Iterator[str]:
    """The rows as text; *specs* adds what each edge says."""
    for row in rows:
        yield f"{_branches(row.lasts, glyphs)}{visible(_label(row, specs=specs))}"


def _branches(lasts: Sequence[bool], glyphs: Glyphs) -> str:
    if not lasts:
        return ""
    above = "".join(glyphs.space if last else glyphs.pipe for last in lasts[:-1])
    return above + (glyphs.last if lasts[-1] else glyphs.branch)


def _label(row: Row, *, specs: bool) -> str:
    words = [shown_name(row.name), row.version if row.version is not None else "(not there)"]
    if is_pypi_name(row.name):
        words.append("(pypi)")
    if specs and row.specs:
        words.append(f"[{row.specs}]")
    if row.requests and (row.level == 0 or specs):
        shown = row.requests[:MOST_LINES_OF_ONE]
        more = len(row.requests) - len(shown)
        words.append(f"(asked for: {', '.join(shown)}{f' and {more} more' if more else ''})")
    marks = {"": [], "repeated": ["(*)"], "circle": ["(circle)"], "cut": ["..."]}
    return " ".join([*words, *marks[row.mark]])
