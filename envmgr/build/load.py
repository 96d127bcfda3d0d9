"""Reads a recipe with what stands beside it: ``variants.yaml`` and the facts that ``host_facts.py`` finds out."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.build.document import parse_document
from envmgr.build.evaluate import Surroundings, as_variant
from envmgr.build.outputs import read_outputs
from envmgr.build.plan import plan_outputs
from envmgr.errors import BuildError

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.build.plan import RecipePlan
    from envmgr.build.ports import BuildPorts

_FACTS_SECONDS = 60.0


class BuildRequest(Struct, frozen=True):
    """One recipe to build.

    *recipe* is the recipe's file or folder; *output_dir* the channel folder that gets the archives;
    *work_root* holds work folders, logs and temporary environments (its path must be short, because the host
    environment's has 255 characters); *source_cache* keeps downloads; *subdir* is the platform, *environ* what
    ``env`` sees; *variant* overrides ``variants.yaml``; *channels* are noted in the package. *keep_work* keeps
    the work folder of a build that failed.
    """

    recipe: Path
    output_dir: Path
    work_root: Path
    source_cache: Path
    subdir: str
    environ: Mapping[str, str]
    variant: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[str, ...] = ()
    keep_work: bool = False
    run_tests: bool = True
    compression_level: int = 19

    @property
    def recipe_file(self) -> Path:
        """The recipe's file."""
        return self.recipe / "recipe.yaml" if self.recipe.is_dir() else self.recipe

    @property
    def recipe_dir(self) -> Path:
        """The recipe's folder, absolute."""
        return self.recipe_file.resolve().parent


class LoadedRecipe(Struct, frozen=True):
    """A plan with the facts that it was made with."""

    plan: RecipePlan
    facts: Mapping[str, str]


def load_recipe(request: BuildRequest, ports: BuildPorts) -> LoadedRecipe:
    """Read, evaluate and plan one recipe. Raises BuildError or DataError naming file and line."""
    file = request.recipe_file
    if not file.is_file():
        hint = "A recipe is a folder with a recipe.yaml; meta.yaml recipes are of the older format."
        raise BuildError(f"there is no recipe {file}.", hint=hint)
    facts = _known_facts(request, ports)
    environ = {**facts, **request.environ}
    bare = Surroundings(request.subdir, {}, environ)
    variant: dict[str, str] = {}
    for folder in (request.recipe_dir.parent, request.recipe_dir):
        path = folder / "variants.yaml"
        if path.is_file():
            variant |= as_variant(parse_document(path.read_bytes(), str(path)), bare)
    around = Surroundings(request.subdir, {**variant, **request.variant}, environ)
    document = parse_document(file.read_bytes(), str(file))
    recipe = read_outputs(document, around)
    return LoadedRecipe(plan_outputs(recipe, document, around, file), facts)


def _known_facts(request: BuildRequest, ports: BuildPorts) -> dict[str, str]:
    """What ``host_facts.py`` beside the recipe or its folder prints; the caller's environment wins over it."""
    folders = (request.recipe_dir, request.recipe_dir.parent)
    script = next((path for folder in folders if (path := folder / "host_facts.py").is_file()), None)
    if script is None:
        return {}
    if script not in ports.known_facts:
        ports.known_facts[script] = _read_facts(script, request, ports)
    return {name: request.environ.get(name, value) for name, value in ports.known_facts[script].items()}


def _read_facts(script: Path, request: BuildRequest, ports: BuildPorts) -> dict[str, str]:
    command = [sys.executable, "-I", str(script)]
    done = ports.runner.run(command, env=request.environ, cwd=script.parent, timeout_seconds=_FACTS_SECONDS)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines()
        raise BuildError(
            f"{script} ended with exit code {done.returncode}: {lines[-1] if lines else 'no output'}"
        )
    try:
        facts = json.loads(done.stdout)
    except ValueError:
        facts = None
    if not isinstance(facts, Mapping) or not all(isinstance(value, str) for value in facts.values()):
        raise BuildError(f"{script} must print one JSON object whose values are strings.")
    return dict(facts)
