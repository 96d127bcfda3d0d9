"""Tells which of a set of installed distributions somebody asked for, with which extras (pure).

What is noted as asked for (REQUESTED), what no other needs, and of what need each other the first. An extra counts
where all that it brings is there, and some of that would be of nobody without it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from packaging.requirements import Requirement

_EXTRA = re.compile(r"""extra\s*==\s*["']([A-Za-z0-9._-]{1,100})["']""")


def top_level(
    needs: Mapping[str, Sequence[str]], noted: Collection[str], python: str
) -> dict[str, tuple[str, ...]]:
    """The names that were asked for, with their extras, in alphabetical order.

    *needs* are the Requires-Dist lines of each installed distribution, by normalized names; *python* is the
    version whose markers count, as ``3.11``.

    >>> top_level({"m": ["b", "a; extra == 'x'"], "a": [], "b": [], "d": []}, (), "3.11")
    {'d': (), 'm': ('x',)}
    """
    search = _Search(needs, python)
    needed = {name for each in needs for name, _ in search.needs_of(each, frozenset()) if name != each}
    brought = {name for each in needs for name in search.brought_by_extras(each) if name != each}
    for name in sorted(needs, key=lambda each: (each not in noted, each in needed, each in brought, each)):
        if name in noted or name not in search.reached:
            search.take(name)
    return dict(sorted(search.found.items()))


class _Search:
    def __init__(self, needs: Mapping[str, Sequence[str]], python: str) -> None:
        self.found: dict[str, tuple[str, ...]] = {}
        self.reached: set[str] = set()
        self._requirements = {name: list(_requirements(lines)) for name, lines in needs.items()}
        self._extras = {name: sorted(set(_EXTRA.findall(" ".join(lines)))) for name, lines in needs.items()}
        self._markers = {"python_version": python, "python_full_version": f"{python}.0"} if python else {}

    def needs_of(self, name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
        """What *name* needs with *extras*, with the extras that are wanted of it."""
        for each in self._requirements.get(name, ()):
            marker = each.marker
            if marker is None or any(
                marker.evaluate({**self._markers, "extra": extra}) for extra in ("", *extras)
            ):
                yield normalized_name(each.name), frozenset(each.extras)

    def brought_by_extras(self, name: str) -> set[str]:
        """What *name* needs with all its extras."""
        return {each for each, _ in self.needs_of(name, frozenset(self._extras[name]))}

    def take(self, name: str) -> None:
        """Note that *name* was asked for, and reach all that it brought."""
        self._reach(name, frozenset())
        chosen = []
        for extra in self._extras[name]:
            plain = set(self.needs_of(name, frozenset()))
            brought = {each for each, _ in set(self.needs_of(name, frozenset([extra]))) - plain}
            if brought and brought <= self._requirements.keys() and not brought <= self.reached:
                chosen.append(extra)
                self._reach(name, frozenset([extra]))
        self.found[name] = tuple(chosen)

    def _reach(self, name: str, extras: frozenset[str]) -> None:
        waiting, done = [(name, extras)], set[tuple[str, frozenset[str]]]()
        while waiting:
            pair = waiting.pop()
            if pair not in done:
                done.add(pair)
                self.reached.add(pair[0])
                waiting += self.needs_of(*pair)


def _requirements(lines: Sequence[str]) -> Iterator[Requirement]:
    from packaging.requirements import InvalidRequirement, Requirement

    for line in lines:
        try:
            yield Requirement(line)
        except InvalidRequirement:
            continue
