"""Decides names before anything is built: the order of outputs, their hashes, build strings and file names.

The hash follows CEP 34: the first seven digits of the SHA-1 of the key-sorted ``hash_input.json``, which holds
the platform, the variant values that an output uses and the exact pins of other outputs. The same recipe with
the same variant therefore always makes the same file name, and a caller can tell what is missing.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.build.document import Place
from envmgr.build.evaluate import evaluate_context, expressions_for
from envmgr.build.needs import sort_by_needs
from envmgr.build.pins import Pin
from envmgr.build.template import Expressions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from envmgr.build.document import Table
    from envmgr.build.evaluate import Surroundings
    from envmgr.build.outputs import Recipe
    from envmgr.build.recipe import Dependency, Output

_MINOR = re.compile(r"([0-9]+)\.([0-9]+)")
_BUILD_STRING = re.compile(r"[a-zA-Z0-9_.+]+\Z")


class PlannedOutput(Struct, frozen=True):
    """One output with the names that its package will have; *requires* are names needed to build or test it.

    *variant* holds the variant values that it uses; for a staging output build string and hash only tell its
    folders apart.
    """

    output: Output
    build: str
    hash: str
    hash_input: Mapping[str, str]
    variant: Mapping[str, str]
    subdir: str
    requires: tuple[str, ...]

    @property
    def name(self) -> str:
        """The package's name."""
        return self.output.name

    @property
    def version(self) -> str:
        """The package's version."""
        return self.output.version

    @property
    def dist_name(self) -> str:
        """``name-version-build``."""
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def file_name(self) -> str:
        """The archive's file name."""
        return f"{self.dist_name}.conda"


class RecipePlan(Struct, frozen=True):
    """What building one recipe makes: package outputs and staging outputs in building order.

    *skipped* names the outputs whose ``skip`` holds.
    """

    recipe_path: Path
    name: str
    steps: tuple[PlannedOutput, ...]
    skipped: tuple[str, ...]
    warnings: tuple[str, ...] = ()

    @property
    def outputs(self) -> tuple[PlannedOutput, ...]:
        """The packages that will be made, without staging outputs."""
        return tuple(step for step in self.steps if not step.output.is_staging)


def plan_outputs(recipe: Recipe, document: Table, around: Surroundings, recipe_path: Path) -> RecipePlan:
    """The plan for an evaluated recipe. Raises BuildError for cycles and pins of unknown outputs."""
    kept = {output.name: output for output in recipe.outputs if not output.is_skipped}
    skipped = tuple(output.name for output in recipe.outputs if output.is_skipped)
    for output in kept.values():
        if output.inherits in skipped:
            output.place.fail(f"{output.name!r} inherits from {output.inherits!r}, which is skipped.")
    needs = {name: _inner_needs(output, kept) for name, output in kept.items()}
    planner = _Planner(document, around, kept)
    steps = tuple(
        planner.plan(kept[name]) for name in sort_by_needs(needs, what=f"the outputs of {recipe_path}")
    )
    return RecipePlan(recipe_path, recipe.name, steps, skipped, recipe.warnings)


def _inner_needs(output: Output, outputs: Mapping[str, Output]) -> set[str]:
    """The other outputs of the recipe that must be built before this one."""
    names = {dependency.name for dependency in _dependencies(output)}
    names |= {output.inherits} if output.inherits else set()
    return {name for name in names if name in outputs and name != output.name}


def _dependencies(output: Output) -> Iterable[Dependency]:
    needs = output.requirements
    yield from (*needs.build, *needs.host, *needs.run)
    for test in output.tests:
        yield from (*test.run, *test.build)


class _Planner:
    def __init__(self, document: Table, around: Surroundings, outputs: Mapping[str, Output]) -> None:
        self._document, self._around, self._outputs = document, around, outputs
        self._done: dict[str, PlannedOutput] = {}

    def plan(self, output: Output) -> PlannedOutput:
        """Plan *output* after all that it needs of the same recipe."""
        variant = self._used_variant(output)
        noarch = output.build.noarch is not None
        hash_input = {"target_platform": "noarch" if noarch else self._around.subdir, **variant}
        hash_input |= {dependency.name: self._exact(dependency) for dependency in _exact_pins(output)}
        digest = hashlib.sha1(
            json.dumps(hash_input, sort_keys=True).encode(), usedforsecurity=False
        ).hexdigest()[:7]
        planned = PlannedOutput(
            output=output,
            build=self._build_string(output, digest, variant),
            hash=digest,
            hash_input=dict(sorted(hash_input.items())),
            variant=variant,
            subdir="noarch" if noarch else self._around.subdir,
            requires=tuple(sorted({dependency.name for dependency in _dependencies(output)})),
        )
        self._done[output.name] = planned
        return planned

    def _used_variant(self, output: Output) -> dict[str, str]:
        """The variant values that count for *output*: named in expressions, by bare requirements, or by force."""
        needs = output.requirements
        bare = {_variant_key(need.name) for need in (*needs.build, *needs.host) if need.what == need.name}
        used = (set(output.used) | bare | set(output.build.use_keys)) - set(output.build.ignore_keys)
        variant = {key: value for key, value in self._around.variant.items() if key in used}
        if output.inherits:
            variant = {**self._done[output.inherits].variant, **variant}
        return dict(sorted(variant.items()))

    def _exact(self, dependency: Dependency) -> str:
        known = self._done.get(dependency.name)
        if known is None:
            dependency.place.fail(f"the recipe has no output {dependency.name!r} that could be pinned.")
        return f"{known.version} {known.build}"

    def _build_string(self, output: Output, digest: str, variant: Mapping[str, str]) -> str:
        if output.build.string is None:
            return f"{_python_mark(output, variant)}h{digest}_{output.build.number}"
        known = evaluate_context(self._document, expressions_for(self._around))
        place = Place(output.place.file, output.place.line)
        text = str(Expressions({**known.variables, "hash": digest}, set()).value(output.build.string, place))
        if not _BUILD_STRING.match(text):
            place.fail(f"the build string {text!r} holds more than letters, digits, '_', '.' and '+'.")
        return text


def _variant_key(name: str) -> str:
    return name.replace("-", "_")


def _exact_pins(output: Output) -> list[Dependency]:
    needs = output.requirements
    pins = [
        need
        for need in (*needs.build, *needs.host, *needs.run, *needs.run_constraints)
        if isinstance(need.what, Pin)
    ]
    return [
        need
        for need in pins
        if isinstance(need.what, Pin)
        and need.what.kind == "pin_subpackage"
        and need.what.exact
        and need.name != output.name
    ]


def _python_mark(output: Output, variant: Mapping[str, str]) -> str:
    """``py`` for noarch, ``py311`` where the recipe says which Python it builds against, else nothing."""
    if output.build.is_python_noarch:
        return "py"
    for need in output.requirements.host:
        if need.name == "python" and isinstance(need.what, str):
            match = _MINOR.search(need.what if need.what != "python" else variant.get("python", ""))
            return f"py{match[1]}{match[2]}" if match else ""
    return ""


def with_variant(dependency: Dependency, variant: Mapping[str, str]) -> str:
    """The text of a build or host requirement; a bare name gets the value of the variant key of that name."""
    text = str(dependency.what)
    value = variant.get(_variant_key(text))
    return f"{text} {value}" if value and text == dependency.name else text
