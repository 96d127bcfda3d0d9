"""Older relatives of real records: the versions and builds that a channel keeps and hardly anybody installs.

A real channel holds some hundreds of builds for each popular name; the corpus holds those that won a solve.
What is missing is made up from the real ones, going backwards in steps: in step d every real record gets an
older build, and every real version the d-th patch below it, as long as that stays above the next real one
(the lowest real version goes on down to zero). Each relative keeps the entries of the record that it comes
from; some lower bounds move down with d, as they do in real histories. A relative has a lower version or an
older timestamp than its origin and never a higher build number, so the origin stays the better choice.
"""

from __future__ import annotations

import re
import zlib
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from envmgr.errors import DataError
from envmgr.models.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Record = dict[str, Any]

DAY_MILLISECONDS = 86_400_000
UNKNOWN_TIMESTAMP = 1_500_000_000_000
MOST_LOOSENING = 12
_KEPT = ("python", "python_abi", "r-base", "perl")
_PLAIN = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})*")
_LOWER_BOUND = re.compile(r">=([0-9]{1,9}(?:\.[0-9]{1,9})*)(?![0-9a-z.*])")


def with_history(records: Sequence[Record], target: int) -> Iterator[Record]:
    """*records*, all of one name, then older relatives of them until there are *target*."""
    yield from (_dated(record) for record in records)
    missing = target - len(records)
    if missing <= 0:
        return
    versions = _by_version(records)
    known = {(record["version"], record["build"]) for record in records}
    step = 0
    while missing > 0:
        step += 1
        for relative in _step(versions, step):
            key = (relative["version"], relative["build"])
            if key not in known and missing > 0:
                known.add(key)
                missing -= 1
                yield relative


def older_version(text: str, steps: int) -> str | None:
    """The version *steps* before, counting down as releases do; None below zero or where it is no plain number.

    >>> older_version("2.1.3", 2), older_version("2.1.0", 1), older_version("0.0", 1)
    ('2.1.1', '2.0.9', None)
    """
    if _PLAIN.fullmatch(text) is None:
        return None
    parts = [int(part) for part in text.split(".")]
    for _ in range(steps):
        place = len(parts) - 1
        while place >= 0 and parts[place] == 0:
            parts[place] = 9
            place -= 1
        if place < 0:
            return None
        parts[place] -= 1
    return ".".join(map(str, parts))


def older_build(build: str, number: int, steps: int) -> tuple[str, int]:
    """The build string and number *steps* before; hundreds are variants and stay.

    >>> older_build("py312h98912ed_3", 3, 1), older_build("h123_0", 0, 2)
    (('py312h98912ed_2', 2), ('c2_h123_0', 0))
    """
    lower = max(number - steps, number // 100 * 100)
    end = f"_{number}"
    if number - steps == lower and build.endswith(end):
        return f"{build.removesuffix(end)}_{lower}", lower
    return f"c{steps}_{build}", lower


@cache
def loosened(entry: str, steps: int) -> str:
    """A dependency with its lower bound moved down; half of all entries in each step stay as they are."""
    steps = min(steps, MOST_LOOSENING)
    if entry.split(" ", 1)[0] in _KEPT or (zlib.crc32(entry.encode()) + steps) % 2:
        return entry
    bound = _LOWER_BOUND.search(entry)
    lower = older_version(bound[1], steps) if bound else None
    return (
        entry
        if bound is None or lower is None
        else f"{entry[: bound.start(1)]}{lower}{entry[bound.end(1) :]}"
    )


def _step(versions: Sequence[tuple[str, list[Record], Version | None]], step: int) -> Iterator[Record]:
    for version, group, floor in versions:
        older = older_version(version, step)
        fits = older is not None and (floor is None or _is_between(older, version, floor))
        for record in group:
            build, number = older_build(record["build"], record["build_number"], step)
            yield _relative(record, step, build=build, build_number=number)
            if fits:
                yield _relative(record, step, version=older)


def _is_between(older: str, version: str, floor: Version) -> bool:
    """Whether *older* is a patch of the same release as *version*, newer than the next real version."""
    return older.rpartition(".")[0] == version.rpartition(".")[0] and Version.parse(older) > floor


def _by_version(records: Sequence[Record]) -> list[tuple[str, list[Record], Version | None]]:
    """The readable versions, newest first, each with its records and the next version below."""
    readable = [(version, record) for record in records if (version := _readable(record["version"]))]
    readable.sort(key=lambda pair: pair[0], reverse=True)
    groups = [
        (text, [record for _, record in group])
        for text, group in groupby(readable, key=lambda pair: pair[1]["version"])
    ]
    floors = [Version.parse(text) for text, _ in groups[1:]]
    return [(text, group, floor) for (text, group), floor in zip(groups, [*floors, None], strict=True)] or [
        (record["version"], [record], None) for record in records
    ]


def _readable(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except DataError:
        return None


def _dated(record: Record) -> Record:
    return record if record.get("timestamp") else {**record, "timestamp": UNKNOWN_TIMESTAMP}


def _relative(record: Record, step: int, **changed: Any) -> Record:
    timestamp = (record.get("timestamp") or UNKNOWN_TIMESTAMP) - step * DAY_MILLISECONDS
    depends = [loosened(entry, step) for entry in record["depends"]]
    return {**record, **changed, "depends": depends, "timestamp": max(timestamp, 1)}
