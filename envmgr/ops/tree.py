"""Who needs whom in an environment or a plan: the roots of the tree, and the graph below them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import PrefixError, SolveError, UsageError
from envmgr.ops.chosen import Chosen, ChosenRequest, checked_name, choose, found_name, machine_of

if TYPE_CHECKING:
    from envmgr.ops.context import Context
    from envmgr.solver.graph import Graph
    from envmgr.solver.tree import TreeOptions


class TreeRequest(Struct, frozen=True):
    """The tree below *names* (or above them), or below everything that was asked for where there are none."""

    options: TreeOptions
    names: tuple[str, ...] = ()
    chosen: ChosenRequest = field(default_factory=ChosenRequest)


class Tree(Struct, frozen=True):
    """The *graph* with its *roots* in the order of showing.

    ``orphans`` are the topmost packages that nothing leads to which was asked for. ``names`` are those that the
    tree was asked about; then there are no orphans.
    """

    chosen: Chosen
    graph: Graph
    roots: tuple[str, ...]
    orphans: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def is_asked(self) -> bool:
        """Whether anybody asked for anything by name."""
        return bool(self.graph.lines)


def tree(request: TreeRequest, context: Context) -> Tree:
    """The tree; needs no index for an environment.

    Raises UsageError for an inverted tree without names, PrefixError or SolveError for a name that is not there.
    """
    from envmgr.host.probe import virtual_packages
    from envmgr.solver.graph import Graph

    if request.options.inverted and not request.names:
        raise UsageError(
            "an inverted tree needs the names of the packages that it starts from.",
            hint="Name them: envmgr tree --invert PACKAGE.",
        )
    chosen, context = choose(request.chosen, context)
    machine = machine_of(virtual_packages(chosen.subdir, context.environ))
    graph = Graph(
        (*chosen.records, *chosen.distributions), (*chosen.requirements, *chosen.distribution_lines), machine
    )
    if request.names:
        names = tuple(dict.fromkeys(found_name(checked_name(name), graph.records) for name in request.names))
        for name in names:
            _check(name, graph, chosen)
        return Tree(chosen, graph, names, names=names)
    return Tree(chosen, graph, tuple(graph.roots()), tuple(graph.orphans()))


def _check(name: str, graph: Graph, chosen: Chosen) -> None:
    from envmgr.solver.searched import Searched

    if graph.find(name) is not None or name in graph.needed_by:
        return
    near = Searched((), {}, [record.shown_name for record in graph.records.values()]).near(name)
    hint = f"Did you mean {' or '.join(near)}?" if near else None
    kind = SolveError if chosen.prefix is None else PrefixError
    raise kind(f"{name} is not in {chosen}.", hint=hint, package=name, near_names=near)
