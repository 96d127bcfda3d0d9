"""Checks a solution against the standards, sharing no code with the solver.

CEP 29 and 36 say when a record fulfils a spec and what `depends` and `constrains` mean, CEP 43 when a
conditional dependency counts, CEP 44 what an extra adds. The models (specs, versions) are used; the solver is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.models.condition import And
from envmgr.models.match_spec import MatchSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement


class Checker:
    """One proposed environment: the records, and what the machine has."""

    def __init__(self, records: Sequence[PackageRecord], virtual: Iterable[PackageRecord]) -> None:
        self.records = list(records)
        self.present = {record.name: record for record in (*records, *virtual)}
        self.problems: list[str] = []
        self.extras: set[tuple[str, str]] = set()

    def is_met(self, spec: MatchSpec) -> bool:
        record = self.present.get(spec.name)
        return record is not None and spec.matches(record)

    def counts(self, spec: MatchSpec) -> bool:
        return spec.when is None or self.holds(spec.when)

    def holds(self, condition: Any) -> bool:
        if isinstance(condition, MatchSpec):
            return self.is_met(condition)
        results = [self.holds(part) for part in condition.parts]
        return all(results) if isinstance(condition, And) else any(results)

    def ask(self, spec: MatchSpec, where: str) -> None:
        """*spec* must be met if its condition holds; its extras are noted."""
        if not self.counts(spec):
            return
        if not self.is_met(spec):
            found = self.present.get(spec.name)
            self.problems.append(f"{where}: {spec} is not met by {found.dist_name if found else 'nothing'}")
        self.extras |= {(spec.name, extra) for extra in spec.extras}

    def limit(self, spec: MatchSpec, where: str) -> None:
        """*spec* must be met if its name is there and its condition holds."""
        if self.counts(spec) and spec.name in self.present and not self.is_met(spec):
            self.problems.append(f"{where}: {spec} is violated by {self.present[spec.name].dist_name}")

    def check_entries(self) -> None:
        for record in self.records:
            for text in record.depends:
                self.ask(MatchSpec.parse(text), record.dist_name)
            for text in record.constrains:
                self.limit(MatchSpec.parse(text), record.dist_name)
        done: set[tuple[str, str]] = set()
        while self.extras - done:
            name, extra = min(self.extras - done)
            done.add((name, extra))
            if name in self.present:
                for text in self.present[name].extra_depends.get(extra, ()):
                    self.ask(MatchSpec.parse(text), f"{name}[{extra}]")

    def check_unique(self) -> None:
        names = [record.name for record in self.records]
        self.problems += [f"{name} is there twice" for name in set(names) if names.count(name) > 1]

    def entries(self, record: PackageRecord) -> list[MatchSpec]:
        """What the record depends on, with the extras that somebody asks for."""
        texts = list(record.depends)
        for owner, extra in sorted(self.extras):
            if owner == record.name:
                texts += record.extra_depends.get(extra, [])
        return [MatchSpec.parse(text) for text in texts]

    def needs(self, record: PackageRecord) -> set[str]:
        return {spec.name for spec in self.entries(record)}

    def check_wanted(self, requirements: Sequence[Requirement]) -> None:
        """Everything is there because a line or another package asks for it."""
        wanted: set[str] = set()
        queue = [line.spec.name for line in requirements if self.counts(line.spec)]
        while queue:
            name = queue.pop()
            if name in wanted or name not in self.present:
                continue
            wanted.add(name)
            queue += [spec.name for spec in self.entries(self.present[name]) if self.counts(spec)]
        self.problems += [f"nothing asks for {r.dist_name}" for r in self.records if r.name not in wanted]

    def check_order(self) -> None:
        """A record stands behind what it depends on, unless the two need each other."""
        place = {record.name: number for number, record in enumerate(self.records)}
        needs = {record.name: self.needs(record) & set(place) for record in self.records}
        for name, targets in needs.items():
            for target in targets:
                if place[target] > place[name] and name not in _reachable(target, needs):
                    self.problems.append(f"{name} stands before {target}, which it needs")


def _reachable(start: str, needs: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    queue = [start]
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += needs[name]
    return seen


def violations(
    records: Sequence[PackageRecord],
    requirements: Sequence[Requirement],
    *,
    virtual: Iterable[PackageRecord] = (),
    constraints: Sequence[Requirement] = (),
) -> list[str]:
    """Everything that is wrong with *records* as an answer; empty for a right one."""
    checker = Checker(records, virtual)
    for line in requirements:
        checker.ask(line.spec, str(line.source))
    for line in constraints:
        checker.limit(line.spec, str(line.source))
    checker.check_unique()
    checker.check_entries()
    checker.check_wanted(requirements)
    checker.check_order()
    return checker.problems


def channel_violations(
    records: Sequence[PackageRecord],
    requirements: Sequence[Requirement],
    load: Callable[[str], Sequence[PackageRecord]],
    rank: Mapping[str, int],
) -> list[str]:
    """Strict priority: a record comes from the best channel that has its name, unless a line names the channel."""
    problems = []
    for record in records:
        if any(line.spec.name == record.name and line.spec.channel for line in requirements):
            continue
        best = min(rank[other.origin.channel] for other in load(record.name) if other.origin)
        if record.origin is None or rank[record.origin.channel] != best:
            problems.append(f"{record.dist_name} is not from the best channel that has {record.name}")
    return problems
