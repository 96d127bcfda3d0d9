"""On random small universes the solver agrees with a SAT oracle, and its answers pass the validator."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.solver.solve import Conflict, Solution, solve
from tests.solver.cases import Case, channel_url
from tests.solver.oracle import Oracle, is_solvable
from tests.solver.universes import Maker
from tests.solver.validator import channel_violations, violations

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmgr.solver.clause import Clause
    from envmgr.solver.universe import Universe

SEEDS = st.integers(0, 2**32)
EXAMPLES = int(os.environ.get("ENVMGR_SOLVER_EXAMPLES", "250"))


def check(case: Case) -> None:
    problem = case.problem()
    oracle = Oracle(case)
    outcome = solve(problem, audit=auditor(Oracle(case)))
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


def auditor(oracle: Oracle) -> Callable[[Universe, Clause], None]:
    """Fails for a learned clause that does not follow from the entries of the records and the lines."""

    def audit(universe: Universe, clause: Clause) -> None:
        terms = []
        for number, mask in clause.terms():
            variable = universe.variables[number]
            absent = [None] if mask & 1 else []
            terms.append((variable.name, [*absent, *variable.candidates.installed_values(mask)]))
        assert oracle.contradicts(terms), terms

    return audit


def check_best(oracle: Oracle, outcome: Solution) -> None:
    """The versions of what was asked for are the best possible, the first line first."""
    chosen = {record.name: record for record in outcome.records}
    for name, rank in oracle.best_versions().items():
        assert oracle.rank(chosen[name]) == rank, name


def check_smallest(case: Case, outcome: Conflict) -> None:
    """The lines of a conflict cannot be fulfilled, and without any one of them the others can.

    Lines that fail each for itself are told together.
    """
    texts = [requirement.source.text for requirement in outcome.requirements]
    assert texts
    if all(not is_solvable(case, [text]) for text in texts):
        return
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
