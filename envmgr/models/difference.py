"""What is different between two collections of packages: values and their comparison. Pure.

A side holds packages, as environments, generations, explicit files and exports do, or requests, as environment
files do. Two of a kind are compared by name. Packages are compared with requests by whether they fulfil them: what
nobody asked for, and the file does not name, is no difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord

PackageKind: TypeAlias = Literal["conda", "pypi"]
Direction: TypeAlias = Literal["added", "removed", "upgraded", "downgraded", "changed"]


class Entry(Struct, frozen=True):
    """One package, or one request.

    A package has its *record*; what is unknown of it is empty there. A request has *texts*, and for conda the
    *specs* that they are. *asked* tells that a package was asked for; *provides* are the distributions that a conda
    package has for Python.
    """

    kind: PackageKind
    name: str
    record: PackageRecord | None = None
    texts: tuple[str, ...] = ()
    specs: tuple[MatchSpec, ...] = ()
    asked: bool = False
    provides: tuple[str, ...] = ()

    @property
    def channel(self) -> str:
        """The URL of the channel, "" for an unknown one."""
        return self.record.origin.channel if self.record is not None and self.record.origin else ""

    @property
    def shown(self) -> str:
        """The version, or what is asked for."""
        return self.record.version if self.record is not None else ", ".join(self.texts)


class Side(Struct, frozen=True):
    """What was named *label* on the command line."""

    label: str
    entries: Mapping[tuple[PackageKind, str], Entry] = field(default_factory=dict)
    is_request: bool = False


class Difference(Struct, frozen=True):
    """A package that is not the same on both sides; *differs* names what is not, where it is on both."""

    direction: Direction
    before: Entry | None
    after: Entry | None
    differs: tuple[str, ...] = ()

    @property
    def entry(self) -> Entry:
        """The one there is, the newer of two."""
        found = self.after or self.before
        assert found is not None
        return found


def compare(before: Side, after: Side) -> list[Difference]:
    """From *before* to *after*, by name, conda packages first."""
    if before.is_request and not after.is_request:
        found = list(_fulfilment(before, after))
    elif after.is_request and not before.is_request:
        found = [_turned(each) for each in _fulfilment(after, before)]
    else:
        found = []
        for key in {*before.entries, *after.entries}:
            difference = _difference(before.entries.get(key), after.entries.get(key))
            found += [difference] if difference is not None else []
    return sorted(found, key=lambda each: (each.entry.kind, each.entry.name))


def _difference(before: Entry | None, after: Entry | None) -> Difference | None:
    if before is None or after is None:
        return Difference("added" if before is None else "removed", before, after)
    if before.record is None or after.record is None:
        same = set(before.texts) == set(after.texts)
        return None if same else Difference("changed", before, after, ("request",))
    differs = tuple(_differing(before, after))
    return Difference(_direction(before, after), before, after, differs) if differs else None


def _differing(before: Entry, after: Entry) -> Iterator[str]:
    old, new = before.record, after.record
    assert old is not None
    assert new is not None
    if old.version != new.version and old.version and new.version:
        yield "version"
    if old.build != new.build and old.build and new.build and before.kind == "conda":
        yield "build"
    if before.channel != after.channel and before.channel and after.channel and before.kind == "conda":
        yield "channel"
    if (old.version, old.build) == (new.version, new.build):
        for name in ("sha256", "md5"):
            sums = getattr(old, name), getattr(new, name)
            if all(sums):
                yield from [name] if sums[0] != sums[1] else []
                break


def _direction(before: Entry, after: Entry) -> Direction:
    from envmgr.errors import DataError

    assert before.record is not None
    assert after.record is not None
    if before.record.version == after.record.version:
        return "changed"
    try:
        is_newer = after.record.parsed_version > before.record.parsed_version
    except DataError:
        return "changed"
    return "upgraded" if is_newer else "downgraded"


def _turned(each: Difference) -> Difference:
    directions: dict[Direction, Direction] = {"added": "removed", "removed": "added"}
    direction = directions.get(each.direction, each.direction)
    return Difference(direction, each.after, each.before, each.differs)


def _fulfilment(wanted: Side, there: Side) -> Iterator[Difference]:
    """What *there* lacks of *wanted*, has otherwise, and has beyond it by request."""
    providers = {name: entry for entry in there.entries.values() for name in entry.provides}
    used = set()
    for key, request in wanted.entries.items():
        package = there.entries.get(key) or (providers.get(request.name) if request.kind == "pypi" else None)
        if package is None:
            yield Difference("removed", request, None)
            continue
        used.add((package.kind, package.name))
        if not _fulfils(package, request):
            yield Difference("changed", request, package, ("version",))
    for key, package in there.entries.items():
        if key not in used and package.asked:
            yield Difference("added", None, package)


def _fulfils(package: Entry, request: Entry) -> bool:
    record = package.record
    assert record is not None
    if request.kind == "conda":
        return all(spec.matches(record) for spec in request.specs)
    return all(_takes(text, record.version) for text in request.texts)


def _takes(text: str, version: str) -> bool:
    """Whether a requirement takes *version*; one by URL or path is believed to."""
    from packaging.requirements import Requirement

    try:
        return Requirement(text).specifier.contains(version, prereleases=True)
    except ValueError:
        return True
