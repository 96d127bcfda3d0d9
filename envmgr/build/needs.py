"""Puts things that need each other into an order in which each comes after its needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping


def sort_by_needs(needs: Mapping[str, set[str]], *, what: str) -> tuple[str, ...]:
    """The keys of *needs*, each after the keys that it needs, otherwise in the given order.

    Raises BuildError that names the circle, where there is one.

    >>> sort_by_needs({"tool": {"lib"}, "lib": set()}, what="the outputs")
    ('lib', 'tool')
    """
    done: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join((*path[path.index(name) :], name))
            raise BuildError(f"{what} need each other in a circle: {circle}.")
        if name not in done:
            for need in sorted(needs[name] & needs.keys(), key=list(needs).index):
                visit(need, (*path, name))
            done[name] = None

    for name in needs:
        visit(name, ())
    return tuple(done)
