"""The final requirements of a package: pins resolved, run exports added, what CEP 14 asks to ignore left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.build.pins import Pin
from envmgr.build.recipe import RUN_EXPORT_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from envmgr.build.recipe import Dependency, Output, RunExports

Exports = "Mapping[str, tuple[str, ...]]"


class PackageFacts(Struct, frozen=True):
    """A package in a build or host environment, as far as requirements of others depend on it."""

    name: str
    version: str
    build: str
    depends: tuple[str, ...] = ()
    exports: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    url: str = ""
    sha256: str | None = None


class Exported(Struct, frozen=True):
    """What a build takes over from the packages of its environments, by where it ends up."""

    host: tuple[str, ...] = ()
    run: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()


class FinalRequirements(Struct, frozen=True):
    """``depends`` and ``constrains`` of the package, and its own run exports by kind, all as match specs."""

    depends: tuple[str, ...]
    constrains: tuple[str, ...]
    run_exports: Mapping[str, tuple[str, ...]]


def collect_exports(output: Output, build: Iterable[PackageFacts], host: Iterable[PackageFacts]) -> Exported:
    """What the directly required packages *build* and *host* export to *output* (CEP 14 "RunExports").

    Strong exports of build packages go to host and run, weak and strong ones of host packages to run. A
    noarch package takes only the ``noarch`` ones.
    """
    needs = output.requirements
    noarch = output.build.noarch is not None
    to_host: list[str] = []
    to_run: list[str] = []
    constrains: list[str] = []

    def take(packages: Iterable[PackageFacts], kinds: tuple[str, ...], into: list[str]) -> None:
        for package in packages:
            if package.name in needs.ignore_from_package:
                continue
            specs = (spec for kind in kinds for spec in package.exports.get(kind, ()))
            into += [spec for spec in specs if spec_name(spec) not in needs.ignore_by_name]

    built, hosted = list(build), list(host)
    if noarch:
        take(hosted, ("noarch",), to_run)
        return Exported(run=tuple(to_run))
    take(built, ("strong",), to_host)
    take(built, ("strong",), to_run)
    take(hosted, ("strong", "weak"), to_run)
    take(built, ("strong_constrains",), constrains)
    take(hosted, ("strong_constrains", "weak_constrains"), constrains)
    return Exported(tuple(to_host), tuple(to_run), tuple(constrains))


def spec_name(spec: str) -> str:
    """The package name at the start of a match spec."""
    for separator in "[<>=!~ ":
        spec = spec.split(separator, maxsplit=1)[0]
    return spec.rpartition("::")[2].lower()


class Resolver:
    """Turns requirements into match specs, knowing the recipe's own outputs and what is installed."""

    def __init__(
        self, subpackages: Mapping[str, tuple[str, str]], environment: Mapping[str, PackageFacts]
    ) -> None:
        self._subpackages, self._environment = subpackages, environment

    def spec(self, dependency: Dependency) -> str:
        """The match spec of *dependency*; BuildError with its place for a pin of something unknown."""
        pin = dependency.what
        if not isinstance(pin, Pin):
            return pin
        if pin.kind == "pin_subpackage":
            if pin.name not in self._subpackages:
                dependency.place.fail(f"the recipe has no output {pin.name!r} that could be pinned.")
            return pin.spec(*self._subpackages[pin.name])
        found = self._environment.get(pin.name)
        if found is None:
            dependency.place.fail(
                f"{pin.name!r} is in neither the host nor the build environment, so it cannot be pinned."
            )
        return pin.spec(found.version, found.build)

    def specs(self, dependencies: Iterable[Dependency]) -> tuple[str, ...]:
        """The match specs of *dependencies* in order, without repetition."""
        return unique(self.spec(dependency) for dependency in dependencies)

    def run_exports(self, exports: RunExports) -> dict[str, tuple[str, ...]]:
        """The package's own run exports by kind, empty kinds left out."""
        kinds = {kind: self.specs(getattr(exports, kind)) for kind in RUN_EXPORT_KINDS}
        return {kind: specs for kind, specs in kinds.items() if specs}


def unique(specs: Iterable[str]) -> tuple[str, ...]:
    """*specs* in order, each once; a bare name is dropped where the same package also has a longer spec."""
    listed = list(dict.fromkeys(specs))
    longer = {spec_name(spec) for spec in listed if spec != spec_name(spec)}
    return tuple(spec for spec in listed if not (spec == spec_name(spec) and spec in longer))


def finalize(
    output: Output, resolver: Resolver, exported: Exported, glibc: tuple[int, ...] | None
) -> FinalRequirements:
    """What goes into ``index.json`` and ``run_exports.json``; *glibc* is the release that the symbols need."""
    needs = output.requirements
    depends = [*resolver.specs(needs.run), *exported.run]
    if glibc is not None:
        depends.append(f"__glibc >={'.'.join(map(str, glibc))},<3.0.a0")
    constrains = [*resolver.specs(needs.run_constraints), *exported.constrains]
    return FinalRequirements(unique(depends), unique(constrains), resolver.run_exports(needs.run_exports))


def run_closure(depends: Iterable[str], environment: Mapping[str, PackageFacts]) -> frozenset[str]:
    """The names of all packages that come with *depends*, as far as *environment* knows them."""
    found: set[str] = set()
    waiting: list[str] = [spec_name(spec) for spec in depends]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            package = environment.get(name)
            waiting += [spec_name(spec) for spec in package.depends] if package else []
    return frozenset(found)


def host_libraries(environment: Mapping[str, PackageFacts], keep: Callable[[str], bool]) -> dict[str, str]:
    """Path -> package for the files of *environment* for which *keep* is true."""
    return {path: package.name for package in environment.values() for path in package.files if keep(path)}
