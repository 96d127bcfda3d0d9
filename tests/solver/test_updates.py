"""What moves in an environment that is changed: nothing that need not, and then what the mode lets move."""

from __future__ import annotations

import os
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.models.virtual_package import virtual_record
from envmgr.solver.explain import explain
from envmgr.solver.repair import propose
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
from tests.solver.cases import Case, case, lines, rec
from tests.solver.universes import Maker
from tests.solver.validator import Checker

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


def frozen(installed: tuple, *specs: str, records: list = WORLD, named: tuple = ()) -> object:
    """The outcome of a request on top of *installed*, where nothing but *named* may move."""
    locks = plan_update("freeze", installed, named).locks
    return solve(case(records).problem(requirements=(*lines(*specs), *locks), installed=installed))


def chosen(outcome: object) -> set[str]:
    assert isinstance(outcome, Solution), explain(outcome)
    return {record.dist_name.rpartition("-")[0] for record in outcome.records}


def test_a_frozen_environment_takes_what_fits() -> None:
    records = [*WORLD, rec("new", "1", depends=["numpy <2"]), rec("new", "2", depends=["numpy >=2"])]
    assert "new-1" in chosen(frozen(INSTALLED, "new", records=records))


def test_a_frozen_environment_refuses_what_would_move_it() -> None:
    outcome = frozen(INSTALLED, "pandas >=2")
    assert isinstance(outcome, Conflict)
    assert str(explain(outcome)).splitlines() == [
        "'pandas >=2' and 'pandas 1 0' cannot be fulfilled together.",
        "  pandas >=2 (command line)",
        "  pandas 1 0 (--freeze-installed)",
        "    no pandas fulfils all of these lines",
    ]
    assert [str(proposal) for proposal in propose(outcome)] == [
        "relax pandas >=2 to pandas >=1 (gives pandas 1)",
        "leave out --freeze-installed (gives pandas 2)",
    ]


def test_what_is_named_may_move_in_a_frozen_environment() -> None:
    outcome = frozen(INSTALLED, "pandas >=2", named=("pandas", "numpy"))
    assert chosen(outcome) == {"python-3.11", "numpy-2", "pandas-2"}


def test_nothing_goes_from_a_frozen_environment() -> None:
    """Neither what the new package stands against, nor what another installed package has broken already."""
    app = rec("app", "1")
    against = [app, rec("new", "1", constrains=["app >=2"])]
    assert isinstance(frozen((app,), "new", records=against), Conflict)
    broken = (rec("app", "1", depends=["lib ==1"]), rec("lib", "2"))
    assert isinstance(frozen(broken, "new", records=[*broken, rec("lib", "1"), rec("new")]), Conflict)


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


EXTRAS = (
    rec("ext", extra_depends={"plot": ["pandas"], "all": ["ext[extras=[plot]]", "top"]}),
    rec("pandas"),
    rec("use", depends=["ext[extras=[plot]]"]),
)


def test_what_an_extra_needs_is_needed_by_those_who_ask_for_the_extra() -> None:
    """CEP 44: the dependencies of a group that a spec asks for are united with the record's own."""
    assert unneeded(EXTRAS, ["use"]) == frozenset()
    assert unneeded(EXTRAS, ["ext"]) == {"pandas", "use"}
    assert unneeded(EXTRAS, ["ext"], lines=lines("ext[extras=[plot]]")) == {"use"}
    assert needed_by(EXTRAS, ["ext"]) == frozenset()
    assert with_dependants(EXTRAS, ["pandas"]) == {"pandas", "use"}
    assert with_dependants(EXTRAS, ["pandas"], lines=lines("ext[extras=[all]]")) == {"pandas", "use", "ext"}


CONDITIONS = (
    rec("python", "3.11"),
    rec("foo"),
    rec("cond", depends=["foo[when='python >=3.12']"]),
    rec("posix", depends=["foo[when='__unix']"]),
)


def test_a_dependency_counts_where_its_condition_holds() -> None:
    """CEP 43: where the condition is false, the dependency is as if it were not written."""

    def machine(name: str) -> object:
        return virtual_record(name, "0") if name == "__unix" else None

    assert with_dependants(CONDITIONS, ["foo"]) == {"foo"}
    assert with_dependants(CONDITIONS, ["foo"], machine=machine) == {"foo", "posix"}
    assert unneeded(CONDITIONS, ["cond", "posix"]) == {"python", "foo"}
    assert unneeded(CONDITIONS, ["cond", "posix"], machine=machine) == {"python"}
    newer = (rec("python", "3.12"), *CONDITIONS[1:])
    assert with_dependants(newer, ["foo"]) == {"foo", "cond"}
    assert plan_update("dependencies", newer, ["cond"]).free == {"cond", "foo"}


def test_what_was_needed_only_beside_something_unneeded_is_not_needed() -> None:
    here = (rec("a", depends=["b[when='c']"]), rec("b"), rec("c"))
    assert unneeded(here, ["a"]) == {"b", "c"}
    assert unneeded(here, ["a", "c"]) == frozenset()


def test_a_condition_that_a_removal_ends_breaks_nothing() -> None:
    here = (rec("a", depends=["b[when='c']"]), rec("b"), rec("c", depends=["b"]))
    assert with_dependants(here, ["b"]) == {"b", "c"}


def test_packages_that_need_each_other() -> None:
    ring = [rec("a", depends=["b"]), rec("b", depends=["a"])]
    assert needed_by(ring, ["a"]) == {"a", "b"}
    assert with_dependants(ring, ["a"]) == {"a", "b"}
    assert unneeded(ring, ["a"]) == frozenset()


@pytest.mark.parametrize("build", ["py_1", "", "*", "^a$", "a b", "[x]"])
def test_a_lock_holds_one_build_of_one_channel(build: str) -> None:
    here = rec("a", "1.0", build)
    (line,) = lock_lines([here])
    assert line.spec.matches(here)
    assert not line.spec.matches(rec("a", "1.0", "other"))
    assert not line.spec.matches(rec("a", "1.1", build))
    assert not line.spec.matches(rec("a", "1.0", build, channel="other"))
    assert not line.spec.matches(rec("a", "1.0", build, noarch="generic"))


def test_a_locked_build_stays_whatever_it_is_called() -> None:
    here = rec("a", "1.0", "*")
    outcome = frozen((here,), records=[here, rec("a", "1.0", "x_9"), rec("a", "2")])
    assert isinstance(outcome, Solution)
    assert outcome.records == (here,)


def test_what_has_no_readable_version_cannot_be_held() -> None:
    outcome = frozen((rec("numpy", "not!a!version"),), "python")
    assert isinstance(outcome, Conflict)
    assert "has an unreadable version" in str(explain(outcome, channels=["main"]))


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


def solved(seed: int) -> tuple[Case, tuple]:
    """A random universe with conditions and extras, and an environment from it; empty where there is none."""
    one = Maker(seed, rich=True).case()
    outcome = solve(one.problem())
    return one, outcome.records if isinstance(outcome, Solution) else ()


def machine_of(one: Case) -> object:
    here = {record.name: record for record in one.virtual_records()}
    return here.get


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_a_removal_leaves_a_valid_rest(seed: int) -> None:
    """What remains after a removal fulfils every entry that counts, and every line about what is left."""
    one, records = solved(seed)
    if not records:
        return
    asked = one.problem().requirements
    name = Random(seed).choice(records).name
    gone = with_dependants(records, [name], lines=asked, machine=machine_of(one))
    assert name in gone
    checker = Checker([record for record in records if record.name not in gone], one.virtual_records())
    for line in asked:
        if line.spec.name not in gone:
            checker.ask(line.spec, str(line.source))
    checker.check_entries()
    assert checker.problems == []


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_what_is_left_without_the_unneeded_is_valid_and_asked_for(seed: int) -> None:
    one, records = solved(seed)
    asked = [line for line in one.problem().requirements if Random(seed).random() < 0.6]
    gone = unneeded(records, [line.spec.name for line in asked], lines=asked, machine=machine_of(one))
    checker = Checker([record for record in records if record.name not in gone], one.virtual_records())
    for line in asked:
        checker.ask(line.spec, str(line.source))
    checker.check_entries()
    checker.check_wanted(asked)
    assert checker.problems == [] or not records
