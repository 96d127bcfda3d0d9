"""Whether an answer is one: checked entry by entry, with no code of the solver.

What a dependency and a run constraint mean is said by CEP 29 and 36. Each spec is tested twice, by envmgr's own
`MatchSpec` and by py-rattler's, so that a matcher that errs does not hide behind the solver that uses it; where the
two differ, that is a problem of its own.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from envmgr.models.match_spec import MatchSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import rattler

    from benchmarks.engines import World
    from benchmarks.requests import Request
    from envmgr.models.record import PackageRecord


def violations(
    records: Sequence[PackageRecord], lines: Sequence[str], virtual: Sequence[PackageRecord]
) -> list[str]:
    """Everything that is wrong with *records* as an answer to *lines*, as sentences."""
    present = {record.name: record for record in (*records, *virtual)}
    names = [record.name for record in records]
    problems = [f"{name} is there twice" for name in set(names) if names.count(name) > 1]
    for line in lines:
        problems += _unmet("the request", line, present, needed=True)
    for record in records:
        for text in record.depends:
            problems += _unmet(record.dist_name, text, present, needed=True)
        for text in record.constrains:
            problems += _unmet(record.dist_name, text, present, needed=False)
    return problems


def superfluous(records: Sequence[PackageRecord], lines: Sequence[str]) -> list[str]:
    """The names that neither a line nor a package that is needed asks for."""
    present = {record.name: record for record in records}
    wanted: set[str] = set()
    queue = [_spec(line).name for line in lines]
    while queue:
        name = queue.pop()
        if name in present and name not in wanted:
            wanted.add(name)
            queue += [_spec(text).name for text in present[name].depends]
    return sorted(present.keys() - wanted)


def channel_violations(records: Sequence[PackageRecord], request: Request, world: World) -> list[str]:
    """Strict priority: each record comes from the best channel that has its name."""
    rank = world.ranks(request)
    problems = []
    for record in records:
        best = min(rank[other.origin.channel] for other in world.load(request, record.name) if other.origin)
        if record.origin is None or rank[record.origin.channel] != best:
            problems.append(f"{record.dist_name} is not from the best channel that has {record.name}")
    return problems


def _unmet(where: str, text: str, present: Mapping[str, PackageRecord], *, needed: bool) -> list[str]:
    record = present.get(_spec(text).name)
    if record is None:
        return [f"{where}: {text} is not met by anything"] if needed else []
    first, second = _spec(text).matches(record), _peer_spec(text).matches(_peer_record(record))
    if first != second:
        return [f"{where}: {text} and {record.dist_name} fit for {'envmgr' if first else 'py-rattler'} alone"]
    return [] if first else [f"{where}: {text} is not met by {record.dist_name}"]


@cache
def _spec(text: str) -> MatchSpec:
    return MatchSpec.parse(text)


@cache
def _peer_spec(text: str) -> rattler.MatchSpec:
    import rattler

    return rattler.MatchSpec(text)


@cache
def _peer_record(record: PackageRecord) -> rattler.PackageRecord:
    import rattler

    return rattler.PackageRecord(
        record.name,
        record.version,
        rattler.BuildString(record.build),
        record.build_number,
        record.subdir or "noarch",
    )
