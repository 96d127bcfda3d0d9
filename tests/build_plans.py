"""Evaluated recipes for tests of the build room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.build.document import parse_document
from envmgr.build.evaluate import Surroundings
from envmgr.build.outputs import read_outputs

if TYPE_CHECKING:
    from envmgr.build.recipe import Output


def output_of(requirements: str, *, noarch: str | None = None) -> Output:
    """The output of a recipe with this requirements section."""
    build = f"build: {{noarch: {noarch}}}\n" if noarch else ""
    text = f'package: {{name: p, version: "1"}}\n{build}requirements: {requirements}\n'
    return read_outputs(parse_document(text, "recipe.yaml"), Surroundings("linux-64", {}, {})).outputs[0]
