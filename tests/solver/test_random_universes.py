"""On random small universes the solver agrees with a SAT oracle, and its answers pass the validator."""

from __future__ import annotations

import os
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.models.record import PackageRecord
from envmgr.solver.solve import Conflict, Solution, solve
from tests.solver.cases import Case, channel_url, rec
from tests.solver.oracle import Oracle, is_solvable
from tests.solver.validator import channel_violations, violations

SEEDS = st.integers(0, 2**32)
EXAMPLES = int(os.environ.get("ENVMGR_SOLVER_EXAMPLES", "250"))
NAMES = ["a", "b", "c", "d", "e", "f"]
VERSIONS = ["", ">=2", "<3", "==2", "1|3", "2.*", "!=2", ">1,<3", ">=1"]
BUILDS = ["", "", "", "x*", "x_0"]
CONDITIONS = [
    "a",
    "b>=2",
    "c<3",
    "__unix",
    "__win",
    "d",
    "e==2",
    "(a and b)",
    "(c or __win)",
    "(a<2 or (d and e))",
]
ODD_ENTRIES = ["missing", "__glibc >=2.17", "__glibc >=2.30", "__cuda", "__unix"]
EXTRAS = ["[x]", "[x,y]", "[z]"]
VIRTUAL = {"__glibc": "2.17", "__unix": "0"}


class Maker:
    """Makes universes from one seed; *rich* ones use conditions, extras and flags."""

    def __init__(self, seed: int, *, rich: bool = False, channels: int = 1) -> None:
        self.random = Random(seed)
        self.names = NAMES[: self.random.randint(2, len(NAMES))]
        self.rich = rich
        self.channels = channels

    def entry(self, *, extras: bool = True) -> str:
        """One entry of depends or constrains, or one line of the user."""
        choice = self.random.choice
        if self.random.random() < 0.08:
            return choice(ODD_ENTRIES)
        name, version, build = choice(self.names), choice(VERSIONS), choice(BUILDS)
        keys = []
        kind = self.random.random() if self.rich else 1
        if kind < 0.2:
            keys.append(f'when="{choice(CONDITIONS)}"')
        if kind < 0.3 and extras and self.random.random() < 0.5:
            keys.append(f"extras={choice(EXTRAS)}")
        if 0.3 < kind < 0.4:
            keys.append("flags=[cuda]")
        if keys:
            return f"{name}[{','.join([*keys, *([f'version={version!r}'] if version else [])])}]"
        return f"{name} {version or '*'} {build}" if build else f"{name} {version}".strip()

    def some(self, most: int, **options: bool) -> list[str]:
        return [self.entry(**options) for _ in range(self.random.randint(0, most))]

    def record(self, name: str) -> PackageRecord:
        fields: dict[str, Any] = {"depends": self.some(3), "constrains": self.some(1, extras=False)}
        if self.random.random() < 0.15:
            fields["track_features"] = self.random.choice(["slow", "slow slower"])
        if self.rich:
            fields["extra_depends"] = {extra: self.some(2) for extra in "xy" if self.random.random() < 0.4}
            fields["flags"] = self.random.choice([[], ["cuda"]])
        version, build = (
            self.random.choice(["1", "2", "2.0", "2.1", "3"]),
            self.random.choice(["x_0", "x_1", "y_0"]),
        )
        return rec(name, version, build, channel=f"c{self.random.randrange(self.channels)}", **fields)

    def case(self) -> Case:
        records = {
            record.key: record
            for name in self.names
            for record in map(self.record, [name] * self.random.randint(1, 5))
        }
        specs = [self.entry() for _ in range(self.random.randint(1, 3))]
        return Case(
            list(records.values()), specs, dict(VIRTUAL), [f"c{number}" for number in range(self.channels)]
        )


def check(case: Case) -> None:
    problem = case.problem()
    outcome = solve(problem)
    oracle = Oracle(case)
    if isinstance(outcome, Conflict):
        assert not oracle.is_solvable()
        check_smallest(case, outcome)
        return
    assert violations(outcome.records, problem.requirements, virtual=case.virtual_records()) == []
    if problem.channel_priority == "strict":
        ranks = {channel_url(name): place for place, name in enumerate(case.channels)}
        assert channel_violations(outcome.records, problem.requirements, case.load, ranks) == []
    if all(line.spec.when is None for line in problem.requirements):
        check_best(oracle, outcome)


def check_best(oracle: Oracle, outcome: Solution) -> None:
    """The versions of what was asked for are the best possible, the first line first."""
    chosen = {record.name: record for record in outcome.records}
    for name, rank in oracle.best_versions().items():
        assert oracle.rank(chosen[name]) == rank, name


def check_smallest(case: Case, outcome: Conflict) -> None:
    """The lines of a conflict cannot be fulfilled, and without any one of them the others can."""
    texts = [requirement.source.text for requirement in outcome.requirements]
    assert texts
    assert not is_solvable(case, texts)
    for number in range(len(texts)):
        assert is_solvable(case, texts[:number] + texts[number + 1 :])


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_plain_dependencies_and_constraints(seed: int) -> None:
    check(Maker(seed).case())


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_conditions_extras_and_flags(seed: int) -> None:
    check(Maker(seed, rich=True).case())


@settings(max_examples=EXAMPLES)
@given(SEEDS, st.sampled_from(["strict", "flexible", "disabled"]), st.sampled_from(["highest", "lowest"]))
def test_several_channels_and_strategies(seed: int, priority: str, strategy: str) -> None:
    case = Maker(seed, channels=3).case()
    case.options = {"channel_priority": priority, "strategy": strategy}
    check(case)
