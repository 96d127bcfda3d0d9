"""`envmgr repoquery` as a user calls it: down and up, in channels and environments, as table, tree and JSON."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr


def text(snapshot: str) -> str:
    return textwrap.dedent(snapshot).lstrip("\n")


@pytest.fixture(autouse=True)
def glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDA_OVERRIDE_GLIBC", "2.39")
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "")


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    packages = [
        pkg("app", "2.0", depends=["lib >=2", "python >=3.11"]),
        pkg("app", "1.0", depends=["lib <2", "numpy"]),
        pkg("lib", "2.1", "a_0", depends=["python", "__glibc >=2.17"]),
        pkg("lib", "1.5", depends=["zlib 1.2.*"]),
        pkg("python", "3.11.1", depends=["zlib", "pip"]),
        pkg("python", "3.12.0", depends=["zlib >=1.3", "pip"]),
        pkg("pip", "24.0", depends=["python"], noarch="python"),
        pkg("zlib", "1.2.11"),
        pkg("zlib", "1.3"),
        pkg("old", "0.1", depends=["python <3.12", "gone >=4"]),
    ]
    return make_channel(tmp_path / "main", packages)


def only(channel: Path, *more: Path) -> list[object]:
    return [word for each in (channel, *more) for word in ("-c", each)] + ["--override-channels"]


@pytest.fixture
def prefix(envmgr: Envmgr, channel: Path, tmp_path: Path) -> Path:
    place = tmp_path / "env"
    made = envmgr("create", "-p", place, *only(channel), "-q", "-y", "app=2", "python=3.11")
    assert made.code == 0, made.err
    return place


def names(out: str) -> list[str]:
    return [line.split()[0] for line in out.splitlines()[1:]]


# depends


def test_depends_lists_what_the_newest_match_needs(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "depends", "app", *only(channel))
    assert shown.code == 0
    assert shown.out == text("""
        name    version  build  channel  needs
        lib     2.1      a_0    main     lib >=2
        python  3.12.0   0      main     python >=3.11
        """)
    assert shown.err == "app 2.0 (0) depends on 2 packages\n"
    older = envmgr("repoquery", "depends", "app <2", *only(channel))
    assert older.out == text("""
        name   version      build  channel  needs
        lib    1.5          0      main     lib <2
        numpy  (not there)                  numpy
        """)
    assert envmgr("repoquery", "depends", "zlib", "-q", *only(channel)).out == ""


def test_the_newest_that_the_entry_accepts_is_shown(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "depends", "old", *only(channel))
    assert "python  3.11.1" in shown.out
    assert "gone    (not there)" in shown.out


def test_what_the_machine_has_is_told_apart(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "depends", "lib", *only(channel)).out.splitlines()
    assert shown[1].split() == ["__glibc", "2.39", "0", "(this", "machine)", "__glibc", ">=2.17"]


def test_depends_as_a_tree_marks_circles(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "depends", "app", "-t", *only(channel))
    assert (shown.code, shown.err) == (0, "")
    assert shown.out == text("""
        app 2.0
        ├── lib 2.1 [lib >=2]
        │   ├── __glibc 2.39 [__glibc >=2.17]
        │   └── python 3.12.0 [python]
        │       ├── pip 24.0 [pip]
        │       │   └── python 3.12.0 [python] (circle)
        │       └── zlib 1.3 [zlib >=1.3]
        └── python 3.12.0 [python >=3.11] (*)
        (*) is opened above
        """)


def test_depth_and_limit_cut_a_tree(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "depends", "app", "--tree", "--depth", "1", *only(channel))
    assert shown.out == text("""
        app 2.0
        ├── lib 2.1 [lib >=2] ...
        └── python 3.12.0 [python >=3.11] ...
        """)
    shown = envmgr("repoquery", "depends", "app", "--tree", "--limit", "2", *only(channel))
    assert shown.out.splitlines()[1:] == [
        "├── lib 2.1 [lib >=2]",
        "│   ├── __glibc 2.39 [__glibc >=2.17]",
        "... 5 more lines",
    ]


def test_depends_on_all_levels_as_a_list(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "depends", "app", "-r", *only(channel))
    assert names(shown.out) == ["__glibc", "lib", "pip", "python", "zlib"]
    assert shown.out.splitlines()[0] == "name     version  build  channel"
    nearer = envmgr("repoquery", "depends", "app", "--recursive", "--depth", "1", *only(channel))
    assert names(nearer.out) == ["lib", "python"]
    assert names(envmgr("repoquery", "depends", "app", "-r", "--limit", "2", *only(channel)).out) == [
        "__glibc",
        "lib",
    ]


def test_an_entry_that_the_chosen_record_does_not_fulfil_says_so(envmgr: Envmgr, tmp_path: Path):
    packages = [
        pkg("app", depends=["lib", "other"]),
        pkg("other", depends=["lib <2", "__glibc >=3"]),
        pkg("lib", "1"),
        pkg("lib", "2"),
    ]
    channel = make_channel(tmp_path / "main", packages)
    shown = envmgr("repoquery", "depends", "app", "-t", *only(channel))
    assert shown.out == text("""
        app 1.0
        ├── lib 2 [lib]
        └── other 1.0 [other]
            ├── __glibc 2.39 [__glibc >=3, not met]
            └── lib 2 [lib <2, not met]
        """)


def test_builds_for_another_system_stand_back(envmgr: Envmgr, tmp_path: Path):
    packages = [
        pkg("app", depends=["certs", "gpu"]),
        pkg("certs", "1", "win_1", noarch="generic", depends=["__win"]),
        pkg("certs", "1", "unix_0", noarch="generic", depends=["__unix"]),
        pkg("gpu", "2", depends=["__cuda"]),
    ]
    channel = make_channel(tmp_path / "main", packages)
    shown = envmgr("repoquery", "depends", "app", *only(channel)).out
    assert "unix_0" in shown
    assert "gpu    2 " in shown  # There is no other.
    shown = envmgr("repoquery", "depends", "app", "--platform", "win-64", *only(channel)).out
    assert shown == ""
    assert "win_1" in envmgr("repoquery", "depends", "certs", "--platform", "win-64", *only(channel)).err


def test_conditions_and_extras_count_as_in_a_solve(envmgr: Envmgr, tmp_path: Path):
    packages = [
        pkg(
            "app",
            depends=["python", "tomli[when='python <3.11']", "typing[when='python >=3.11']"],
            extra_depends={"plot": ["mpl[extras=[fast]]"]},
        ),
        pkg("python", "3.12"),
        pkg("tomli"),
        pkg("typing"),
        pkg("mpl", extra_depends={"fast": ["agg"]}),
        pkg("agg"),
    ]
    channel = make_channel(tmp_path / "main", packages)
    shown = envmgr("repoquery", "depends", "app", "-r", *only(channel))
    assert names(shown.out) == ["python", "typing"]
    shown = envmgr("repoquery", "depends", "app[extras=[plot]]", "-r", *only(channel))
    assert names(shown.out) == ["agg", "mpl", "python", "typing"]


# whoneeds


def test_whoneeds_shows_the_newest_of_each_name_that_does(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "whoneeds", "python", *only(channel))
    assert shown.out == text("""
        name  version  build  channel  needs
        app   2.0      0      main     python >=3.11
        lib   2.1      a_0    main     python
        old   0.1      0      main     python <3.12
        pip   24.0     0      main     python
        """)
    assert shown.err == "4 packages need python\n"
    shown = envmgr("repoquery", "whoneeds", "zlib", *only(channel))
    assert shown.out == text("""
        name    version  build             channel  needs
        lib     1.5      0                 main     zlib 1.2.*
        python  3.12.0   0      + 1 build  main     zlib >=1.3
        """)


def test_whoneeds_of_some_versions(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "whoneeds", "python 3.12.*", *only(channel))
    assert names(shown.out) == ["app", "lib", "pip"]
    shown = envmgr("repoquery", "whoneeds", "zlib <1.3", *only(channel))
    assert [line.split()[:2] for line in shown.out.splitlines()[1:]] == [["lib", "1.5"], ["python", "3.11.1"]]
    # One entry alone accepts 1.2.11, the two of a record together do not.
    both = pkg("x", depends=["zlib >=1.2", "zlib !=1.2.11"])
    make_channel(channel, [pkg("zlib", "1.2.11"), pkg("zlib", "1.3"), both])
    assert envmgr("repoquery", "whoneeds", "zlib <1.3", *only(channel)).out == ""
    assert "zlib >=1.2 and !=1.2.11" in envmgr("repoquery", "whoneeds", "zlib 1.3", *only(channel)).out


def test_each_build_that_needs_it(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "whoneeds", "zlib", "--builds", *only(channel))
    assert [line.split()[:2] for line in shown.out.splitlines()[1:]] == [
        ["lib", "1.5"],
        ["python", "3.12.0"],
        ["python", "3.11.1"],
    ]
    assert shown.err == "3 builds need zlib\n"


def test_whoneeds_as_a_tree_goes_by_the_newest_of_each_name(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "whoneeds", "zlib", "-t", *only(channel))
    assert shown.out == text("""
        zlib 1.3
        └── python 3.12.0 [zlib >=1.3]
            ├── app 2.0 [python >=3.11]
            ├── lib 2.1 [python]
            │   └── app 2.0 [lib >=2]
            └── pip 24.0 [python]
                └── python 3.12.0 [pip] (circle)
        """)
    shown = envmgr("repoquery", "whoneeds", "zlib", "-r", *only(channel))
    assert names(shown.out) == ["app", "lib", "pip", "python"]
    assert shown.err == "4 packages need zlib\n"


def test_what_no_channel_has_may_still_be_needed(envmgr: Envmgr, channel: Path):
    shown = envmgr("repoquery", "whoneeds", "gone", *only(channel))
    assert (shown.code, names(shown.out), shown.err) == (0, ["old"], "1 package needs gone\n")
    assert names(envmgr("repoquery", "whoneeds", "__glibc", *only(channel)).out) == ["lib"]
    shown = envmgr("repoquery", "whoneeds", "gone", "-t", *only(channel))
    assert shown.out == "gone (not there)\n└── old 0.1 [gone >=4]\n"
    nobody = envmgr("repoquery", "whoneeds", "old", *only(channel))
    assert (nobody.code, nobody.out, nobody.err) == (0, "", "0 packages need old\n")


def test_strict_priority_takes_a_name_from_its_first_channel(envmgr: Envmgr, channel: Path, tmp_path: Path):
    other = make_channel(tmp_path / "other", [pkg("lib", "9", depends=["new"]), pkg("new")])
    assert envmgr("repoquery", "whoneeds", "new", *only(channel, other)).out == ""
    free = envmgr("repoquery", "whoneeds", "new", "--channel-priority", "disabled", *only(channel, other))
    assert free.out.splitlines()[1].split() == ["lib", "9", "0", "other", "new"]
    shown = envmgr("repoquery", "depends", "app", *only(channel, other))
    assert "lib     2.1 " in shown.out
    named = envmgr("repoquery", "depends", "other::lib", *only(channel, other))
    assert named.out.splitlines()[1].split() == ["new", "1.0", "0", "other", "new"]


def test_json_has_the_shape_of_mamba(envmgr: Envmgr, channel: Path):
    found = envmgr("repoquery", "whoneeds", "zlib 1.3", "--json", *only(channel)).json
    assert found["success"] is True
    assert found["query"] == {"query": "zlib 1.3", "type": "whoneeds"}
    result = found["result"]
    assert (result["status"], result["msg"]) == ("OK", "")
    assert [each["dist_name"] for each in result["graph_roots"]] == ["zlib-1.3-0"]
    (python,) = result["pkgs"]
    assert (python["dist_name"], python["specs"], python["other_builds"]) == (
        "python-3.12.0-0",
        ["zlib >=1.3"],
        1,
    )
    assert python["depends"] == ["zlib >=1.3", "pip"]
    assert python["url"] == f"{channel.as_uri()}/linux-64/python-3.12.0-0.conda"
    assert len(python["sha256"]) == 64
    deep = envmgr("repoquery", "whoneeds", "zlib", "-r", "--json", *only(channel)).json["result"]
    assert [len(each["sha256"]) for each in deep["pkgs"]] == [64, 64, 64, 64]
    down = envmgr("repoquery", "depends", "old", "--json", *only(channel)).json["result"]
    assert down["pkgs"][0] == {"name": "gone", "version": None, "specs": ["gone >=4"]}
    assert envmgr("repoquery", "whoneeds", "gone", "--json", *only(channel)).json["result"][
        "graph_roots"
    ] == ["gone"]


# Environments


def test_an_environment_is_asked_without_its_channel(envmgr: Envmgr, channel: Path, prefix: Path):
    channel.rename(channel.with_name("gone"))
    shown = envmgr("repoquery", "depends", "app", "-p", prefix)
    assert shown.out == text("""
        name    version  build  channel  needs
        lib     2.1      a_0    main     lib >=2
        python  3.11.1   0      main     python >=3.11
        """)
    shown = envmgr("repoquery", "whoneeds", "python >=3.11", "-p", prefix)
    assert names(shown.out) == ["app", "lib", "pip"]
    shown = envmgr("repoquery", "whoneeds", "lib", "-p", prefix, "-t")
    assert shown.out == "lib 2.1\n└── app 2.0 [lib >=2]\n"
    shown = envmgr("repoquery", "depends", "app", "-p", prefix, "-r", "--json").json["result"]
    assert [each["name"] for each in shown["pkgs"]] == ["__glibc", "lib", "pip", "python", "zlib"]


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (["depends", "pyton"], "pyton is not in PREFIX.", "Did you mean python?"),
        (["whoneeds", "zlib <1"], "zlib 1.3 (0) of PREFIX does not match 'zlib <1'.", None),
    ],
)
def test_what_an_environment_does_not_have(
    envmgr: Envmgr, prefix: Path, words: list[str], sentence: str, hint: str | None
):
    failed = envmgr("repoquery", *words, "-p", prefix, "--json")
    assert failed.code == 1
    assert (failed.json["error"].replace(str(prefix), "PREFIX"), failed.json["hint"]) == (sentence, hint)
    assert failed.json["exception_name"] == "PrefixError"


# What goes wrong


@pytest.mark.parametrize("question", ["depends", "whoneeds"])
@pytest.mark.parametrize("option", [[], ["-t"]])
def test_what_no_channel_has_is_told_with_near_names(
    envmgr: Envmgr, channel: Path, question: str, option: list[str]
):
    failed = envmgr("repoquery", question, "pyton", *option, *only(channel))
    assert failed.code == 1
    assert failed.err == (
        f"envmgr: {channel.as_uri()} has no pyton for linux-64; near names: python.\n"
        "  hint: Did you mean python?\n"
    )
    failed = envmgr("repoquery", question, "python >=4", *option, *only(channel))
    assert failed.code == 1
    assert "that matches 'python >=4'; the newest is 3.12.0." in failed.err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["depends"], "SPEC"),
        (["depends", "num*", "-c", "x"], "'num*' does not name one package."),
        (["whoneeds", "^a$", "-c", "x"], "'^a$' does not name one package."),
        (["whoneeds", "num*", "-p", "/x"], "'num*' does not name one package."),
        (["depends", "a", "--depth", "2"], "--depth is for --tree and --recursive."),
        (["whoneeds", "a", "--builds", "-t"], "--builds lists one level"),
        (["depends", "a", "--builds"], "--builds"),
        (["whoneeds", "a", "--limit", "0"], "--limit"),
        (["whoneeds", "a", "-n", "x", "-p", "y"], "not allowed with argument"),
        (["needs", "a"], "there is no command 'repoquery needs'."),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(envmgr: Envmgr, arguments: list[str], word: str):
    failed = envmgr("repoquery", *arguments)
    assert failed.code == 2
    assert word in failed.err
    assert failed.out == ""
    assert len(failed.err.splitlines()) <= 2


def test_help_lists_the_questions(envmgr: Envmgr):
    for words in (["repoquery"], ["repoquery", "--help"]):
        shown = envmgr(*words)
        assert shown.code == 0
        assert "whoneeds" in shown.out
