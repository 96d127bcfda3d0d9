"""What the candidates of one name say about another name, as masks.

A `Link` gathers every ``depends`` and ``constrains`` entry of a source name about one target name into disjoint
classes: (the candidates that carry these entries, the values of the target that they accept together). So one
look at a link tells what all remaining candidates of the source ask of the target, however many builds repeat
the same entry. A class is matched when it is first needed: most candidates are ruled out before anybody asks what
they say. A `Rule` is a dependency under a condition (CEP 43). This module groups; how to match it is told.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.requirement import Requirement


class Entry(Struct, frozen=True, gc=False):
    """One entry of a record: *carriers* have it in their ``depends`` (or ``constrains`` when *optional*)."""

    carriers: int
    text: str
    optional: bool


class EntryClass(NamedTuple):
    """Candidates that carry exactly these entries about one target."""

    carriers: int
    entries: tuple[Entry, ...]


class Link(Struct, eq=False):
    """All that the candidates of *source* say about *target*.

    ``without`` are the values of the source that say nothing (bit 0 among them), ``required`` the candidates
    that need the target installed. ``target`` is -1 until that is loaded. ``classes`` are the pairs of (carriers,
    accepted values of the target) that were read so far; ``unread`` are the candidates whose class was not.
    """

    source: int
    name: str
    stated: list[Entry]
    without: int
    required: int
    target: int = -1
    classes: list[tuple[int, int]] = field(default_factory=list)
    unread: int = 0
    _singles: dict[int, int] = field(default_factory=dict)
    _split: tuple[EntryClass, ...] = ()
    _waiting: Sequence[EntryClass] = ()
    _accept: Callable[[tuple[Entry, ...]], int] | None = None

    @property
    def entries(self) -> tuple[EntryClass, ...]:
        """The disjoint classes of the source's candidates by what they say."""
        if not self._split:
            self._split = split_classes(self.stated)
        return self._split

    def attach(self, target: int, accept: Callable[[tuple[Entry, ...]], int]) -> None:
        """The target was loaded; *accept* tells which of its values some entries accept together."""
        self.target = target
        if not self.classes:
            self._accept = accept
            self._waiting = self.entries
            self.unread = union(each.carriers for each in self.stated)

    def read(self, carriers: int) -> None:
        """Match the classes that hold any of *carriers*."""
        assert self._accept is not None
        left = []
        for each in self._waiting:
            if each.carriers & carriers:
                self.classes.append((each.carriers, self._accept(each.entries)))
                self.unread &= ~each.carriers
            else:
                left.append(each)
        self._waiting = left

    def accepted_by_one(self, candidate: int) -> int:
        """The values of the target that one *candidate* of the source accepts; all where it says nothing."""
        found = self._singles.get(candidate)
        if found is None:
            if self.unread & candidate:
                self.read(candidate)
            found = next((allowed for carriers, allowed in self.classes if carriers & candidate), -1)
            self._singles[candidate] = found
        return found

    def all_classes(self) -> list[tuple[int, int]]:
        """All pairs of (carriers, accepted values of the target)."""
        if self.unread:
            self.read(self.unread)
        return self.classes

    def accepted(self, carriers: int) -> int:
        """The values of the target that at least one of *carriers* accepts."""
        if self.unread & carriers:
            self.read(carriers)
        return union(allowed for mask, allowed in self.classes if mask & carriers)


class Rule(Struct, eq=False):
    """Candidates *carriers* of *source* ask *target* for *spec* where all of *conditions* hold (CEP 43).

    ``requirement`` is the user's line that carries the condition; ``source`` is None then. *optional* marks a
    run constraint. The target is the spec's name, or one of its extras.
    """

    source: int | None
    carriers: int
    target: str
    spec: MatchSpec
    conditions: tuple[MatchSpec, ...]
    optional: bool = False
    requirement: Requirement | None = None


def union(masks: Iterable[int]) -> int:
    """All bits of *masks*."""
    found = 0
    for mask in masks:
        found |= mask
    return found


def split_classes(entries: Iterable[Entry]) -> tuple[EntryClass, ...]:
    """Disjoint classes of candidates by the set of entries that they carry, in order of first appearance."""
    classes: list[EntryClass] = []
    seen = 0
    for entry in entries:
        if entry.carriers & seen:
            classes = list(_refined(classes, entry))
        fresh = entry.carriers & ~seen
        if fresh:
            classes.append(EntryClass(fresh, (entry,)))
            seen |= fresh
    return tuple(classes)


def _refined(classes: list[EntryClass], entry: Entry) -> Iterable[EntryClass]:
    for old in classes:
        both = old.carriers & entry.carriers
        if both:
            yield EntryClass(both, (*old.entries, entry))
        if both != old.carriers:
            yield EntryClass(old.carriers & ~entry.carriers, old.entries)


def make_link(source: int, name: str, full: int, entries: list[Entry]) -> Link:
    """The link from variable *source*, whose values are *full*, to *name*."""
    carriers = union([entry.carriers for entry in entries])
    required = union([entry.carriers for entry in entries if not entry.optional])
    return Link(source, name, entries, full & ~carriers, required)
