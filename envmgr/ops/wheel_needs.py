"""What chosen wheels need, before they are downloaded: who needs whom, and which Pythons they are not for.

The package cache tells it of wheels that lie there, and the index of others (PEP 658), once for each wheel, as its
answers are kept; what neither knows is known once the wheels are here. uv passes by the upper bounds of
``Requires-Python``, which pip keeps to, and so do plans.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.pypi.records import WheelNeeds
from envmgr.pypi.resolution import PypiRefusal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.pypi.resolution import PypiSolution, PypiSource

_THREADS = 16
_MOST_FAILURES = 3
"""Of a host, before any success: then it does not serve metadata beside its wheels."""


class NotForPython(Struct, frozen=True):
    """Chosen versions that are not for the planned Python: *constraints* (PEP 508) leave them out next time.

    ``final`` were asked for by URL or path, so that there is no other version. *reasons* are sentences.
    """

    names: frozenset[str]
    constraints: tuple[str, ...]
    reasons: tuple[str, ...]
    final: bool = False

    def refusal(self, answer: PypiRefusal | PypiSolution) -> PypiRefusal:
        """The refusal that follows, where *answer* is what the resolver said to the constraints."""
        words = tuple(f"{name}!=" for name in self.names)
        said = answer.reasons if isinstance(answer, PypiRefusal) else ()
        # What speaks of versions that only the constraints leave out would puzzle who never wrote them.
        others = tuple(each for each in said if not any(word in each for word in words))
        known = (
            answer if isinstance(answer, PypiRefusal) else PypiRefusal(tool=answer.tool, reasons=self.reasons)
        )
        return replace(
            known, reasons=(*self.reasons, *others), names=known.names | self.names, python=True, hint=None
        )

    def joined(self, earlier: NotForPython | None) -> NotForPython:
        """This and what was found *earlier*."""
        if earlier is None:
            return self
        return NotForPython(
            self.names | earlier.names,
            (*earlier.constraints, *self.constraints),
            tuple(dict.fromkeys((*earlier.reasons, *self.reasons))),
            self.final or earlier.final,
        )


class KnownNeeds(Struct):
    """What wheels need, looked up once for each; None where it is not known."""

    context: Context
    _found: dict[PackageRecord, WheelNeeds | None] = field(default_factory=dict)
    _asked: set[PackageRecord] = field(default_factory=set)
    _ranges: dict[tuple[str, str], dict[str, list[str]]] = field(default_factory=dict)

    def of(self, answer: PypiSolution) -> dict[str, WheelNeeds]:
        """What the wheels of *answer* need, by name."""
        unknown = [record for record in answer.wheels if self._found.get(record) is None]
        for record in unknown:
            self._found[record] = _told(record) or cached_needs(record, self.context)
        missing = [record for record in unknown if self._found[record] is None and record not in self._asked]
        if missing:
            self._fetch(missing, self.context.with_credentials(answer.credential_urls))
        found = {record.shown_name: self._found[record] for record in answer.wheels}
        return {name: needs for name, needs in found.items() if needs is not None}

    def not_for(self, python: str, answer: PypiSolution) -> NotForPython | None:
        """Which of the chosen distributions are not for *python* (a full version); None where all are."""
        needs = self.of(answer)
        found: NotForPython | None = None
        for record in answer.wheels:
            known = needs.get(record.shown_name)
            if known is not None and not _allows(known.requires_python, python):
                assert known.requires_python is not None
                told = self._excluding(record, known.requires_python, python, answer)
                found = told.joined(found)
        for source in answer.sources:
            if (excluded := self._excluding_source(source, python, answer)) is not None:
                found = excluded.joined(found)
        return found

    def _excluding(
        self, record: PackageRecord, wanted: str, python: str, answer: PypiSolution
    ) -> NotForPython:
        name = record.shown_name
        if "direct_url" in record.extra:
            return NotForPython(
                frozenset((name,)), (), (_sentence(name, record.version, wanted, python),), final=True
            )
        ranges = self._ranges_of(name, record.channel, answer)
        return _leaving_out(name, record.version, wanted, python, ranges)

    def _excluding_source(self, source: PypiSource, python: str, answer: PypiSolution) -> NotForPython | None:
        if source.kind != "sdist" or source.index is None or source.version is None:
            return None
        ranges = self._ranges_of(source.name, source.index, answer)
        wanted = ranges.get(_same(source.version), [])
        if not wanted or any(_allows(each or None, python) for each in wanted):
            return None
        return _leaving_out(source.name, source.version, wanted[0], python, ranges)

    def _ranges_of(self, name: str, index: str, answer: PypiSolution) -> Mapping[str, list[str]]:
        """``Requires-Python`` of each file by version, as the index tells it; "" for a file without one."""
        from envmgr.pypi.index_metadata import pythons_by_version

        place = (name, index)
        if place not in self._ranges:
            transport = self.context.with_credentials(answer.credential_urls).transport
            is_open = self._is_open(index)
            self._ranges[place] = pythons_by_version(name, index, transport) if is_open else {}
        return self._ranges[place]

    def _is_open(self, url: str) -> bool:
        """Whether *url* may be read; offline, only this machine's files may."""
        remote = url.startswith(("http://", "https://")) and not self.context.settings.offline
        return remote or url.startswith("file:")

    def _fetch(self, records: Sequence[PackageRecord], context: Context) -> None:
        """Ask the indexes; one that does not serve metadata is not asked for all of it."""
        from envmgr.pypi.kept_needs import FOLDER, KeptNeeds

        self._asked.update(records)
        store = KeptNeeds(context.settings.index_dir / FOLDER)
        by_host: dict[str, list[PackageRecord]] = {}
        for record in records:
            known = self._found[record] = store.find(record)
            if known is None and self._is_open(record.url):
                by_host.setdefault(urlsplit(record.url).netloc, []).append(record)
        for host, those in by_host.items():
            for record, needs in _ask_host(host, those, context).items():
                self._found[record] = needs
                if not record.url.startswith("file:"):
                    store.keep(record, needs)
        if by_host:
            store.forget_old()


def _ask_host(
    host: str, records: Sequence[PackageRecord], context: Context
) -> dict[PackageRecord, WheelNeeds]:
    """What *host* tells: one wheel is tried, then a few, before all others are asked for at the same time."""
    from envmgr.channels.threads import map_in_threads
    from envmgr.pypi.index_metadata import read_needs

    found: dict[PackageRecord, WheelNeeds] = {}

    def ask(those: Sequence[PackageRecord]) -> None:
        answers = map_in_threads(
            lambda record: read_needs(record.url, context.transport),
            those,
            threads=_THREADS,
            stopping=threading.Event(),
        )
        found.update((record, each) for record, each in zip(those, answers, strict=True) if each is not None)

    waiting = list(records)
    for amount in (1, _MOST_FAILURES - 1):
        if host and not found:
            ask(waiting[:amount])
            waiting = waiting[amount:]
    if found or not host:
        ask(waiting)
    return found


def cached_needs(record: PackageRecord, context: Context) -> WheelNeeds | None:
    """What the wheel of *record* needs, where it lies unpacked in the package cache."""
    from envmgr.packages.identity import distribution
    from envmgr.packages.layers import Layers
    from envmgr.packages.wheel import SITE_PACKAGES
    from envmgr.pypi.installed import metadata_folders, read_needs

    for home, _ in Layers(context.settings.pkgs_dirs).located(record):
        folder = home / distribution(record) / SITE_PACKAGES
        for name in metadata_folders(folder):
            return read_needs(folder / name / "METADATA")
    return None


def _told(record: PackageRecord) -> WheelNeeds | None:
    """What the resolver said itself, as pip does."""
    requires, python = record.extra.get("requires_dist"), record.extra.get("requires_python")
    return WheelNeeds(tuple(requires or ()), python) if requires or python else None


def _allows(wanted: str | None, python: str) -> bool:
    """Whether ``Requires-Python`` allows the version; one that cannot be read does, as for pip."""
    if not wanted:
        return True
    from packaging.specifiers import SpecifierSet

    try:
        return SpecifierSet(wanted).contains(python, prereleases=True)
    except ValueError:  # Also for numbers of thousands of digits.
        return True


def _leaving_out(
    name: str, version: str, wanted: str, python: str, ranges: Mapping[str, list[str]]
) -> NotForPython:
    """That version, and all others that the index says are not for *python*."""
    others = [
        other
        for other, texts in ranges.items()
        if texts and not any(_allows(text or None, python) for text in texts)
    ]
    versions = dict.fromkeys((_same(version), *others))
    constraint = f"{name}{','.join(f'!={each}' for each in versions)}"
    return NotForPython(frozenset((name,)), (constraint,), (_sentence(name, version, wanted, python),))


def _sentence(name: str, version: str, wanted: str, python: str) -> str:
    from envmgr.models.python_range import range_text

    return f"{name} {version} needs Python {range_text(wanted)}, and the environment's is {python}."


def _same(version: str) -> str:
    from envmgr.models.wheel_name import normalized_version

    return normalized_version(version)
