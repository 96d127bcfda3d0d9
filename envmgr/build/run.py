"""Builds the packages of one recipe: environments, sources, script, finishing, archive, tests, publication.

Nothing is published before every output was built and every test passed; a failure leaves the channel as it
was. Solving, linking and archive writing come in through `ports`, so this room knows none of their rooms.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from envmgr.build import metadata
from envmgr.build.check import TestRequest, run_tests
from envmgr.build.depends import (
    Exported,
    FinalRequirements,
    PackageFacts,
    Resolver,
    collect_exports,
    finalize,
    host_libraries,
    run_closure,
)
from envmgr.build.elf import glibc_version
from envmgr.build.environment import read_environment
from envmgr.build.files import select_files
from envmgr.build.finish import FinishRequest, finish
from envmgr.build.load import BuildRequest, LoadedRecipe, load_recipe
from envmgr.build.pack import PackRequest, lay_out
from envmgr.build.plan import with_variant
from envmgr.build.ports import BuildPorts, EnvironmentMaker, PlacedSpec
from envmgr.build.relocate import find_missing
from envmgr.build.scripts import (
    ScriptFolders,
    ScriptRun,
    passed_on,
    run_script,
    script_environment,
    script_text,
)
from envmgr.build.sources import SourceFetcher, file_digest
from envmgr.build.workplace import Workplace, open_workplace
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.build.document import Place
    from envmgr.build.finish import Finished
    from envmgr.build.plan import PlannedOutput, RecipePlan
    from envmgr.build.recipe import Dependency

__all__ = [
    "Artifact",
    "BuildPorts",
    "BuildRequest",
    "BuildResult",
    "EnvironmentMaker",
    "PlacedSpec",
    "build_recipe",
    "plan_recipe",
]


class Artifact(Struct, frozen=True):
    """One published package; *size* is in bytes."""

    name: str
    version: str
    build: str
    subdir: str
    path: Path
    sha256: str
    size: int


class BuildResult(Struct, frozen=True):
    """What one recipe made; *skipped* are outputs that the recipe leaves out on this platform and variant."""

    artifacts: tuple[Artifact, ...]
    skipped: tuple[str, ...]


def plan_recipe(request: BuildRequest, ports: BuildPorts) -> RecipePlan:
    """What building would make, without building: names, versions, build strings, needs."""
    return load_recipe(request, ports).plan


def build_recipe(request: BuildRequest, ports: BuildPorts) -> BuildResult:
    """Build, test and publish all outputs of a recipe.

    Raises BuildError for a recipe that is wrong, a script or test that fails and a package that would not
    work; errors of the ports pass through. In all these cases nothing is published.
    """
    loaded = load_recipe(request, ports)
    for warning in loaded.plan.warnings:
        ports.reporter.warned(warning)
    if not loaded.plan.outputs:
        return BuildResult((), loaded.plan.skipped)
    first = loaded.plan.outputs[0]
    ports.reporter.phase_started(Phase.BUILD, total=len(loaded.plan.steps))
    try:
        with open_workplace(request.work_root, first.dist_name, keep_failed=request.keep_work) as place:
            artifacts = _RecipeBuild(request, ports, loaded, place).run()
    finally:
        ports.reporter.phase_finished(Phase.BUILD)
    return BuildResult(artifacts, loaded.plan.skipped)


class _Environments(Struct, frozen=True):
    """The packages of both environments by name, and what they export to the output."""

    build: Mapping[str, PackageFacts]
    host: Mapping[str, PackageFacts]
    exported: Exported


class _Stage(Struct):
    """What a staging output left for others: copies of its new files and of its work folder."""

    folder: Path
    paths: tuple[str, ...]
    exported: Exported


class _Built(Struct):
    """One package that is done but not published."""

    planned: PlannedOutput
    archive: Path


class _RecipeBuild(Struct):
    """The state of one recipe's build; steps run one after another in the same folders."""

    request: BuildRequest
    ports: BuildPorts
    loaded: LoadedRecipe
    place: Workplace
    stages: dict[str, _Stage] = field(default_factory=dict)
    built: list[_Built] = field(default_factory=list)
    timestamp: int = 0

    def run(self) -> tuple[Artifact, ...]:
        epoch = self.request.environ.get("SOURCE_DATE_EPOCH", "")
        self.timestamp = int(epoch) * 1000 if epoch.isdigit() else int(self.ports.clock.now() * 1000)
        self.place.channel.mkdir()
        for step in self.loaded.plan.steps:
            self._build(step)
            self.place.clear()
            self.ports.reporter.phase_advanced(Phase.BUILD, 1)
        return tuple(self._publish(built) for built in self.built)

    def _build(self, step: PlannedOutput) -> None:
        folders = self._make_folders(step)
        environments = self._make_environments(step)
        before = list_files(self.place.prefix)
        env = self._script_environment(step, folders)
        stage = self.stages.get(step.output.inherits or "")
        self._fetch_sources(step, stage)
        if stage is not None:
            _restore(stage, self.place)
        self._run_script(step, folders, env)
        if step.output.is_staging:
            paths = tuple(sorted(set(list_files(self.place.prefix)) - set(before)))
            self.stages[step.name] = _save(self.place, step.name, paths, environments.exported)
            return
        selected = select_files(before, list_files(self.place.prefix), step.output.build)
        self._pack(step, environments, self._finish(step, environments, selected, env))

    def _make_folders(self, step: PlannedOutput) -> ScriptFolders:
        home, temporary = self.place.scratch("home"), self.place.scratch("tmp")
        for folder in (home, temporary, self.place.source):
            folder.mkdir(parents=True)
        build = self.place.prefix if step.output.build.merge_environments else self.place.build_prefix
        return ScriptFolders(
            self.place.prefix, build, self.place.source, self.request.recipe_dir, home, temporary
        )

    def _make_environments(self, step: PlannedOutput) -> _Environments:
        """Create build and host environment and collect what they export to *step*."""
        needs = step.output.requirements
        resolver = Resolver(self._subpackages(), {})
        build_specs = [self._spec(need, step, resolver) for need in needs.build]
        host_specs = [self._spec(need, step, resolver) for need in needs.host]
        if step.output.build.merge_environments:
            build_specs, host_specs = [], [*build_specs, *host_specs]
        build = self._make_environment(self.place.build_prefix, build_specs)
        early = collect_exports(step.output, _named(build, needs.build), ())
        host_specs += [_placed(spec, step.output.place) for spec in early.host]
        host = self._make_environment(self.place.prefix, host_specs)
        own = collect_exports(step.output, _named(build, needs.build), _named(host, needs.host))
        return _Environments(build, host, self._with_inherited(step, own))

    def _spec(self, need: Dependency, step: PlannedOutput, resolver: Resolver) -> PlacedSpec:
        is_text = isinstance(need.what, str)
        return _placed(with_variant(need, step.variant) if is_text else resolver.spec(need), need.place)

    def _make_environment(self, prefix: Path, specs: Sequence[PlacedSpec]) -> dict[str, PackageFacts]:
        if specs:
            self.ports.make_environment(prefix, specs, self.place.channel)
        prefix.mkdir(parents=True, exist_ok=True)
        return read_environment(prefix)

    def _with_inherited(self, step: PlannedOutput, own: Exported) -> Exported:
        stage = self.stages.get(step.output.inherits or "")
        if stage is None or not step.output.inherits_run_exports:
            return own
        ignored = step.output.requirements.ignore_by_name
        inherited = [spec for spec in stage.exported.run if spec.split(" ")[0] not in ignored]
        return Exported(own.host, (*own.run, *inherited), (*own.constrains, *stage.exported.constrains))

    def _subpackages(self) -> dict[str, tuple[str, str]]:
        return {output.name: (output.version, output.build) for output in self.loaded.plan.outputs}

    def _script_environment(self, step: PlannedOutput, folders: ScriptFolders) -> dict[str, str]:
        env = script_environment(step, folders, self.request.environ, self.loaded.facts)
        return {**env, "SOURCE_DATE_EPOCH": str(self.timestamp // 1000)}

    def _fetch_sources(self, step: PlannedOutput, stage: _Stage | None) -> None:
        if stage is not None:
            shutil.copytree(stage.folder / "work", self.place.source, symlinks=True, dirs_exist_ok=True)
        environ = {"PATH": self.request.environ.get("PATH", os.defpath), **passed_on(self.request.environ)}
        fetcher = SourceFetcher(self.ports.transport, self.ports.runner, self.request.source_cache, environ)
        fetcher.fetch(step.output.sources, self.request.recipe_dir, self.place.source)

    def _run_script(self, step: PlannedOutput, folders: ScriptFolders, env: Mapping[str, str]) -> None:
        script = step.output.build.script
        inherits = step.output.inherits is not None
        found = None if inherits and script.place is None else script_text(script, self.request.recipe_dir)
        if found is None:
            return
        kept, log = self.place.scratch("build_script"), self.place.logs / f"{step.dist_name}.log"
        run = ScriptRun(script, *found, kept, log, f"the build script of {step.dist_name}")
        run_script(run, folders, env, self.request.environ, self.ports.runner)

    def _finish(
        self,
        step: PlannedOutput,
        environments: _Environments,
        selected: tuple[str, ...],
        env: Mapping[str, str],
    ) -> Finished:
        owners = host_libraries(environments.host, lambda path: ".so" in path)
        aside = self.place.scratch("finish")
        request = FinishRequest(step.output, self.place.prefix, selected, owners, env, aside)
        return finish(request, self.ports.runner)

    def _pack(self, step: PlannedOutput, environments: _Environments, finished: Finished) -> None:
        known = {**environments.build, **environments.host}
        resolver = Resolver(self._subpackages(), known)
        glibc = glibc_version(finished.elf_files.values())
        needs = finalize(step.output, resolver, environments.exported, glibc)
        self._check(step, environments, finished, needs)
        folder = self.place.scratch("package")
        request = PackRequest(
            planned=step,
            needs=needs,
            prefix=self.place.prefix,
            selected=finished.selected,
            folder=folder,
            recipe_dir=self.request.recipe_dir,
            recipe_file=self.request.recipe_file.resolve(),
            source_dir=self.place.source,
            timestamp=self.timestamp,
            environments={
                "build": tuple(environments.build.values()),
                "host": tuple(environments.host.values()),
            },
            channels=self.request.channels,
            settings=self._settings(),
        )
        paths = [entry.path for entry in lay_out(request)]
        archive = self.place.channel / step.subdir / step.file_name
        archive.parent.mkdir(exist_ok=True)
        level, mtime = self.request.compression_level, self.timestamp // 1000
        self.ports.write_archive(folder, archive, level=level, mtime=mtime)
        self.built.append(_Built(step, archive))
        if self.request.run_tests:
            self._test(step, folder, paths)

    def _settings(self) -> dict[str, Any]:
        packaging = {"archive_type": "conda", "compression_level": self.request.compression_level}
        subdir = self.request.subdir
        return {
            "host_platform": subdir,
            "build_platform": subdir,
            "channels": metadata.public_urls(self.request.channels),
            "packaging_settings": packaging,
            "subpackages": {
                name: {"name": name, "version": version, "build_string": build}
                for name, (version, build) in self._subpackages().items()
            },
        }

    def _check(
        self, step: PlannedOutput, environments: _Environments, finished: Finished, needs: FinalRequirements
    ) -> None:
        """Refuse a package that could not work where it is installed."""
        output, place = step.output, step.output.place
        if output.build.noarch is not None and finished.elf_files:
            place.fail(f"{output.name} is noarch and holds compiled code: {min(finished.elf_files)}.")
        names = {spec.split(" ")[0] for spec in needs.depends}
        if output.build.is_python_noarch and "python" not in names:
            place.fail(f"{output.name} is noarch: python, so 'run' must require python.")
        linking = output.build.dynamic_linking
        if linking.overlinking == "ignore":
            return
        required = run_closure(needs.depends, environments.host)
        missing = [
            str(problem)
            for path, elf in finished.elf_files.items()
            for problem in find_missing(
                path, elf, linking.missing_dso_allowlist, finished.libraries, required
            )
        ]
        if missing:
            place.fail(
                f"libraries that {output.name} needs would be missing: {'; '.join(missing)}.",
                hint="Add its package to host and run, or the library to dynamic_linking.missing_dso_allowlist.",
                missing=missing,
            )

    def _test(self, step: PlannedOutput, folder: Path, paths: Sequence[str]) -> None:
        request = TestRequest(
            planned=step,
            folder=folder,
            paths=paths,
            channel=self.place.channel,
            scratch=self.place.scratch("tests"),
            logs=self.place.logs,
            recipe_dir=self.request.recipe_dir,
            environ=self.request.environ,
            facts=self.loaded.facts,
        )
        run_tests(request, self.ports)

    def _publish(self, built: _Built) -> Artifact:
        """Move one archive into the channel: copied aside first, so that it appears whole."""
        planned = built.planned
        target = self.request.output_dir / planned.subdir / planned.file_name
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{os.getpid()}")
        shutil.copyfile(built.archive, aside)
        aside.replace(target)
        facts = (planned.name, planned.version, planned.build, planned.subdir)
        return Artifact(*facts, target, file_digest(target, "sha256"), target.stat().st_size)


def _placed(spec: str, place: Place) -> PlacedSpec:
    return PlacedSpec(spec, place.file, place.line)


def _named(environment: Mapping[str, PackageFacts], needs: Iterable[Dependency]) -> list[PackageFacts]:
    """The packages of *environment* that *needs* name directly: only these export (CEP 14)."""
    names = dict.fromkeys(need.name for need in needs)
    return [environment[name] for name in names if name in environment]


def list_files(prefix: Path) -> tuple[str, ...]:
    """Paths of all files and symlinks below *prefix*, relative to it."""
    found = []
    for folder, folders, names in os.walk(prefix):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        found += [os.path.relpath(os.path.join(folder, name), prefix) for name in (*names, *links)]
    return tuple(found)


def _save(place: Workplace, name: str, paths: tuple[str, ...], exported: Exported) -> _Stage:
    """Move a staging output's new files out of the host environment, and its work folder with them."""
    folder = place.root / "stages" / name
    for path in paths:
        target = folder / "prefix" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        (place.prefix / path).replace(target)
    folder.mkdir(parents=True, exist_ok=True)
    place.source.replace(folder / "work")
    return _Stage(folder, paths, exported)


def _restore(stage: _Stage, place: Workplace) -> None:
    """Copy a staging output's files into the host environment, where nothing stands in their way."""
    for path in stage.paths:
        target = place.prefix / path
        if not os.path.lexists(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(stage.folder / "prefix" / path, target, follow_symlinks=False)
