"""``envmgr list``: the packages of an environment, as a table, as files that make it again, or as conda's JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_output, add_target
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.envfile.explicit import Checksum
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.list import Listed
    from envmgr.prefix.usage import Usage


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("list", "List the packages of an environment.")
    add_target(made)
    add_output(made)
    made.add_argument("pattern", nargs="?", metavar="REGEX", help="only packages whose name matches")
    made.add_argument("-f", "--full-name", action="store_true", help="REGEX has to match the whole name")
    made.add_argument("--no-pip", action="store_true", help="without what pip installed")
    made.add_argument("--reverse", action="store_true", help="from the last name to the first")
    shape = made.add_argument_group("what is shown").add_mutually_exclusive_group()
    shape.add_argument(
        "--size", action="store_true", help="bytes of each package, and how many of them are only here"
    )
    shape.add_argument("-u", "--show-channel-urls", action="store_true", help="channels by their URLs")
    shape.add_argument(
        "--explicit", action="store_true", help="the URLs of the archives, for create --file (CEP 23)"
    )
    shape.add_argument("-e", "--export", action="store_true", help="NAME=VERSION=BUILD, for create --file")
    shape.add_argument("-c", "--canonical", action="store_true", help="CHANNEL/SUBDIR::NAME-VERSION-BUILD")
    shape.add_argument("-r", "--revisions", action="store_true", help="the changes, as envmgr history does")
    sums = made.add_mutually_exclusive_group()
    sums.add_argument("--md5", action="store_true", help="with --explicit: add the MD5 sums")
    sums.add_argument("--sha256", action="store_true", help="with --explicit: add the SHA-256 sums")
    return made


def run(arguments: Sequence[str]) -> int:
    """Print the packages in the shape that was asked for."""
    options = parser().parse_args(arguments)
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.list import list_packages

    if (options.md5 or options.sha256) and not options.explicit:
        raise UsageError("--md5 and --sha256 go with --explicit.", hint="Add --explicit.")
    context, _ = open_context(options)
    prefix = locate_existing(options.name, options.prefix, context)
    if options.revisions:
        return _print_revisions(prefix, context, as_json=options.json)
    listed = list_packages(
        prefix, context, options.pattern, full_name=options.full_name, pip=not options.no_pip
    )
    _print(listed, options, context)
    return 0


def _print_revisions(prefix: Path, context: Context, *, as_json: bool) -> int:
    from envmgr.cli.history import print_history
    from envmgr.cli.render import note

    print_history(prefix, context, as_json=as_json)
    if not as_json:
        note("envmgr history shows the same; envmgr rollback NUMBER goes back to one of them.")
    return 0


def _print(listed: Listed, options: argparse.Namespace, context: Context) -> None:
    from envmgr.cli.render import note, write_json, write_lines

    if options.explicit:
        write_lines([*_heading(listed, context), *_explicit(listed, options)])
    elif options.json:
        usage = listed.usage() if options.size else None
        write_json(
            sorted(_entries(listed, usage), key=lambda entry: str(entry["name"]), reverse=options.reverse)
        )
    elif options.export:
        lines = [f"{each.name}={each.version}={each.build}" for each in listed.packages if not each.is_pypi]
        write_lines([*_heading(listed, context), *_turned(lines, options), *_beside(listed)])
    elif options.canonical:
        write_lines(_turned([*_canonical(listed)], options))
    else:
        if not options.quiet:
            note(f"# packages in {listed.prefix}:")
        _print_table(listed, options, context)


def _turned(lines: list[str], options: argparse.Namespace) -> list[str]:
    return lines[::-1] if options.reverse else lines


def _print_table(listed: Listed, options: argparse.Namespace, context: Context) -> None:
    from envmgr.cli.render import note, short_channel, table, write_lines

    local = context.settings.local_channel_dir.as_uri()

    def channel(record: PackageRecord) -> str:
        if options.show_channel_urls:
            return record.origin.channel if record.origin else ""
        return short_channel(record, local)

    rows = [
        (record.dist_name, [record.shown_name, record.version, record.build, channel(record)])
        for record in listed.packages
    ]
    rows += [(each.metadata, [each.name, each.version, "pypi_0", "pypi"]) for each in listed.pypi]
    rows.sort(key=lambda row: row[1], reverse=options.reverse)
    header = ["name", "version", "build", "channel"]
    if options.size:
        header += ["size", "only here", "shared"]
        usage = listed.usage()
        rows = [(key, [*row, *_sizes(usage[key])]) for key, row in rows]
    write_lines(table([row for _, row in rows], header))
    if options.size:
        from envmgr.prefix.usage import Usage

        whole = Usage(sum(each.total for each in usage.values()), sum(each.unique for each in usage.values()))
        size, unique, shared = _sizes(whole)
        note(
            f"# {size} in all: {unique} only here, {shared} shared with the package cache or other environments"
        )


def _sizes(usage: Usage) -> list[str]:
    from envmgr.cli.render import size_text

    return [size_text(each) for each in (usage.total, usage.unique, usage.shared)]


def _entries(listed: Listed, usage: Mapping[str, Usage] | None) -> Iterator[dict[str, Any]]:
    """What the JSON shows, as conda has it, and sizes with names of our own: conda's ``size`` is the archive's."""
    from envmgr.cli.render import record_fields

    entries = [(record.dist_name, record_fields(record)) for record in listed.packages]
    entries += [(each.metadata, pypi_fields(each.name, each.version)) for each in listed.pypi]
    for key, fields in entries:
        if usage is not None:
            sizes = usage[key]
            fields |= {
                "installed_bytes": sizes.total,
                "unique_bytes": sizes.unique,
                "shared_bytes": sizes.shared,
            }
        yield fields


def _heading(listed: Listed, context: Context) -> list[str]:
    """The comments that conda writes, with which other tools find the platform."""
    from envmgr import __version__

    subdirs = (record.subdir for record in listed.packages if record.subdir not in (None, "noarch"))
    return [
        "# This file may be used to create an environment using:",
        "# $ envmgr create --name <env> --file <this file>",
        f"# platform: {next(subdirs, context.settings.subdir)}",
        f"# created-by: envmgr {__version__}",
    ]


def _explicit(listed: Listed, options: argparse.Namespace) -> Iterator[str]:
    from envmgr.envfile.explicit import explicit_lines

    checksum: Checksum | None = "md5" if options.md5 else "sha256" if options.sha256 else None
    yield from explicit_lines((each for each in listed.in_link_order() if not each.is_pypi), checksum)
    yield from _beside(listed)


def _beside(listed: Listed) -> list[str]:
    """What a file of conda packages cannot hold, as comments."""
    found = [(each.shown_name, each.version) for each in listed.packages if each.is_pypi]
    found += [(each.name, each.version) for each in listed.pypi]
    return [f"# from PyPI, and not in this file: {name}=={version}" for name, version in sorted(found)]


def _canonical(listed: Listed) -> Iterator[str]:
    """Conda's words for packages, those that pip installed too."""
    from envmgr.cli.render import channel_label

    for record in listed.packages:
        origin = record.origin
        place = f"{channel_label(origin.channel)}/{origin.subdir}::" if origin else ""
        if record.is_pypi:
            place = "pypi/pypi::"
        yield f"{place}{record.dist_name}"
    for each in listed.pypi:
        yield f"pypi/pypi::{each.name}-{each.version}-pypi_0"


def pypi_fields(name: str, version: str) -> dict[str, object]:
    """A PyPI distribution as conda's `list --json` shows one."""
    return {
        "name": name,
        "version": version,
        "build_string": "pypi_0",
        "build_number": 0,
        "channel": "pypi",
        "platform": "pypi",
        "dist_name": f"{name}-{version}-pypi_0",
        "base_url": None,
        "url": None,
        "sha256": None,
        "md5": None,
        "size": None,
    }
