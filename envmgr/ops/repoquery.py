"""What a package depends on and what needs it, by the records of channels or those of an environment. No solve.

In channels every answer goes by the newest record of a name that will do: of a dependency the newest that its entry
accepts, of a package that needs something the newest that needs it. With strict channel priority a name is taken
from the first channel that has it, and records that this machine cannot use stand back where others will do, as
``noarch`` packages for another system must. What a plan would choose may be older: `envmgr tree --spec` tells that.

For *whoneeds* every name of the channels is looked at, one after the other; what is kept is a line for each name
that counts, or one record for each name where the answer has levels.
"""

from __future__ import annotations

from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.errors import PrefixError, UsageError
from envmgr.models.match_spec import MatchSpec
from envmgr.models.record import PackageRecord
from envmgr.ops.chosen import ChosenRequest, choose, machine_of
from envmgr.ops.request import Asked, parse_requirement
from envmgr.ops.resolve import open_index
from envmgr.ops.search import (
    Build,
    Query,
    matching_places,
    newest_first,
    not_found,
    open_for_all_names,
    read_query,
)
from envmgr.ports import Phase
from envmgr.solver.candidates import Candidates, usual_key
from envmgr.solver.graph import Graph, Need, read_entry
from envmgr.solver.tree import TreeOptions, reached, tree_rows
from envmgr.solver.universe import target_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from envmgr.channels.index import Index
    from envmgr.config.settings import ChannelPriority
    from envmgr.models.record_table import RecordTable
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.solver.tree import Row

    Machine = Callable[[str], PackageRecord | None]

Kind = Literal["depends", "whoneeds"]


class RepoqueryRequest(Struct, frozen=True):
    """A question about the one package that ``asked.specs`` names, to channels or to an environment.

    *name* or *prefix* name the environment. *recursive* asks for what is needed in turn, *builds* for each record
    that needs something and not only the newest of a name, *complete* for records with every key. *depth* counts
    the levels below the package, None for all of them.
    """

    kind: Kind
    asked: Asked
    name: str | None = None
    prefix: str | None = None
    priority: ChannelPriority | None = None
    recursive: bool = False
    builds: bool = False
    complete: bool = False
    depth: int | None = None

    @property
    def walk(self) -> TreeOptions:
        """How a tree is walked for this question."""
        depth = self.depth if self.recursive else 1
        return TreeOptions(depth=depth, inverted=self.kind == "whoneeds")


class Line(Struct, frozen=True):
    """One package of an answer: its record (None where nothing is there), and the entries that led to it.

    *others* counts the further records of its name that need the package in question.
    """

    name: str
    record: PackageRecord | None
    specs: tuple[str, ...] = ()
    others: int = 0


class Answer(Struct, frozen=True):
    """The package that was asked about (``record``, None for a name without records), and the lines about it.

    *graph* is there where the answer has levels: it can be drawn as a tree from *name*.
    """

    name: str
    record: PackageRecord | None
    lines: tuple[Line, ...]
    graph: Graph | None = field(default=None)


def repoquery(request: RepoqueryRequest, context: Context) -> Answer:
    """Answer *request*.

    Raises UsageError for a spec that does not name one package, PackagesNotFoundError where the channels have
    nothing that it matches, PrefixError where the environment has not, ChannelError when no index can be had.
    """
    (text,) = request.asked.specs
    if request.name is not None or request.prefix is not None:
        return _of_environment(parse_requirement(text), request, context)
    query, context = read_query(request.asked, request.priority, context)
    requirement = query.requirements[0]
    _check_name(requirement)
    query = query.for_platforms()[0] if requirement.spec.channel is None else _of_one_platform(query)
    if request.kind == "depends":
        index = open_index(query.channels, query.subdir, context)
    else:
        index = open_for_all_names(query, context)
    with closing(index):
        channels = _Channels(requirement, query, index, _machine(query.subdir, context))
        if request.kind == "depends":
            return _depends(channels, request)
        if request.recursive:
            return _whoneeds_in_levels(channels, request, context)
        return _whoneeds(channels, request, context)


def _of_one_platform(query: Query) -> Query:
    """All channels: only the package itself must be of the channel that its spec names."""
    return replace(query, subdir=query.for_platforms()[0].subdir)


def _machine(subdir: str, context: Context) -> Machine:
    from envmgr.host.probe import virtual_packages

    return machine_of(virtual_packages(subdir, context.environ))


def _check_name(requirement: Requirement) -> None:
    if not requirement.spec.is_name_exact:
        raise UsageError(
            f"'{requirement.source.text}' does not name one package.",
            hint="envmgr search lists what it matches.",
        )


def tree_of(answer: Answer, walk: TreeOptions) -> list[Row]:
    """The rows of an answer that has levels; an entry that the record beside it does not fulfil says so.

    There is one record for each name, chosen for the package that comes first, and another may ask for more.
    """
    graph, rows, path = answer.graph, [], [answer.name]
    assert graph is not None, "a question on all levels is answered by a graph"
    for row in tree_rows(graph, [answer.name], walk):
        path[row.level :] = [row.name]
        record = graph.find(row.name)
        need = None if walk.inverted or not row.level else graph.needs[path[-2]][row.name]
        unmet = need is not None and record is not None and not need.accepts(record)
        rows.append(replace(row, specs=f"{row.specs}, not met") if unmet else row)
    return rows


# An environment


def _of_environment(requirement: Requirement, request: RepoqueryRequest, context: Context) -> Answer:
    _check_name(requirement)
    asked = replace(request.asked, specs=())
    chosen, context = choose(ChosenRequest(request.name, request.prefix, asked), context)
    machine = _machine(chosen.subdir, context)
    extras = (requirement,) if requirement.spec.extras else ()
    graph = Graph(chosen.records, extras, machine)
    spec, record = requirement.spec, graph.find(requirement.spec.name)
    if record is None and not (
        _is_bare(spec) and request.kind == "whoneeds" and spec.name in graph.needed_by
    ):
        raise _not_installed(spec.name, graph, str(chosen))
    if record is not None and not spec.matches(record):
        raise PrefixError(
            f"{spec.name} {record.version} ({record.build}) of {chosen} does not match "
            f"'{requirement.source.text}'.",
            package=spec.name,
        )
    return _from_graph(graph, spec.name, request)


def _not_installed(name: str, graph: Graph, place: str) -> PrefixError:
    from envmgr.solver.near_names import near_names

    near = near_names(name, graph.records)
    hint = f"Did you mean {' or '.join(near)}?" if near else None
    return PrefixError(f"{name} is not in {place}.", hint=hint, package=name, near_names=near)


def _from_graph(graph: Graph, name: str, request: RepoqueryRequest) -> Answer:
    """The answer that a graph of one record for each name holds."""
    walk = request.walk
    if request.recursive:
        names = [other for other in reached(graph, [name], walk) if other != name]
        lines = [Line(other, graph.find(other)) for other in names]
    else:
        needs = graph.needed_by.get(name, []) if walk.inverted else list(graph.needs.get(name, {}).values())
        lines = [_line_of(need, graph, inverted=walk.inverted) for need in needs]
    lines.sort(key=lambda line: line.name)
    return Answer(name, graph.find(name), tuple(lines), graph)


def _line_of(need: Need, graph: Graph, *, inverted: bool) -> Line:
    name = need.source if inverted else need.target
    return Line(name, graph.find(name), need.specs)


# Channels


class _Channels:
    """The tables of an index that count, and what the spec in question matches in them."""

    def __init__(self, requirement: Requirement, query: Query, index: Index, machine: Machine) -> None:
        self.machine = machine
        self.requirement = requirement
        self.spec = requirement.spec
        self.index = index
        self._query = query
        tables = self.tables(self.spec.name, named=self.spec.channel is not None)
        masks = [matching_places(self.spec, table) for table in tables]
        self._wanted = [(_candidates(table), mask << 1) for table, mask in zip(tables, masks, strict=True)]
        self.newest = self.best(tables, masks)

    def not_found(self) -> Exception:
        """The failure that says that nothing matches the spec."""
        return not_found(self.requirement, self._query, self.index)

    def tables(self, name: str, *, named: bool = False) -> list[RecordTable]:
        """The tables of *name*: with strict priority those of the first channel, unless a channel is *named*."""
        tables = self.index.load(name)
        if not self._query.is_strict or named or not tables:
            return tables
        first = _channel(tables[0])
        return [table for table in tables if _channel(table) == first]

    def newest_for(self, name: str, texts: Sequence[str]) -> Build | None:
        """The newest record that entries about *name* accept together, as far as conditional ones go along."""
        tables = self.tables(name)
        masks = []
        for table in tables:
            candidates = _candidates(table)
            mask = (1 << table.count) - 1
            for text in texts:
                fits = mask & candidates.matching(text) >> 1
                mask = fits or mask if _is_conditional(text) else fits
            masks.append(mask)
        return self.best(tables, masks)

    def best(self, tables: Sequence[RecordTable], masks: Sequence[int]) -> Build | None:
        """The newest of the records in *masks*, of those that the machine can use where there are such."""
        usable = [mask & ~self._refused(table) for table, mask in zip(tables, masks, strict=True)]
        return _newest(tables, usable if any(usable) else masks)

    def _refused(self, table: RecordTable) -> int:
        """The records that depend on a property of the machine which it does not have."""
        return _union(mask for text, mask in table.depends if text.startswith("__") and not self._has(text))

    def _has(self, text: str) -> bool:
        spec = read_entry(text)
        record = self.machine(spec.name) if spec is not None else None
        return spec is not None and record is not None and spec.matches(record)

    def accepts(self, texts: Sequence[str]) -> bool:
        """Whether entries that one record has about the spec's name accept together a record that it matches."""
        if _is_bare(self.spec):
            return True
        return any(_all_accepted(candidates, mask, texts) for candidates, mask in self._wanted)


def _all_accepted(candidates: Candidates, mask: int, texts: Iterable[str]) -> int:
    for text in texts:
        mask &= candidates.matching(text)
    return mask


def _candidates(table: RecordTable) -> Candidates:
    from envmgr.models.record_table import gathered

    readable = table.columns.readable
    part = table if readable == table.count else gathered([(table, 0, readable)] if readable else [])
    return Candidates(part, usual_key(part))


def _channel(table: RecordTable) -> str:
    origin = table.origins[0][0]
    return origin.channel if origin is not None else ""


def _newest(tables: Sequence[RecordTable], masks: Sequence[int]) -> Build | None:
    """The newest of the records in *masks*, if any: tables are in order already."""
    found = newest_first(tables, [mask & -mask for mask in masks])
    return found[0] if found else None


def _is_bare(spec: MatchSpec) -> bool:
    return spec == MatchSpec(name=spec.name)


def _is_conditional(text: str) -> bool:
    spec = read_entry(text) if "[" in text else None
    return spec is not None and spec.when is not None


def _depends(channels: _Channels, request: RepoqueryRequest) -> Answer:
    if channels.newest is None:
        raise channels.not_found()
    record = channels.newest.record()
    asked = (channels.requirement,) if channels.spec.extras else ()
    records = _walk_down(record, channels, request.walk.depth)
    return _from_graph(Graph(records, asked, channels.machine), record.name, request)


def _walk_down(root: PackageRecord, channels: _Channels, depth: int | None) -> list[PackageRecord]:
    """*root* and what it needs down to *depth*: of each name the newest record that the first user accepts."""
    records: dict[str, PackageRecord | None] = {root.name: root}
    waiting = deque([(root.name, frozenset(channels.spec.extras), 0)])
    opened: set[tuple[str, str]] = set()
    while waiting:
        name, extras, level = waiting.popleft()
        record = records[name]
        if record is None or (depth is not None and level >= depth):
            continue
        fresh = [extra for extra in ("", *sorted(extras)) if (name, extra) not in opened]
        opened |= {(name, extra) for extra in fresh}
        for target, texts in _entries(record, fresh).items():
            if target not in records:
                chosen = channels.newest_for(target, texts)
                records[target] = chosen.record() if chosen is not None else None
            waiting.append((target, _extras_of(texts), level + 1))
    return [record for record in records.values() if record is not None]


def _entries(record: PackageRecord, extras: Iterable[str]) -> dict[str, list[str]]:
    """What a record says it needs, by name, without what the machine has; the extra "" stands for itself."""
    found: dict[str, list[str]] = {}
    for extra in extras:
        for text in record.extra_depends.get(extra, ()) if extra else record.depends:
            target = _target(text)
            if not target.startswith("__"):
                found.setdefault(target, []).append(text)
    return found


def _target(text: str) -> str:
    spec = read_entry(text) if "[" in text or ":" in text else None
    return target_name(text) if spec is None else spec.name


def _extras_of(texts: Iterable[str]) -> frozenset[str]:
    specs = [read_entry(text) for text in texts if "[" in text]
    return frozenset(extra for spec in specs if spec is not None for extra in spec.extras)


def _whoneeds(channels: _Channels, request: RepoqueryRequest, context: Context) -> Answer:
    """One look at each name of the channels: the newest of its records that need the package, or all of them."""
    name = channels.spec.name
    _check_known(channels)
    lines: list[Line] = []
    for tables in _all_tables(channels, context, word=name):
        carriers = [_carriers(table, name) for table in tables]
        accepted = [
            {texts: mask for texts, mask in each.items() if channels.accepts(texts)} for each in carriers
        ]
        masks = [_union(each.values()) for each in accepted]
        if any(masks):
            found = (
                newest_first(tables, masks)
                if request.builds
                else list(filter(None, [_newest(tables, masks)]))
            )
            others = sum(mask.bit_count() for mask in masks) - len(found)
            for build in found:
                specs = _said_by(build, tables, accepted)
                record = build.record() if request.complete else _outline(build, specs)
                lines.append(Line(record.name, record, specs, others))
    newest = channels.newest.record() if channels.newest is not None else None
    if newest is None and not lines:
        raise channels.not_found()
    return Answer(name, newest, tuple(lines))


def _said_by(
    build: Build, tables: Sequence[RecordTable], accepted: Sequence[dict[tuple[str, ...], int]]
) -> tuple[str, ...]:
    """The entries of a record that make it one that needs the package."""
    classes = next(each for table, each in zip(tables, accepted, strict=True) if table is build.table)
    return next(texts for texts, mask in classes.items() if mask >> build.place & 1)


def _check_known(channels: _Channels) -> None:
    """A spec with a version must match something; a bare name may be needed though no channel has it."""
    if channels.newest is None and not _is_bare(channels.spec):
        raise channels.not_found()


def _all_tables(channels: _Channels, context: Context, word: str = "") -> Iterator[list[RecordTable]]:
    """The tables of every name whose records may hold *word*, one name at a time."""
    index = channels.index
    names = list(index.names())
    context.reporter.phase_started(Phase.SEARCH, len(names))
    try:
        for name in names:
            if not word or index.may_mention(name, word):
                yield channels.tables(name)
            context.reporter.phase_advanced(Phase.SEARCH, 1)
    finally:
        context.reporter.phase_finished(Phase.SEARCH)


def _carriers(table: RecordTable, name: str) -> dict[tuple[str, ...], int]:
    """What records say about *name*, all entries of a record together, with the mask of those that say so."""
    classes: dict[tuple[str, ...], int] = {}
    seen = 0
    for text, mask in table.depends:
        # Most entries do not hold the name at all, and reading a name out of an entry costs more than this look.
        if name not in text.lower() or _target(text) != name:
            continue
        split = {texts: places & ~mask for texts, places in classes.items() if places & ~mask}
        split |= {(*texts, text): places & mask for texts, places in classes.items() if places & mask}
        if mask & ~seen:
            split[(text,)] = mask & ~seen
        classes, seen = split, seen | mask
    return classes


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _outline(build: Build, depends: Sequence[str]) -> PackageRecord:
    """A record as far as its table tells: what it is and where it is from, and of its entries *depends*."""
    table, place = build.table, build.place
    return PackageRecord(
        name=table.columns.name,
        version=build.version,
        build=table.builds[place],
        build_number=table.columns.build_numbers[place],
        depends=list(depends),
    ).placed(table.file_name(place), build.origin)


def _whoneeds_in_levels(channels: _Channels, request: RepoqueryRequest, context: Context) -> Answer:
    """Who needs it, and who needs those: among the newest record of each name."""
    _check_known(channels)
    root = channels.spec.name
    records: dict[str, PackageRecord] = {}
    for tables in _all_tables(channels, context):
        whole = [(1 << table.count) - 1 for table in tables]
        build = _newest(tables, whole) if root.startswith("__") else channels.best(tables, whole)
        if build is not None:
            entries = [text for text, mask in build.table.depends if mask >> build.place & 1]
            outline = _outline(build, entries)
            records[outline.name] = outline
    if channels.newest is not None:
        records[root] = channels.newest.record()
    graph = Graph(records.values(), (), channels.machine)
    _keep_fitting(graph, root, channels)
    if root not in records and not graph.needed_by.get(root):
        raise channels.not_found()
    if request.complete:
        for name in reached(graph, [root], request.walk):
            graph.records[name] = _completed(graph.records[name], channels)
    return _from_graph(graph, root, request)


def _keep_fitting(graph: Graph, root: str, channels: _Channels) -> None:
    """Of the needs above *root*, keep those that accept the record which stands for their target."""
    waiting, seen = [root], {root}
    while waiting:
        name = waiting.pop()
        record = graph.records.get(name)
        needs = [
            need
            for need in graph.needed_by.get(name, ())
            if (channels.accepts(need.specs) if name == root else record is not None and need.accepts(record))
        ]
        graph.needed_by[name] = needs
        waiting += [need.source for need in needs if need.source not in seen]
        seen |= {need.source for need in needs}


def _completed(record: PackageRecord, channels: _Channels) -> PackageRecord:
    for table in channels.tables(record.name):
        place = table.place_of(record)
        if place is not None:
            return table.record(place)
    return record
