"""Under which markers packages of a lock are reached: one of the ways to it must hold, all along. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Place: TypeAlias = tuple[str, str]
_Ways: TypeAlias = frozenset[frozenset[str]]

_ALWAYS: Final[_Ways] = frozenset((frozenset(),))
_MOST_WAYS: Final = 12


def ways_to(
    first: Sequence[Place], edges: Mapping[Place, Sequence[tuple[Place, str]]]
) -> tuple[dict[Place, str], list[Place]]:
    """A marker for each place that *first* lead to along *edges* ("" for always), and the places whose ways
    were cut.

    A place with too many different ways counts always. The work is bounded: ways only grow, and each place has few.
    """
    ways: dict[Place, _Ways] = dict.fromkeys(first, _ALWAYS)
    cut: list[Place] = []
    waiting = list(first)
    while waiting:
        here = waiting.pop()
        for target, marker in edges.get(here, ()):
            more = frozenset(way | {marker} if marker else way for way in ways[here])
            joined = _fewest(ways.get(target, frozenset()) | more)
            if len(joined) > _MOST_WAYS:
                joined = _ALWAYS
                cut.append(target)
            if joined != ways.get(target):
                ways[target] = joined
                waiting.append(target)
    return {place: _text(each) for place, each in ways.items()}, cut


def _fewest(ways: _Ways) -> _Ways:
    """Without those that hold only where another holds."""
    return frozenset(way for way in ways if not any(other < way for other in ways))


def _text(ways: _Ways) -> str:
    if frozenset() in ways:
        return ""
    texts = sorted(" and ".join(f"({marker})" for marker in sorted(way)) for way in ways)
    return " or ".join(texts)
