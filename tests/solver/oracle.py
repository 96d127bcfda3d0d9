"""The same question asked to a SAT solver, encoded independently of envmgr's solver.

One variable per record; at most one record per name; an implication per dependency. The oracle tells whether a
case can be solved, and the best versions of the packages asked for, in their order.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from pysat.solvers import Minisat22

from envmgr.models.condition import And
from envmgr.models.match_spec import MatchSpec
from tests.solver.cases import Case

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.models.record import PackageRecord


class Oracle:
    """A case as clauses."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.solver = Minisat22()
        self.count = 0
        self.extras: dict[tuple[str, str], int] = {}
        self.numbers = {record: self.new() for record in self._usable()}
        self.virtual = {record.name: record for record in case.virtual_records()}
        for record in self.virtual.values():
            self.numbers[record] = self.new()
            self.add([self.numbers[record]])
        self._encode()

    def new(self) -> int:
        self.count += 1
        return self.count

    def add(self, clause: Iterable[int]) -> None:
        self.solver.add_clause(list(clause))

    def of_name(self, name: str) -> list[PackageRecord]:
        return [record for record in self.numbers if record.name == name]

    def _usable(self) -> list[PackageRecord]:
        if self.case.options.get("channel_priority", "strict") != "strict":
            return list(self.case.records)
        rank = {f"https://conda.anaconda.org/{name}": place for place, name in enumerate(self.case.channels)}
        best: dict[str, int] = {}
        for record in self.case.records:
            best[record.name] = min(rank[record.origin.channel], best.get(record.name, len(rank)))
        return [record for record in self.case.records if rank[record.origin.channel] == best[record.name]]

    def _encode(self) -> None:
        for name in {record.name for record in self.numbers}:
            for one, other in combinations(self.of_name(name), 2):
                self.add([-self.numbers[one], -self.numbers[other]])
        for text in self.case.specs:
            self.ask([], MatchSpec.parse(text))
        for record, number in list(self.numbers.items()):
            for text in record.depends:
                self.ask([-number], MatchSpec.parse(text))
            for text in record.constrains:
                self.limit([-number], MatchSpec.parse(text))

    def ask(self, unless: list[int], spec: MatchSpec) -> None:
        unless = self.unless_condition(unless, spec)
        self.add([*unless, *self.matching(spec)])
        for extra in spec.extras:
            self.add([*unless, self.extra(spec.name, extra)])

    def limit(self, unless: list[int], spec: MatchSpec) -> None:
        unless = self.unless_condition(unless, spec)
        for record in self.of_name(spec.name):
            if not spec.matches(record):
                self.add([*unless, -self.numbers[record]])

    def extra(self, name: str, extra: str) -> int:
        """The variable that says that the extra is asked for."""
        if (name, extra) not in self.extras:
            number = self.extras[name, extra] = self.new()
            for record in self.of_name(name):
                for text in record.extra_depends.get(extra, ()):
                    self.ask([-number, -self.numbers[record]], MatchSpec.parse(text))
        return self.extras[name, extra]

    def matching(self, spec: MatchSpec) -> list[int]:
        return [self.numbers[record] for record in self.of_name(spec.name) if spec.matches(record)]

    def unless_condition(self, unless: list[int], spec: MatchSpec) -> list[int]:
        return unless if spec.when is None else [*unless, -self.condition(spec.when)]

    def condition(self, condition: Any) -> int:
        """A variable that is true whenever the condition holds."""
        number = self.new()
        if isinstance(condition, MatchSpec):
            for match in self.matching(condition):
                self.add([-match, number])
            return number
        parts = [self.condition(part) for part in condition.parts]
        if isinstance(condition, And):
            self.add([*(-part for part in parts), number])
        else:
            for part in parts:
                self.add([-part, number])
        return number

    def is_solvable(self, *assumptions: int) -> bool:
        return bool(self.solver.solve(list(assumptions)))

    def contradicts(self, terms: Iterable[tuple[str, list[PackageRecord | None]]]) -> bool:
        """Whether no answer has all *terms* at once: a name (or ``name[extra]``) and values, None for absent."""
        assumed = []
        for variable, values in terms:
            assumed.append(self.new())
            name, _, extra = variable.partition("[")
            asked = self.extra(name, extra[:-1]) if extra else None
            states = [self.state(name, value, asked) for value in values]
            self.add([-assumed[-1], *states])
        return not self.is_solvable(*assumed)

    def state(self, name: str, value: PackageRecord | None, asked: int | None) -> int:
        """A variable that is true only where the name, or its extra, has this value."""
        number = self.new()
        if value is not None:
            facts = [self.numbers[value]] if asked is None else [self.numbers[value], asked]
        else:
            facts = [-self.numbers[record] for record in self.of_name(name)] if asked is None else [-asked]
        for fact in facts:
            self.add([-number, fact])
        return number

    def best_versions(self) -> dict[str, tuple[Any, ...]]:
        """For each name that is always asked for, in order: the best rank that is left, then fixed."""
        found = {}
        names = [spec.name for spec in map(MatchSpec.parse, self.case.specs) if spec.when is None]
        for name in dict.fromkeys(name for name in names if not name.startswith("__")):
            for rank in sorted({self.rank(record) for record in self.of_name(name)}):
                chosen = self.new()
                same = [record for record in self.of_name(name) if self.rank(record) == rank]
                self.add([-chosen, *(self.numbers[record] for record in same)])
                if self.is_solvable(chosen):
                    self.add([chosen])
                    found[name] = rank
                    break
        return found

    def rank(self, record: PackageRecord) -> Rank:
        flexible = self.case.options.get("channel_priority") == "flexible"
        channel = self.case.channels.index(record.origin.channel.rpartition("/")[2]) if flexible else 0
        lowest = self.case.options.get("strategy", "highest") != "highest"
        return Rank(channel, len(record.features_tracked), record, lowest=lowest)


class Rank:
    """The preference among versions: channel (flexible priority), tracked features, version."""

    def __init__(self, channel: int, features: int, record: PackageRecord, *, lowest: bool) -> None:
        self.before = (channel, features)
        self.version = record.parsed_version
        self.lowest = lowest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rank) and (self.before, self.version) == (other.before, other.version)

    def __hash__(self) -> int:
        return hash((self.before, self.version))

    def __lt__(self, other: Rank) -> bool:
        if self.before != other.before:
            return self.before < other.before
        return self.version < other.version if self.lowest else other.version < self.version

    def __repr__(self) -> str:
        return f"{self.before}{self.version}"


def is_solvable(case: Case, specs: Sequence[str] | None = None) -> bool:
    """Whether the case, or the case with other lines, has any answer."""
    return Oracle(
        case if specs is None else Case(case.records, list(specs), case.virtual, case.channels, case.options)
    ).is_solvable()
