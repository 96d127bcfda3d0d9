"""``envmgr search``: what channels hold, as a table, in detail, or as conda's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_channels, add_output, add_understood, positive_number

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.search import FoundPackage, Release

_LATEST_SECONDS = 253_402_300_799  # The last second of the year 9999; a larger timestamp counts milliseconds.


def parser(command: str = "search") -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(command, "Search channels for packages.")
    made.add_argument(
        "specs",
        nargs="+",
        metavar="SPEC",
        help="a name, a glob ('*numpy*') or any spec, for example 'numpy >=2,<3 py312*'",
    )
    made.add_argument(
        "--builds", "--all", action="store_true", help="a line for each build, not only for each version"
    )
    made.add_argument("-i", "--info", action="store_true", help="show all that is known of each build")
    made.add_argument(
        "--limit", type=positive_number, metavar="N", help="of each package only the newest N lines"
    )
    add_understood(made, "--skip-flexible-search")
    add_understood(made, "-f", "--full-name")
    add_understood(made, "--spec")
    add_channels(made)
    add_output(made)
    return made


def run(arguments: Sequence[str], command: str = "search") -> int:
    """Search and show; exit code 1 when a spec matches nothing, whatever the others match."""
    options = parser(command).parse_args(arguments)
    from envmgr.cli.render import write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.request import Asked
    from envmgr.ops.search import read_query, search

    context, reporter = open_context(options)
    asked = Asked(
        specs=tuple(options.specs),
        channels=tuple(options.channel),
        override_channels=options.override_channels,
        subdir=options.subdir,
    )
    query, context = read_query(asked, options.channel_priority, context)
    shown = _Shown(options, context.settings.local_channel_dir.as_uri())
    missing = search(query, context, shown.add)
    if options.json:
        write_json(shown.records)
    else:
        write_lines(shown.lines())
        if not options.quiet:
            shown.write_notes()
    for error in missing:
        reporter.warned(f"{str(error).rstrip('.')}.{f' {error.hint}' if error.hint else ''}")
    return 1 if missing else 0


class _Shown:
    """Collects what is to be written, package by package, while the index is open."""

    def __init__(self, options: argparse.Namespace, local: str) -> None:
        self.records: dict[str, list[dict[str, Any]]] = {}
        self._as_json: bool = options.json
        self._in_detail: bool = options.info
        self._builds: bool = options.builds or options.info
        self._limit: int | None = options.limit
        self._local = local
        self._rows: list[list[str]] = []
        self._details: list[str] = []
        self._left_out = 0
        self._shadowed: dict[str, str] = {}

    def add(self, package: FoundPackage) -> None:
        """Read those records of a package that are shown."""
        releases = _split(package) if self._builds else list(package.releases)
        chosen = releases[: self._limit]
        self._left_out += len(releases) - len(chosen)
        for release in chosen:
            if self._as_json:
                self._add_json(package, release)
            elif self._in_detail:
                self._details += [*detail_lines(release.builds[0].record(), self._local), ""]
            else:
                self._rows.append(self._row(release))
                if release.shadowed:
                    self._shadowed[package.name] = package.preferred

    def _add_json(self, package: FoundPackage, release: Release) -> None:
        beside = {"shadowed_by": package.preferred} if release.shadowed else {}
        records = self.records.setdefault(package.name, [])
        records += [{**published_fields(build.record()), **beside} for build in release.builds]

    def _row(self, release: Release) -> list[str]:
        from envmgr.cli.render import count_text, short_channel, size_text

        newest = release.builds[0]
        record, others = newest.record(), len(release.builds) - 1
        channel = short_channel(record, self._local) + (" (shadowed)" if release.shadowed else "")
        place = [channel, subdir_of(record), size_text(record.size), date_text(newest.timestamp)]
        more = [] if self._builds else [f"+ {count_text(others, 'build')}" if others else ""]
        return [*map(printable, (record.name, record.version, record.build)), *more, *place]

    def lines(self) -> list[str]:
        """What goes to standard output."""
        from envmgr.cli.render import table

        if self._in_detail:
            return self._details[:-1]
        more = [] if self._builds else [""]
        return table(self._rows, ["name", "version", "build", *more, "channel", "subdir", "size", "date"])

    def write_notes(self) -> None:
        """What the table leaves out or hides, beside the data."""
        from envmgr.cli.render import channel_label, count_text, note

        if self._left_out:
            note(
                f"{count_text(self._left_out, 'older build' if self._builds else 'older version')} not shown"
            )
        by_channel: dict[str, list[str]] = {}
        for name, channel in self._shadowed.items():
            by_channel.setdefault(channel_label(channel), []).append(name)
        for channel, names in by_channel.items():
            shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            note(f"shadowed: strict channel priority takes {shown} from {channel}")


def _split(package: FoundPackage) -> list[Release]:
    """Each build as a release of its own."""
    from envmgr.ops.search import Release

    return [Release((build,), each.shadowed) for each in package.releases for build in each.builds]


def published_fields(record: PackageRecord) -> dict[str, Any]:
    """A record as envmgr shows one, with every key that its channel published."""
    from envmgr.cli.render import record_fields

    fields = record_fields(record)
    place = {"fn": record.file_name, "subdir": subdir_of(record)}
    return {**fields, "constrains": [], **record.to_dict(), **fields, **place}


def subdir_of(record: PackageRecord) -> str:
    """The subdir that the record came from, else the one that it says."""
    return (record.origin.subdir if record.origin else record.subdir) or ""


def detail_lines(record: PackageRecord, local: str) -> Iterator[str]:
    """All that is known of a record, a line for each field and for each entry of a list."""
    from envmgr.cli.render import short_channel, size_text

    title = printable(f"{record.name} {record.version} {record.build}")
    yield title
    yield "-" * len(title)
    size = None if record.size is None else f"{size_text(record.size)} ({record.size} bytes)"
    fields: dict[str, object] = {
        "file name": record.file_name,
        "channel": short_channel(record, local),
        "subdir": subdir_of(record),
        "url": record.url,
        "build number": record.build_number,
        "size": size,
        "sha256": record.sha256,
        "md5": record.md5,
        "timestamp": date_text(int(record.timestamp or 0), with_time=True),
        "license": record.license,
        "license family": record.license_family,
        "noarch": record.noarch_kind,
        "track features": ", ".join(record.features_tracked),
        "flags": ", ".join(record.flags),
    }
    for label, value in fields.items():
        if value not in (None, ""):
            yield f"{label:<14} : {printable(str(value))}"
    yield from _list_lines("depends", record.depends)
    yield from _list_lines("constrains", record.constrains)
    for extra, entries in record.extra_depends.items():
        yield from _list_lines(f"extra {extra}", entries)
    exports = record.extra.get("run_exports")
    for kind, entries in exports.items() if isinstance(exports, dict) else ():
        if entries and isinstance(entries, list):
            yield from _list_lines(f"run exports, {str(kind).replace('_', ' ')}", entries)


def _list_lines(label: str, entries: Sequence[object]) -> Iterator[str]:
    if entries:
        yield f"{printable(label)}:"
        yield from (f"  {printable(str(entry))}" for entry in entries)


def date_text(timestamp: int, *, with_time: bool = False) -> str:
    """The day of a record's timestamp in UTC, with the time on demand; empty where that is unknown.

    Milliseconds since the Unix epoch, or seconds, which old records have.

    >>> date_text(1_700_000_000_000), date_text(1_700_000_000, with_time=True), date_text(0)
    ('2023-11-14', '2023-11-14 22:13:20 UTC', '')
    """
    from datetime import datetime, timezone

    seconds = timestamp / 1000 if timestamp > _LATEST_SECONDS else timestamp
    if not 0 < seconds <= _LATEST_SECONDS:
        return ""
    moment = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC" if with_time else "%Y-%m-%d")


def printable(text: str) -> str:
    """*text* as a terminal may show it: channels may write what they like.

    >>> printable("a\\x1b[2J")
    'a?[2J'
    """
    return text if text.isprintable() else "".join(each if each.isprintable() else "?" for each in text)
