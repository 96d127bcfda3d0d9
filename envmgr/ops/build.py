"""Builds recipes into a channel folder, dependencies first, and only what is missing there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import BuildError
from envmgr.models.requirement import Requirement, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from envmgr.build.plan import RecipePlan
    from envmgr.build.ports import BuildPorts, PlacedSpec
    from envmgr.build.run import Artifact
    from envmgr.build.run import BuildRequest as RecipeRequest
    from envmgr.models.channel import Channel
    from envmgr.ops.context import Context

_RECIPE_FILE = "recipe.yaml"


class BuildRequest(Struct, frozen=True):
    """Recipe files, folders with a recipe, or folders of such folders; built into the channel *output*.

    Packages for building and testing come from *output* first, then from *channels*.
    """

    recipes: tuple[Path, ...]
    output: Path
    channels: tuple[Channel, ...]
    force: bool = False
    run_tests: bool = True
    keep_work: bool = False
    compression_level: int = 19


class Built(Struct, frozen=True):
    """The new packages, and the file names that were in the channel already."""

    artifacts: tuple[Artifact, ...]
    present: tuple[str, ...]


def build(request: BuildRequest, context: Context, announce: Callable[[str], None]) -> Built:
    """Build what is missing; *announce* is told each recipe before its build.

    Raises BuildError or DataError with the place in the recipe; packages that were finished before stay.
    """
    from envmgr.build.order import sort_plans
    from envmgr.build.run import build_recipe, plan_recipe
    from envmgr.ops.index import index_channel
    from envmgr.packages.work_area import remove_abandoned, work_area

    (request.output / "noarch").mkdir(parents=True, exist_ok=True)
    index_channel(request.output, context)
    artifacts: list[Artifact] = []
    work = context.settings.root / "build"
    work.mkdir(parents=True, exist_ok=True)
    remove_abandoned(work)
    # Packages of a build may be made anew under the same file names, so they never enter the user's cache.
    with work_area(work) as area:
        ports = _ports(request, context, area.folder)
        recipes = find_recipes(request.recipes)
        plans = sort_plans([plan_recipe(_recipe_request(each, request, context), ports) for each in recipes])
        missing, present = _split(plans, request)
        for plan in missing:
            announce(f"building {', '.join(output.file_name for output in plan.outputs)}")
            artifacts += build_recipe(_recipe_request(plan.recipe_path, request, context), ports).artifacts
            index_channel(request.output, context, reuse=True)
    return Built(tuple(artifacts), tuple(present))


def find_recipes(places: Sequence[Path]) -> list[Path]:
    """The recipe files that *places* name; raises BuildError for a place that holds none."""
    found: list[Path] = []
    for place in places:
        if place.is_file():
            found.append(place)
        elif (place / _RECIPE_FILE).is_file():
            found.append(place / _RECIPE_FILE)
        else:
            below = sorted(place.glob(f"*/{_RECIPE_FILE}"))
            if not below:
                raise BuildError(f"there is no {_RECIPE_FILE} in {place} or the folders in it.")
            found += below
    return found


def _recipe_request(recipe: Path, request: BuildRequest, context: Context) -> RecipeRequest:
    from envmgr.build.run import BuildRequest as RecipeRequest

    root = context.settings.root
    return RecipeRequest(
        recipe=recipe,
        output_dir=request.output,
        work_root=root / "build",
        source_cache=root / "sources",
        subdir=context.settings.subdir,
        environ=context.environ,
        channels=tuple(channel.url for channel in request.channels),
        keep_work=request.keep_work,
        run_tests=request.run_tests,
        compression_level=request.compression_level,
    )


def _split(plans: Sequence[RecipePlan], request: BuildRequest) -> tuple[list[RecipePlan], list[str]]:
    missing: list[RecipePlan] = []
    present: list[str] = []
    for plan in plans:
        files = [output.file_name for output in plan.outputs]
        there = all((request.output / output.subdir / output.file_name).exists() for output in plan.outputs)
        if there and not request.force:
            present += files
        elif files:
            missing.append(plan)
    return missing, present


def _ports(request: BuildRequest, context: Context, folder: Path) -> BuildPorts:
    from envmgr.build.ports import BuildPorts
    from envmgr.packages.write import write_conda

    def make_environment(prefix: Path, requirements: Sequence[PlacedSpec], fresh_channel: Path) -> None:
        _make_environment(prefix, requirements, fresh_channel, request, _for_building(context, folder))

    return BuildPorts(
        context.runner, context.transport, context.clock, context.reporter, write_conda, make_environment
    )


def _for_building(context: Context, folder: Path) -> Context:
    """The context with a private cache, copied files, and none of the user's additions."""
    settings = replace(
        context.settings,
        pkgs_dirs=(folder / "pkgs",),
        index_dir=folder / "index",
        add_pip_as_python_dependency=False,
        always_copy=True,
    )
    return replace(context, settings=settings)


def _allowing(own: Sequence[Channel], context: Context) -> Context:
    """The context in which a list of allowed channels does not shut out what this build makes itself."""
    allowed = context.settings.allowlist_channels
    if not allowed:
        return context
    allowed = (*allowed, *(channel.url for channel in own))
    return replace(context, settings=replace(context.settings, allowlist_channels=allowed))


def _make_environment(
    prefix: Path, placed: Sequence[PlacedSpec], fresh_channel: Path, request: BuildRequest, context: Context
) -> None:
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.ops.channels import parse_channels
    from envmgr.ops.fetch import cache_in_use, obtain
    from envmgr.ops.index import index_channel
    from envmgr.ops.linking import LinkRequest, link_packages
    from envmgr.ops.resolve import ResolveOptions, resolve

    index_channel(fresh_channel, context)
    own = parse_channels([fresh_channel.as_uri(), request.output.as_uri()], context)
    context = _allowing(own, context)
    channels = tuple(dict.fromkeys([*own, *request.channels]))
    requirements = tuple(
        Requirement(parse_match_spec(each.text), Source(each.file, each.line, each.text)) for each in placed
    )
    subdir = context.settings.subdir
    records = resolve(requirements, channels, subdir, ResolveOptions(), context) if placed else ()
    with cache_in_use(context):
        packages = obtain(records, context)
        link_packages(LinkRequest(prefix, subdir, requirements, copy=True), packages, context)
