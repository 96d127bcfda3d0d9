"""``envmgr tree``: who needs whom, from what was asked for down to the machine, or from a package up."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_output, add_target, whole_number
from envmgr.cli.why import add_plan, chosen_request

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from envmgr.ops.tree import Tree
    from envmgr.solver.graph import Need
    from envmgr.solver.tree import Glyphs, TreeOptions


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("tree", "Show who needs whom in an environment or a plan, as a tree.")
    made.add_argument("packages", nargs="*", metavar="PACKAGE", help="start from these packages")
    add_target(made)
    made.add_argument(
        "-i",
        "--invert",
        "--reverse",
        action="store_true",
        help="show what needs PACKAGE, and what needs that",
    )
    made.add_argument("--depth", type=whole_number, metavar="N", help="show N levels below the first")
    made.add_argument("--specs", action="store_true", help="show what each package asks of the next")
    made.add_argument(
        "--no-dedupe", action="store_true", help="open a package each time, not only the first (*)"
    )
    add_plan(made)
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Draw the tree, or print the graph as a JSON object."""
    options = parser().parse_args(arguments)
    from envmgr.cli.render import write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.tree import TreeRequest, tree
    from envmgr.solver.tree import TreeOptions

    context, _ = open_context(options)
    walk = TreeOptions(depth=options.depth, inverted=options.invert, everything=options.no_dedupe)
    found = tree(TreeRequest(walk, tuple(options.packages), chosen_request(options)), context)
    if options.json:
        write_json(_json(found, walk))
    else:
        write_lines(_lines(found, walk, specs=options.specs or options.invert))
    return 0


def _lines(found: Tree, walk: TreeOptions, *, specs: bool) -> Iterator[str]:
    from envmgr.solver.tree import MOST_ROWS, tree_lines, tree_rows

    glyphs = fitting_glyphs()
    rows = list(tree_rows(found.graph, (*found.roots, *found.orphans), walk))
    starts = [place for place, row in enumerate(rows) if row.level == 0]
    end = starts[len(found.roots)] if len(starts) > len(found.roots) else len(rows)
    if not found.is_asked and not found.names and rows:
        yield "nothing was asked for by name; these are needed by nothing else:"
    yield from tree_lines(rows[:end], glyphs, specs=specs)
    if rows[end:]:
        yield "not needed by anything that was asked for:"
        yield from tree_lines(rows[end:], glyphs, specs=specs)
    if len(rows) >= MOST_ROWS:
        yield f"... cut after {MOST_ROWS} lines; --depth makes it shorter"
    if any(row.mark == "repeated" for row in rows):
        yield "(*) is opened above"


def fitting_glyphs() -> Glyphs:
    """Boxes where standard output can carry them, else what every terminal has."""
    from envmgr.solver.tree import BOXES, PLAIN

    return BOXES if _can_carry(f"{BOXES.branch}{BOXES.last}{BOXES.pipe}") else PLAIN


def _can_carry(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _json(found: Tree, walk: TreeOptions) -> dict[str, Any]:
    """The graph that the tree shows: its roots, and each package once with what it needs (or who needs it)."""
    from envmgr.cli.render import record_fields
    from envmgr.solver.graph import shown_name
    from envmgr.solver.tree import reached

    graph = found.graph
    packages = []
    for name in reached(graph, (*found.roots, *found.orphans), walk):
        record = graph.find(name)
        fields = record_fields(record) if record is not None else {"name": shown_name(name), "version": None}
        lines = [{"line": line.source.text, "place": str(line.source)} for line in graph.lines_about(name)]
        needs = [_need_json(need.target, need) for need in graph.needs.get(name, {}).values()]
        users = [_need_json(need.source, need) for need in graph.needed_by.get(name, ())]
        packages.append({**fields, "requests": lines, "needs": needs, "needed_by": users})
    prefix = found.chosen.prefix
    return {
        "success": True,
        "prefix": None if prefix is None else str(prefix),
        "inverted": walk.inverted,
        "roots": [shown_name(name) for name in found.roots],
        "orphans": [shown_name(name) for name in found.orphans],
        "packages": packages,
    }


def _need_json(name: str, need: Need) -> dict[str, Any]:
    """What stands between a package and the one called *name*; ``extras`` where it is only for these (CEP 44)."""
    from envmgr.solver.graph import shown_name

    specs = [shown_name(text) for text in need.specs]
    return {"name": shown_name(name), "specs": specs, **({"extras": need.extras} if need.extras else {})}
