"""Why packages come, go and change, in a few words for each: the column "why" of a plan.

Pure, and told from the records before and after alone, so that it holds for every kind of change: what was asked
for, who needs or excludes what, and what nobody needs any more. It never claims more than the records say; how the
solver came to choose them is not its business (explain.py, why.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.solver.graph import Graph, joined, read_entry, shown_name
from envmgr.solver.ranges import join_words

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.solver.graph import Need

ASKED = "asked for"
MOST_NAMES = 2


def tell_moves(
    before: Sequence[PackageRecord],
    after: Sequence[PackageRecord],
    asked: Collection[str],
    *,
    lines: Sequence[Requirement] = (),
    machine: Callable[[str], PackageRecord | None],
) -> dict[str, str]:
    """Why each package moves, by its name: of those that are in *before* or *after* and not the same in both.

    *asked* are the names of this request, *lines* what it says of them; *machine* answers for virtual packages. A
    package for which the records give no reason has none.

    >>> from envmgr.models.record import PackageRecord
    >>> def record(name, version, *depends):
    ...     return PackageRecord(name=name, version=version, depends=list(depends))
    >>> old = [record("numpy", "1.26"), record("scipy", "1.11", "numpy <2")]
    >>> new = [record("numpy", "2.0"), record("scipy", "1.14", "numpy >=2")]
    >>> tell_moves(old, new, {"scipy"}, machine=lambda name: None)
    {'numpy': 'scipy 1.14 needs numpy >=2', 'scipy': 'asked for'}
    """
    return _Moves(before, after, asked, lines, machine).tell()


class _Moves:
    def __init__(
        self,
        before: Sequence[PackageRecord],
        after: Sequence[PackageRecord],
        asked: Collection[str],
        lines: Sequence[Requirement],
        machine: Callable[[str], PackageRecord | None],
    ) -> None:
        self.old = Graph(before, lines, machine)
        self.new = Graph(after, lines, machine)
        self.asked = frozenset(asked)
        self.leaders: frozenset[str] = frozenset()
        self.leaders = self._leading()

    def tell(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in sorted({*self.old.records, *self.new.records}):
            old, new = self.old.records.get(name), self.new.records.get(name)
            if name in self.asked:
                found[name] = ASKED
            elif old is None:
                found[name] = self._added(name)
            elif new is None:
                found[name] = self._removed(old)
            elif old != new:
                found[name] = self._changed(old, new)
        return {name: why for name, why in found.items() if why}

    def _added(self, name: str) -> str:
        if self.new.lines_about(name):
            return ASKED
        users = [need.source for need in self.new.needed_by.get(name, ()) if need.source != name]
        return f"needed by {self._some(users)}" if users else ""

    def _removed(self, old: PackageRecord) -> str:
        missing = self._unmet(old, self.new)
        if missing:
            return missing
        excluding = self._excluding(old)
        if excluding:
            return excluding
        users = [need.source for need in self.old.needed_by.get(old.name, ()) if need.source != old.name]
        return f"was needed by {self._some(users)}" if users else "nothing asks for it"

    def _changed(self, old: PackageRecord, new: PackageRecord) -> str:
        return (
            self._refused_by_line(old)
            or self._refused_by_need(old)
            or self._excluding(old)
            or self._unmet(old, self.new)
            or _drift(old, new)
        )

    def _refused_by_line(self, old: PackageRecord) -> str:
        for line in self.new.lines_about(old.name):
            if not line.spec.matches(old):
                return f"{line.source}: {line.source.text or line.spec}"
        return ""

    def _refused_by_need(self, old: PackageRecord) -> str:
        refusing = [need for need in self.new.needed_by.get(old.name, ()) if not need.accepts(old)]
        return f"{self._owner(refusing)} needs {joined(self._first(refusing).specs)}" if refusing else ""

    def _excluding(self, old: PackageRecord) -> str:
        limits = [need for need in self.new.limited_by.get(old.name, ()) if not need.accepts(old)]
        return f"{self._owner(limits)} excludes {old.shown_name} {old.version}" if limits else ""

    def _unmet(self, old: PackageRecord, there: Graph) -> str:
        """What *old* needs, or excludes, and the new environment has otherwise."""
        for target, need in self.old.needs.get(old.name, {}).items():
            found = there.find(target)
            if need.extras or target == old.name:
                continue
            if found is None and target not in self.old.records:
                return ""
            if found is None:
                if target in self.leaders:
                    return f"needs {shown_name(target)}, which goes"
                continue
            if not need.accepts(found):
                return f"{old.version} needs {joined(need.specs)}"
        for target, texts in self.old.counted(old.constrains).items():
            found = there.find(target)
            if found is not None and not _accept(texts, found):
                return f"{old.version} excludes {found.shown_name} {found.version}"
        return ""

    def _leading(self) -> frozenset[str]:
        """Who goes for a reason of its own, with those that need it, and not because nobody needs it any more."""
        gone = {name: record for name, record in self.old.records.items() if name not in self.new.records}
        waiting = [
            name
            for name, record in gone.items()
            if name in self.asked or self._excluding(record) or self._unmet(record, self.new)
        ]
        found = set(waiting)
        while waiting:
            users = {need.source for need in self.old.needed_by.get(waiting.pop(), ())} & gone.keys() - found
            found |= users
            waiting += users
        return frozenset(found)

    def _first(self, needs: Sequence[Need]) -> Need:
        """The need that tells most: of one that was asked for, then of one that moves."""
        return min(needs, key=lambda need: (*self._order(need.source),))

    def _owner(self, needs: Sequence[Need]) -> str:
        source = self.new.records[self._first(needs).source]
        return f"{source.shown_name} {source.version}"

    def _order(self, name: str) -> tuple[bool, bool, bool, str]:
        moves = self.old.records.get(name) != self.new.records.get(name)
        return (name not in self.asked, not self.new.lines_about(name), not moves, name)

    def _some(self, names: Iterable[str]) -> str:
        ordered = [shown_name(name) for name in sorted(set(names), key=self._order)]
        more = len(ordered) - MOST_NAMES
        if more > 1:
            return f"{', '.join(ordered[:MOST_NAMES])} and {more} more"
        return join_words(ordered)


def _accept(texts: Iterable[str], record: PackageRecord) -> bool:
    specs = [read_entry(text) for text in texts]
    return all(spec is not None and spec.matches(record) for spec in specs)


def _drift(old: PackageRecord, new: PackageRecord) -> str:
    """What can be said of two records where nothing forbids the old one."""
    places = [record.origin.channel if record.origin else None for record in (old, new)]
    if places[0] != places[1] and None not in places:
        return "another channel comes first"
    if old.version != new.version:
        return "newer" if new.parsed_version > old.parsed_version else "older"
    return "newer build" if new.build_number > old.build_number else "another build"
