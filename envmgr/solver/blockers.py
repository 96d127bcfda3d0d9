"""What speaks against one version of a package, next to chosen records: each blocker by itself, nothing searched.

A version has several builds, and each may have blockers of its own. The build with the fewest is looked at: it is
the one that comes closest. Whether other records would make room is for a solve to find out (why.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct
from msgspec.structs import replace

from envmgr.models.record import is_pypi_name
from envmgr.models.virtual_package import is_possible
from envmgr.solver.graph import joined, read_entry, shown_name
from envmgr.solver.universe import Universe, target_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.solver.candidates import Candidates
    from envmgr.solver.graph import Graph, Need
    from envmgr.solver.problem import Problem
    from envmgr.solver.searched import Searched

MOST_BUILDS = 100  # of one version; popular names have 40
MOST_CANDIDATES = 20  # that are read to see whether one blocker follows from another

Kind = Literal[
    "line",  # a line of the user about the package itself
    "package",  # a chosen package needs another version
    "constraint",  # a chosen package works only with another version
    "dependency",  # the version needs something else of a chosen package
    "exclusion",  # the version works only with something else of a chosen package
    "machine",  # the version needs what this machine lacks (CEP 30)
    "platform",  # the version needs what this platform never has
    "missing",  # the version needs what no channel has
    "channel",  # strict channel priority hides it
    "date",  # exclude_newer hides it
    "features",  # it tracks features, which counts before the version
    "strategy",  # the lowest version was asked for
]


class Holder(Struct, frozen=True, omit_defaults=True):
    """Who keeps a package as it is: *package* (name and version), or a line of the user at *place*.

    ``optional`` marks what works without the package too, but with no other version of it.
    """

    spec: str
    package: str | None = None
    place: str | None = None
    optional: bool = False


class Blocker(Struct, frozen=True, omit_defaults=True):
    """One thing that stands against a newer version.

    *package* (a chosen one or the newer one; None for the user's line at *place* and for what a rule hides) says
    one of *specs*, each of them all that one build says. *target* is what they are about and *found* the version
    that is there, None for nothing. The kind "channel" names the *channel* that comes first, as the user calls it.
    ``held_by`` keeps the *target* (or, of the kinds "package" and "constraint", the *package*) as it is.
    """

    kind: Kind
    target: str
    specs: tuple[str, ...] = ()
    package: str | None = None
    found: str | None = None
    place: str | None = None
    channel: str | None = None
    held_by: tuple[Holder, ...] = ()

    @property
    def key(self) -> tuple[str, str | None, str]:
        """What makes two blockers of different builds the same."""
        return self.kind, self.package, self.target

    @property
    def is_final(self) -> bool:
        """Whether nothing but the user, another machine or the channels can move it."""
        if self.kind in ("package", "constraint", "dependency", "exclusion"):
            return any(holder.place is not None for holder in self.held_by)
        return True


class Blocked(Struct, frozen=True):
    """The blockers of the closest build; *build* names it where other builds have others."""

    blockers: tuple[Blocker, ...] = ()
    build: str | None = None


def find_blockers(
    builds: Sequence[PackageRecord], graph: Graph, problem: Problem, searched: Searched, subdir: str
) -> Blocked:
    """What speaks against *builds*, the records of one version of a package in *graph*.

    *problem* is the one that the records were chosen for (or would be), *searched* its channels by name and
    *subdir* its platform.
    """
    examiner = _Examiner(graph, problem, searched, subdir)
    found = [examiner.examine(record) for record in builds[:MOST_BUILDS]]
    number = min(range(len(found)), key=lambda each: len(found[each]))
    closest = found[number]
    if not all(each.keys() >= closest.keys() for each in found):
        return Blocked(tuple(_merged([each]) for each in closest.values()), builds[number].build)
    return Blocked(tuple(_merged([each[key] for each in found]) for key in closest))


Found = dict[tuple[str, str | None, str], Blocker]


def _merged(blockers: Sequence[Blocker]) -> Blocker:
    """One blocker for all builds: what each of them says is one alternative."""
    alternatives = dict.fromkeys(joined(blocker.specs) for blocker in blockers if blocker.specs)
    return replace(blockers[0], specs=tuple(alternatives))


class _Examiner:
    """Looks at one build after the other; what may be used of other names is asked once."""

    def __init__(self, graph: Graph, problem: Problem, searched: Searched, subdir: str) -> None:
        self.graph = graph
        self.problem = problem
        self.searched = searched
        self.subdir = subdir
        self.universe = Universe(problem)

    def examine(self, record: PackageRecord) -> Found:
        """The blockers of *record* by key, those of the user first."""
        blockers = self._hidden(record) or [
            *self._lines(record),
            *self._users(record),
            *self._own(record),
            *self._features(record),
            *self._strategy(record.name),
        ]
        return {each.key: each for each in sorted(blockers, key=lambda each: not each.is_final)}

    # Rules of the solve

    def _hidden(self, record: PackageRecord) -> list[Blocker]:
        known = self.universe.variables[self.universe.variable(record.name)]
        reasons = [part.reason for part in known.hidden_parts if part.table.place_of(record) is not None]
        if "channel" in reasons:
            best = known.candidates.installed_values(2)
            version, channel = (best[0].version, self.searched.place_of(best[0])) if best else (None, None)
            return [Blocker("channel", record.name, found=version, channel=channel)]
        return [Blocker("date", record.name)] if "newer" in reasons else []

    def _features(self, record: PackageRecord) -> list[Blocker]:
        chosen = self.graph.find(record.name)
        wanted = set(chosen.features_tracked) if chosen else set()
        more = [feature for feature in record.features_tracked if feature not in wanted]
        return [Blocker("features", record.name, tuple(more))] if more else []

    def _strategy(self, name: str) -> list[Blocker]:
        strategy = self.problem.strategy
        direct = any(line.spec.name == name for line in self.problem.requirements)
        lowest = strategy == "lowest" or (strategy == "lowest-direct" and direct)
        return [Blocker("strategy", name, (strategy,))] if lowest else []

    # What others say of the package

    def _lines(self, record: PackageRecord) -> list[Blocker]:
        lines = [*self.graph.lines_about(record.name), *self._limits(record.name)]
        return [
            Blocker("line", record.name, (line.source.text,), place=str(line.source))
            for line in lines
            if not line.spec.matches(record)
        ]

    def _limits(self, name: str) -> list[Requirement]:
        limits = self.problem.constraints
        return [line for line in limits if line.spec.name == name and self.graph.holds(line.spec.when)]

    def _users(self, record: PackageRecord) -> list[Blocker]:
        name = record.name
        needs = [(kind, need) for kind, needs in self._sayings(name) for need in needs]
        return [
            Blocker(kind, name, need.specs, self._label(need.source), held_by=self._lines_of(need.source))
            for kind, need in needs
            if not need.accepts(record) and self._insists(need, lambda text: _accept([text], record))
            if not self._goes_along(need.source, name)
        ]

    def _sayings(self, name: str) -> list[tuple[Kind, list[Need]]]:
        """What other chosen packages say of *name*."""
        needs, limits = self.graph.needed_by.get(name, ()), self.graph.limited_by.get(name, ())
        return [
            ("package", [need for need in needs if need.source != name]),
            ("constraint", [need for need in limits if need.source != name]),
        ]

    def _insists(self, need: Need, accepts: Callable[[str], bool]) -> bool:
        """Whether no build of the same version says something else, so that the version itself is in the way."""
        if is_pypi_name(need.source):
            return True
        record = self.graph.records[need.source]
        table = self._candidates(need.source).table
        builds = table.version_masks().get(record.version, 0)
        for text, carriers in (*table.depends, *table.constrains):
            if carriers & builds and target_name(text) == need.target and not accepts(text):
                builds &= ~carriers
        return not builds

    def _goes_along(self, name: str, with_name: str) -> bool:
        """Whether the two tie each other and no line holds *name*, as a python_abi goes along with its python."""
        return self._ties(with_name, name) and self._ties(name, with_name) and not self._lines_of(name)

    def _ties(self, name: str, other: str) -> bool:
        """Whether the chosen record of *name* says which version of *other* it takes."""
        record = self.graph.find(name)
        entries = (*record.depends, *record.constrains) if record else ()
        specs = [read_entry(text) for text in entries if target_name(text) == other]
        return any(spec is not None and (spec.version or spec.build) for spec in specs)

    def _lines_of(self, name: str) -> tuple[Holder, ...]:
        """The lines that ask for more of *name* than that it is there."""
        return tuple(
            Holder(line.source.text, place=str(line.source))
            for line in [*self.graph.lines_about(name), *self._limits(name)]
            if line.spec.version is not None or line.spec.build is not None
        )

    # What the package says of others

    def _own(self, record: PackageRecord) -> list[Blocker]:
        found: list[Blocker] = []
        for target, texts in self.graph.counted(record.depends).items():
            blocker = self._about(record, target, texts) if target != record.name else None
            found += [blocker] if blocker else []
        for target, texts in self.graph.counted(record.constrains).items():
            there = self.graph.find(target)
            if target != record.name and there is not None and not _accept(texts, there):
                found.append(self._against("exclusion", record, there, texts))
        found = [each for each in found if not self._goes_along(each.target, record.name)]
        return self._without_consequences(found)

    def _about(self, record: PackageRecord, target: str, texts: Sequence[str]) -> Blocker | None:
        there = self.graph.find(target)
        if there is not None and _accept(texts, there):
            return None
        who = f"{record.name} {record.version}"
        if target.startswith("__"):
            kind: Kind = "machine" if is_possible(target, self.subdir) else "platform"
            return Blocker(kind, target, tuple(texts), who, there.version if there else None)
        if not self._matching(target, texts):
            return Blocker("missing", target, tuple(texts), who, there.version if there else None)
        return None if there is None else self._against("dependency", record, there, texts)

    def _against(
        self, kind: Kind, record: PackageRecord, there: PackageRecord, texts: Sequence[str]
    ) -> Blocker:
        who = f"{record.name} {record.version}"
        holders = self._holders(there.name, texts, record.name) if not there.is_virtual else ()
        return Blocker(kind, there.name, tuple(texts), who, there.version, held_by=tuple(holders))

    def _holders(self, name: str, texts: Sequence[str], asker: str) -> list[Holder]:
        """The lines, and then the chosen packages, that accept none of what *texts* ask for."""
        wanted = self._matching(name, texts)
        if not wanted:  # Then nobody holds it: there is nothing else.
            return []
        candidates = self._candidates(name)
        found = [
            Holder(line.source.text, place=str(line.source))
            for line in [*self.graph.lines_about(name), *self._limits(name)]
            if not candidates.matching_spec(line.spec) & wanted
        ]
        for kind, needs in self._sayings(name):
            for need in needs:
                if need.source == asker or self._matching(name, need.specs) & wanted:
                    continue
                if self._goes_along(need.source, name):
                    continue
                if self._insists(need, lambda text: bool(candidates.matching(text) & wanted)):
                    label = self._label(need.source)
                    found.append(Holder(joined(need.specs), label, optional=kind == "constraint"))
                    found += self._lines_of(need.source)
        return list(dict.fromkeys(found))

    def _candidates(self, name: str) -> Candidates:
        return self.universe.variables[self.universe.variable(name)].candidates

    def _matching(self, name: str, texts: Iterable[str]) -> int:
        """The usable candidates of *name* that accept all of *texts*."""
        candidates = self._candidates(name)
        mask = candidates.full & ~1
        for text in texts:
            mask &= candidates.matching(text)
        return mask

    def _without_consequences(self, blockers: Sequence[Blocker]) -> list[Blocker]:
        """Leave out what follows from another blocker: a python_abi that goes with the python."""
        kept = list(blockers)
        for blocker in sorted(blockers, key=self._weight):
            others = [each for each in kept if each is not blocker and each.kind == "dependency"]
            if blocker.kind == "dependency" and any(self._follows(blocker, each) for each in others):
                kept.remove(blocker)
        return kept

    def _weight(self, blocker: Blocker) -> tuple[bool, bool, int]:
        users = len(self.graph.needed_by.get(blocker.target, ()))
        asked = bool(self.graph.lines_about(blocker.target))
        return any(holder.place for holder in blocker.held_by), asked, users

    def _follows(self, blocker: Blocker, cause: Blocker) -> bool:
        """Whether every record that *blocker* asks for refuses the chosen record that *cause* is about."""
        there = self.graph.find(cause.target)
        mask = self._matching(blocker.target, blocker.specs)
        if there is None or not 0 < mask.bit_count() <= MOST_CANDIDATES:
            return False
        candidates = self._candidates(blocker.target)
        return all(_refuses(record, there) for record in candidates.installed_values(mask))

    def _label(self, name: str) -> str:
        record = self.graph.find(name)
        return f"{record.shown_name} {record.version}" if record else shown_name(name)


def _accept(texts: Iterable[str], record: PackageRecord) -> bool:
    specs = [read_entry(text) for text in texts]
    return all(spec is not None and spec.matches(record) for spec in specs)


def _refuses(record: PackageRecord, other: PackageRecord) -> bool:
    about = [text for text in (*record.depends, *record.constrains) if target_name(text) == other.name]
    return bool(about) and not _accept(about, other)
