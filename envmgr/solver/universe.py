"""The names that a solve has touched: their candidates, and the links between them.

Variables are numbered in the order in which names are loaded. A record's entries are read only when the search
needs the name installed, and a target is loaded only when the search asks for it, so a solve touches a few
hundred names of a channel. A universe holds no state of a search: several searches, each with its own facts,
can run over one universe.

An extra (CEP 44) is a variable of its own, ``name[extra]``: it mirrors the candidates of its name, is tied to
them one by one, and carries the extra's dependencies.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Literal, NamedTuple

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.record_table import RecordTable, gathered, is_readable, selected, tables_of
from envmgr.solver.candidates import Candidates, Ordering, parse_match_spec, usual_key
from envmgr.solver.conditions import alternatives
from envmgr.solver.links import Entry, Link, Rule, make_link

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.models.requirement import Requirement
    from envmgr.solver.problem import Problem

_NAME = lazy_pattern(r"[^\s<>=!~\[]+")
_LIKE_A_NAME = lazy_pattern(r"[a-z0-9_.+-]+")

UNREADABLE = ""
"""The target of entries that are no specs of one package; it has no candidates, so nothing can fulfil them."""

HidingReason = Literal["channel", "newer", "unreadable"]


class HiddenPart(NamedTuple):
    """Records that no solution may use, and why: from a lower channel, too new, or of no readable version."""

    table: RecordTable
    reason: HidingReason


class Hidden(NamedTuple):
    """One of them."""

    record: PackageRecord
    reason: HidingReason


class Variable(Struct, eq=False):
    """One name: its candidates, and what is known of its links (``outgoing`` is None until they are read).

    ``needs`` then counts the packages that some candidate needs, those of the machine aside.
    """

    name: str
    candidates: Candidates
    base: int | None = None  # the variable that an extra belongs to
    extra: str | None = None
    hidden_parts: tuple[HiddenPart, ...] = ()
    outgoing: list[Link] | None = None
    needs: int = 0
    incoming: list[Link] = field(default_factory=list)
    refusals: list[tuple[Link, int, int]] = field(default_factory=list)  # candidates that refuse themselves
    group: int = 0  # the candidates of equal version that were last looked at, which saves another look

    @property
    def hidden(self) -> list[Hidden]:
        """Each record that no solution may use, with the reason; this reads all of them."""
        return [Hidden(record, part.reason) for part in self.hidden_parts for record in part.table.records()]

    @property
    def full(self) -> int:
        """Every value of the variable."""
        return self.candidates.full

    @property
    def virtual(self) -> bool:
        """Whether it stands for a property of the machine."""
        return self.name.startswith("__")


class Universe:
    """Loads names and links for the searches of one problem."""

    def __init__(self, problem: Problem) -> None:
        self.variables: list[Variable] = []
        self.rules: list[Rule] = []
        self._problem = problem
        self._index: dict[str, int] = {}
        self._waiting: dict[str, list[Link]] = {}
        self._direct = {requirement.spec.name for requirement in problem.requirements}
        self._installed = {record.name: record for record in problem.installed}

    # Names

    def find(self, name: str) -> int | None:
        """The variable of *name* if it was loaded."""
        return self._index.get(name)

    def variable(self, name: str) -> int:
        """The variable of *name*, loaded now if need be; an unknown name has no candidates."""
        found = self._index.get(name)
        return self._load(name) if found is None else found

    def offers_nothing(self, requirement: Requirement) -> bool:
        """Whether a line surely needs a package, not a virtual one, of which no loaded record may be used."""
        number = self._index.get(requirement.spec.name)
        if number is None or requirement.spec.when is not None:
            return False
        known = self.variables[number]
        return known.full == 1 and not known.virtual

    def refused_alone(self, requirement: Requirement) -> int:
        """The values that a line rules out where it surely fails by itself, since no record fits it; else 0.

        What the machine has, and names that were not loaded, are left to the search.
        """
        number = self._index.get(requirement.spec.name)
        if number is None or requirement.spec.when is not None:
            return 0
        known = self.variables[number]
        fails = not known.virtual and not known.candidates.matching_spec(requirement.spec)
        return known.full if fails else 0

    def _load(self, name: str) -> int:
        """Make the variable of *name*, which may be an extra's or `UNREADABLE`."""
        base, bracket, extra = name.partition("[")
        if bracket:
            owner = self.variable(base)
            made = Variable(name, self.variables[owner].candidates, base=owner, extra=extra[:-1])
        else:
            made = self._load_records(name)
        number = len(self.variables)
        self.variables.append(made)
        self._index[name] = number
        for link in self._waiting.pop(name, ()):
            self._attach(link, number)
        return number

    def _load_records(self, name: str) -> Variable:
        tables = tables_of(self._problem.load(name)) if name != UNREADABLE else []
        if name.startswith("__") or name == UNREADABLE:
            return Variable(name, Ordering().arrange(tables))
        usable, hidden = self._usable(name, tables)
        return Variable(name, self._ordering(name).arrange(usable), hidden_parts=tuple(hidden))

    def _ordering(self, name: str) -> Ordering:
        problem = self._problem
        lowest = problem.strategy == "lowest" or (
            problem.strategy == "lowest-direct" and name in self._direct
        )
        ranks = dict(problem.channel_rank) if problem.channel_priority == "flexible" else None
        preferred = None if name in problem.free else self._installed.get(name)
        return Ordering(channel_ranks=ranks, lowest=lowest, preferred=preferred)

    def _usable(self, name: str, tables: Sequence[RecordTable]) -> tuple[list[RecordTable], list[HiddenPart]]:
        """The records that the rules leave, and the others.

        The best channel is that of all records: what is too new there must not come from a lower one.
        """
        hidden: list[HiddenPart] = []
        usable = [table for table in tables if table.count]
        if self._problem.channel_priority == "strict":
            usable = self._best_channel(name, usable, hidden)
        usable = [each for table in usable for each in self._not_newer(table, hidden)]
        usable = [each for table in usable for each in _readable(table, hidden)]
        installed = self._installed.get(name)
        if installed is not None and all(table.place_of(installed) is None for table in usable):
            usable += _readable(RecordTable.of([installed]), hidden)
        return usable, hidden

    def _not_newer(self, table: RecordTable, hidden: list[HiddenPart]) -> list[RecordTable]:
        limit = self._problem.exclude_newer
        if limit is None:
            return [table]
        newer = [place for place in range(table.count) if table.moment(place) > limit]
        if not newer:
            return [table]
        hidden.append(HiddenPart(selected(table, newer), "newer"))
        left = set(newer)
        older = [place for place in range(table.count) if place not in left]
        return [selected(table, older)] if older else []

    def _best_channel(
        self, name: str, tables: list[RecordTable], hidden: list[HiddenPart]
    ) -> list[RecordTable]:
        """The records of the best channel that has the name, or that a line asks for by its own name.

        A record that cannot be read counts: what a channel has broken must not come from a lower one. It stays
        here, to be called unreadable wherever it is from.
        """
        chosen = self._named_channel(name, tables) or tables
        best = min((self._rank(table) for table in chosen), default=0)
        usable = []
        for table in tables:
            if self._rank(table) == best:
                usable.append(table)
                continue
            readable = table.columns.readable
            if readable:
                hidden.append(HiddenPart(gathered([(table, 0, readable)]), "channel"))
            if readable < table.count:
                usable.append(gathered([(table, readable, table.count)]))
        return usable

    def _named_channel(self, name: str, tables: list[RecordTable]) -> list[RecordTable]:
        specs = [
            requirement.spec for requirement in self._problem.requirements if requirement.spec.name == name
        ]
        naming = [spec for spec in specs if spec.channel is not None]
        return [table for table in tables if naming and _may_all_fit(naming, table)]

    def _rank(self, table: RecordTable) -> int:
        ranks = self._problem.channel_rank
        origin = table.origins[0][0]
        return ranks.get(origin.channel if origin else "", len(ranks))

    # Specs

    def values_of(self, variable: int, spec: MatchSpec) -> int:
        """The candidates of *variable* that *spec* accepts."""
        return self.variables[variable].candidates.matching_spec(spec)

    # Links

    def links(self, variable: int) -> list[Link]:
        """Everything that the candidates of *variable* say about other names; read on the first call."""
        known = self.variables[variable]
        if known.outgoing is None:
            known.outgoing = self._read_links(variable)
            known.needs = sum(bool(link.required) and link.name[:2] != "__" for link in known.outgoing)
        return known.outgoing

    def _read_links(self, variable: int) -> list[Link]:
        known = self.variables[variable]
        reader = _EntryReader(variable)
        table = known.candidates.table
        if known.extra is not None:
            reader.read(table.extra_depends(known.extra), optional=False)
        elif not known.virtual:
            reader.read(table.depends, optional=False)
            reader.read(table.constrains, optional=True)
        self.rules += reader.rules
        links = [make_link(variable, name, known.full, entries) for name, entries in reader.targets.items()]
        if known.base is not None:
            links.append(self._identity(variable, known))
        return [link for link in links if self._connect(link)]

    def _identity(self, variable: int, known: Variable) -> Link:
        base = self.variables[known.base or 0]
        link = make_link(variable, base.name, known.full, [Entry(known.full & ~1, base.name, optional=False)])
        link.classes = [(2 << place, 2 << place) for place in range(len(known.candidates.records))]
        return link

    def _connect(self, link: Link) -> bool:
        """Attach the link if its target is known; False for a link to itself, which is settled here."""
        target = self._index.get(link.name)
        if target == link.source:
            self._attach(link, target)
            self.variables[target].incoming.remove(link)
            refusals = [(link, carriers & ~allowed, allowed) for carriers, allowed in link.all_classes()]
            self.variables[target].refusals += [refusal for refusal in refusals if refusal[1]]
            return False
        if target is None:
            self._waiting.setdefault(link.name, []).append(link)
        else:
            self._attach(link, target)
        return True

    def _attach(self, link: Link, target: int) -> None:
        known = self.variables[target]
        link.attach(target, partial(self._accepted, known.candidates))
        known.incoming.append(link)

    @staticmethod
    def _accepted(candidates: Candidates, entries: tuple[Entry, ...]) -> int:
        accepted = candidates.full
        for entry in entries:
            matching = candidates.matching(entry.text)
            accepted &= matching | 1 if entry.optional else matching
        return accepted


class _EntryReader:
    """Sorts the entries of one variable's records by target."""

    def __init__(self, source: int) -> None:
        self.targets: dict[str, list[Entry]] = {}
        self.rules: list[Rule] = []
        self._source = source

    def read(self, carried: Iterable[tuple[str, int]], *, optional: bool) -> None:
        """Add each entry with the candidates that carry it."""
        targets = self.targets
        for text, places in carried:
            entry = Entry(places << 1, text, optional)
            if "[" in text or ":" in text:
                self._add_detailed(entry)
                continue
            name = _target(text)
            if name == UNREADABLE:
                entry = replace(entry, optional=False)
            if name in targets:
                targets[name].append(entry)
            else:
                targets[name] = [entry]

    def _add(self, name: str, entry: Entry) -> None:
        self.targets.setdefault(name, []).append(entry)

    def _add_detailed(self, entry: Entry) -> None:
        try:
            self._add_spec(parse_match_spec(entry.text), entry)
        except DataError:
            self._add(UNREADABLE, replace(entry, optional=False))

    def _add_spec(self, spec: MatchSpec, entry: Entry) -> None:
        if not spec.is_name_exact:
            raise DataError(f"the entry '{entry.text}' names no package.")
        if spec.when is not None:
            self._add_rules(spec, entry)
            return
        self._add(spec.name, entry)
        if not entry.optional:
            for target in extra_names(spec):
                self._add(target, Entry(entry.carriers, spec.name, optional=False))

    def _add_rules(self, spec: MatchSpec, entry: Entry) -> None:
        targets = [spec.name] if entry.optional else [spec.name, *extra_names(spec)]
        for conditions in alternatives(spec.when) if spec.when is not None else ():
            for target in targets:
                self.rules.append(
                    Rule(self._source, entry.carriers, target, spec, conditions, entry.optional)
                )


def _readable(table: RecordTable, hidden: list[HiddenPart]) -> list[RecordTable]:
    """The records that have a place in the order of versions; the others go to *hidden*."""
    readable, count = table.columns.readable, table.count
    if readable < count:
        hidden.append(HiddenPart(gathered([(table, readable, count)]), "unreadable"))
        return [gathered([(table, 0, readable)])] if readable else []
    return [table]


def _may_all_fit(specs: Sequence[MatchSpec], table: RecordTable) -> bool:
    """Whether some record of *table* may fulfil all *specs*, its version aside where that cannot be read."""
    readable = gathered([(table, 0, table.columns.readable)])
    candidates = Candidates(readable, usual_key(readable))
    fitting = candidates.full & ~1
    for spec in specs:
        fitting &= candidates.matching_spec(spec)
    if fitting:
        return True
    broken = map(table.record, range(table.columns.readable, table.count))
    return any(all(may_fit(spec, record) for spec in specs) for record in broken)


def may_fit(spec: MatchSpec, record: PackageRecord) -> bool:
    """Whether *spec* accepts *record*, its version aside where that cannot be read."""
    return (spec if is_readable(record.version) else replace(spec, version=None)).matches(record)


def extra_names(spec: MatchSpec) -> list[str]:
    """The variables of the extras that a spec asks for."""
    return [f"{spec.name}[{extra}]" for extra in spec.extras]


@cache
def _target(text: str) -> str:
    """The name that an entry is about, `UNREADABLE` where that cannot be one."""
    name = target_name(text)
    return name if _LIKE_A_NAME.fullmatch(name) else UNREADABLE


@cache
def target_name(text: str) -> str:
    """The package name that an entry of a record is about, read without parsing the rest."""
    name = text.partition(" ")[0]
    if name.isidentifier() or name.replace("-", "_").isidentifier():
        return name.lower()
    found = _NAME.match(text.lstrip().rpartition("::")[2])
    return found[0].lower() if found else text
