"""Snapshots of the words for each kind of conflict; every text must stay short enough to read at once."""

from __future__ import annotations

import pytest

from envmgr.solver.explain import MAX_LINES, explain
from envmgr.solver.near_names import near_names
from envmgr.solver.solve import Conflict, solve
from tests.solver.cases import Case, case, lines, rec
from tests.solver.universes import Maker

PYTHONS = [rec("python", version) for version in ("3.10.1", "3.11.2", "3.12.0", "3.12.7")]
NUMPYS = [
    *(
        rec("numpy", version, depends=["python >=3.8,<3.12.0a0"])
        for version in ("1.19.5", "1.20.0", "1.24.4")
    ),
    rec("numpy", "1.26.0", depends=["python >=3.9,<3.13.0a0"]),
]
WORLD = [*NUMPYS, *PYTHONS]

KINDS = {
    "a name that no channel has": (
        case(NUMPYS, "nunpy"),
        """
        'nunpy' (env.yml:5) cannot be fulfilled.
          main has no nunpy; near names: numpy
        hint: Did you mean numpy?
        """,
    ),
    "a name without near names": (
        case(NUMPYS, "zzz"),
        """
        'zzz' (env.yml:5) cannot be fulfilled.
          main has no zzz
        hint: Check the spelling of 'zzz', or add the channel that has it.
        """,
    ),
    "a version that does not exist": (
        case(NUMPYS, "numpy=1.21"),
        """
        'numpy=1.21' (env.yml:5) cannot be fulfilled.
          main has none; the nearest numpy is 1.20.0 or 1.24.4
        """,
    ),
    "a version beyond the newest": (
        case(NUMPYS, "numpy >=3"),
        """
        'numpy >=3' (env.yml:5) cannot be fulfilled.
          main has none; the nearest numpy is 1.26.0
        """,
    ),
    "a build that does not exist": (
        case(NUMPYS, "numpy 1.26.* mkl*"),
        """
        'numpy 1.26.* mkl*' (env.yml:5) cannot be fulfilled.
          main has only other builds of numpy 1.26.*
        """,
    ),
    "two lines about one name": (
        case(PYTHONS, "python=3.12", "python <3.12"),
        """
        'python=3.12' and 'python <3.12' cannot be fulfilled together.
          python=3.12 (env.yml:5)
          python <3.12 (env.yml:6)
            no python fulfils all of these lines
        hint: Loosen or leave out one of these lines.
        """,
    ),
    "a need against another line": (
        case(WORLD, "numpy <1.25", "python=3.12"),
        """
        'numpy <1.25' and 'python=3.12' cannot be fulfilled together.
          numpy <1.25 (env.yml:5)
            numpy 1.19.5 to 1.24.4 need python >=3.8,<3.12, but env.yml:6 asks for python=3.12
          python=3.12 (env.yml:6)
        hint: Loosen or leave out one of these lines.
        """,
    ),
    "a chain of needs against another line": (
        case(
            [rec("app", depends=["lib"]), rec("lib", depends=["numpy <1.25"]), *WORLD],
            "app",
            "python=3.12",
        ),
        """
        'app' and 'python=3.12' cannot be fulfilled together.
          app (env.yml:5)
            app 1 needs lib
              lib 1 needs numpy <1.25
                numpy 1.19.5 to 1.24.4 need python >=3.8,<3.12, but env.yml:6 asks for python=3.12
          python=3.12 (env.yml:6)
        hint: Loosen or leave out one of these lines.
        """,
    ),
    "two lines that meet in a third name": (
        case(
            [rec("a", depends=["c <2"]), rec("b", depends=["c >=2"]), rec("c", "1"), rec("c", "2")], "a", "b"
        ),
        """
        'a' and 'b' cannot be fulfilled together.
          a (env.yml:5)
            a 1 needs c <2
          b (env.yml:6)
            b 1 needs c >=2, which excludes the c above
        hint: Loosen or leave out one of these lines.
        """,
    ),
    "a dependency that no channel has": (
        case([rec("app", "1", depends=["gone >=2"]), rec("app", "2", depends=["gone >=3"])], "app"),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 to 2 need gone, which is not in main
        """,
    ),
    "a dependency in versions that do not exist": (
        case([rec("app", depends=["numpy >=2"]), *NUMPYS], "app"),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs numpy >=2, but main has none; the nearest numpy is 1.26.0
        """,
    ),
    "several reasons for several versions": (
        case(
            [
                rec("app", "1", depends=["gone"]),
                rec("app", "2", depends=["numpy >=2"]),
                rec("app", "3", depends=["__cuda"]),
                *NUMPYS,
            ],
            "app",
        ),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 3 needs __cuda, but this machine has no __cuda (CONDA_OVERRIDE_CUDA overrides it)
          app 2 needs numpy >=2, but main has none; the nearest numpy is 1.26.0
          app 1 needs gone, which is not in main
        hint: Set CONDA_OVERRIDE_CUDA to solve for another machine.
        """,
    ),
    "a virtual package that is too old": (
        case([rec("app", depends=["__glibc >=2.28,<3.0.a0"])], "app", virtual={"__glibc": "2.17"}),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs __glibc >=2.28,<3, but this machine has __glibc 2.17 (CONDA_OVERRIDE_GLIBC overrides it)
        hint: Set CONDA_OVERRIDE_GLIBC to solve for another machine.
        """,
    ),
    "a virtual package asked for by a line": (
        case([], "__cuda >=12", virtual={"__cuda": "11.8"}),
        """
        '__cuda >=12' (env.yml:5) cannot be fulfilled.
          this machine has __cuda 11.8 (CONDA_OVERRIDE_CUDA overrides it)
        hint: Set CONDA_OVERRIDE_CUDA to solve for another machine.
        """,
    ),
    "a run constraint against another line": (
        case([rec("app", constrains=["numpy >=1.25"]), *WORLD], "app", "numpy=1.24"),
        """
        'app' and 'numpy=1.24' cannot be fulfilled together.
          app (env.yml:5)
            app 1 works only with numpy >=1.25, but env.yml:6 asks for numpy=1.24
          numpy=1.24 (env.yml:6)
        hint: Loosen or leave out one of these lines.
        """,
    ),
    "a lower channel that strict priority hides": (
        case([rec("numpy", "1.26.0"), rec("numpy", "2.0.0", channel="other")], "numpy >=2"),
        """
        'numpy >=2' (env.yml:5) cannot be fulfilled.
          main and other have none; the nearest numpy is 1.26.0; strict channel priority hides the numpy of other
        hint: Try --channel-priority flexible, which takes in the numpy of other.
        """,
    ),
    "a lower channel that would not help either": (
        case([rec("numpy", "1.26.0"), rec("numpy", "2.0.0", channel="other")], "numpy >=3"),
        """
        'numpy >=3' (env.yml:5) cannot be fulfilled.
          main and other have none; the nearest numpy is 1.26.0
        """,
    ),
    "a need that a lower channel could fulfil": (
        case(
            [
                rec("p", depends=["lib >=2"], channel="m"),
                rec("lib", channel="m"),
                rec("lib", "2", channel="a"),
            ],
            "p",
        ),
        """
        'p' (env.yml:5) cannot be fulfilled.
          p 1 needs lib >=2, but m and a have none; the nearest lib is 1; strict channel priority hides the lib of a
        hint: Try --channel-priority flexible, which takes in the lib of a.
        """,
    ),
    "two lines that a lower channel could fulfil together": (
        case([rec("a", "1"), rec("a", "3"), rec("a", "2", channel="other")], "a >=2", "a <3"),
        """
        'a >=2' and 'a <3' cannot be fulfilled together.
          a >=2 (env.yml:5)
          a <3 (env.yml:6)
            no a fulfils all of these lines; strict channel priority hides the a of other
        hint: Try --channel-priority flexible, which takes in the a of other.
        """,
    ),
    "a name whose records cannot be read": (
        case([rec("x", "1-bad!!")], "x"),
        """
        'x' (env.yml:5) cannot be fulfilled.
          no x may be used; x 1-bad!! of main has an unreadable version
        """,
    ),
    "a version beside one that cannot be read": (
        case([rec("x", "1"), rec("x", "2!!"), rec("x", "3!!", channel="other")], "x >=2"),
        """
        'x >=2' (env.yml:5) cannot be fulfilled.
          main and other have none; the nearest x is 1; x 2!! and 3!! of main and other have unreadable versions
        """,
    ),
    "a need whose records cannot be read": (
        case([rec("app", depends=["x"]), *(rec("x", f"{number}!!") for number in range(5))], "app"),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs x, but no x may be used; x 0!!, 1!!, 2!! and 2 more of main have unreadable versions
        """,
    ),
    "a version that is no text for a sentence": (
        case([rec("x", "\x1b[31m!" + "9" * 500)], "x"),
        f"""
        'x' (env.yml:5) cannot be fulfilled.
          no x may be used; x ?[31m!{"9" * 34}... of main has an unreadable version
        """,
    ),
    "a broken record above a good one of a lower channel": (
        case([rec("x", "1!!"), rec("x", "2", channel="other")], "x"),
        """
        'x' (env.yml:5) cannot be fulfilled.
          no x may be used; x 1!! of main has an unreadable version; strict channel priority hides the x of other
        hint: Try --channel-priority flexible, which takes in the x of other.
        """,
    ),
    "a line that names the channel of a broken record": (
        case([rec("x", "1", channel="other"), rec("x", "2-bad!!")], "main::x >=2"),
        """
        'main::x >=2' (env.yml:5) cannot be fulfilled.
          no x may be used; x 2-bad!! of main has an unreadable version
        """,
    ),
    "several names that no channel has": (
        case(NUMPYS, "zzz", "numpy", "nunpy >=1", "zzz >=2", "numpy=7"),
        """
        'zzz', 'nunpy >=1' and 'zzz >=2' cannot be fulfilled.
          main has no zzz (env.yml:5)
          main has no nunpy (env.yml:7); near names: numpy
          main has no zzz (env.yml:8)
        hint: Check the spelling of these names, or add the channels that have them.
        """,
    ),
    "a missing name beside one that cannot be read": (
        case([*NUMPYS, rec("x", "1-bad!!")], "x", "nunpy"),
        """
        'x' and 'nunpy' cannot be fulfilled.
          no x may be used (env.yml:5); x 1-bad!! of main has an unreadable version
          main has no nunpy (env.yml:6); near names: numpy
        hint: Did you mean numpy?
        """,
    ),
    "a missing name under a condition that does not hold": (
        case(NUMPYS, 'zzz[when="__win"]', "nunpy"),
        """
        'nunpy' (env.yml:6) cannot be fulfilled.
          main has no nunpy; near names: numpy
        hint: Did you mean numpy?
        """,
    ),
    "no channel at all": (
        case([], "app", channels=[]),
        """
        'app' (env.yml:5) cannot be fulfilled.
          no channel was searched
        hint: Name a channel with -c.
        """,
    ),
    "several lines and no channel at all": (
        case([], "app", "lib", channels=[]),
        """
        'app' and 'lib' cannot be fulfilled.
          no channel was searched
        hint: Name a channel with -c.
        """,
    ),
    "an installed package that needs more, and no channel at all": (
        case([], "app", channels=[], installed=(rec("app", depends=["lib"]),)),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 needs lib, but no channel was searched
        hint: Name a channel with -c.
        """,
    ),
    "a date that excludes what is newer": (
        case([rec("a", "1", timestamp=1_000), rec("a", "2", timestamp=9_000)], "a >=2", exclude_newer=5_000),
        """
        'a >=2' (env.yml:5) cannot be fulfilled.
          main has none; the nearest a is 1; newer ones are excluded by date
        """,
    ),
    "a dependency under a condition": (
        case([rec("app", depends=['gone[when="python>=3.12"]']), *PYTHONS], "app", "python=3.12"),
        """
        'app' and 'python=3.12' cannot be fulfilled together.
          app (env.yml:5)
            app 1 needs gone where there is python>=3.12, which is not in main
          python=3.12 (env.yml:6)
        hint: Loosen or leave out one of these lines.
        """,
    ),
    "a line under a condition": (
        case(WORLD, 'numpy[version=">=2",when="python"]', "python"),
        """
        'numpy[version=">=2",when="python"]' and 'python' cannot be fulfilled together.
          numpy[version=">=2",when="python"] (env.yml:5)
            this line needs numpy >=2 where there is python, but main has none; the nearest numpy is 1.26.0
          python (env.yml:6)
        hint: Loosen or leave out one of these lines.
        """,
    ),
    "an extra whose dependency is missing": (
        case([rec("app", extra_depends={"plot": ["gone"]})], "app[extras=[plot]]"),
        """
        'app[extras=[plot]]' (env.yml:5) cannot be fulfilled.
          app[plot] 1 needs gone, which is not in main
        """,
    ),
    "a flag that no build carries": (
        case([rec("app", flags=["cpu"]), rec("lib", depends=["app[flags=[cuda]]"])], "lib"),
        """
        'lib' (env.yml:5) cannot be fulfilled.
          lib 1 needs app[flags=[cuda]], but main has only app 1
        """,
    ),
    "a package that refuses itself": (
        case([rec("app", "1", constrains=["app >=2"])], "app"),
        """
        'app' (env.yml:5) cannot be fulfilled.
          app 1 works only with app >=2, which it is not itself
        """,
    ),
}


def told(one: Case) -> str:
    outcome = solve(one.problem(file="env.yml"))
    assert isinstance(outcome, Conflict)
    explanation = explain(outcome, names={record.name for record in one.records}, channels=one.channels)
    hint = f"\nhint: {explanation.hint}" if explanation.hint else ""
    return f"{explanation}{hint}"


def dedented(text: str) -> str:
    lines = text.strip("\n").splitlines()
    return "\n".join(line[8:] for line in lines).rstrip()


@pytest.mark.parametrize("kind", KINDS)
def test_the_words_for(kind: str) -> None:
    one, expected = KINDS[kind]
    assert told(one) == dedented(expected)


def test_a_limit_on_a_package_that_nobody_asks_for() -> None:
    one = case([rec("app", depends=["numpy >=1.25"]), *WORLD], "app")
    outcome = solve(one.problem(constraints=lines("numpy <1.25", file="pinned")))
    assert isinstance(outcome, Conflict)
    assert str(explain(outcome, channels=["main"])) == dedented("""
        'app' and 'numpy <1.25' cannot be fulfilled together.
          app (command line)
            app 1 needs numpy >=1.25, but pinned:5 limits it to numpy <1.25
          numpy <1.25 (pinned:5)
    """)


def test_no_explanation_is_longer_than_a_glance() -> None:
    seen = 0
    for seed in range(400):
        one = Maker(seed, rich=seed % 2 == 0).case()
        outcome = solve(one.problem())
        if isinstance(outcome, Conflict):
            seen += 1
            explanation = explain(outcome, channels=one.channels)
            assert 0 < len(explanation.lines) <= MAX_LINES
            assert explanation.requirements
    assert seen > 100


def test_many_missing_names_are_counted_and_the_first_are_told_in_order() -> None:
    names = [f"gone{letter}" for letter in "zyxwvutsrqpo"]
    outcome = solve(case([rec("app")], "app", *names).problem())
    assert isinstance(outcome, Conflict)
    explanation = explain(outcome, channels=["main"])
    assert [requirement.spec.name for requirement in explanation.requirements] == names
    assert explanation.sentence.startswith("'gonez', 'goney', 'gonex', ")
    assert explanation.sentence.endswith("'goneq' and 2 more cannot be fulfilled.")
    assert explanation.lines[0] == "main has no gonez (command line)"
    assert explanation.lines[-1] == "and 2 more"
    assert len(explanation.lines) == 11


def test_a_name_is_not_suggested_for_itself() -> None:
    """A channel may list a name of which no record came through; its own name is no advice then."""
    outcome = solve(case([], "libx").problem())
    assert isinstance(outcome, Conflict)
    explanation = explain(outcome, names=iter(["liby", "libx"]), channels=["main"])
    assert explanation.lines == ("main has no libx that can be read",)
    assert explanation.hint is None
    assert near_names("libx", ["libx", "liby"]) == ["liby"]


def test_names_are_read_once_however_many_are_missing() -> None:
    outcome = solve(case([], "nunpy", "pandsa").problem())
    assert isinstance(outcome, Conflict)
    explanation = explain(outcome, names=iter(["numpy", "pandas"]), channels=["main"])
    assert explanation.lines == (
        "main has no nunpy (command line); near names: numpy",
        "main has no pandsa (command line); near names: pandas",
    )


def test_a_hidden_record_is_of_the_channel_as_the_user_calls_it() -> None:
    one = case([rec("a", "1"), rec("a", "2", channel="channel")], "a >=2")
    outcome = solve(one.problem())
    assert isinstance(outcome, Conflict)
    assert explain(outcome, channels=["main", "local"]).lines == (
        "main and local have none; the nearest a is 1; strict channel priority hides the a of local",
    )


def test_near_names_are_found_among_many() -> None:
    names = [f"package{number}" for number in range(5000)] + ["scikit-learn", "snakemake-minimal", "pandas"]
    assert near_names("scikit-lern", names) == ["scikit-learn"]
    assert near_names("snakemake", names) == ["snakemake-minimal"]
    assert near_names("qqqq", names) == []


def test_a_puzzle_without_an_answer_is_explained_briefly_too() -> None:
    holes, pigeons = range(6), range(7)
    records = [
        rec(f"p{one}", str(hole), constrains=[f"p{other} !={hole}" for other in pigeons if other != one])
        for one in pigeons
        for hole in holes
    ]
    outcome = solve(case(records, *(f"p{one}" for one in pigeons)).problem())
    assert isinstance(outcome, Conflict)
    assert len(outcome.requirements) == len(pigeons)
    assert len(explain(outcome, channels=["main"]).lines) <= MAX_LINES
