"""Words for what is not there: unknown names, versions that no channel has, records that a rule hides, the machine.

Each sentence that the reader can act on leaves a hint; the last one stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.version import Version
from envmgr.models.version_spec import VersionSpec
from envmgr.models.visible_text import shortened
from envmgr.solver.machine import SYSTEMS, can_be_overridden
from envmgr.solver.near_names import channel_of, may_be_meant
from envmgr.solver.pypi_names import conda_names
from envmgr.solver.ranges import MAX_RUNS, describe_versions, join_words, neighbours
from envmgr.solver.universe import may_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.solver.searched import Searched
    from envmgr.solver.target_machine import TargetMachine
    from envmgr.solver.universe import Universe, Variable

_VERSION_BEHIND = lazy_pattern(r"([A-Za-z_][\w.-]*?)[-:](\d[\w.]*)")
MAX_VERSION = 40  # characters of a version that cannot be read


class Absent:
    """Tells what is missing in *universe*, and keeps the *hint* of the last sentence that has one."""

    def __init__(self, universe: Universe, searched: Searched, target: TargetMachine) -> None:
        self.universe = universe
        self.searched = searched
        self.target = target
        self.hint: str | None = None

    def package(self, requirement: Requirement, place: str = "") -> str:
        """Why no record of a line's package may be used; *place* goes behind the name."""
        spec, searched = requirement.spec, self.searched
        known = self._known(spec.name)
        if known.hidden:
            return f"no {known.name} may be used{place}{self.hidden(known, every([spec]))}"
        if not searched.channels:
            return self.no_channel()
        if searched.lists(known.name):
            return f"{searched.text} {searched.verb} no {known.name} that can be read{place}"
        near = self._near(known.name)
        meant = self._version_behind(requirement)
        if meant is not None:
            near, self.hint = "", f"Did you mean {meant}?"
        return f"{searched.text} {searched.verb} no {known.name}{place}{near}"

    def _version_behind(self, requirement: Requirement) -> str | None:
        """What was meant by ``numpy-1.26.4`` or ``numpy:1.26.4``, where a channel has numpy."""
        written = _VERSION_BEHIND.fullmatch(requirement.source.text.strip())
        if written is None or not self.searched.lists(written[1].lower()):
            return None
        return f"{written[1].lower()}={written[2]}"

    def is_unknown(self, name: str) -> bool:
        """Whether no channel has *name*."""
        return not self._known(name).hidden and not self.searched.lists(name)

    def no_channel(self) -> str:
        """What to say where nothing was searched."""
        self.hint = "Name a channel with -c."
        return "no channel was searched"

    def versions(self, known: Variable, spec: MatchSpec | None) -> str:
        """What the channels have where no candidate fits: the versions beside the one that was asked for."""
        channels = f"{self.searched.text} {self.searched.verb}"
        if known.full == 1:
            return f"no {known.name} may be used"
        if spec is not None and spec.version is not None:
            matches = spec.version.matches
            if any(matches(Version.parse(text)) for text in known.candidates.versions_in(known.full)):
                return f"{channels} only other builds of {known.name} {spec.version}"
            beside = neighbours(known.candidates, str(spec.version))
            if beside:
                nearest = f"{channels} none; the nearest {known.name} is {' or '.join(beside)}"
                return nearest + self._wider(known, spec)
        versions = describe_versions(known.candidates, known.full & ~1, known.full)
        if spec is not None and spec.channel is not None:
            places = self._places(known.candidates.installed_values(known.full & ~1))
            return f"{known.name} {versions} is only in {places}"
        return f"{channels} only {known.name} {versions}"

    def _wider(self, known: Variable, spec: MatchSpec) -> str:
        """``==1.2`` is 1.2 and nothing else; who wrote it may have meant ``=1.2``, which takes in 1.2.3."""
        version = spec.version
        if version is None or not version.is_exact:
            return ""
        literal = str(version).lstrip("=")
        wider = VersionSpec.parse(f"={literal}")
        fitting = [
            text for text in known.candidates.versions_in(known.full) if wider.matches(Version.parse(text))
        ]
        if not fitting:
            return ""
        return f" (== is for exactly {literal}; {known.name}={literal} is for any {literal}.*)"

    def hidden(self, known: Variable, fits: Callable[[PackageRecord], bool]) -> str:
        """A word on the records that would fit if they could be read or no rule of this solve hid them."""
        fitting = [hidden for hidden in known.hidden if fits(hidden.record)]
        if known.full == 1:
            fitting = fitting or list(known.hidden)
        by_reason: dict[str, list[PackageRecord]] = {}
        for hidden in fitting:
            by_reason.setdefault(hidden.reason, []).append(hidden.record)
        words = []
        if "unreadable" in by_reason:
            words.append(self._unreadable(known.name, by_reason["unreadable"]))
        if "channel" in by_reason:
            whose = f"the {known.name} of {self._places(by_reason['channel'])}"
            words.append(f"strict channel priority hides {whose}")
            self.hint = f"Try --channel-priority flexible, which takes in {whose}."
        if "newer" in by_reason:
            words.append("newer ones are excluded by date")
        return "".join(f"; {word}" for word in words)

    def machine(self, known: Variable) -> str:
        """What this machine has of a virtual package, and whether that can be overridden."""
        found = known.candidates.records
        if not can_be_overridden(known.name, present=bool(found)):
            system = SYSTEMS.get(known.name)
            return f"only {system} has it" if system else f"{self.target.name} has no {known.name}"
        self.hint = self.target.hint(known.name)
        has = f"has no {known.name}"
        if found:
            has = f"has {known.name} {found[0].build if known.name == '__archspec' else found[0].version}"
        return f"{self.target.name} {has} ({self.target.remark(known.name)})"

    def _known(self, name: str) -> Variable:
        return self.universe.variables[self.universe.variable(name)]

    def _near(self, name: str) -> str:
        near = self.searched.near(name)
        known = [other for other in conda_names(name) if other in near]
        if known:
            self.hint = f"Ask for {' or '.join(known)} instead."
            return f"; what PyPI calls {name} is {' or '.join(known)} here"
        told = f"; near names: {join_words(near)}" if near else ""
        if any(may_be_meant(name, other) for other in near):
            self.hint = f"Did you mean {' or '.join(near)}?"
            return told
        channel = channel_of(name)
        if channel is None or any(one.rpartition("/")[2] == channel for one in self.searched.channels):
            self.hint = (
                f"Check the spelling of '{name}', or add the channel that has it; what only PyPI has goes "
                "below `- pip:` in a file."
            )
        else:
            self.hint = f"Packages like '{name}' are on the channel {channel}; add it with -c {channel}."
        return told

    def _unreadable(self, name: str, records: Sequence[PackageRecord]) -> str:
        versions = list(dict.fromkeys(shortened(record.version, MAX_VERSION) for record in records))
        told = join_words(versions[:MAX_RUNS], more=len(versions) - MAX_RUNS)
        has = "has an unreadable version" if len(versions) == 1 else "have unreadable versions"
        return f"{name} {told} of {self._places(records)} {has}"

    def _places(self, records: Sequence[PackageRecord]) -> str:
        return join_words(list(dict.fromkeys(self.searched.place_of(record) for record in records)))


def every(specs: Sequence[MatchSpec]) -> Callable[[PackageRecord], bool]:
    """A test for what all of *specs* accept."""
    return lambda record: all(may_fit(spec, record) for spec in specs)
