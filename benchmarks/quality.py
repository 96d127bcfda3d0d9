"""How good envmgr's answers are beside py-rattler's: every request of requests.py, solved by both.

Two answers are compared by these, in this order; the first that differs decides:

1. answer: whether there is a valid one (validator.py);
2. asked: the versions of the packages that are asked for, in the order of the lines, the newer being better;
3. moved: for a request on top of an installed environment, how many of its packages changed or went;
4. age: how many of the packages in both answers are older than the other's, against how many are newer;
5. build: where the versions are equal, the build numbers of the packages that are asked for, in the order of the
   lines, the higher being better;
6. builds: how many of the other packages in both answers have, in the same version, a higher build number than the
   other's, against how many have a lower one;
7. count: how many packages there are, fewer being better.

The version of a package that the environment was made with counts under 3 and 4, not under 2: who asks for
seaborn does not ask for another numpy. "Same" answers may still differ in builds of the same number; the last
column says how many packages are there in another build.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from benchmarks.engines import World, virtual_records
from benchmarks.measure import Sizes, has_peer, skip
from benchmarks.records import corpus_folder, unpack_channel
from benchmarks.report import Table, aligned
from benchmarks.requests import REQUESTS, Request
from benchmarks.validator import channel_violations, superfluous, violations
from envmgr.models.match_spec import MatchSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.engines import Answer
    from envmgr.models.record import PackageRecord

QUICK = FULL = Sizes((1,), 1)

EXPLANATIONS: dict[str, str] = {}
"""Why a row is worse: title to sentence, for the rows where the reason was found and checked."""

CRITERIA = ("answer", "asked", "moved", "age", "build", "builds", "count")
HEADER = ["request", "verdict", "by", "fact", "packages", "newer", "older", "moved", "other builds"]


class Row(Struct, frozen=True):
    """How the two answers to one request compare; pairs are (envmgr, py-rattler).

    ``score`` is above 0 where envmgr's answer is better, below where it is worse. ``newer`` and ``older`` are
    packages in both answers, seen from envmgr, as (name, envmgr's version, py-rattler's). ``numbers`` are those in
    the same version whose build numbers differ, as (name, envmgr's number, py-rattler's).
    """

    title: str
    area: str
    score: int
    by: str
    fact: str
    packages: tuple[int, int]
    newer: tuple[tuple[str, str, str], ...] = ()
    older: tuple[tuple[str, str, str], ...] = ()
    moved: tuple[int, int] | None = None
    other_builds: int = 0
    problems: tuple[str, ...] = ()
    asked: tuple[tuple[str, str, str], ...] = ()
    numbers: tuple[tuple[str, int, int], ...] = ()

    @property
    def verdict(self) -> str:
        """Better, same or worse, for envmgr."""
        return "better" if self.score > 0 else "worse" if self.score else "same"


def run(_sizes: Sizes) -> list[Table]:
    """The table of all requests, or nothing where the records or the peer are missing."""
    corpus = corpus_folder()
    if corpus is None:
        skip(
            "there are no real records beside the project (see docs/benchmarks.md), so no answers to compare."
        )
        return []
    if not has_peer():
        return []
    with tempfile.TemporaryDirectory(prefix="envmgr-bench-") as folder:
        names = dict.fromkeys(name for request in REQUESTS for name in request.channels)
        world = World({name: unpack_channel(corpus, name, Path(folder)) for name in names})
        rows = [_ask(world, request) for request in REQUESTS]
    return [Table(render(rows), [_plain(row) for row in rows])]


def _ask(world: World, request: Request) -> Row:
    sys.stderr.write(f"  {request.title}\n")
    installed, own, peer = world.ask_both(request)
    return compare(world, request, installed, own, peer)


def compare(
    world: World, request: Request, installed: Sequence[PackageRecord], own: Answer, peer: Answer
) -> Row:
    """The row of one request."""
    problems = [_problems(world, request, answer) for answer in (own, peer)]
    found = tuple(
        f"{side}: {text}"
        for side, each in zip(("envmgr", "py-rattler"), problems, strict=True)
        for text in each
    )
    sizes = (len(own.records or ()), len(peer.records or ()))
    if any(problems) or own.records is None or peer.records is None:
        score = (not problems[0]) - (not problems[1])
        fact = found[0] if found else "valid"
        return Row(request.title, request.area, score, "answer", fact, sizes, problems=found)
    return _compare_valid(request, installed, own.records, peer.records)


def _problems(world: World, request: Request, answer: Answer) -> list[str]:
    if answer.records is None:
        return [f"no answer: {answer.words}"]
    lines, records = request.lines, answer.records
    return [
        *violations(records, lines, virtual_records(request)),
        *channel_violations(records, request, world),
        *(f"nothing asks for {name}" for name in superfluous(records, lines)),
    ]


def _compare_valid(
    request: Request,
    installed: Sequence[PackageRecord],
    own: Sequence[PackageRecord],
    peer: Sequence[PackageRecord],
) -> Row:
    mine, theirs = ({record.name: record for record in records} for records in (own, peer))
    shared = [(mine[name], theirs[name]) for name in sorted(mine.keys() & theirs.keys())]
    newer = tuple(_three(a, b) for a, b in shared if a.parsed_version > b.parsed_version)
    older = tuple(_three(a, b) for a, b in shared if a.parsed_version < b.parsed_version)
    names = [MatchSpec.parse(spec).name for spec in request.specs]
    asked = tuple(_three(mine[name], theirs[name]) for name in dict.fromkeys(names))
    moved = (_moved(installed, own), _moved(installed, peer)) if request.installed else None
    numbers = tuple(
        (a.name, a.build_number, b.build_number)
        for a, b in shared
        if a.parsed_version == b.parsed_version and a.build_number != b.build_number
    )
    score, by, fact = (
        _decide_by_versions(asked, newer, older, moved)
        or _decide_by_builds([name for name, _, _ in asked], numbers)
        or _decide_by_count((len(own), len(peer)))
    )
    builds = sum(a.key != b.key and a.parsed_version == b.parsed_version for a, b in shared)
    return Row(
        request.title,
        request.area,
        score,
        by,
        fact,
        (len(own), len(peer)),
        newer,
        older,
        moved,
        builds,
        asked=asked,
        numbers=numbers,
    )


def _decide_by_versions(
    asked: Sequence[tuple[str, str, str]],
    newer: Sequence[tuple[str, str, str]],
    older: Sequence[tuple[str, str, str]],
    moved: tuple[int, int] | None,
) -> tuple[int, str, str] | None:
    """The score, the criterion that gave it, and its figures; None where versions do not decide."""
    for three in asked:
        if three in newer or three in older:
            return (1 if three in newer else -1), "asked", _arrow(three)
    if moved and moved[0] != moved[1]:
        return moved[1] - moved[0], "moved", f"{moved[0]} against {moved[1]}"
    if len(newer) != len(older):
        return len(newer) - len(older), "age", f"{len(newer)} newer, {len(older)} older"
    return None


def _decide_by_builds(
    asked: Sequence[str], numbers: Sequence[tuple[str, int, int]]
) -> tuple[int, str, str] | None:
    """The same by the build numbers of equal versions: what was asked for first, then how many of all others."""
    differing = {name: (own, peer) for name, own, peer in numbers}
    for name in asked:
        if name in differing:
            own, peer = differing[name]
            return own - peer, "build", f"{name} {own} against {peer}"
    higher = sum(own > peer for _, own, peer in numbers)
    lower = len(numbers) - higher
    return (higher - lower, "builds", f"{higher} higher, {lower} lower") if higher != lower else None


def _decide_by_count(sizes: tuple[int, int]) -> tuple[int, str, str]:
    if sizes[0] != sizes[1]:
        return sizes[1] - sizes[0], "count", f"{sizes[0]} against {sizes[1]}"
    return 0, "", ""


def _moved(installed: Sequence[PackageRecord], answer: Sequence[PackageRecord]) -> int:
    kept = {record.key for record in answer}
    return sum(record.key not in kept for record in installed)


def _three(own: PackageRecord, peer: PackageRecord) -> tuple[str, str, str]:
    return own.name, own.version, peer.version


def _arrow(three: tuple[str, object, object]) -> str:
    return f"{three[0]} {three[1]} against {three[2]}"


def render(rows: Sequence[Row]) -> str:
    """The table, a summary, and what is needed to explain each row that is worse."""
    table = aligned([HEADER, *map(_cells, rows)])
    worse = [line for row in rows if row.score < 0 for line in _details(row)]
    return "\n".join(["quality: envmgr's answers beside py-rattler's", *table, "", *_summary(rows), *worse])


def _cells(row: Row) -> list[str]:
    moved = f"{row.moved[0]}/{row.moved[1]}" if row.moved else ""
    newer, older = len(row.newer), len(row.older)
    sizes = f"{row.packages[0]}/{row.packages[1]}"
    counts = [sizes, str(newer), str(older), moved, str(row.other_builds)]
    return [row.title, row.verdict, row.by, row.fact[:60], *counts]


def _summary(rows: Sequence[Row]) -> list[str]:
    lines = [f"{len(rows)} requests: {_counts(rows)}"]
    lines += [
        f"  by {criterion}: {_counts(decided)}"
        for criterion in CRITERIA
        if (decided := [row for row in rows if row.by == criterion])
    ]
    fresh = [row for row in rows if row.moved is None]
    newer, older = (sum(len(getattr(row, each)) for row in fresh) for each in ("newer", "older"))
    moved = [row.moved for row in rows if row.moved]
    own, peer = sum(pair[0] for pair in moved), sum(pair[1] for pair in moved)
    lines.append(f"  packages in both answers to requests from nothing: {newer} newer, {older} older")
    return [*lines, f"  installed packages that moved: {own} with envmgr, {peer} with py-rattler"]


def _counts(rows: Sequence[Row]) -> str:
    return ", ".join(
        f"{sum(row.verdict == each for row in rows)} {each}" for each in ("better", "same", "worse")
    )


def _details(row: Row) -> list[str]:
    lines = ["", f"worse: {row.title} ({row.area}), by {row.by}: {row.fact}"]
    lines += [f"  {problem}" for problem in row.problems]
    lines += [f"  asked: {', '.join(map(_arrow, row.asked))}"] if row.asked else []
    lines += [f"  older: {', '.join(map(_arrow, row.older))}"] if row.older else []
    lines += [f"  newer: {', '.join(map(_arrow, row.newer))}"] if row.newer else []
    lines += [f"  builds: {', '.join(map(_arrow, row.numbers))}"] if row.numbers else []
    return [*lines, f"  why: {EXPLANATIONS.get(row.title, 'not explained.')}"]


def _plain(row: Row) -> dict[str, Any]:
    from msgspec.structs import asdict

    return {"verdict": row.verdict, **asdict(row)}
