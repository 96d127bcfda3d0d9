"""What a change to an installed environment may move: the modes that users know, as fields of a `Problem`.

By default everything stays that can. ``named`` lets the named packages take their newest, ``dependencies`` also all
that they need, ``all`` everything; ``freeze`` lets nothing move or go but what is named, or there is no answer.
Removing is no solve: what needs a removed package goes with it, and what remains is as valid as it was. A need
under a condition (CEP 43) counts while that holds, one of an extra (CEP 44) for those who ask for the extra.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct

from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.match_spec import MatchSpec
from envmgr.models.record_table import is_readable
from envmgr.models.requirement import Requirement, Source
from envmgr.models.string_match import StringMatch
from envmgr.models.version_spec import VersionSpec
from envmgr.solver.graph import Graph, read_entry
from envmgr.solver.problem import FROZEN
from envmgr.solver.universe import target_name

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from envmgr.models.record import PackageRecord

    Machine = Callable[[str], PackageRecord | None]

UpdateMode = Literal["keep", "named", "dependencies", "all", "freeze"]

_PLAIN = lazy_pattern(r"[A-Za-z0-9_.+]+")


def no_machine(_: str) -> None:
    """A machine without properties: no virtual package is there."""
    return


class Update(Struct, frozen=True):
    """What may move: ``free`` is meant for `Problem.free`, ``locks`` stand behind the `Problem.requirements`."""

    free: frozenset[str] = frozenset()
    locks: tuple[Requirement, ...] = ()


def plan_update(
    mode: UpdateMode,
    installed: Sequence[PackageRecord],
    named: Iterable[str] = (),
    *,
    lines: Sequence[Requirement] = (),
    machine: Machine = no_machine,
) -> Update:
    """The fields for *mode*; *named* are the packages that the user named for a change.

    *lines* are what the environment was asked for, *machine* answers for virtual packages: they tell which extras
    and conditions count.
    """
    names = frozenset(named)
    match mode:
        case "keep":
            return Update()
        case "named":
            return Update(free=names)
        case "dependencies":
            return Update(free=names | needed_by(installed, names, lines=lines, machine=machine))
        case "all":
            return Update(free=frozenset(record.name for record in installed))
        case "freeze":
            return Update(locks=lock_lines(record for record in installed if record.name not in names))


def lock_lines(records: Iterable[PackageRecord]) -> tuple[Requirement, ...]:
    """Lines that hold *records* exactly where they are: this file of this channel, and nothing in its place."""
    return tuple(
        Requirement(_exactly(record), Source(FROZEN, None, f"{record.name} {record.version} {record.build}"))
        for record in records
    )


def _exactly(record: PackageRecord) -> MatchSpec:
    """A spec made of values, since what a record holds may mean something else as the text of a spec."""
    origin = record.origin
    readable = is_readable(record.version)
    return MatchSpec(
        name=record.name,
        version=VersionSpec.parse(f"=={record.version}") if readable else None,
        build=StringMatch.parse(_literally(record.build)),
        channel=origin.channel if origin else None,
        subdir=origin.subdir if origin else None,
        file_name=None if readable else _literally(record.file_name),
    )


def _literally(text: str) -> str:
    """A pattern that only *text* matches."""
    return text if _PLAIN.fullmatch(text) else f"^{re.escape(text)}$"


def keep_order(installed: Sequence[PackageRecord]) -> tuple[str, ...]:
    """The installed names in the order in which they are kept: what most others need first, then by name.

    Where not all can stay, moving a package that many need would move these as well.
    """
    users = dict.fromkeys(sorted(record.name for record in installed), 0)
    for record in installed:
        for name in {target_name(text) for text in record.depends}:
            if name in users:
                users[name] += 1
    return tuple(sorted(users, key=lambda name: -users[name]))


def needed_by(
    installed: Sequence[PackageRecord],
    names: Iterable[str],
    *,
    lines: Sequence[Requirement] = (),
    machine: Machine = no_machine,
) -> frozenset[str]:
    """All installed names that *names* depend on, directly or not; *names* only where one needs another."""
    graph = Graph(installed, lines, machine)
    needs: dict[str, set[str]] = {name: set() for name in graph.records}
    for each in _asks(graph):
        needs[each.owner].add(each.target)
    return _reached(names, needs) & needs.keys()


def with_dependants(
    installed: Sequence[PackageRecord],
    names: Iterable[str],
    *,
    lines: Sequence[Requirement] = (),
    machine: Machine = no_machine,
) -> frozenset[str]:
    """The installed packages among *names*, and all that cannot stay without them.

    Those whose need holds in any case go first: without them, a condition that spared others may not hold.
    """
    here = {record.name: record for record in installed}
    gone = here.keys() & frozenset(names)
    while True:
        left = [record for name, record in here.items() if name not in gone]
        broken = [each for each in _asks(Graph(left, lines, machine)) if each.target in gone]
        if not broken:
            return frozenset(gone)
        certain = {each.owner for each in broken if not each.conditional}
        gone |= certain or {each.owner for each in broken}


def unneeded(
    installed: Sequence[PackageRecord],
    requested: Collection[str],
    *,
    lines: Sequence[Requirement] = (),
    machine: Machine = no_machine,
) -> frozenset[str]:
    """The installed names that neither are *requested* nor needed by what is; *lines* tell of requested extras."""
    left = list(installed)
    while True:
        names = {record.name for record in left}
        kept = names.intersection(requested)
        kept |= needed_by(left, kept, lines=lines, machine=machine)
        if kept == names:  # Without what went, a condition may no longer hold: another look was needed.
            return frozenset({record.name for record in installed} - names)
        left = [record for record in left if record.name in kept]


class _Ask(NamedTuple):
    """*owner* cannot stay without *target*; ``conditional`` says that a condition on the way holds (CEP 43)."""

    owner: str
    target: str
    conditional: bool


def _asks(graph: Graph) -> Iterator[_Ask]:
    """What each package needs, with what the extras need that it asks for, and those that a line asks for."""
    for name, record in graph.records.items():
        wanted = [(name, extra) for line in graph.lines_about(name) for extra in line.spec.extras]
        yield from _asks_of(graph, name, record.depends, wanted)


def _asks_of(
    graph: Graph, owner: str, texts: Iterable[str], extras: Iterable[tuple[str, str]]
) -> Iterator[_Ask]:
    seen: set[tuple[str, str]] = set()
    waiting: list[tuple[Iterable[str], bool]] = [(texts, False), *_entries(graph, extras, seen, sure=True)]
    while waiting:
        entries, conditional = waiting.pop()
        for target, counted in graph.counted(entries).items():
            for text in counted:
                spec = read_entry(text) if "[" in text or ":" in text else None
                unsure = conditional or (spec is not None and spec.when is not None)
                yield _Ask(owner, target, unsure)
                asked = [(target, extra) for extra in spec.extras] if spec is not None else []
                waiting += _entries(graph, asked, seen, sure=not unsure)


def _entries(
    graph: Graph, extras: Iterable[tuple[str, str]], seen: set[tuple[str, str]], *, sure: bool
) -> Iterator[tuple[Iterable[str], bool]]:
    """The dependencies of *extras* that nobody has *seen*, with whether a condition led to them."""
    for name, extra in extras:
        if (name, extra) not in seen and name in graph.records:
            seen.add((name, extra))
            yield graph.records[name].extra_depends.get(extra, ()), not sure


def _reached(start: Iterable[str], edges: Mapping[str, Collection[str]]) -> frozenset[str]:
    """What can be reached from *start* in one step or more."""
    seen: set[str] = set()
    stack = list(start)
    while stack:
        for name in edges.get(stack.pop(), ()):
            if name not in seen:
                seen.add(name)
                stack.append(name)
    return frozenset(seen)
