"""Who needs whom among chosen records: from the user's lines down to the properties of the machine.

Python distributions from PyPI take part where their records say what they need, in conda's form: ``pypi:idna >=3``.
The graph is that of one answer, a plan or an environment: entries under a condition (CEP 43) count where it holds,
those of an extra (CEP 44) where somebody asks for it. It is read once, and every walk over it visits a name once,
so its cost grows with the entries and not with the ways through them. Which other records there might have been is
none of its business (blockers.py).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.models.condition import And, Or
from envmgr.models.record import PYPI_PREFIX, is_pypi_name
from envmgr.solver.candidates import parse_match_spec
from envmgr.solver.ranges import join_words, plain_entries
from envmgr.solver.universe import target_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envmgr.models.match_spec import Condition, MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement


class Need(Struct, frozen=True):
    """Package *source* says *specs*, as its record writes them, about the package *target*.

    It is for one of its *extras* (CEP 44); empty where it needs the target in any case.
    """

    source: str
    target: str
    specs: tuple[str, ...]
    extras: tuple[str, ...] = ()

    def accepts(self, record: PackageRecord) -> bool:
        """Whether every spec accepts *record*; one that cannot be read accepts nothing."""
        specs = [read_entry(text) for text in self.specs]
        return all(spec is not None and spec.matches(record) for spec in specs)


class Graph:
    """The needs among *records*, one for each name.

    *requirements* are the user's lines in order; those whose condition does not hold, or whose package is not
    there, lead nowhere. *machine* answers with the record of a virtual package, None where the machine lacks it.
    """

    def __init__(
        self,
        records: Iterable[PackageRecord],
        requirements: Sequence[Requirement],
        machine: Callable[[str], PackageRecord | None],
    ) -> None:
        self.records = {record.name: record for record in records}
        self._machine = machine
        self.lines = tuple(line for line in requirements if self.holds(line.spec.when))
        self.needs: dict[str, dict[str, Need]] = {}
        self.needed_by: dict[str, list[Need]] = {}
        self.limited_by: dict[str, list[Need]] = {}
        self._read()

    def find(self, name: str) -> PackageRecord | None:
        """The chosen record of *name*, or the machine's."""
        return self._machine(name) if name.startswith("__") else self.records.get(name)

    def holds(self, condition: Condition | None) -> bool:
        """Whether a condition holds among the chosen records (CEP 43); None always does."""
        if condition is None:
            return True
        if isinstance(condition, (And, Or)):
            results = [self.holds(part) for part in condition.parts]
            return all(results) if isinstance(condition, And) else any(results)
        record = self.find(condition.name)
        return record is not None and condition.matches(record)

    def lines_about(self, name: str) -> list[Requirement]:
        """The user's lines that ask for *name*, in order."""
        return [line for line in self.lines if line.spec.name == name]

    def roots(self) -> list[str]:
        """The names that the lines ask for and that are there; without lines, those that nothing else needs."""
        if self.lines:
            return list(dict.fromkeys(line.spec.name for line in self.lines if self.find(line.spec.name)))
        return self.tops(self.records)

    def orphans(self) -> list[str]:
        """The topmost of the packages that no line leads to."""
        return self.tops(self.records.keys() - self.below(self.roots()))

    def tops(self, names: Iterable[str]) -> list[str]:
        """The fewest of *names*, sorted, below which all of them lie: of a circle that stands alone one."""
        left = set(names)
        found = [name for name in sorted(left) if not self._is_needed(name, left)]
        left -= self.below(found)
        while left:
            found.append(min(left))
            left -= self.below(found[-1:])
        return sorted(found)

    def _is_needed(self, name: str, among: set[str]) -> bool:
        return any(need.source in among and need.source != name for need in self.needed_by.get(name, ()))

    def below(self, names: Iterable[str]) -> set[str]:
        """*names* and all that they need."""
        seen: set[str] = set()
        stack = list(names)
        while stack:
            name = stack.pop()
            if name not in seen:
                seen.add(name)
                stack += self.needs.get(name, ())
        return seen

    def ways_to(self, name: str) -> dict[str, Need]:
        """For each package that needs *name*, closely or not, the first need on a shortest way there."""
        found: dict[str, Need] = {}
        queue = deque([name])
        while queue:
            for need in self.needed_by.get(queue.popleft(), ()):
                if need.source != name and need.source not in found:
                    found[need.source] = need
                    queue.append(need.source)
        return found

    def counted(self, texts: Iterable[str]) -> dict[str, list[str]]:
        """Those of a record's entries whose condition holds, by the name that they are about."""
        entries: dict[str, list[str]] = {}
        for text in texts:
            if is_pypi_name(text):
                entries.setdefault(text.split(" ", 1)[0], []).append(text)
                continue
            if "[" not in text and ":" not in text:
                entries.setdefault(target_name(text), []).append(text)
                continue
            spec = read_entry(text)
            if spec is None or self.holds(spec.when):
                entries.setdefault(target_name(text) if spec is None else spec.name, []).append(text)
        return entries

    def _read(self) -> None:
        extras = [(line.spec.name, extra) for line in self.lines for extra in line.spec.extras]
        for name in sorted(self.records):
            record = self.records[name]
            extras += self._read_entries(name, record.depends)
            for target, texts in self.counted(record.constrains).items():
                self.limited_by.setdefault(target, []).append(Need(name, target, tuple(texts)))
        done: set[tuple[str, str]] = set()
        while extras:
            name, extra = wanted = extras.pop(0)
            if wanted not in done and name in self.records:
                extras += self._read_entries(name, self.records[name].extra_depends.get(extra, ()), extra)
            done.add(wanted)
        for name in sorted(self.needs):
            for target, need in self.needs[name].items():
                self.needed_by.setdefault(target, []).append(need)

    def _read_entries(self, name: str, texts: Iterable[str], extra: str = "") -> list[tuple[str, str]]:
        """Add what *name* needs, or its *extra*; returns the extras that this asks for."""
        known = self.needs.setdefault(name, {})
        extras: list[tuple[str, str]] = []
        for target, some in self.counted(texts).items():
            before = known.get(target)
            specs = tuple(dict.fromkeys((*(before.specs if before else ()), *some)))
            known[target] = Need(name, target, specs, _for_extras(before, extra))
            extras += [(target, extra) for extra in _extras(some)]
        return extras


def read_entry(text: str) -> MatchSpec | None:
    """An entry of a record as a spec; None where it cannot be read."""
    try:
        if is_pypi_name(text):
            spec = parse_match_spec(text.removeprefix(PYPI_PREFIX))
            return replace(spec, name=f"{PYPI_PREFIX}{spec.name}")
        return parse_match_spec(text)
    except DataError:
        return None


def shown_name(name: str) -> str:
    """The name of a record, or an entry about it, as people know it: that of PyPI's without what tells it apart."""
    return name.removeprefix(PYPI_PREFIX)


def _for_extras(before: Need | None, extra: str) -> tuple[str, ...]:
    """The extras that a need is for, with one more *extra*; none where it was there *before* in any case."""
    if not extra or (before is not None and not before.extras):
        return ()
    return (*(before.extras if before else ()), extra)


def _extras(texts: Iterable[str]) -> list[str]:
    specs = [read_entry(text) for text in texts if "[" in text]
    return [extra for spec in specs if spec is not None for extra in spec.extras]


def told_need(specs: Iterable[str], extras: Sequence[str]) -> str:
    """What a need says, for a reader: its specs, and the extras that it is for.

    >>> told_need(["pandas >=2"], ["plot"])
    'pandas >=2 for its extra plot'
    """
    told = joined(specs)
    return f"{told} for its extra{'s' if len(extras) > 1 else ''} {join_words(extras)}" if extras else told


def joined(specs: Iterable[str]) -> str:
    """Entries about one name for a reader, which all hold.

    >>> joined(["numpy >=1.22", "numpy", "numpy <2.0a0"])
    'numpy >=1.22 and <2'
    """
    texts = plain_entries(shown_name(text) for text in specs)
    wordy = [text for text in texts if text.strip() != target_name(text)] or texts[:1]
    return " and ".join([*wordy[:1], *(text.removeprefix(f"{target_name(text)} ") for text in wordy[1:])])
