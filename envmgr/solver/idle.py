"""Lines of a request that did nothing to its answer, in words: no errors by the standards, but rarely meant.

A condition that does not hold (CEP 43) may well be meant so: about the machine, about the version of a package that
is there, or in a file that serves several environments. An extra that the chosen record does not have adds nothing
(CEP 44), which is nearly always a slip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.match_spec import MatchSpec, condition_text
from envmgr.models.visible_text import visible
from envmgr.solver.ranges import join_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmgr.models.match_spec import Condition
    from envmgr.models.requirement import Requirement
    from envmgr.solver.graph import Graph

MOST_EXTRAS = 5


def idle_lines(graph: Graph, requirements: Iterable[Requirement]) -> Iterator[str]:
    """A sentence for each of *requirements* that left no trace in the answer *graph*, though it was meant to."""
    for line in requirements:
        when = line.spec.when
        if when is None or graph.holds(when):
            yield from _missing_extras(graph, line)
        elif not graph.records or (line.source.file is None and _misses_a_package(graph, when)):
            told = condition_text(when)
            yield f"'{line.source.text}' ({line.source}) has no effect, since '{told}' does not hold."


def _misses_a_package(graph: Graph, condition: Condition) -> bool:
    return any(not name.startswith("__") and graph.find(name) is None for name in _names(condition))


def _names(condition: Condition) -> Iterator[str]:
    if isinstance(condition, MatchSpec):
        yield condition.name
        return
    for part in condition.parts:
        yield from _names(part)


def _missing_extras(graph: Graph, line: Requirement) -> Iterator[str]:
    record = graph.find(line.spec.name)
    if record is None:
        return
    there = sorted(record.extra_depends)
    for extra in line.spec.extras:
        if extra not in record.extra_depends:
            has = join_words(there[:MOST_EXTRAS], more=len(there) - MOST_EXTRAS) if there else "none"
            told = f"{line.source}: {record.name} {record.version} has no extra '{extra}'; it has {has}."
            yield visible(told)
