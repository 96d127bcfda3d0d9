"""Edits of one line that keep more of it than leaving it out, the mildest first; each one was solved.

The order: another name where no channel has this one; without a build, extra, flag or channel; the version that
works nearest to the wanted one; any version. The nearest versions are the best answers of two solves in which
this line stands first: the highest version below the wanted ones, and the lowest above.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.models.match_spec import MatchSpec
from envmgr.models.record_table import version_key
from envmgr.models.requirement import Requirement
from envmgr.models.version import Version
from envmgr.models.version_spec import VersionSpec
from envmgr.solver.edits import FAR, Edit, apply_edits
from envmgr.solver.loosen import bounds, series, with_name, with_version, without
from envmgr.solver.near_names import sure_names
from envmgr.solver.solve import Conflict, Solution
from envmgr.solver.trial import versions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from envmgr.solver.edits import EditKind
    from envmgr.solver.problem import Strategy
    from envmgr.solver.trial import Trial

ANY_DISTANCE = 1_000  # farther than every version that was found near
_WHOLE = (("build", "build_number"), ("extras",), ("flags",), ("channel", "subdir"))


class Milder:
    """Finds milder edits for the lines of *conflict*'s problem."""

    def __init__(self, trial: Trial, conflict: Conflict, names: Iterable[str]) -> None:
        self.trial = trial
        self.conflict = conflict
        self._names = names
        self._listed: frozenset[str] | None = None

    def than(self, dropped: Edit, others: Sequence[Edit]) -> Iterator[tuple[Edit, Solution]]:
        """Edits of the line that *dropped* leaves out which solve together with *others*, mildest first."""
        line = dropped.line
        if line is None:
            return
        renamed: set[str] = set()
        for edit in self._edits(line, others):
            new = edit.new.spec.name if edit.new is not None else ""
            if new in renamed:
                continue
            outcome = self.trial.solve_with([*others, edit])
            if isinstance(outcome, Solution):
                yield edit, outcome
                renamed |= {new} if edit.kind == "rename" else set()

    def _edits(self, line: Requirement, others: Sequence[Edit]) -> Iterator[Edit]:
        spec = line.spec
        if spec.name.startswith("__"):
            return
        if not self.trial.load(spec.name):
            yield from self._renamed(line)
            return
        for fields in _WHOLE:
            if any(getattr(spec, field) for field in fields):
                yield Edit("relax", line, without(line, *fields))
        if spec.version is not None:
            yield from self._near_versions(line, others)
        bare = MatchSpec(name=spec.name, when=spec.when)
        if spec != bare:
            yield Edit("relax", line, with_name(line, spec.name, bare=True), distance=ANY_DISTANCE)

    # Names

    def _renamed(self, line: Requirement) -> Iterator[Edit]:
        if self._listed is None:
            self._listed = frozenset(self._names)
        for place, name in enumerate(sure_names(line.spec.name, self._listed)):
            yield Edit("rename", line, with_name(line, name), distance=place)
            if line.spec.version is not None:
                yield Edit("rename", line, with_name(line, name, bare=True), distance=ANY_DISTANCE + place)

    # Versions

    def _near_versions(self, line: Requirement, others: Sequence[Edit]) -> Iterator[Edit]:
        """The line with the versions that work next below and above the wanted ones, the nearer one first."""
        plain = without(line, "build", "build_number") if line.spec.build else line
        found = [
            (distance, above, version)
            for above in (True, False)
            for version, distance in self._nearest(line, others, above=above)
        ]
        for distance, _, version in sorted(found, key=lambda one: (one[0], not one[1])):
            new = with_version(plain, version)
            if new is not None:
                yield Edit(_kind(line), line, new, distance=distance)

    def _nearest(
        self, line: Requirement, others: Sequence[Edit], *, above: bool
    ) -> Iterator[tuple[str, int]]:
        """The version next to the wanted ones in one direction, if one works, and how far away it is."""
        versions = self._versions(line.spec.name)
        limits = bounds(line, versions)
        if limits is None:
            return
        limit = limits[1] if above else limits[0]
        asked = line.spec.version
        bound = "" if asked is not None and asked.matches(Version.parse(limit)) else "="
        beyond = VersionSpec.parse(f"{'>' if above else '<'}{bound}{limit}")
        if not any(beyond.matches(Version.parse(text)) for text in versions):
            return
        spec = replace(line.spec, version=beyond, build=None, build_number=None)
        probe = Requirement(spec, line.source)
        outcome = self._solve_first(line, probe, others, "lowest-direct" if above else "highest")
        version = versions_of(outcome).get(spec.name) if isinstance(outcome, Solution) else None
        if version is not None:
            yield version, _distance(versions, limit, version)

    def _solve_first(
        self, line: Requirement, probe: Requirement, others: Sequence[Edit], strategy: Strategy
    ) -> Solution | Conflict:
        """Solve with *probe* in the place of *line*, and first, so that its version is the best possible."""
        problem = apply_edits(self.trial.problem, [*others, Edit("version", line, probe)])
        rest = tuple(one for one in problem.requirements if one is not probe)
        free = problem.free | {probe.spec.name}
        return self.trial.solve(replace(problem, requirements=(probe, *rest), strategy=strategy, free=free))

    def _versions(self, name: str) -> list[str]:
        universe = self.conflict.universe
        candidates = universe.variables[universe.variable(name)].candidates
        return candidates.versions_in(candidates.full)


def _kind(line: Requirement) -> EditKind:
    """A pin gets another version, a range is relaxed."""
    asked = line.spec.version
    pinned = asked is not None and (asked.is_exact or asked.is_fuzzy or asked.text.startswith("~="))
    return "version" if pinned else "relax"


def _distance(versions: Iterable[str], limit: str, version: str) -> int:
    """How many series lie on the way from the wanted versions to this one, itself counted; `FAR` beyond a major."""
    low, high = sorted((version_key(limit), version_key(version)))
    between = [text for text in versions if low <= version_key(text) <= high]
    steps = len({series(text, limit) for text in between} - {series(limit, limit)})
    return steps if series(version, "1") == series(limit, "1") else steps + FAR
