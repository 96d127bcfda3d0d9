"""What the candidates of one name say about another name, as masks.

A `Link` gathers every ``depends`` and ``constrains`` entry of a source name about one target name into disjoint
classes: (the candidates that carry these entries, the values of the target that they accept together). So one
look at a link tells what all remaining candidates of the source ask of the target, however many builds repeat
the same entry. A `Rule` is a dependency under a condition (CEP 43). This module groups; it matches nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.requirement import Requirement


class Entry(NamedTuple):
    """One entry of a record: *carriers* have it in their ``depends`` (or ``constrains`` when *optional*)."""

    carriers: int
    text: str
    optional: bool


class EntryClass(NamedTuple):
    """Candidates that carry exactly these entries about one target."""

    carriers: int
    entries: tuple[Entry, ...]

    @property
    def required(self) -> bool:
        """Whether the target must be installed for these candidates."""
        return not all(entry.optional for entry in self.entries)


class Link(Struct, eq=False):
    """All that the candidates of *source* say about *target*.

    ``without`` are the values of the source that say nothing (bit 0 among them), ``required`` the candidates
    that need the target installed. ``classes`` is filled once the target is loaded (``target`` is -1 until
    then): pairs of (carriers, accepted values of the target).
    """

    source: int
    name: str
    entries: tuple[EntryClass, ...]
    without: int
    required: int
    target: int = -1
    classes: list[tuple[int, int]] = field(default_factory=list)

    def accepted(self, carriers: int) -> int:
        """The values of the target that at least one of *carriers* accepts."""
        union = 0
        for mask, allowed in self.classes:
            if mask & carriers:
                union |= allowed
        return union


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


def make_link(source: int, name: str, full: int, entries: Iterable[Entry]) -> Link:
    """The link from variable *source*, whose values are *full*, to *name*."""
    classes = split_classes(entries)
    carriers = required = 0
    for entry_class in classes:
        carriers |= entry_class.carriers
        if entry_class.required:
            required |= entry_class.carriers
    return Link(source, name, classes, full & ~carriers, required)
