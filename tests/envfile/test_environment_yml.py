"""What environment files ask for, and how wrong ones are refused (CEP 24)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.envfile.environment_yml import EnvironmentFile, parse_environment
from envmgr.errors import DataError


def parse(text: str | bytes, subdir: str = "linux-64") -> EnvironmentFile:
    return parse_environment(text, file="e.yml", subdir=subdir)


def specs(environment: EnvironmentFile) -> list[str]:
    return [requirement.source.text for requirement in environment.requirements]


def refusal(text: str | bytes) -> DataError:
    with pytest.raises(DataError) as caught:
        parse(text)
    return caught.value


COMPLETE = """\
name: demo
prefix: ~/envs/demo
channels: [bioconda, conda-forge, nodefaults]
dependencies:
  - python >=3.11
  - numpy=1.26  # pinned
  - pip:
      - requests ==2.32
      - -r more.txt
  - sel(linux): gdb
  - sel(win): pywin32
  - npm: [is-odd]
variables:
  A: 1.10
  B: yes
  C:
  D: "x y"
platforms: [linux-64, osx-arm64]
category: dev
"""


def test_a_complete_file_is_read_with_the_line_of_every_item():
    environment = parse(COMPLETE)
    assert environment.name == "demo"
    assert environment.prefix == "~/envs/demo"
    assert environment.channels == ("bioconda", "conda-forge")
    assert environment.nodefaults
    assert [(str(each.spec), str(each.source)) for each in environment.requirements] == [
        ("python[version='>=3.11']", "e.yml:5"),
        ("numpy=1.26", "e.yml:6"),
        ("gdb", "e.yml:10"),
    ]
    assert [(item.text, str(item.source)) for item in environment.subsections["pip"]] == [
        ("requests ==2.32", "e.yml:8"),
        ("-r more.txt", "e.yml:9"),
    ]
    assert environment.variables == {"A": "1.10", "B": "yes", "C": "", "D": "x y"}
    assert environment.platforms == ("linux-64", "osx-arm64")
    assert environment.category == "dev"
    assert environment.warnings == ()


def test_choices_and_comment_selectors_follow_the_platform():
    text = "dependencies:\n- a  # [linux]\n- sel(win): b\n- pip:\n  - c  # [win]\n  - sel(linux): d\n"
    assert specs(parse(text, "linux-64")) == ["a"]
    assert specs(parse(text, "win-64")) == ["b"]
    assert [item.text for item in parse(text, "linux-64").subsections["pip"]] == ["d"]
    assert [item.text for item in parse(text, "win-64").subsections["pip"]] == ["c"]


def test_the_smallest_files_are_read():
    assert specs(parse("dependencies: [a]")) == ["a"]
    assert parse("dependencies: []") == EnvironmentFile()
    assert parse("name:\nchannels:\nvariables:\nplatforms:\ndependencies:\n  []\n") == EnvironmentFile()


def test_an_empty_list_of_dependencies_is_read_with_a_warning():
    environment = parse("dependencies:\n  # - a\n")
    assert environment.requirements == ()
    assert environment.warnings == ("e.yml:1: `dependencies` is empty.",)


IGNORED_PIP = (
    "the key `pip` is not part of an environment file and is ignored; "
    "packages for pip belong below `- pip:` in `dependencies`."
)


@pytest.mark.parametrize(
    ("line", "warning"),
    [
        (
            "include: [a.yml]",
            (
                "the key `include` is not part of an environment file and is ignored; it belongs among the "
                "`dependencies`, as `- include: [FILE]`."
            ),
        ),
        ("extras: {}", "the key `extras` is not part of an environment file and is ignored."),
        (
            "platform: [a]",
            "the key `platform` is not part of an environment file and is ignored; did you mean `platforms`?",
        ),
        (
            "pip: [a]",
            IGNORED_PIP,
        ),
        ("name: base", "the name `base` is reserved, so that the environment needs another."),
        (
            "name: a b",
            "the name `a b` is empty or holds a space, `/`, `:` or `#`, so that the environment needs another.",
        ),
        (
            'name: "{{ x }}"',
            "the name `{{ x }}` is a template that was not filled in, so that the environment needs another.",
        ),
        ("prefix: /a/b c", "the prefix `/a/b c` is ignored because its last part holds a space, `:` or `#`."),
    ],
)
def test_what_can_be_left_out_is_a_warning(line, warning):
    environment = parse(f"{line}\ndependencies: [a]\n")
    assert environment.warnings == (f"e.yml:1: {warning}",)
    assert (environment.name, environment.prefix, environment.platforms) == (None, None, ())


def test_several_sections_of_one_installer_are_one_list():
    environment = parse("dependencies:\n- pip: [a]\n- b\n- pip:\n  - c\n- pip:\n")
    assert [item.text for item in environment.subsections["pip"]] == ["a", "c"]
    assert environment.warnings == ("e.yml:6: the subsection `pip` is empty.",)


def test_a_subsection_that_nobody_can_install_is_refused_with_its_line():
    for text in ("- other: [a]", "- other:", "- other: {a: [b]}"):
        environment = parse(f"dependencies:\n- pip: [x]\n{text}\n")
        environment.refuse_subsections_except(("pip", "other"))
        with pytest.raises(DataError, match=r"^e.yml:3: no installer is known for the subsection `other`\.$"):
            environment.refuse_subsections_except(("pip",))


def test_a_subsection_of_unknown_shape_keeps_its_text():
    environment = parse("dependencies:\n- other:\n    a:\n      - b\n- c\n")
    (item,) = environment.subsections["other"]
    assert item.text.startswith("    a:\n      - b")
    assert item.source.line == 3


def test_a_spec_may_go_on_over_lines_where_operators_join_it():
    assert specs(parse("dependencies:\n- a >=1,\n  <2\n")) == ["a >=1, <2"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "e.yml: the file is empty.", "dependencies"),
        ("- a\n- b\n", "e.yml:1: expected the keys of an environment file, found a list.", "dependencies:"),
        (
            "numpy\n",
            "e.yml:1: expected the keys of an environment file, found the text `numpy`.",
            "dependencies:",
        ),
        (
            "@EXPLICIT\nhttps://x/a-1-0.conda\n",
            "e.yml:1: `@EXPLICIT` starts with `@`, which has a meaning of its own in YAML.",
            None,
        ),
        ("name: a\n", "e.yml:1: the required key `dependencies` is missing.", "Add it"),
        ("depdendencies: [a]\n", "e.yml:1: the required key `dependencies` is missing.", "`depdendencies`"),
        (
            "dependencies: a\n",
            "e.yml:1: `dependencies` must be a list of package specs, found the text `a`.",
            "- name",
        ),
        (
            "dependencies:\n  python: 3\n",
            "e.yml:2: `dependencies` must be a list of package specs, found a mapping.",
            "- name",
        ),
        ("dependencies:\n- a\n-\n", "e.yml:3: expected a package spec, found an empty item.", "Remove it"),
        ("dependencies:\n- ''\n", "e.yml:2: an empty text is not a package spec.", "Remove"),
        ("dependencies:\n- 3.14\n", "e.yml:2: expected a package spec, found the number `3.14`.", "quotes"),
        ("dependencies:\n- yes\n", "e.yml:2: expected a package spec, found the boolean `yes`.", "quotes"),
        ("dependencies:\n- - a\n", "e.yml:2: expected a package spec, found a list.", "one `-`"),
        (
            "dependencies:\n- python: 3.12\n",
            "e.yml:2: `python: 3.12` is neither a package spec nor a subsection with a list.",
            "`- python=3.12`",
        ),
        (
            "dependencies:\n- python: '>=3'\n",
            "e.yml:2: `python: >=3` is neither a package spec nor a subsection with a list.",
            "`- python>=3`",
        ),
        ("dependencies:\n- pip: a\n", "e.yml:2: `pip: a` must be a list.", "`- a`"),
        ("dependencies:\n- pip:\n    a: b\n", "e.yml:3: `pip` must be a list, found a mapping.", "`- `"),
        (
            "dependencies:\n- pip:\n  -\n",
            "e.yml:3: expected a text for `pip`, found an empty item.",
            "Remove it",
        ),
        ("dependencies:\n- pip:\n  - - a\n", "e.yml:3: expected a text for `pip`, found a list.", "one `-`"),
        ("dependencies:\n- pip:\n  - a: b\n", "e.yml:3: expected a text for `pip`, found a mapping.", None),
        (
            "dependencies:\n- pip:\n  - a\n    - b\n",
            "e.yml:3: `a - b` is two list items read as one.",
            "alike",
        ),
        (
            "dependencies:\n- pip:\n  - a=={{ v }}\n",
            "e.yml:3: `a=={{ v }}` is a template that was not filled in.",
            "Render",
        ),
        (
            "dependencies:\n- cython\n  - pip=21.3.1\n",
            "e.yml:2: `cython - pip=21.3.1` is two list items read as one.",
            "alike",
        ),
        (
            "dependencies:\n- numpy\n  scipy\n",
            "e.yml:2: the item that starts here goes on to line 3 and reads `numpy scipy`.",
            "- ",
        ),
        (
            'dependencies:\n- "{{ x }}"\n',
            "e.yml:2: `{{ x }}` is a template that was not filled in.",
            "Render",
        ),
        (
            "dependencies:\n- sel(macos): a\n",
            "e.yml:2: `sel(macos)` uses the unknown selector `macos`.",
            "`osx`",
        ),
        ("dependencies:\n- sel(linux): [a]\n", "e.yml:2: expected a package spec, found a list.", "one `-`"),
        (
            "dependencies:\n- a  # [windows]\n",
            "e.yml:2: `# [windows]` uses the unknown selector `windows`.",
            "`win`",
        ),
        (
            "dependencies:\n- a @ git+https://x.org/a\n",
            "e.yml:2: `a @ git+https://x.org/a` is a requirement for pip, not a conda package spec.",
            "- pip:",
        ),
        (
            "dependencies:\n- git+https://x.org/a\n",
            "e.yml:2: `git+https://x.org/a` is a requirement for pip, not a conda package spec.",
            "- pip:",
        ),
        (
            "dependencies:\n- -e .\n",
            "e.yml:2: `-e .` is a requirement for pip, not a conda package spec.",
            "- pip:",
        ),
        (
            "dependencies:\n- ./a\n",
            "e.yml:2: `./a` is a requirement for pip, not a conda package spec.",
            "- pip:",
        ),
        (
            "dependencies:\n- https://x.org/a.whl\n",
            "e.yml:2: `https://x.org/a.whl` is a requirement for pip, not a conda package spec.",
            "- pip:",
        ),
        (
            "dependencies:\n- a; python_version < '3'\n",
            "e.yml:2: `a; python_version < '3'` is a requirement for pip, not a conda package spec.",
            "- pip:",
        ),
        (
            "dependencies:\n- dask[x, y]>=2\n",
            "e.yml:2: `dask[x, y]>=2` asks for extras as pip writes them, which conda packages do not have.",
            "`dask>=2`",
        ),
        (
            "channels: conda-forge\ndependencies: []\n",
            "e.yml:1: `channels` must be a list, found the text `conda-forge`.",
            "`- `",
        ),
        (
            "channels:\n- 3\ndependencies: []\n",
            "e.yml:2: expected a channel, found the number `3`.",
            "quotes",
        ),
        ("channels:\n- a: b\ndependencies: []\n", "e.yml:2: expected a channel, found a mapping.", None),
        (
            "channels:\n- ' '\ndependencies: []\n",
            "e.yml:2: expected a channel, found an empty item.",
            "Remove it",
        ),
        (
            "channels:\n- a\n  - b\ndependencies: []\n",
            "e.yml:2: `a - b` is two list items read as one.",
            "alike",
        ),
        ("name: [a]\ndependencies: []\n", "e.yml:1: `name` must be one text, found a list.", None),
        (
            "platforms: linux-64\ndependencies: []\n",
            "e.yml:1: `platforms` must be a list, found the text `linux-64`.",
            "`- `",
        ),
        (
            "platforms: [noarch]\ndependencies: []\n",
            "e.yml:1: `noarch` is not a platform that an environment can be made for.",
            None,
        ),
        (
            "platforms: [linux64]\ndependencies: []\n",
            "e.yml:1: `linux64` is not a known platform.",
            "`linux-64`",
        ),
        (
            "variables: [A]\ndependencies: []\n",
            "e.yml:1: `variables` must be names with their values, found a list.",
            "NAME: value",
        ),
        (
            "variables: {A-B: 1}\ndependencies: []\n",
            "e.yml:1: `A-B` is not a name that an environment variable can have.",
            "letters",
        ),
        (
            "variables: {'A=B': 1}\ndependencies: []\n",
            "e.yml:1: `A=B` is not a name that an environment variable can have.",
            "letters",
        ),
        (
            "variables: {A: [1]}\ndependencies: []\n",
            "e.yml:1: the variable `A` must be one text, found a list.",
            None,
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_line_and_advice(text, message, hint):
    error = refusal(text)
    assert str(error) == message
    assert hint is None or hint in error.hint


@pytest.mark.parametrize(
    ("spec", "hint"),
    [
        ("numpy=<1.19", "Write `<=` instead of `=<`."),
        ("rust =>1.65.0", "Write `>=` instead of `=>`."),
    ],
)
def test_a_spec_that_matchspec_refuses_names_line_and_spec(spec, hint):
    error = refusal(f"dependencies:\n- a\n- {spec}\n")
    assert str(error).startswith("e.yml:3: ")
    assert spec in str(error)
    assert error.hint == hint
    assert (error.facts["file"], error.facts["line"], error.facts["spec"]) == ("e.yml", 3, spec)


def test_all_problems_of_a_file_are_told_at_once():
    error = refusal("name: [x]\ndependencies:\n- 1\n- a\n- numpy=<2\nplatforms: [noarch]\n")
    assert str(error) == "e.yml:1: `name` must be one text, found a list (more problems on lines 3, 5, 6)."
    assert len(error.facts["problems"]) == 4
    assert error.facts["problems"][1].startswith("e.yml:3: ")


def test_many_problems_keep_the_sentence_short():
    error = refusal("dependencies:\n" + "- 1\n" * 1000)
    assert str(error).endswith("(more problems on lines 3, 4, 5, 6, 7 ...).")
    assert len(error.facts["problems"]) == 1000


def test_paths_and_channels_are_expanded_when_asked():
    text = "prefix: ~/envs/$WHO\nchannels: [~/c, 'https://${HOST}/x', $NONE]\ndependencies: []\n"
    expanded = parse(text).expanded({"HOME": "/home/ann", "WHO": "me", "HOST": "h.org"})
    assert expanded.prefix == "/home/ann/envs/me"
    assert expanded.channels == ("/home/ann/c", "https://h.org/x", "$NONE")


@pytest.mark.parametrize(
    ("channels", "expected"),
    [("[a]", ("a", "x", "y")), ("[a, nodefaults]", ("a",)), ("[y]", ("y", "x")), ("[]", ("x", "y"))],
)
def test_configured_channels_follow_the_files_unless_it_says_nodefaults(channels, expected):
    """CEP 24: the default channel configuration MUST be appended, unless `nodefaults` is present."""
    environment = parse(f"channels: {channels}\ndependencies: []\n")
    assert environment.all_channels(("x", "y")) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_windows_files_are_read(encoding):
    assert specs(parse("dependencies:\r\n- a\r\n- b\r\n".encode(encoding))) == ["a", "b"]


_WORDS = st.sampled_from(["name", "dependencies", "channels", "pip", "variables", "a", "=<", "~", "1"])
_ODDITIES = st.sampled_from(["# [win]", "# [wim]", "sel(osx)", "sel(x)", "{{"])
_MARKS = st.sampled_from(
    [": ", "\n", "\n- ", "\n  - ", "- ", " ", "[", "]", "{", "}", "'", "|", "&a ", "*a", ","]
)


@given(st.lists(st.one_of(_WORDS, _ODDITIES, _MARKS), max_size=25).map("".join))
def test_any_file_is_read_or_refused_with_one_sentence(text):
    try:
        parse(text)
    except DataError as error:
        assert str(error).startswith("e.yml:")
        assert str(error).endswith(".")
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "dependencies:\n" + "- a\n" * 30_000,
        "dependencies:\n- " + "a, " * 500_000,
        "dependencies:\n- " + "a " * 500_000,
        "dependencies:\n- a" + " " * 1_000_000 + "- b",
        "dependencies:\n- a" + " -" * 500_000,
        "dependencies:\n- " + "=" * 1_000_000,
        "dependencies:\n- " + "(" * 1_000_000,
        "dependencies:\n- " + "a[" * 500_000,
        "x: &x [y]\n" + "dependencies: [" + "*x, " * 30_000 + "]",
        "variables:\n" + "".join(f"  A{n}: 1\n" for n in range(30_000)) + "dependencies: []",
        "".join(f"k{n}: 1\n" for n in range(20_000)),
        "channels: [" + ", ".join(['"a # b"'] * 50_000) + "] # [win]\ndependencies: []\n",
        "dependencies:\n- pip:\n  - 'a" + " " * 1_000_000 + "b'",
    ],
    ids=range(13),
)
def test_hostile_files_cost_bounded_time(text):
    started = time.process_time()
    try:
        parse(text)
    except DataError as error:
        assert len(str(error)) < 2000
    assert time.process_time() - started < 10
