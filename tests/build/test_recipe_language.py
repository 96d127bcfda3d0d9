"""Recipes as text: templates, conditions, types, and the place of whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from envmgr.build.document import parse_document
from envmgr.build.evaluate import Surroundings, as_variant
from envmgr.build.outputs import read_outputs
from envmgr.build.pins import Pin
from envmgr.build.plan import RecipePlan, plan_outputs
from envmgr.errors import BuildError, EnvmgrError

HEAD = 'package: {name: p, version: "1.0"}\n'


def plan(
    text: str, *, variant: dict[str, str] | None = None, environ: dict[str, str] | None = None
) -> RecipePlan:
    document = parse_document(text, "recipe.yaml")
    around = Surroundings("linux-64", variant or {}, environ or {})
    return plan_outputs(read_outputs(document, around), document, around, Path("recipe.yaml"))


def only(text: str, **around):
    return plan(text, **around).steps[0]


def names(dependencies) -> list[str]:
    return [str(dependency.what) for dependency in dependencies]


def value_of(expression: str, **around) -> str:
    """The value of an expression, as text, through the summary of a recipe."""
    text = f"{HEAD}about: {{summary: 'x${{{{ {expression} }}}}'}}\n"
    return only(text, **around).output.about["summary"][1:]


# Examples of CEP 39, "Pin expressions" and "Example".
@pytest.mark.parametrize(
    ("version", "bounds", "expected"),
    [
        ("1.21.3", {"lower": "x.x", "upper": "x.x"}, ">=1.21,<1.22.0a0"),
        ("1.21.3", {"lower": "x.x.x", "upper": "x"}, ">=1.21.3,<2.0a0"),
        ("1.21.3", {"lower": None, "upper": "x"}, "<2.0a0"),
        ("1.21.3", {"lower": "x.x.x.x", "upper": None}, ">=1.21.3"),
        ("1.21.3", {"exact": True}, "==1.21.3 h123456_5"),
        ("1.2.3", {}, ">=1.2.3,<2.0a0"),
        ("1.2.3", {"lower": "1.0", "upper": "x.x"}, ">=1.0,<1.3.0a0"),
        ("1.2.3", {"lower": "x.x", "upper": "2.0"}, ">=1.2,<2.0"),
        ("9e", {"lower": "x", "upper": "x"}, ">=9e,<10a"),
        ("9d", {"lower": "x", "upper": "x"}, ">=9d,<10a"),
        ("1.1.1j", {"lower": "x.x.x", "upper": "x"}, ">=1.1.1j,<2.0a0"),
        ("1.1.1j", {"lower": "x.x.x", "upper": "x.x"}, ">=1.1.1j,<1.2.0a0"),
        ("1.1.1j", {"lower": "x.x.x", "upper": "x.x.x"}, ">=1.1.1j,<1.1.2a"),
        ("1.2", {"lower": "x.x.x.x", "upper": "x.x.x.x"}, ">=1.2,<1.2.0.1.0a0"),
        ("1!1.2.3+local", {"lower": "x.x", "upper": "x.x"}, ">=1!1.2+local,<1!1.3.0a0"),
    ],
)
def test_pin_becomes_the_range_of_the_standard(version: str, bounds: dict, expected: str) -> None:
    assert Pin("pin_compatible", "numpy", **bounds).spec(version, "h123456_5") == f"numpy {expected}"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ("", {}),
        (", exact=True", {"exact": True}),
        (", lower_bound=''x.x.x''", {"lower_bound": "x.x.x"}),
        (", upper_bound=''3.2.1'', lower_bound=''1.2.3''", {"lower_bound": "1.2.3", "upper_bound": "3.2.1"}),
        (", upper_bound=none", {"upper_bound": None}),
    ],
)
def test_pin_is_rendered_with_the_arguments_that_differ_from_the_defaults(
    arguments: str, expected: dict
) -> None:
    text = f"{HEAD}requirements: {{run: ['${{{{ pin_compatible(''numpy''{arguments}) }}}}']}}\n"
    assert only(text).output.rendered["requirements"]["run"] == [
        {"pin_compatible": {"name": "numpy", **expected}}
    ]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("'foo' | replace('oo', 'aa')", "faa"),
        ("[1, 2, 3] | join('.')", "1.2.3"),
        ("'1.2.3' | split('.') | last", "3"),
        ("[3, 1, 2] | sort | first", "1"),
        ("'abc' | reverse", "cba"),
        ("[1, 1, 2] | unique | length", "2"),
        ("'' | default('foo', true)", "foo"),
        ("'3.11.4' | version_to_buildstring", "311"),
        ("'a' if linux else 'b'", "a"),
        ("target_platform", "linux-64"),
        ("unix and x86_64 and not win", "true"),
        ("is_unix(build_platform)", "true"),
        ("env.get('A')", "set"),
        ("env.get('B', default='unset')", "unset"),
        ("env.exists('B')", "false"),
        ("match(python, '>=3.8,<3.12')", "true"),
        ("match(python, '<3.8')", "false"),
        ("'}}' ~ \"}}\"", "}}}}"),
        ("compiler('c')", "gcc_linux-64"),
        ("compiler('rust')", "rust_linux-64 1.80"),
        ("stdlib('c')", "sysroot_linux-64 2.17"),
    ],
)
def test_expression_has_the_value_of_the_standard(expression: str, expected: str) -> None:
    variant = {
        "python": "3.11.*",
        "rust_compiler_version": "1.80",
        "c_stdlib": "sysroot",
        "c_stdlib_version": "2.17",
    }
    assert value_of(expression.replace("'", "''"), variant=variant, environ={"A": "set"}) == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("nowhere", "'nowhere' is undefined"),
        ("env.get(''X'')", "the environment variable X is not set"),
        ("1 +", "is not valid"),
        ("''a'' | title", "No filter named 'title'"),
        ("''''.__class__.__mro__", "unsafe"),
        ("1 // 0", "by zero"),
        ("pin_subpackage(''p'')", "must stand alone"),
    ],
)
def test_bad_expression_is_told_with_its_line(expression: str, message: str) -> None:
    with pytest.raises(BuildError, match=r"recipe.yaml:2: ") as caught:
        value_of(expression)
    assert message in str(caught.value)


def test_context_is_evaluated_in_order_and_keeps_types() -> None:
    text = """\
context:
  version: "1.2.3"
  parts: ${{ version.split('.') }}
  major: ${{ parts[0] }}
  number: 3
package: {name: "p-${{ major }}", version: "${{ version }}"}
build: {number: "${{ number + 1 }}"}
"""
    step = only(text)
    assert (step.name, step.version, step.output.build.number) == ("p-1", "1.2.3", 4)


def test_conditions_choose_list_items_and_nothing_stays_of_false_ones() -> None:
    text = f"""{HEAD}requirements:
  run:
    - if: win
      then: a
      else: [b, c]
    - if: linux
      then:
        - if: not x86_64
          then: d
        - e
    - ${{{{ "f" if osx }}}}
    - ${{{{ "g h".split() }}}}
"""
    assert names(only(text).output.requirements.run) == ["b", "c", "e", "g", "h"]


def test_script_keeps_what_is_no_expression() -> None:
    text = HEAD + "build:\n  script:\n    - echo ${HOME} {% if x %} {{ y }} ${{ 1 + 1 }}\n"
    assert only(text).output.build.script.content == "echo ${HOME} {% if x %} {{ y }} 2"


@pytest.mark.parametrize(
    ("skip", "skipped"),
    [
        ("true", True),
        ("[osx or win]", False),
        ("[win, \"linux and match(python, '<3.12')\"]", True),
        ("${{ not unix }}", False),
    ],
)
def test_skip_takes_booleans_and_expressions(skip: str, skipped: bool) -> None:
    recipe = plan(f"{HEAD}build:\n  skip: {skip}\n", variant={"python": "3.11"})
    assert bool(recipe.skipped) is skipped


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "recipe.yaml:1: the file is empty"),
        ("- a\n", "recipe.yaml:1: expected a mapping"),
        (
            "package: {name: p, version: 1.10}\n",
            "recipe.yaml:1: the package's version must be text, found the number 1.1",
        ),
        ('package: {name: P, version: "1"}\n', "recipe.yaml:1: the package's name must be lower-case"),
        ('package: {name: p, version: "1-2"}\n', "recipe.yaml:1: .*1-2"),
        ("package: {name: p}\n", "recipe.yaml:1: the package 'p' has no version"),
        (HEAD + "requirments: {}\n", "recipe.yaml:2: 'requirments' is not a key of a recipe"),
        (HEAD + "build:\n  numbr: 1\n", "recipe.yaml:3: 'numbr' is not a key of 'build'"),
        (HEAD + "build: {number: -1}\n", "recipe.yaml:2: the build number must not be negative"),
        (HEAD + "build: {noarch: java}\n", "recipe.yaml:2: 'noarch' must be one of python, generic"),
        (HEAD + "build: {string: 'a-b'}\n", "the build string 'a-b' holds more than"),
        (HEAD + "source: {url: 'https://x/y.tar.gz'}\n", "recipe.yaml:2: a url source needs its sha256"),
        (HEAD + "source: {url: 'https://x/y', sha256: abc}\n", "recipe.yaml:2: a sha256 has 64 digits"),
        (HEAD + "source: {svn: x}\n", "recipe.yaml:2: a source needs exactly one of"),
        (
            HEAD + "requirements: {run: ['a >=1,<']}\n",
            "recipe.yaml:2: 'a >=1,<' is not a package requirement",
        ),
        (
            HEAD + "requirements: {run: [{a: b}]}\n",
            "recipe.yaml:2: an entry of requirements.run must be text",
        ),
        (HEAD + "build: {python: {entry_points: [x]}}\n", "recipe.yaml:2: an entry point is written"),
        (HEAD + "build: {script: {file: a, content: b}}\n", "recipe.yaml:2: a script has either"),
        (HEAD + "tests: [{commands: [x]}]\n", "recipe.yaml:2: 'commands' is not a key of a test"),
        (
            HEAD + "tests: [{script: x, requirements: {run: [\"${{ pin_compatible('a') }}\"]}}]\n",
            "recipe.yaml:2: the requirements of a test cannot hold a pin, here that of 'a'",
        ),
        (HEAD + "about: {license: Free as in beer}\n", "recipe.yaml:2: 'Free as in beer' is not an SPDX"),
        (HEAD + "schema_version: 2\n", "recipe.yaml:2: schema_version 2 is not known"),
        (HEAD + "requirements:\n  run:\n    - if: linux\n", "recipe.yaml:4: a condition needs"),
        (HEAD + "context: {a: {b: c}}\n", "recipe.yaml:2: the context variable 'a'"),
        (HEAD + "outputs: []\n", "recipe.yaml:1: a recipe has either 'package' or 'outputs'"),
        ("outputs: []\n", "recipe.yaml:1: 'outputs' is empty"),
        (
            "outputs:\n  - package: {name: a, version: '1'}\n    inherit: b\n",
            "recipe.yaml:3: there is no output 'b'",
        ),
        ("a: [1\n", "recipe.yaml:"),
        ("package:\n\tname: p\n", "recipe.yaml:2"),
        (HEAD + HEAD, "recipe.yaml:2"),
    ],
)
def test_wrong_recipe_is_refused_with_file_and_line(text: str, message: str) -> None:
    with pytest.raises(EnvmgrError, match=message):
        plan(text)


def test_misspelt_key_suggests_the_right_one() -> None:
    with pytest.raises(BuildError) as caught:
        plan(HEAD + "requirments: {}\n")
    assert caught.value.hint == "Did you mean 'requirements'?"


def test_hash_depends_on_the_variant_values_that_are_used_and_on_no_others() -> None:
    text = HEAD + "requirements: {host: [python, zlib >=1]}\n"
    builds = {
        key: only(text, variant=variant).build
        for key, variant in {
            "311": {"python": "3.11.*", "zlib": "1.2"},
            "312": {"python": "3.12.*", "zlib": "1.2"},
            "other": {"python": "3.11.*", "zlib": "1.3", "ruby": "3"},
        }.items()
    }
    assert builds["311"] == builds["other"] != builds["312"]
    assert builds["311"].startswith("py311h") and builds["311"].endswith("_0")


def test_build_string_may_use_the_hash() -> None:
    text = HEAD + "build: {number: 7, string: 'x_${{ hash }}_7'}\n"
    step = only(text)
    assert step.build == f"x_{step.hash}_7"


def test_exact_pin_of_another_output_is_part_of_the_hash() -> None:
    def build_of_tool(number: int) -> str:
        text = f"""\
recipe: {{version: "1"}}
outputs:
  - package: {{name: tool}}
    requirements: {{run: ["${{{{ pin_subpackage('lib', exact=True) }}}}"]}}
  - package: {{name: lib}}
    build: {{number: {number}}}
"""
        steps = plan(text).steps
        assert [step.name for step in steps] == ["lib", "tool"]
        return steps[1].build

    assert build_of_tool(0) != build_of_tool(1)


def test_outputs_inherit_what_the_standard_says() -> None:
    text = """\
recipe: {version: "2.0"}
build: {number: 3, dynamic_linking: {rpaths: [lib/, opt/]}, script: never.sh}
about: {license: MIT, summary: all}
outputs:
  - staging: {name: st}
    build: {script: make}
  - package: {name: a}
    inherit: {from: st, run_exports: false}
    about: {summary: mine}
  - package: {name: b, version: "9"}
    build: {number: 5}
"""
    stage, a, b = (step.output for step in plan(text).steps)
    assert (stage.is_staging, stage.build.script.content) == (True, "make")
    assert (a.version, a.build.number, a.build.script.content, a.inherits_run_exports) == (
        "2.0",
        3,
        None,
        False,
    )
    assert a.about == {"license": "MIT", "summary": "mine"}
    assert (b.version, b.build.number, b.build.dynamic_linking.rpaths) == ("9", 5, ("lib/", "opt/"))
    assert b.build.script.file is None


def test_outputs_that_need_each_other_are_told_as_a_circle() -> None:
    text = """\
recipe: {version: "1"}
outputs:
  - package: {name: a}
    requirements: {host: [b]}
  - package: {name: b}
    requirements: {run: [a]}
"""
    with pytest.raises(BuildError, match="in a circle: a -> b -> a"):
        plan(text)


def test_variants_file_has_one_value_a_key() -> None:
    around = Surroundings("linux-64", {}, {"MINOR": "3.12"})
    document = parse_document(
        "python: ['${{ env.get(''MINOR'') }}.*']\nc_compiler: system\n", "variants.yaml"
    )
    assert as_variant(document, around) == {"python": "3.12.*", "c_compiler": "system"}
    with pytest.raises(BuildError, match=r"variants.yaml:1: .* exactly one value"):
        as_variant(parse_document("python: ['3.11', '3.12']\n", "variants.yaml"), around)


def test_system_compiler_needs_no_package() -> None:
    text = HEAD + "requirements: {build: [\"${{ compiler('c') }}\", make]}\n"
    assert names(only(text, variant={"c_compiler": "system"}).output.requirements.build) == ["make"]


def test_aliases_cannot_fill_the_memory() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    with pytest.raises(EnvmgrError, match="unfolds to more than"):
        plan("\n".join(lines) + "\n")
