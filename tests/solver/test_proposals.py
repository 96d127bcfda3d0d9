"""Every proposal makes the whole request solvable, by the word of a SAT oracle, and no small one is missed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmgr.models.match_spec import MatchSpec
from envmgr.models.requirement import Requirement, Source
from envmgr.solver.edits import Proposal, proposals_as_json
from envmgr.solver.explain import explain
from envmgr.solver.explanation import causes_as_json
from envmgr.solver.loosen import bounds, series, with_name, with_version, without
from envmgr.solver.near_names import sure_names
from envmgr.solver.repair import MAX_PROPOSALS, propose
from envmgr.solver.solve import Conflict, Solution, solve
from envmgr.solver.trial import Ended, Trial
from tests.solver.cases import Case, case, lines, rec
from tests.solver.oracle import is_solvable
from tests.solver.test_random_universes import EXAMPLES, SEEDS
from tests.solver.universes import Maker


def refused(one: Case, **options: object) -> Conflict | None:
    outcome = solve(one.problem(**options))
    return outcome if isinstance(outcome, Conflict) else None


def edited(one: Case, problem_lines: tuple[Requirement, ...], proposal: Proposal) -> Case:
    """The case as a user would have it who follows the proposal by its texts alone."""
    place = {id(line): number for number, line in enumerate(problem_lines)}
    specs: list[str | None] = list(one.specs)
    virtual, options = dict(one.virtual), dict(one.options)
    for edit in proposal.edits:
        if edit.line is not None:
            specs[place[id(edit.line)]] = edit.new_text
        elif edit.kind == "override":
            virtual[edit.name] = edit.value
        elif edit.kind == "priority":
            options["channel_priority"] = edit.value
    return Case(one.records, [text for text in specs if text is not None], virtual, one.channels, options)


def check(one: Case) -> int:
    """Check all proposals of a refused case; the number of them."""
    conflict = refused(one)
    if conflict is None:
        return 0
    proposals = propose(conflict, names={record.name for record in one.records})
    assert len(proposals) <= MAX_PROPOSALS
    for proposal in proposals:
        changed = edited(one, conflict.problem.requirements, proposal)
        assert is_solvable(changed), str(proposal)
        answer = solve(changed.problem())
        assert isinstance(answer, Solution)
        chosen = {record.name: record.version for record in answer.records}
        assert dict(proposal.versions) == {name: chosen[name] for name, _ in proposal.versions}
    check_single_drops(one, conflict, proposals)
    return len(proposals)


def check_single_drops(one: Case, conflict: Conflict, proposals: tuple[Proposal, ...]) -> None:
    """Each line that could be left out alone is edited, alone, by one of the proposals."""
    asked = conflict.problem.requirements
    alone = [proposal.edits[0].line for proposal in proposals if len(proposal.edits) == 1]
    for number, line in enumerate(asked):
        rest = one.specs[:number] + one.specs[number + 1 :]
        if rest and is_solvable(one, rest) and len(proposals) < MAX_PROPOSALS:
            assert any(line is other for other in alone), line.source.text


@settings(max_examples=EXAMPLES)
@given(SEEDS, st.booleans())
def test_each_proposal_has_an_answer_and_no_single_line_is_missed(seed: int, rich: bool) -> None:
    check(Maker(seed, rich=rich).case())


@settings(max_examples=EXAMPLES)
@given(SEEDS)
def test_proposals_over_several_channels(seed: int) -> None:
    one = Maker(seed, channels=3).case()
    one.options = {"channel_priority": "strict"}
    check(one)


def test_random_universes_do_have_proposals() -> None:
    assert sum(check(Maker(seed, rich=seed % 2 == 0).case()) for seed in range(150)) > 40


def line(text: str, file: str | None = None, number: int | None = None) -> Requirement:
    return Requirement(MatchSpec.parse(text), Source(file, number, text))


@pytest.mark.parametrize(
    ("text", "version", "told"),
    [
        ("python=3.12", "3.11.15", "python=3.11"),
        ("python 3.12.*", "3.11.15", "python 3.11.*"),
        ("numpy==1.26.4", "1.26.3", "numpy==1.26.3"),
        ("pandas >=2.2,<3", "2.1.4", "pandas >=2.1,<3"),
        ("pandas >=2.2,<3", "3.1.2", "pandas >=2.2,<4"),
        ("numpy<1.25", "1.26.0", "numpy<1.27"),
        ("numpy >2", "1.26.4", "numpy >=1.26"),
        ("python <=3.8", "3.9.2", "python <3.10"),
        ("python~=3.9", "3.8.1", "python~=3.8"),
        ("r-sf=1.0_12", "1.0_20", "r-sf=1.0_20"),
        ("numpy!=1.2", "1.2", "numpy"),
        ("main::numpy=1.2", "1.3.5", "main::numpy=1.3"),
    ],
)
def test_a_line_is_loosened_in_the_users_own_words(text: str, version: str, told: str) -> None:
    loosened = with_version(line(text), version)
    assert loosened is not None
    assert loosened.source.text == told
    assert MatchSpec.parse(told) == loosened.spec
    assert loosened.spec.matches(rec(loosened.spec.name, version))


def test_alternatives_are_not_moved() -> None:
    assert with_version(line("a 1|2"), "3") is None


def test_parts_of_a_line_are_left_out() -> None:
    assert without(line("numpy=1.26.4=py312_0"), "build").source.text == "numpy==1.26.4"
    assert with_name(line("nunpy >=1"), "numpy").source.text == "numpy >=1"
    assert with_name(line("main::nunpy >=1"), "numpy", bare=True).source.text == "numpy"


def test_what_a_line_means_is_what_it_accepts_or_else_what_it_says() -> None:
    versions = ["1.0", "2.0", "2.1", "3.0"]
    assert bounds(line("a >=2,<3"), versions) == ("2.0", "2.1")
    assert bounds(line("a >=4,<5"), versions) == ("4", "5")
    assert bounds(line("a"), versions) is None
    assert series("1!2.3.4", "1!2.3") == "1!2.3"


@pytest.mark.parametrize(
    ("name", "there", "sure"),
    [
        ("nunpy", ["numpy"], ["numpy"]),
        ("scikit-lern", ["scikit-learn"], ["scikit-learn"]),
        ("pnadas", ["pandas"], ["pandas"]),
        ("torch", ["pytorch", "torchgeo"], ["pytorch"]),
        ("scikit_learn", ["scikit-learn"], ["scikit-learn"]),
        ("ggplot2", ["r-ggplot2"], ["r-ggplot2"]),
        ("plink2", ["plink"], []),
        ("r-ellipse", ["r-ellipsis"], []),
        ("nunpy", ["sunpy", "numpy"], ["numpy"]),
        ("picard", ["python-picard"], []),
        ("perf", ["gperf"], []),
    ],
)
def test_only_a_sure_name_stands_in_for_another(name: str, there: list[str], sure: list[str]) -> None:
    assert sure_names(name, there) == sure


PYTHONS = [rec("python", version) for version in ("3.8.1", "3.10.1", "3.11.2", "3.12.0")]


def test_the_version_nearest_to_the_wanted_one_is_proposed() -> None:
    one = case([*PYTHONS, rec("numpy", "1.24", depends=["python >=3.8,<3.12"])], "numpy", "python=3.12")
    conflict = refused(one)
    assert conflict is not None
    assert (
        str(propose(conflict)[0])
        == "python=3.11 instead of python=3.12 (gives python 3.11.2 with numpy 1.24)"
    )
    above = case([*PYTHONS, rec("numpy", "2", depends=["python >=3.10"])], "numpy", "python=3.8")
    conflict = refused(above)
    assert conflict is not None
    assert str(propose(conflict)[0]).startswith("python=3.10 instead of python=3.8 ")


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("python>3.12.0", "relax python>3.12.0 to python >=3.12.0 (gives python 3.12.0)"),
        ("python<3.8.1", "relax python<3.8.1 to python<3.8.2 (gives python 3.8.1)"),
        ("python>=3.13", "relax python>=3.13 to python>=3.12 (gives python 3.12.0)"),
        ("python=3.9", "python=3.10 instead of python=3.9 (gives python 3.10.1)"),
        ("python~=3.13", "python~=3.12 instead of python~=3.13 (gives python 3.12.0)"),
    ],
)
def test_the_bound_itself_is_the_nearest_version_where_it_was_excluded(asked: str, told: str) -> None:
    conflict = refused(case(PYTHONS, asked))
    assert conflict is not None
    assert [str(proposal) for proposal in propose(conflict)] == [told]
    assert "the nearest python is 3." in str(explain(conflict, channels=["main"]))


def test_a_limit_that_stands_in_the_way_is_loosened_too() -> None:
    one = case([rec("app", depends=["numpy >=1.25"]), rec("numpy", "1.24"), rec("numpy", "1.26")], "app")
    outcome = solve(one.problem(constraints=lines("numpy <1.25", file="pinned")))
    assert isinstance(outcome, Conflict)
    assert [str(proposal) for proposal in propose(outcome)] == [
        "pinned:5: relax numpy <1.25 to numpy <1.27 (gives app 1)"
    ]


def test_no_time_means_no_proposals_and_nothing_wrong() -> None:
    one = case([*PYTHONS, rec("numpy", "1", depends=["python <3.12"])], "numpy", "python=3.12")
    ticks = iter(range(10_000))
    outcome = solve(one.problem(budget_seconds=10_000.0, monotonic=lambda: float(next(ticks))))
    assert isinstance(outcome, Conflict)
    for proposal in propose(outcome):
        assert is_solvable(edited(one, outcome.problem.requirements, proposal))


def test_a_busy_machine_comes_to_the_same_proposals() -> None:
    """The clock runs as if other processes took nearly all the time: half a second goes by at each look at it."""
    one = case([*PYTHONS, rec("numpy", "1", depends=["python <3.12"])], "numpy", "python=3.12")
    ticks = iter(range(10_000))
    busy = solve(one.problem(budget_seconds=60.0, monotonic=lambda: next(ticks) / 2))
    idle = solve(one.problem(budget_seconds=60.0))
    assert isinstance(busy, Conflict)
    assert isinstance(idle, Conflict)
    assert list(map(str, propose(busy))) == list(map(str, propose(idle)))
    assert next(ticks) > 2 * 5


def test_steps_bound_the_search_for_proposals_the_same_way_each_time() -> None:
    one = case([*PYTHONS, rec("numpy", "1", depends=["python <3.12"])], "numpy", "python")
    counts = set()
    for _ in range(2):
        trial, solved = Trial(one.problem(), steps=5), 0
        with pytest.raises(Ended):
            while True:
                trial.solve_with(())
                solved += 1
        counts.add(solved)
    assert len(counts) == 1
    assert 1 <= counts.pop() <= 5


def test_the_values_are_plain_json() -> None:
    one = case([*PYTHONS, rec("numpy", "1", depends=["python <3.12"])], "numpy", "python=3.12")
    outcome = solve(one.problem(file="env.yml"))
    assert isinstance(outcome, Conflict)
    proposals = proposals_as_json(propose(outcome))
    assert proposals[0] == {
        "kind": "version",
        "file": "env.yml",
        "line": 6,
        "old": "python=3.12",
        "new": "python=3.11",
        "edits": [
            {"kind": "version", "file": "env.yml", "line": 6, "old": "python=3.12", "new": "python=3.11"}
        ],
        "result": {"numpy": "1", "python": "3.11.2"},
        "text": "env.yml:6: python=3.11 instead of python=3.12 (gives python 3.11.2 with numpy 1)",
    }
    causes = causes_as_json(explain(outcome, channels=["main"]).causes)
    assert [cause["kind"] for cause in causes] == ["line", "line"]
    assert causes[0]["causes"] == [
        {
            "kind": "need",
            "sentence": "numpy 1 needs python <3.12, but env.yml:6 asks for python=3.12",
            "package": "numpy",
            "versions": "1",
            "target": "python",
            "allowed": "3.8.1 to 3.11.2",
            "outcome": "line",
            "entries": ["python <3.12"],
            "against": [{"spec": "python=3.12", "file": "env.yml", "line": 6}],
            "causes": [],
        }
    ]
    assert msgspec.json.decode(msgspec.json.encode([proposals, causes])) == [proposals, causes]


def test_lines_that_fail_each_for_itself_are_left_out_together_in_few_words() -> None:
    one = case([rec("app", "1")], "app", *(f"gone{letter}" for letter in "qwxyz"))
    outcome = solve(one.problem(file="env.yml"))
    assert isinstance(outcome, Conflict)
    (proposal,) = propose(outcome)
    assert len(proposal.edits) == 5
    assert str(proposal) == "drop goneq, gonew, gonex, goney and 1 more (env.yml:6, 7, 8, 9) (gives app 1)"


def test_the_same_request_has_the_same_proposals() -> None:
    for seed in range(60):
        one = Maker(seed, rich=True).case()
        conflict, again = refused(one), refused(one)
        if conflict is not None and again is not None:
            assert list(map(str, propose(conflict))) == list(map(str, propose(again)))
