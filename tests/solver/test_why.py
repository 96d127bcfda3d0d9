"""Who needs a package, and what keeps it from being newer: one world for each blocker, with its words."""

from __future__ import annotations

import random
import textwrap
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from msgspec import json
from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.solver.explain import explain
from envmgr.solver.graph import Graph
from envmgr.solver.solve import Conflict, Solution, solve
from envmgr.solver.tree import PLAIN, TreeOptions, reached, tree_lines, tree_rows
from envmgr.solver.why import Question, Step, Why, answer_why
from envmgr.solver.why_text import why_lines
from tests.solver.cases import Case, case, lines, rec
from tests.solver.test_real_records import VIRTUAL, problem_for
from tests.solver.universes import Maker
from tests.solver.validator import violations

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.record import PackageRecord


def question(asked: Case, name: str, *, installed: list[PackageRecord] | None = None, **options) -> Question:
    """The question about the case's solution, or about *installed* records."""
    problem = asked.problem(**options)
    machine = {record.name: record for record in asked.virtual_records()}
    chosen = tuple(installed or ())
    if installed is None:
        outcome = solve(problem)
        assert isinstance(outcome, Solution), explain(outcome)
        chosen = outcome.records
    return Question(
        name=name,
        records=chosen,
        requirements=problem.requirements,
        machine=machine.get,
        subdir="linux-64",
        installed=installed is not None,
        problem=problem,
        channels=tuple(asked.channels),
        names=sorted({record.name for record in asked.records}),
    )


def ask(asked: Case, name: str, **options) -> Why:
    answer = answer_why(question(asked, name, **options))
    assert answer is not None
    return answer


def told(answer: Why) -> str:
    return "\n".join(why_lines(answer))


def text(snapshot: str) -> str:
    return textwrap.dedent(snapshot).strip()


PYTHONS = [rec("python", version) for version in ("3.10.1", "3.11.2", "3.12.7")]
NUMPYS = [rec("numpy", "1.26.0"), rec("numpy", "2.0.1"), rec("numpy", "2.3.0")]

BLOCKERS = {
    "a line about the package": (
        case(NUMPYS, "numpy <2.1"),
        "line",
        """
        numpy 2.0.1 (0 from main)

        It is there because of the only request:
          numpy <2.1 (env.yml:5)
        No package needs it.

        The newest is 2.3.0 from main.
        Against numpy 2.3.0 stands:
          env.yml:5 asks for numpy <2.1
        Nothing newer than 2.0.1 can be had with these requests.
        """,
    ),
    "a chosen package that a line holds": (
        case([*NUMPYS, rec("app", "1", depends=["numpy <2"]), rec("app", "2", depends=["numpy"])], "app=1"),
        "package",
        """
        numpy 1.26.0 (0 from main)

        It is there because of the only request:
          app=1 (env.yml:5)
            app 1 needs numpy <2

        The newest is 2.3.0 from main.
        Against numpy 2.3.0 stands:
          app 1 needs numpy <2, and env.yml:5 asks for app=1
        Nothing newer than 1.26.0 can be had with these requests.
        """,
    ),
    "a chosen package in every version": (
        case([*NUMPYS, rec("app", "1", depends=["numpy <2"]), rec("app", "2", depends=["numpy <2"])], "app"),
        "package",
        """
        numpy 1.26.0 (0 from main)

        It is there because of the only request:
          app (env.yml:5)
            app 2 needs numpy <2

        The newest is 2.3.0 from main.
        Against numpy 2.3.0 stands:
          app 2 needs numpy <2
        Nothing newer than 1.26.0 can be had:
          'app' and 'numpy >1.26.0' cannot be fulfilled together.
          app (env.yml:5)
            app 1 to 2 need numpy <2, but this question asks for numpy >1.26.0
          numpy >1.26.0 (this question)
        """,
    ),
    "a run constraint of a chosen package": (
        case([*NUMPYS, rec("app", "1", constrains=["numpy <2.1"])], "app", "numpy"),
        "constraint",
        """
        numpy 2.0.1 (0 from main)

        It is there because of 1 of 2 requests:
          numpy (env.yml:6)
        No package needs it.

        The newest is 2.3.0 from main.
        Against numpy 2.3.0 stands:
          app 1 works only with numpy <2.1
        Nothing newer than 2.0.1 can be had:
          'app' and 'numpy >2.0.1' cannot be fulfilled together.
          app (env.yml:5)
            app 1 works only with numpy <2.1, but this question asks for numpy >2.0.1
          numpy >2.0.1 (this question)
        """,
    ),
    "a dependency that a line excludes": (
        case(
            [
                *PYTHONS,
                rec("numpy", "1.26.0", depends=["python"]),
                rec("numpy", "2.3.0", "py311_0", depends=["python 3.11.*"]),
                rec("numpy", "2.3.0", "py312_0", depends=["python 3.12.*"]),
            ],
            "python=3.10",
            "numpy",
        ),
        "dependency",
        """
        numpy 1.26.0 (0 from main)

        It is there because of 1 of 2 requests:
          numpy (env.yml:6)
        No package needs it.

        The newest is 2.3.0 from main.
        Against numpy 2.3.0 stands:
          numpy 2.3.0 needs python 3.11.* or 3.12.*, but python is 3.10.1 because env.yml:5 asks for python=3.10
        Nothing newer than 1.26.0 can be had with these requests.
        """,
    ),
    "a dependency that a chosen package excludes": (
        case(
            [
                rec("numpy", "1", depends=["blas"]),
                rec("numpy", "2", depends=["blas >=2"]),
                rec("blas", "1"),
                rec("blas", "2"),
                rec("old", "1", depends=["blas <2"]),
            ],
            "old",
            "numpy",
        ),
        "dependency",
        """
        numpy 1 (0 from main)

        It is there because of 1 of 2 requests:
          numpy (env.yml:6)
        No package needs it.

        The newest is 2 from main.
        Against numpy 2 stands:
          numpy 2 needs blas >=2, but blas is 1 because old 1 needs blas <2
        Nothing newer than 1 can be had:
          'old' and 'numpy >1' cannot be fulfilled together.
          old (env.yml:5)
            old 1 needs blas <2
          numpy >1 (this question)
            numpy 2 needs blas >=2, which excludes the blas above
        """,
    ),
    "a run constraint of the newer version": (
        case([rec("a", "1"), rec("a", "2", constrains=["b >=2"]), rec("b", "1")], "b", "a"),
        "exclusion",
        """
        a 1 (0 from main)

        It is there because of 1 of 2 requests:
          a (env.yml:6)
        No package needs it.

        The newest is 2 from main.
        Against a 2 stands:
          a 2 works only with b >=2, but b is 1
        Nothing newer than 1 can be had:
          'b' and 'a >1' cannot be fulfilled together.
          b (env.yml:5)
          a >1 (this question)
            a 2 works only with b >=2, but env.yml:5 asks for b
        """,
    ),
    "strict channel priority": (
        case(
            [rec("numpy", "1.26.0"), rec("numpy", "2.3.0", channel="forge")],
            "numpy",
            channels=["main", "forge"],
        ),
        "channel",
        """
        numpy 1.26.0 (0 from main)

        It is there because of the only request:
          numpy (env.yml:5)
        No package needs it.

        The newest is 2.3.0 from forge.
        Against numpy 2.3.0 stands:
          main has numpy 1.26.0 and comes first (strict channel priority; --channel-priority flexible changes that)
        Nothing newer than 1.26.0 can be had with these requests.
        """,
    ),
    "a date": (
        case([rec("a", "1", timestamp=1000), rec("a", "2", timestamp=3000)], "a", exclude_newer=2000),
        "date",
        """
        a 1 (0 from main)

        It is there because of the only request:
          a (env.yml:5)
        No package needs it.

        The newest is 2 from main.
        Against a 2 stands:
          it is newer than the date of --exclude-newer
        Nothing newer than 1 can be had with these requests.
        """,
    ),
    "a virtual package": (
        case(
            [rec("torch", "1"), rec("torch", "2", depends=["__cuda >=12"])],
            "torch",
            virtual={"__glibc": "2.17"},
        ),
        "machine",
        """
        torch 1 (0 from main)

        It is there because of the only request:
          torch (env.yml:5)
        No package needs it.

        The newest is 2 from main.
        Against torch 2 stands:
          torch 2 needs __cuda >=12, but this machine has no __cuda (CONDA_OVERRIDE_CUDA overrides it)
        Nothing newer than 1 can be had with these requests.
        """,
    ),
    "an older virtual package": (
        case([rec("a", "1"), rec("a", "2", depends=["__glibc >=2.28"])], "a", virtual={"__glibc": "2.17"}),
        "machine",
        """
        a 1 (0 from main)

        It is there because of the only request:
          a (env.yml:5)
        No package needs it.

        The newest is 2 from main.
        Against a 2 stands:
          a 2 needs __glibc >=2.28, but this machine has __glibc 2.17 (CONDA_OVERRIDE_GLIBC overrides it)
        Nothing newer than 1 can be had with these requests.
        """,
    ),
    "another platform": (
        case([rec("a", "1"), rec("a", "2", noarch="generic", depends=["__win"])], "a"),
        "platform",
        """
        a 1 (0 from main)

        It is there because of the only request:
          a (env.yml:5)
        No package needs it.

        The newest is 2 from main.
        Against a 2 stands:
          a 2 needs __win, which this platform never has
        Nothing newer than 1 can be had with these requests.
        """,
    ),
    "a dependency that no channel has": (
        case([rec("a", "1"), rec("a", "2", depends=["gone >=3"])], "a"),
        "missing",
        """
        a 1 (0 from main)

        It is there because of the only request:
          a (env.yml:5)
        No package needs it.

        The newest is 2 from main.
        Against a 2 stands:
          a 2 needs gone >=3, of which no record may be used
        Nothing newer than 1 can be had with these requests.
        """,
    ),
    "features": (
        case([rec("a", "1"), rec("a", "2", track_features="debug")], "a"),
        "features",
        """
        a 1 (0 from main)

        It is there because of the only request:
          a (env.yml:5)
        No package needs it.

        The newest is 2 from main.
        Against a 2 stands:
          it tracks features (debug), and records that track fewer come first
        A request for 'a >1' brings 2 and changes nothing else.
        """,
    ),
}


@pytest.mark.parametrize("kind", BLOCKERS)
def test_each_kind_of_blocker_is_told(kind: str) -> None:
    asked, blocker, snapshot = BLOCKERS[kind]
    answer = ask(asked, asked_name(asked, snapshot), file="env.yml")
    assert [each.kind for each in answer.newest.blockers] == [blocker]
    assert told(answer) == text(snapshot)


def asked_name(asked: Case, snapshot: str) -> str:
    return text(snapshot).split()[0]


def test_a_deeper_conflict_is_explained_by_a_solve() -> None:
    records = [
        rec("a", "1"),
        rec("a", "2", depends=["b >=2"]),
        rec("b", "2", depends=["c >=2"]),
        rec("c", "1"),
        rec("c", "2"),
        rec("d", depends=["c <2"]),
    ]
    answer = ask(case(records, "d", "a"), "a", file="env.yml")
    assert answer.newest.blockers == ()
    assert told(answer).endswith(
        text("""
        The newest is 2 from main.
        Nothing newer than 1 can be had:
          'd' and 'a >1' cannot be fulfilled together.
          d (env.yml:5)
            d 1 needs c <2
          a >1 (this question)
            a 2 needs b >=2
              b 2 needs c >=2, which excludes the c above
        """)
    )


def test_a_trade_off_names_what_would_be_older() -> None:
    records = [
        rec("numba", "0.59", depends=["numpy"]),
        rec("numba", "0.60", depends=["numpy <2"]),
        rec("numpy", "1.26"),
        rec("numpy", "2.3", depends=["blas"]),
        rec("blas", "3"),
    ]
    answer = ask(case(records, "numba", "numpy"), "numpy", file="env.yml")
    assert answer.newest.verdict == "trade-off"
    assert answer.newest.reachable == "2.3"
    assert told(answer).endswith(
        "Against numpy 2.3 stands:\n"
        "  numba 0.60 needs numpy <2\n"
        "A request for 'numpy >1.26' brings 2.3, for this price:\n"
        "  numba 0.59 instead of 0.60 (older, which was asked for)\n"
        "  blas 3 comes"
    )


def test_what_is_reachable_may_be_less_than_the_newest() -> None:
    records = [*NUMPYS, rec("a", "1", depends=["numpy <2.1"]), rec("a", "2", depends=["numpy <2"])]
    answer = ask(case(records, "a", "numpy"), "numpy")
    assert (answer.version, answer.newest.version, answer.newest.reachable) == ("1.26.0", "2.3.0", "2.0.1")


def test_an_update_that_makes_nothing_older_is_called_so() -> None:
    old = [rec("app", "1", depends=["numpy <2"]), NUMPYS[0], rec("extra", "1")]
    records = [*old, *NUMPYS[1:], rec("app", "2", depends=["numpy"]), rec("extra", "2")]
    answer = ask(case(records, "app", "extra"), "numpy", installed=old)
    assert answer.newest.verdict == "update"
    assert [(each.name, each.after, each.kind) for each in answer.newest.changes] == [("app", "2", "newer")]
    assert told(answer).endswith(
        "A request for 'numpy >1.26.0' brings 2.3.0, with these changes, and nothing gets older:\n"
        "  app 2 instead of 1 (newer, which was asked for)"
    )


def test_an_update_of_one_package_leaves_the_rest_of_an_environment_alone() -> None:
    old = [rec("app", "1", depends=["numpy"]), NUMPYS[0], PYTHONS[0]]
    records = [*old, *NUMPYS[1:], rec("app", "2", depends=["numpy"]), *PYTHONS[1:]]
    answer = ask(case(records, "app", "python"), "numpy", installed=old)
    assert answer.newest.verdict == "update"
    assert answer.newest.changes == ()
    assert told(answer).endswith("A request for 'numpy >1.26.0' brings 2.3.0 and changes nothing else.")


def test_the_newest_and_the_newer_than_the_channels() -> None:
    assert told(ask(case(NUMPYS, "numpy"), "numpy")).endswith("It is the newest that main has.")
    mine = rec("numpy", "3.0")
    answer = ask(case(NUMPYS, "numpy"), "numpy", installed=[mine])
    assert told(answer).endswith("It is newer than what the channels have: numpy 2.3.0 from main.")
    answer = ask(case(NUMPYS, "own"), "own", installed=[rec("own", "1")])
    assert answer.newest.verdict == "unlisted"


def test_without_an_index_the_needs_are_told_and_the_newest_is_not() -> None:

    asked = question(case([*NUMPYS, rec("app", depends=["numpy"])], "app"), "numpy")
    answer = answer_why(replace(asked, problem=None, channels=(), reason="the index is not on this machine."))
    assert answer is not None
    assert answer.requests[0].steps[0].package == "app"
    assert told(answer).endswith(
        "Whether there is a newer one is not known: the index is not on this machine."
    )


def test_a_version_that_has_no_place_in_the_order_is_no_failure() -> None:
    answer = ask(case(NUMPYS, "numpy"), "numpy", installed=[rec("numpy", "_")])
    assert answer.newest.verdict == "unknown"


def test_a_virtual_package_tells_who_needs_it() -> None:
    records = [rec("a", depends=["__glibc >=2.17"]), rec("b", depends=["a"])]
    answer = ask(case(records, "b", virtual={"__glibc": "2.39"}), "__glibc", file="env.yml")
    assert told(answer) == text("""
        __glibc 2.39 (on this machine)

        It is there because of the only request:
          b (env.yml:5)
            b 1 needs a
            a 1 needs __glibc >=2.17

        No channel brings it; CONDA_OVERRIDE_GLIBC overrides what this machine says.
        """)


def test_a_package_that_no_request_leads_to_is_said_to_be_one() -> None:
    installed = [rec("left"), NUMPYS[2]]
    answer = ask(case([*NUMPYS, rec("left")], "numpy"), "left", installed=installed)
    assert why_lines(answer)[2:4] == ["Nothing that was asked for leads to it.", "No package needs it."]


def test_a_pin_counts_as_a_line() -> None:
    answer = ask(case(NUMPYS, "numpy"), "numpy", constraints=lines("numpy <2.1", file="pinned"))
    assert [(each.kind, each.place) for each in answer.newest.blockers] == [("line", "pinned:5")]


def test_a_strategy_is_told() -> None:
    answer = ask(case(NUMPYS, "numpy"), "numpy", strategy="lowest-direct")
    assert [each.kind for each in answer.newest.blockers] == ["strategy"]
    assert "  --strategy lowest-direct takes the lowest version" in why_lines(answer)


def test_the_build_that_comes_closest_is_named() -> None:
    records = [
        rec("a", "1"),
        rec("a", "2", "x_0", depends=["__cuda", "gone"]),
        rec("a", "2", "y_0", depends=["lost"]),
    ]
    answer = ask(case(records, "a"), "a")
    assert answer.newest.build == "y_0"
    assert "Against a 2 stands (its build y_0 comes closest):\n  a 2 needs lost" in told(answer)


def test_a_package_with_a_fitting_build_of_the_same_version_is_no_blocker() -> None:
    def built(name: str, version: str, python: str, abi: int) -> PackageRecord:
        return rec(name, version, f"py{abi}_0", depends=[f"python {python}.*", f"python_abi {python}.*"])

    records = [
        rec("python", "3.10.1", constrains=["python_abi 3.10.*"]),
        rec("python", "3.12.7", constrains=["python_abi 3.12.*"]),
        rec("python_abi", "3.10", constrains=["python 3.10.*"]),
        rec("python_abi", "3.12", constrains=["python 3.12.*"]),
        built("tool", "5", "3.10", 310),
        built("tool", "5", "3.12", 312),
        built("numpy", "1", "3.10", 310),
        built("numpy", "2", "3.12", 312),
    ]
    answer = ask(case(records, "python=3.10", "tool", "numpy"), "numpy")
    assert told(answer).endswith(
        "Against numpy 2 stands:\n"
        "  numpy 2 needs python 3.12.*, but python is 3.10.1 because you ask for python=3.10\n"
        "Nothing newer than 1 can be had with these requests."
    )


def test_long_answers_count_the_rest() -> None:
    users = [rec(f"user{number:02}", depends=["numpy <2"]) for number in range(20)]
    answer = ask(case([*NUMPYS, *users], *(user.name for user in users)), "numpy")
    assert len(answer.requests) == len(answer.dependants) == 20
    shown = why_lines(answer)
    assert "  and 15 more requests" in shown
    assert "  and 12 more packages" in shown
    assert "  and 14 more reasons" in shown
    assert len(shown) < 50


def test_conditions_and_extras_count_where_they_hold() -> None:
    records = [
        rec("app", depends=["numpy; if python >=3.11", "old; if python <3", "web[extras=[fast]]"]),
        rec("web", extra_depends={"fast": ["speedups"], "slow": ["old"]}),
        rec("speedups"),
        rec("old"),
        *NUMPYS,
        *PYTHONS,
    ]
    records[0] = rec(
        "app", depends=['numpy[when="python >=3.11"]', 'old[when="python <3"]', "web[extras=[fast]]"]
    )
    asked = case(records, "app", "python")
    assert ask(asked, "numpy").requests[0].steps[0].package == "app"
    assert [step.package for step in ask(asked, "speedups").dependants] == ["web"]
    assert answer_why(question(asked, "old")) is None


def test_an_extra_that_brings_a_package_is_named() -> None:
    """CEP 44: the extra's dependencies count because somebody asks for the extra."""
    records = [
        rec("use", depends=["ext[extras=[plot]]"]),
        rec("ext", depends=["base"], extra_depends={"plot": ["pandas >=1", "base"], "top": ["pandas"]}),
        rec("pandas"),
        rec("base"),
    ]
    answer = ask(case(records, "use"), "pandas")
    assert answer.dependants == (Step("ext", "1", ("pandas >=1",), ("plot",)),)
    assert "ext 1 needs pandas >=1 for its extra plot" in told(answer)
    both = ask(case(records, "use", "ext[extras=[top]]"), "pandas")
    assert "ext 1 needs pandas >=1 for its extras top and plot" in told(both)
    assert "ext 1 needs base\n" in told(ask(case(records, "use"), "base"))
    graph = Graph(records, lines("use"), lambda _: None)
    rows = tree_rows(graph, ["use"], TreeOptions())
    assert list(tree_lines(rows, PLAIN, specs=True)) == [
        "use 1 (asked for: use)",
        "`-- ext 1 [ext[extras=[plot]]]",
        "    |-- base 1 [base]",
        "    `-- pandas 1 [pandas >=1 for its extra plot]",
    ]


def test_what_a_channel_says_cannot_steer_the_terminal() -> None:
    odd = [rec("a", depends=["b \x1b[31m"]), rec("b", "1", "\u202e0\x07")]
    graph = Graph(odd, lines("a"), lambda _: None)
    shown = [
        *tree_lines(tree_rows(graph, ["a"], TreeOptions()), PLAIN, specs=True),
        *why_lines(ask(case(odd, "b"), "b")),
    ]
    assert all(line.isprintable() for line in shown)
    assert any(r"\x1b[31m" in line for line in shown)
    assert r"b 1 (\u202e0\x07 from main)" in shown


def test_the_answer_is_a_value_that_json_can_carry() -> None:
    asked, _, _ = BLOCKERS["a dependency that a line excludes"]
    answer = ask(asked, "numpy", file="env.yml")
    decoded = json.decode(json.encode(answer), type=Why)
    assert decoded == answer
    assert why_lines(decoded) == why_lines(answer)


def test_an_impossible_request_raises_what_a_solve_raises() -> None:
    with pytest.raises(DataError, match="names no package"):
        ask(case([*NUMPYS, rec("a", depends=["numpy <2"])], "a", "num*"), "numpy", installed=[NUMPYS[0]])


# The graph


def dense(count: int) -> list[PackageRecord]:
    """Packages of which each needs all before it: 2 to the power of *count* ways from the last to the first."""
    names = [f"p{number:03}" for number in range(count)]
    return [rec(name, depends=names[:place]) for place, name in enumerate(names)]


def graph_of(records: list[PackageRecord], *specs: str) -> Graph:
    return Graph(records, lines(*specs), lambda name: None)


def test_walks_over_a_dense_graph_end() -> None:
    records = dense(120)
    graph = graph_of(records, "p119")
    assert len(graph.ways_to("p000")) == 119
    assert graph.ways_to("p000")["p119"].target == "p000"
    rows = list(tree_rows(graph, ["p119"], TreeOptions()))
    assert len(rows) == 1 + 120 * 119 // 2
    everything = list(tree_rows(graph, ["p119"], TreeOptions(everything=True)))
    assert len(everything) == 20_000
    assert len(reached(graph, ["p119"], TreeOptions())) == 120


def test_a_deep_chain_needs_no_deep_stack() -> None:
    chain = [rec(f"n{place}", depends=[f"n{place + 1}"]) for place in range(3000)] + [rec("n3000")]
    answer = ask(case(chain, "n0"), "n3000", installed=chain)
    assert len(answer.requests[0].steps) == 3000
    assert len(list(tree_rows(graph_of(chain, "n0"), ["n0"], TreeOptions()))) == 3001


def drawn(records: list[PackageRecord], roots: list[str], *specs: str, **options) -> str:
    graph = graph_of(records, *specs)
    rows = tree_rows(graph, roots or graph.roots(), TreeOptions(**options))
    return "\n".join(tree_lines(rows, PLAIN, specs=options.get("inverted", False)))


SMALL = [
    rec("app", "3", depends=["lib >=1", "python >=3"]),
    rec("lib", "1", depends=["python", "missing"]),
    rec("pip", "9", depends=["python"]),
    rec("python", "3.12", depends=["pip", "zlib"]),
    rec("zlib", "1.3"),
]


def test_a_tree_marks_what_it_opened_before_and_circles() -> None:
    assert drawn(SMALL, [], "app", "python=3.12") == text("""
        app 3 (asked for: app)
        |-- lib 1
        |   |-- missing (not there)
        |   `-- python 3.12
        |       |-- pip 9
        |       |   `-- python 3.12 (circle)
        |       `-- zlib 1.3
        `-- python 3.12 (*)
        python 3.12 (asked for: python=3.12) (*)
        """)


def test_a_tree_without_dedupe_opens_everything_but_circles() -> None:
    assert drawn(SMALL, ["app"], everything=True).count("zlib") == 2


def test_a_tree_of_limited_depth_opens_again_what_it_cut_deeper_down() -> None:
    assert drawn(SMALL, ["app"], depth=2) == text("""
        app 3
        |-- lib 1
        |   |-- missing (not there)
        |   `-- python 3.12 ...
        `-- python 3.12
            |-- pip 9 ...
            `-- zlib 1.3
        """)
    assert drawn(SMALL, ["app"], depth=0) == "app 3 ..."


def test_an_inverted_tree_leads_to_the_requests() -> None:
    assert drawn(SMALL, ["zlib"], "app", inverted=True) == text("""
        zlib 1.3
        `-- python 3.12 [zlib]
            |-- app 3 [python >=3] (asked for: app)
            |-- lib 1 [python]
            |   `-- app 3 [lib >=1] (asked for: app)
            `-- pip 9 [python]
                `-- python 3.12 [pip] (circle)
        """)


def test_without_requests_the_topmost_packages_are_the_roots() -> None:
    graph = graph_of(SMALL)
    assert graph.roots() == ["app"]
    assert graph.orphans() == []
    circle = [rec("x", depends=["y"]), rec("y", depends=["x"])]
    assert graph_of(circle).roots() == ["x"]
    assert graph_of([*SMALL, *circle], "app").orphans() == ["x"]


@pytest.mark.parametrize("seed", range(20))
def test_chains_are_shortest_and_the_tree_shows_every_package(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(12)]
    records = [rec(name, depends=chance.sample(names, chance.randint(0, 3))) for name in names]
    graph = graph_of(records, *chance.sample(names, 2))
    target = chance.choice(names)
    ways = graph.ways_to(target)
    for name in names:
        steps, level = 0, {name}
        while target not in level and steps <= len(names):
            level = {need for each in level for need in graph.needs.get(each, {})}
            steps += 1
        walked, at = 0, name
        while at != target and at in ways:
            at, walked = ways[at].target, walked + 1
        assert (at == target) == (steps <= len(names))
        assert at != target or walked == steps
    shown = {row.name for row in tree_rows(graph, [*graph.roots(), *graph.orphans()], TreeOptions())}
    assert shown == set(names)


# Real records


@pytest.mark.parametrize(
    ("request_text", "name", "said"),
    [
        (
            "python=3.10 numpy pandas",
            "numpy",
            "but python_abi is 3.10:\n    python 3.10.20 works only with python_abi 3.10",
        ),
        (
            "python=3.12 pandas<2.2",
            "numpy",
            "pandas 2.1.4 needs numpy >=1.26.2,<2, and you ask for pandas<2.2",
        ),
        ("python numba numpy", "numpy", "numba 0.61.2 instead of 0.66.0 (older, which was asked for)"),
        ("jupyterlab", "python", "It is the newest that conda-forge has."),
        ("qgis", "libgdal-core", "'qgis' and 'libgdal-core >3.13.1' cannot be fulfilled together."),
    ],
)
def test_questions_about_real_plans(request_text: str, name: str, said: str) -> None:
    problem = problem_for(("conda-forge",), request_text)
    outcome = solve(problem)
    assert isinstance(outcome, Solution)
    answer = answer_why(
        Question(
            name=name,
            records=outcome.records,
            requirements=problem.requirements,
            machine=VIRTUAL.get,
            subdir="linux-64",
            problem=problem,
            channels=("conda-forge",),
        )
    )
    assert answer is not None
    assert said in told(answer)
    assert len(why_lines(answer)) < 60


@pytest.mark.parametrize("request_text", ["jupyterlab pandas", "geopandas gdal rasterio cartopy"])
def test_every_package_of_a_real_plan_has_a_reason_and_a_true_verdict(request_text: str) -> None:
    problem = problem_for(("conda-forge",), request_text)
    outcome = solve(problem)
    assert isinstance(outcome, Solution)
    for record in outcome.records[::6]:
        asked = Question(
            name=record.name,
            records=outcome.records,
            requirements=problem.requirements,
            machine=VIRTUAL.get,
            subdir="linux-64",
            problem=problem,
            channels=("conda-forge",),
        )
        answer = answer_why(asked)
        assert answer is not None
        assert answer.requests, record.name
        if answer.newest.reachable is None:
            continue
        wish = lines(f"{record.name} =={answer.newest.reachable}")

        other = solve(replace(problem, requirements=(*problem.requirements, *wish)))
        assert isinstance(other, Solution)
        assert violations(other.records, problem.requirements, virtual=VIRTUAL.values()) == []


def test_answers_about_random_worlds_agree_with_solves_and_the_validator() -> None:
    verdicts: Counter[str] = Counter()
    for seed in range(1200):
        asked = Maker(seed, rich=seed % 2 == 1, channels=1 + seed % 3).case()
        names = sorted({record.name for record in asked.records})
        asked.specs = random.Random(seed).sample(names, min(2, len(names)))
        outcome = solve(asked.problem())
        if isinstance(outcome, Solution):
            verdicts.update(checked_verdict(asked, outcome.records, record) for record in outcome.records)
    assert min(verdicts[verdict] for verdict in ("newest", "blocked", "update", "trade-off")) >= 10


def checked_verdict(asked: Case, records: Sequence[PackageRecord], record: PackageRecord) -> str:
    answer, problem = ask(asked, record.name), asked.problem()
    assert why_lines(answer)
    assert answer.requests, record.name
    newest = max(each.parsed_version for each in asked.records if each.name == record.name)
    if newest <= record.parsed_version:
        assert answer.newest.verdict == "newest"
        return "newest"
    wish = lines(f"{record.name} >{record.version}")
    other = solve(replace(problem, requirements=(*problem.requirements, *wish)))
    assert (answer.newest.verdict == "blocked") == isinstance(other, Conflict)
    check_blockers(asked, records, record, answer)
    return answer.newest.verdict


def check_blockers(asked: Case, records: Sequence[PackageRecord], record: PackageRecord, answer: Why) -> None:
    """Where something is said to stand against a version, none of its builds can simply take the place."""
    stands = [each for each in answer.newest.blockers if each.kind not in ("channel", "date", "features")]
    if not stands or answer.newest.build is not None:
        return
    others = [each for each in records if each.name != record.name]
    for build in asked.records:
        if build.name == record.name and build.version == answer.newest.version:
            found = violations([*others, build], lines(*asked.specs), virtual=asked.virtual_records())
            assert found or build.track_features, build.dist_name


def test_blocked_packages_of_small_worlds_are_blocked_indeed() -> None:
    for asked, _, snapshot in BLOCKERS.values():
        name = asked_name(asked, snapshot)
        answer = ask(asked, name)
        if answer.newest.verdict != "blocked":
            continue
        problem = asked.problem()

        wish = lines(f"{name} >{answer.version}")
        assert isinstance(solve(replace(problem, requirements=(*problem.requirements, *wish))), Conflict)
