"""Finds what channels hold: of each name that a spec matches the versions, newest first, and their builds (CEP 29).

A spec is a search query here (CEP 29, appendix B): its name may be a glob or a regular expression, and any field
counts. Names are compared before anything is loaded, and packages are handed over one at a time, so that memory
does not grow with the channel. Records themselves are read only by those who look at one (`Build.record`).
"""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import ChannelError, EnvmgrError, UsageError
from envmgr.models.platform import check_subdir
from envmgr.models.record import PackageRecord
from envmgr.models.record_table import gathered, is_readable, version_key
from envmgr.models.string_match import StringMatch
from envmgr.ops.request import Asked, read_request
from envmgr.ops.resolve import open_index
from envmgr.solver.candidates import Candidates, places_in, usual_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from envmgr.channels.index import Index
    from envmgr.config.settings import ChannelPriority
    from envmgr.models.channel import Channel
    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import Origin
    from envmgr.models.record_table import RecordTable
    from envmgr.models.requirement import Requirement
    from envmgr.ops.context import Context
    from envmgr.solver.searched import Searched

_ARCHIVES = (".conda", ".tar.bz2")
_MANY_NAMES = 1_000  # From here on one file for a whole channel is quicker than a shard for each name.


class PackagesNotFoundError(EnvmgrError):
    """No record of the channels matches a spec; facts: ``packages`` (the spec) and ``channel_urls``."""


class Query(Struct, frozen=True):
    """What is searched for and where: specs as they were written, channels (best first), platform."""

    requirements: tuple[Requirement, ...]
    channels: tuple[Channel, ...]
    subdir: str
    priority: ChannelPriority

    @property
    def is_strict(self) -> bool:
        """Whether a name is taken from the first channel that has it."""
        return self.priority == "strict"

    def for_platforms(self) -> list[Query]:
        """The same by platform: a spec may name its own, and channels that no spec can match are left out."""
        groups: dict[str, list[Requirement]] = {}
        for requirement in self.requirements:
            groups.setdefault(self._platform_of(requirement.spec), []).append(requirement)
        return [
            replace(self, requirements=tuple(group), subdir=subdir, channels=self._channels_for(group))
            for subdir, group in groups.items()
        ]

    def _platform_of(self, spec: MatchSpec) -> str:
        own = spec.subdir
        if own is None or own == "noarch" or not StringMatch.parse(own).is_exact:
            return self.subdir
        return check_subdir(own)

    def _channels_for(self, requirements: Sequence[Requirement]) -> tuple[Channel, ...]:
        specs = [requirement.spec for requirement in requirements]
        return tuple(each for each in self.channels if any(may_come_from(spec, each) for spec in specs))


class Build(Struct, frozen=True):
    """One record, by its place in the table of its name."""

    table: RecordTable
    place: int

    @property
    def version(self) -> str:
        """The version as its channel writes it."""
        return self.table.version(self.place)

    @property
    def timestamp(self) -> int:
        """When it was built: milliseconds since the Unix epoch, 0 where unknown."""
        return self.table.columns.timestamps[self.place]

    @property
    def origin(self) -> Origin | None:
        """Its channel and subdir."""
        return next((origin for origin, mask in self.table.origins if mask >> self.place & 1), None)

    def record(self) -> PackageRecord:
        """The whole record, read from the index, which must still be open."""
        return self.table.record(self.place)


class Release(Struct, frozen=True):
    """One version in one channel; ``builds`` are the newest first: highest build number, then latest timestamp.

    It is ``shadowed`` where strict channel priority takes the name from another channel.
    """

    builds: tuple[Build, ...]
    shadowed: bool = False


class FoundPackage(Struct, frozen=True):
    """What matches of one name, newest version first; ``preferred`` is the URL of the first channel that has it."""

    name: str
    releases: tuple[Release, ...]
    preferred: str


def read_query(asked: Asked, priority: ChannelPriority | None, context: Context) -> tuple[Query, Context]:
    """What *asked* searches for, and the context with the credentials of its URLs.

    An archive's URL stands for the spec of that file (CEP 29, appendix C). Raises UsageError where no channel is
    left to search, DataError for what is no spec or no channel.
    """
    archives = [spec for spec in asked.specs if spec.split("#", 1)[0].endswith(_ARCHIVES)]
    wanted = read_request(replace(asked, specs=tuple(map(_as_spec, asked.specs))), context)
    if not wanted.channels:
        raise UsageError("there is no channel to search.", hint="Name one with -c CHANNEL.")
    folders = [archive.rpartition("/")[0] for archive in archives]
    chosen = priority or context.settings.channel_priority
    query = Query(wanted.requirements, wanted.channels, wanted.subdir, chosen)
    return query, context.with_credentials([*wanted.written_urls, *folders])


def _as_spec(text: str) -> str:
    from envmgr.models.match_spec import MatchSpec

    return str(MatchSpec.parse(text)) if text.split("#", 1)[0].endswith(_ARCHIVES) else text


def search(
    query: Query, context: Context, receive: Callable[[FoundPackage], None]
) -> list[PackagesNotFoundError]:
    """Hand each package that *query* matches to *receive*, which may read records; says which specs match nothing.

    Raises PackagesNotFoundError when that holds for all specs, ChannelError when an index cannot be had.
    """
    count = 0
    missing: list[PackagesNotFoundError] = []

    def received(package: FoundPackage) -> None:
        nonlocal count
        count += 1
        receive(package)

    for part in query.for_platforms():
        with closing(_open(part, context)) as index:
            unmatched = _search_index(part, index, received)
            missing += [not_found(each, part, index) for each in unmatched]
    if not count:
        raise missing[0] if len(missing) == 1 else _none_found(missing)
    return missing


def _open(query: Query, context: Context) -> Index:
    """The index, of which the names that match are expected."""
    index = open_index(query.channels, query.subdir, context)
    if index.is_sharded and not all(each.spec.is_name_exact for each in query.requirements):
        names = _named(query.requirements, index)
        if len(names) > _MANY_NAMES:
            return _whole(index, query, context)
        index.expect(names)
    return index


def open_for_all_names(query: Query, context: Context) -> Index:
    """The index, for a question that looks at every name."""
    index = open_index(query.channels, query.subdir, context)
    return _whole(index, query, context) if index.is_sharded else index


def _whole(index: Index, query: Query, context: Context) -> Index:
    """The same packages out of one file for each channel; *index* itself where a channel has nothing but shards."""
    try:
        whole = open_index(query.channels, query.subdir, context, whole=True)
    except ChannelError:
        return index
    index.close()
    return whole


def _search_index(query: Query, index: Index, receive: Callable[[FoundPackage], None]) -> list[Requirement]:
    """Search one index; returns the specs that match nothing."""
    matched: set[Requirement] = set()
    for name, requirements in _named(query.requirements, index).items():
        tables = index.load(name)
        masks = [0] * len(tables)
        for requirement in requirements:
            found = [matching_places(requirement.spec, table) for table in tables]
            masks = [mask | more for mask, more in zip(masks, found, strict=True)]
            if any(found):
                matched.add(requirement)
        if any(masks):
            named = any(each.spec.channel is not None for each in requirements)
            receive(_package(name, tables, masks, shadows=query.is_strict and not named))
    return [each for each in query.requirements if each not in matched]


def _named(requirements: Sequence[Requirement], index: Index) -> dict[str, list[Requirement]]:
    """The names to load, each with its specs; all names are listed only where a spec has a pattern."""
    named: dict[str, list[Requirement]] = {}
    for requirement in requirements:
        spec = requirement.spec
        if spec.is_name_exact:
            names: Iterable[str] = [spec.name]
        else:
            names = filter(spec.matches_name, index.names())
        for name in names:
            named.setdefault(name, []).append(requirement)
    return named


def _package(
    name: str, tables: Sequence[RecordTable], masks: Sequence[int], *, shadows: bool
) -> FoundPackage:
    preferred = _channel_of(tables[0])
    releases = []
    for builds in _releases(tables, masks):
        shadowed = shadows and _channel_of(builds[0].table) != preferred
        releases.append(Release(tuple(builds), shadowed))
    return FoundPackage(name, tuple(releases), preferred)


def _releases(tables: Sequence[RecordTable], masks: Sequence[int]) -> list[list[Build]]:
    """The chosen records by version and channel, newest first, the better channel first."""
    releases: dict[tuple[bool, Any, str], list[Build]] = {}
    for build in newest_first(tables, masks):
        key = (*_version_place(build.version), _channel_of(build.table))
        releases.setdefault(key, []).append(build)
    return list(releases.values())


def newest_first(tables: Sequence[RecordTable], masks: Sequence[int]) -> list[Build]:
    """The records in *masks* by version, then channel, build number, timestamp; unreadable versions come last."""
    builds = [
        Build(table, place) for table, mask in zip(tables, masks, strict=True) for place in places_in(mask)
    ]
    rank = {channel: number for number, channel in enumerate(dict.fromkeys(map(_channel_of, tables)))}
    builds.sort(
        key=lambda build: (
            rank[_channel_of(build.table)],
            -build.table.columns.build_numbers[build.place],
            -build.timestamp,
            build.table.file_name(build.place),
        )
    )
    builds.sort(key=lambda build: _version_place(build.version), reverse=True)
    return builds


def _version_place(text: str) -> tuple[bool, Any]:
    return (True, version_key(text)) if is_readable(text) else (False, text)


def _channel_of(table: RecordTable) -> str:
    origin = table.origins[0][0]
    return origin.channel if origin is not None else ""


def matching_places(spec: MatchSpec, table: RecordTable) -> int:
    """The mask of the records that *spec* accepts, whatever its condition or extras.

    A version that cannot be read fulfils only specs that ask for none.
    """
    readable = table.columns.readable
    if readable == table.count:
        return _accepted(spec, table)
    mask = _accepted(spec, gathered([(table, 0, readable)])) if readable else 0
    if spec.version is None:
        mask |= _accepted(spec, gathered([(table, readable, table.count)])) << readable
    return mask


def _accepted(spec: MatchSpec, table: RecordTable) -> int:
    return Candidates(table, usual_key(table)).matching_spec(spec) >> 1


def may_come_from(spec: MatchSpec, channel: Channel) -> bool:
    """Whether the channel that *spec* names, if any, can be *channel*."""
    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import Origin

    if spec.channel is None:
        return True
    example = PackageRecord(name="", version="", origin=Origin(channel.url, "", ""))
    return MatchSpec(name="*", channel=spec.channel).matches(example)


def not_found(requirement: Requirement, query: Query, index: Index) -> PackagesNotFoundError:
    """One sentence on a spec that matches nothing: whether the name is there, and what may have been meant."""
    from envmgr.solver.searched import Searched

    spec, text = requirement.spec, requirement.source.text.strip()
    searched = Searched([channel.name for channel in index.channels], {}, index.names())
    hint = None
    if not spec.is_name_exact:
        names = [name for name in index.names() if spec.matches_name(name)]
        sentence = f"{searched.text} {searched.verb} no package for {query.subdir} that matches '{text}'"
        sentence += _of_names(len(names))
    elif tables := index.load(spec.name):
        newest = newest_first(tables, [(1 << table.count) - 1 for table in tables])[0].version
        sentence = f"{searched.text} {searched.verb} no {spec.name} for {query.subdir} that matches '{text}'"
        sentence += f"; the newest is {newest}"
    else:
        sentence = f"{searched.text} {searched.verb} no {spec.name} for {query.subdir}"
        near = searched.near(spec.name)
        sentence += f"; near names: {', '.join(near)}" if near else ""
        hint = _hint(spec.name, near, searched, index)
    urls = [channel.url for channel in index.channels]
    return PackagesNotFoundError(f"{sentence}.", hint=hint, packages=[text], channel_urls=urls)


def _of_names(count: int) -> str:
    if not count:
        return ""
    told = "one name matches, its" if count == 1 else f"{count} names match, their"
    return f"; {told} records do not"


def _hint(name: str, near: Sequence[str], searched: Searched, index: Index) -> str:
    from envmgr.solver.near_names import channel_of

    containing = sum(name in other for other in index.names())
    if near:
        return f"Did you mean {' or '.join(near)}?"
    if containing:
        return f"Names that contain it: {containing}; search for '*{name}*'."
    channel = channel_of(name)
    if channel is not None and channel not in searched.channels:
        return f"Packages like '{name}' are on the channel {channel}; add it with -c {channel}."
    return f"Check the spelling of '{name}', or add the channel that has it."


def _none_found(missing: Sequence[PackagesNotFoundError]) -> PackagesNotFoundError:
    """One failure for several; what each spec lacks is its explanation."""
    facts = [error.facts for error in missing]
    return PackagesNotFoundError(
        "nothing matches any of the specs.",
        hint=next((error.hint for error in missing if error.hint), None),
        packages=[text for each in facts for text in each["packages"]],
        channel_urls=list(dict.fromkeys(url for each in facts for url in each["channel_urls"])),
        explanation=[str(error) for error in missing],
    )
