"""What an environment holds, who was asked for, and what it was before: where each change starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError, PrefixError
from envmgr.prefix.generation import PypiIntent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.ops.change_request import Kind
    from envmgr.ops.context import Context
    from envmgr.ops.request import EnvironmentRequest
    from envmgr.prefix.generation import Generation, Generations, SourceFile
    from envmgr.prefix.installed import InstalledPackage

EARLIER = "asked for earlier"


class State(Struct, frozen=True):
    """What the environment holds now, and by which specs its packages were asked for, by name."""

    prefix: Path
    subdir: str
    current: tuple[InstalledPackage, ...]
    past: Generations
    requested: Mapping[str, tuple[str, ...]]

    @property
    def generations(self) -> tuple[Generation, ...]:
        """Those that can be read."""
        return self.past.known

    @property
    def records(self) -> tuple[PackageRecord, ...]:
        return tuple(package.record for package in self.current)

    @property
    def conda(self) -> tuple[PackageRecord, ...]:
        """Those of conda packages."""
        return tuple(record for record in self.records if not record.is_pypi)

    @property
    def wheels(self) -> tuple[PackageRecord, ...]:
        """Those of Python distributions that came from PyPI."""
        return tuple(record for record in self.records if record.is_pypi)

    @property
    def intent(self) -> PypiIntent:
        """What the environment is to hold of PyPI, as its newest generation says."""
        last = self.past.last
        return last.pypi if last is not None else PypiIntent()

    @property
    def source(self) -> SourceFile | None:
        """The file that what it is to hold began with, as its newest generation says."""
        return self.past.last.source if self.past.last is not None else None

    @property
    def names(self) -> frozenset[str]:
        return frozenset(record.name for record in self.records)

    def strangers(self) -> list[InstalledPackage]:
        """The distributions that pip installed here, beside what envmgr knows of."""
        from envmgr.ops.pip_installed import installed_by_pip

        return installed_by_pip(self.prefix, self.current)

    def requires_dist(self) -> dict[str, list[str]]:
        """The Requires-Dist lines of the distributions that came from PyPI, by name."""
        from envmgr.pypi.installed import read_requirements

        found = {}
        for package in self.current:
            if package.record.is_pypi:
                metadata = next(
                    (path for path in package.files if path.endswith(".dist-info/METADATA")), None
                )
                lines = read_requirements(self.prefix / metadata) if metadata is not None else []
                found[package.record.shown_name] = lines
        return found

    def marker_environment(self) -> dict[str, str]:
        """The values of markers (PEP 508) in this environment."""
        from envmgr.pypi.target import PypiTarget

        python = next(record for record in self.records if record.name == "python")
        return PypiTarget.of(python, (), self.subdir).markers

    def check_files(self, going: Iterable[PackageRecord]) -> None:
        """Raises DataError for a record that lists what no package may own; of those that go, all is read."""
        gone = set(going)
        for package in self.current:
            if package.record in gone:
                package.listing.check()
            _ = package.files

    def lines_of(self, name: str) -> list[tuple[str, MatchSpec]]:
        """The specs by which *name* was asked for, as texts and values."""
        return specs_of(name, self.requested)


def read_state(kind: Kind, prefix: Path, wanted: EnvironmentRequest, context: Context) -> State:
    from envmgr.ops.history import left_out
    from envmgr.ops.verify import installed_for_repair
    from envmgr.prefix.store import PrefixStore

    store = PrefixStore(prefix)
    past = store.generations()
    for error in past.damaged.values():
        context.reporter.warned(left_out(error))
    subdir = next((each.subdir for each in reversed(past.known) if each.subdir), wanted.subdir)
    current = installed_for_repair(store, past) if kind == "repair" else tuple(store.records())
    return State(prefix, subdir, current, past, store.asked(current))


def earlier_lines(state: State, named: frozenset[str]) -> list[Requirement]:
    """What was asked for before, of packages that are not named now; other tools' unreadable texts do not count."""
    from envmgr.models.requirement import Requirement, Source

    return [
        Requirement(spec, Source(EARLIER, None, text))
        for name in state.requested
        for text, spec in (state.lines_of(name) if name not in named else ())
    ]


def not_installed(spec: MatchSpec, state: State, hint: str | None = None) -> PrefixError:
    import difflib

    name = spec.name
    here = next((record for record in state.records if record.name == name), None)
    if here is not None:
        sentence = f"'{spec}' is not what is installed in {state.prefix}: that is {here.dist_name}."
        return PrefixError(sentence, package=name)
    names = sorted(record.shown_name for record in state.records)
    near = difflib.get_close_matches(name, names, n=1)
    return PrefixError(
        f"{name} is not installed in {state.prefix}.",
        hint=f"Did you mean {near[0]}?" if near else hint,
        package=name,
    )


def in_order(
    records: Iterable[PackageRecord], requested: Mapping[str, tuple[str, ...]]
) -> tuple[PackageRecord, ...]:
    """The records in the order of linking, with the extras that were asked for; those from PyPI come last."""
    from envmgr.solver.order import in_link_order

    records = tuple(records)
    chosen = {record.name: record for record in records if not record.is_pypi}
    wheels = sorted((record for record in records if record.is_pypi), key=lambda record: record.name)
    extras = [
        (name, extra)
        for name in requested
        if name in chosen
        for _, spec in specs_of(name, requested)
        for extra in spec.extras
    ]
    return (*in_link_order(chosen, extras), *wheels)


def specs_of(name: str, requested: Mapping[str, tuple[str, ...]]) -> list[tuple[str, MatchSpec]]:
    """The specs by which *name* was asked for, as texts and values; what cannot be read is left out."""
    from envmgr.models.match_spec import parse_match_spec

    found = []
    for text in requested.get(name, ()):
        try:
            spec = parse_match_spec(text)
        except DataError:
            continue
        if spec.name == name:
            found.append((text, spec))
    return found
