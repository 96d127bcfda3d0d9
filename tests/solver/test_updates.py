"""What moves in an environment that is changed: nothing that need not, and then what the mode lets move."""

from __future__ import annotations

import os
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.solver.explain import explain
from envmgr.solver.solve import Conflict, Solution, solve
from envmgr.solver.update import (
    keep_order,
    lock_lines,
    needed_by,
    plan_update,
    unneeded,
    with_dependants,
)
from tests.solver.brute import check_optimum, is_small
from tests.solver.cases import Case, case, rec
from tests.solver.universes import Maker

EXAMPLES = int(os.environ.get("ENVMGR_SOLVER_EXAMPLES", "150"))
SEEDS = st.integers(0, 2**32)

PYTHON = [rec("python", version) for version in ("3.11", "3.12")]
OLD = rec("numpy", "1", depends=["python"])
NUMPYS = [OLD, rec("numpy", "2", depends=["python"])]
PANDAS = [rec("pandas", "1", depends=["numpy"]), rec("pandas", "2", depends=["numpy >=2"])]
WORLD = [*PYTHON, *NUMPYS, *PANDAS]
INSTALLED = (PYTHON[0], OLD, PANDAS[0])


def answer(*specs: str, records: list = WORLD, **options: object) -> set[str]:
    outcome = solve(case(records, *specs).problem(**{"installed": INSTALLED, **options}))
    assert isinstance(outcome, Solution), explain(outcome)
    return {record.dist_name.rpartition("-")[0] for record in outcome.records}


def test_a_line_is_content_with_what_is_installed() -> None:
    assert answer("numpy") == {"python-3.11", "numpy-1", "pandas-1"}


def test_only_what_must_move_moves() -> None:
    assert answer("pandas >=2") == {"python-3.11", "numpy-2", "pandas-2"}


def test_only_the_named_take_their_newest() -> None:
    update = plan_update("named", INSTALLED, ["numpy"])
    assert answer("numpy", "pandas", free=update.free) == {"python-3.11", "numpy-2", "pandas-1"}


def test_the_named_and_what_they_need() -> None:
    update = plan_update("dependencies", INSTALLED, ["numpy"])
    assert update.free == {"numpy", "python"}
    assert answer("numpy", "pandas", free=update.free) == {"python-3.12", "numpy-2", "pandas-1"}


def test_all_take_their_newest_and_nothing_goes() -> None:
    update = plan_update("all", INSTALLED)
    assert answer(free=update.free) == {"python-3.12", "numpy-2", "pandas-2"}


def test_a_frozen_environment_takes_what_fits() -> None:
    update = plan_update("freeze", INSTALLED)
    records = [*WORLD, rec("new", "1", depends=["numpy <2"]), rec("new", "2", depends=["numpy >=2"])]
    assert "new-1" in answer("new", records=records, constraints=update.locks)


def test_a_frozen_environment_refuses_what_would_move_it() -> None:
    locks = plan_update("freeze", INSTALLED).locks
    outcome = solve(case(WORLD, "pandas >=2").problem(installed=INSTALLED, constraints=locks))
    assert isinstance(outcome, Conflict)
    assert "pandas 1 0, which is frozen" in str(explain(outcome))


def test_what_is_named_may_move_in_a_frozen_environment() -> None:
    update = plan_update("freeze", INSTALLED, ["pandas", "numpy"])
    assert answer("pandas >=2", constraints=update.locks) == {"python-3.11", "numpy-2", "pandas-2"}


def test_what_nothing_needs_stays_unless_it_is_pruned() -> None:
    assert answer("python") == {"python-3.11", "numpy-1", "pandas-1"}
    assert answer("python", prune=True) == {"python-3.11"}


def test_an_installed_record_that_no_channel_has_stays() -> None:
    own = rec("mine", "7", channel="gone", depends=["numpy"])
    assert "mine-7" in answer("numpy", installed=(*INSTALLED, own))


def test_an_installed_record_that_breaks_the_new_request_moves_rather_than_goes() -> None:
    records = [*WORLD, rec("new", "1", constrains=["pandas >=2"])]
    assert answer("new", records=records) == {"python-3.11", "numpy-2", "pandas-2", "new-1"}


def test_an_installed_record_without_a_readable_version_is_no_reason_to_keep_another() -> None:
    broken = rec("numpy", "not!a!version")
    assert "numpy-2" in answer("numpy", installed=(PYTHON[0], broken))


def test_what_most_others_need_is_kept_first() -> None:
    assert keep_order(INSTALLED) == ("numpy", "python", "pandas")


def test_a_removal_takes_what_needs_it() -> None:
    assert with_dependants(INSTALLED, ["numpy"]) == {"numpy", "pandas"}
    assert with_dependants(INSTALLED, ["pandas", "absent"]) == {"pandas"}
    assert with_dependants(INSTALLED, []) == frozenset()


def test_what_no_request_needs_is_told() -> None:
    assert unneeded(INSTALLED, ["numpy"]) == {"pandas"}
    assert unneeded(INSTALLED, ["pandas"]) == frozenset()
    assert unneeded(INSTALLED, []) == {"python", "numpy", "pandas"}


def test_packages_that_need_each_other() -> None:
    ring = [rec("a", depends=["b"]), rec("b", depends=["a"])]
    assert needed_by(ring, ["a"]) == {"a", "b"}
    assert with_dependants(ring, ["a"]) == {"a", "b"}
    assert unneeded(ring, ["a"]) == frozenset()


def test_a_lock_is_exact() -> None:
    (line,) = lock_lines([rec("a", "1.0", "py_1")])
    assert line.spec.matches(rec("a", "1.0", "py_1"))
    assert not line.spec.matches(rec("a", "1.0", "py_2"))


def environment(one: Case, random: Random) -> tuple:
    """Some record of each of some names: not always one that fits the others, or that a channel still has."""
    names = sorted({record.name for record in one.records})
    here = [
        random.choice([r for r in one.records if r.name == name]) for name in names if random.random() < 0.6
    ]
    if random.random() < 0.2:
        here = [*(record for record in here if record.name != "a"), rec("a", "9", channel="gone")]
    return tuple(here)


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_the_answer_is_the_optimum_on_top_of_an_environment(seed: int) -> None:
    random = Random(seed)
    one = Maker(seed).case()
    installed = environment(one, random)
    if not is_small(one, installed):
        return
    free = frozenset(record.name for record in installed if random.random() < 0.3)
    problem = one.problem(installed=installed, free=free, prune=random.random() < 0.3)
    check_optimum(one, problem, solve(problem))


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_a_fresh_answer_is_the_optimum(seed: int) -> None:
    one = Maker(seed).case()
    if is_small(one, ()):
        check_optimum(one, one.problem(), solve(one.problem()))


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_a_removal_leaves_a_valid_rest(seed: int) -> None:
    """What remains after a removal needs nothing that is gone."""
    one = Maker(seed).case()
    outcome = solve(one.problem())
    if not isinstance(outcome, Solution) or not outcome.records:
        return
    gone = with_dependants(outcome.records, [Random(seed).choice(outcome.records).name])
    rest = [record for record in outcome.records if record.name not in gone]
    assert not needed_by(rest, [record.name for record in rest]) & gone
    for record in rest:
        assert not {text.split()[0] for text in record.depends} & gone
