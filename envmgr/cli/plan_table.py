"""The table of a plan: what comes, goes and changes, from where, how many bytes, and why.

Pure: rows in, lines out. Terminals get lines that fit; what is wider loses the columns that matter least, then has
its reasons on lines of their own. Pipes get every column in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.cli.columns import GAP, cell_width, joined_row, shrunk, widths_of, wrapped
from envmgr.cli.render import size_text
from envmgr.models.visible_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.moves import DiskSize

MARKS: Final = {"removed": "-", "downgraded": "v", "upgraded": "^", "changed": "~", "added": "+"}
"""What may become of a package, in the order of the table, and its sign."""

_HEADER: Final = ("package", "version", "build", "channel", "download", "disk", "why")
_DROPPED_FIRST: Final = ("disk", "build", "channel", "download")
_LEAST_WHY: Final = 24  # cells of a reason beside the other columns; below, it goes under its row
_LEAST_CELL: Final = 6
_INDENT: Final = 2
_ASKED: Final = "asked for"


class Row(Struct, frozen=True):
    """A package that moves: ``kind`` is one of `MARKS`, the cells are texts, "" for nothing to say."""

    kind: str
    name: str
    version: str
    build: str = ""
    channel: str = ""
    download: str = ""
    disk: str = ""
    why: str = ""

    def cells(self) -> dict[str, str]:
        """The cells by the title of their column."""
        return {
            "package": f"{MARKS[self.kind]} {self.name}",
            "version": self.version,
            "build": self.build,
            "channel": self.channel,
            "download": self.download,
            "disk": self.disk,
            "why": self.why,
        }


class Bytes(Struct, frozen=True):
    """What rows need to know of sizes: the records that are downloaded, and bytes on the disk by ``dist_name``."""

    fetch: frozenset[PackageRecord]
    disk: Mapping[str, DiskSize]


def plan_rows(
    unlink: Iterable[PackageRecord],
    link: Iterable[PackageRecord],
    reasons: Mapping[str, str],
    sizes: Bytes,
    local: str,
    *,
    builds: bool = False,
) -> list[Row]:
    """A row for each package that moves: what goes first, then what changes and comes; inside by name.

    Those that were asked for stand before those that follow. *local* is the URL of the channel that is called so.
    With *builds*, every row tells its build, and else only where nothing but the build changes.
    """
    before = {record.name: record for record in unlink}
    after = {record.name: record for record in link}
    labels = channel_labels([*before.values(), *after.values()], local)
    rows = []
    for name in {*before, *after}:
        old, new = before.get(name), after.get(name)
        shown = new or old
        assert shown is not None
        disk = sizes.disk.get(shown.dist_name)
        rows.append(
            Row(
                kind=kind_of(old, new),
                name=visible(shown.shown_name),
                version=_version_text(old, new),
                build=visible(_arrow(old.build if old else None, new.build if new else None))
                if builds
                else "",
                channel=_arrow(labels[old] if old else None, labels[new] if new else None),
                download=size_text(new.size) if new is not None and new in sizes.fetch else "",
                disk=_disk_text(disk),
                why=visible(reasons.get(name, "")),
            )
        )
    order = list(MARKS)
    return sorted(rows, key=lambda row: (order.index(row.kind), row.why != _ASKED, row.name))


def moved_texts(unlink: Iterable[PackageRecord], link: Iterable[PackageRecord]) -> list[str]:
    """A line for each package that moves, by name: its sign, name, version and build, old to new."""
    before = {record.name: record for record in unlink}
    after = {record.name: record for record in link}
    lines = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        version = _arrow(old.version if old else None, new.version if new else None)
        build = _arrow(old.build if old else None, new.build if new else None)
        shown = (new or old or after[name]).shown_name
        lines.append(visible(f"{MARKS[kind_of(old, new)]} {shown}  {version}  {build}"))
    return lines


def kind_of(old: PackageRecord | None, new: PackageRecord | None) -> str:
    """What becomes of a package, as a key of `MARKS`."""
    if old is None or new is None:
        return "added" if old is None else "removed"
    if old.version == new.version:
        return "changed"
    return "upgraded" if new.parsed_version > old.parsed_version else "downgraded"


def count_kinds(rows: Iterable[Row]) -> str:
    """How many packages come, go and change, with the signs of the table.

    >>> count_kinds([Row("added", "a", "1"), Row("added", "b", "1"), Row("removed", "c", "1")])
    '2 added (+), 1 removed (-)'
    """
    kinds = [row.kind for row in rows]
    return ", ".join(
        f"{kinds.count(kind)} {kind} ({MARKS[kind]})" for kind in reversed(MARKS) if kind in kinds
    )


def count_channels(records: Iterable[PackageRecord], local: str) -> str:
    """From where *records* come: the one channel, or each with how many of them; "" where no channel is known."""
    records = list(records)
    labels = list(channel_labels(records, local).values())
    names = sorted(set(labels), key=lambda name: (-labels.count(name), name))
    if len(names) < 2:
        return "".join(names)
    return ", ".join(f"{name or 'elsewhere'} ({labels.count(name)})" for name in names)


def disk_total(records: Iterable[PackageRecord], sizes: Mapping[str, DiskSize]) -> tuple[int, bool]:
    """The bytes of *records* on the disk, and whether all of them are known exactly."""
    found = [sizes.get(record.dist_name) for record in records]
    return sum(each.size for each in found if each), all(each is not None and each.is_exact for each in found)


def channel_labels(records: Iterable[PackageRecord], local: str) -> dict[PackageRecord, str]:
    """A short name for each record's channel; channels that would share one are told by more of their URLs."""
    places = {record: _place(record) for record in records}
    urls = sorted(set(places.values()))
    labels = {url: "local" if url == local else _tail(url, 1) for url in urls}
    for parts in range(2, 8):
        names = list(labels.values())
        twice = [url for url in urls if names.count(labels[url]) > 1]
        labels |= {url: _tail(url, parts) for url in twice}
    return {record: visible(labels[url]) for record, url in places.items()}


def _place(record: PackageRecord) -> str:
    if record.is_pypi:
        return "pypi"
    return record.origin.channel if record.origin else ""


def _tail(url: str, parts: int) -> str:
    """The last *parts* components of a channel's URL, and all that stands behind a usual beginning."""
    for known in ("https://conda.anaconda.org/", "https://repo.anaconda.com/"):
        if url.startswith(known):
            return url.removeprefix(known)
    return "/".join(url.rstrip("/").rpartition("://")[2].split("/")[-parts:])


def _version_text(old: PackageRecord | None, new: PackageRecord | None) -> str:
    if old is not None and new is not None and old.version == new.version and old.build != new.build:
        return visible(f"{new.version} ({old.build} -> {new.build})")
    return visible(_arrow(old.version if old else None, new.version if new else None))


def _arrow(old: str | None, new: str | None) -> str:
    if old is None or new is None or old == new:
        return new or old or ""
    return f"{old} -> {new}"


def _disk_text(disk: DiskSize | None) -> str:
    return "" if disk is None else f"{'' if disk.is_exact else '~'}{size_text(disk.size)}"


def table_lines(
    rows: Sequence[Row], width: int | None, paint: Callable[[str, str], str] = lambda text, _: text
) -> list[str]:
    """The table of *rows* for a terminal of *width* columns, None for any width.

    *paint* gives a line the colour of its kind. Columns that say nothing in any row are left out.
    """
    if not rows:
        return []
    room = None if width is None else max(width - _INDENT - 1, 1)
    cells = [row.cells() for row in rows]
    titles = [title for title in _HEADER if any(each[title] for each in cells)]
    below = False
    if room is not None:
        titles, below = _fitting(titles, cells, room)
    return list(_lines(rows, cells, titles, room, below=below, paint=paint))


def _fitting(titles: list[str], cells: Sequence[Mapping[str, str]], room: int) -> tuple[list[str], bool]:
    """The columns that fit *room*, and whether reasons go below their rows."""
    kept = list(titles)
    for dropped in ("", *_DROPPED_FIRST):
        kept = [title for title in kept if title != dropped]
        plain = [title for title in kept if title != "why"]
        used = _used(plain, cells)
        if "why" not in kept and used <= room:
            return kept, False
        longest = max(cell_width(each["why"]) for each in cells)
        if "why" in kept and used + len(GAP) + min(longest, _LEAST_WHY) <= room:
            return kept, False
    return kept, "why" in kept


def _used(titles: Sequence[str], cells: Sequence[Mapping[str, str]]) -> int:
    widths = widths_of([_heading(titles), *([each[title] for title in titles] for each in cells)])
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _heading(titles: Sequence[str]) -> list[str]:
    return [f"  {title}" if title == "package" else title for title in titles]


def _lines(
    rows: Sequence[Row],
    cells: Sequence[Mapping[str, str]],
    titles: Sequence[str],
    room: int | None,
    *,
    below: bool,
    paint: Callable[[str, str], str],
) -> Iterable[str]:
    plain = [title for title in titles if title != "why"]
    table = [[each[title] for title in plain] for each in cells]
    widths = widths_of([_heading(plain), *table])
    if room is not None:
        widths = shrunk(widths, room, _LEAST_CELL)
    beside = "why" in titles and not below
    heading = joined_row(_heading(plain), widths)
    start = sum(widths) + len(GAP) * len(widths)
    if beside:
        heading = heading.ljust(start) + "why"
    yield paint(" " * _INDENT + heading, "title")
    for row, line in zip(rows, table, strict=True):
        shown = joined_row(line, widths)
        reasons = []
        if row.why and "why" in titles and (beside or row.why != _ASKED):
            indent = start if beside else 2 * _INDENT
            reasons = [row.why] if room is None else wrapped(row.why, max(room - indent, 1))
            if beside:
                shown += " " * (start - cell_width(shown)) + reasons.pop(0)
            reasons = [" " * indent + each for each in reasons]
        for text in (shown, *reasons):
            yield " " * _INDENT + paint(text, row.kind)
