"""``envmgr list``: the packages of an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output, add_target

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("list", "List the packages of an environment.")
    add_target(made)
    add_output(made)
    made.add_argument("pattern", nargs="?", metavar="REGEX", help="only packages whose name matches")
    return made


def run(arguments: Sequence[str]) -> int:
    """Print the packages as a table or as conda's JSON."""
    options = parser().parse_args(arguments)
    from envmgr.cli.render import note, record_fields, record_rows, table, write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.list import list_packages

    context, _ = open_context(options)
    prefix = locate_existing(options.name, options.prefix, context)
    listed = list_packages(prefix, context, options.pattern)
    if options.json:
        entries = [record_fields(record) for record in listed.packages]
        entries += [pypi_fields(each.name, each.version) for each in listed.pypi]
        write_json(sorted(entries, key=lambda entry: str(entry["name"])))
        return 0
    local = context.settings.local_channel_dir.as_uri()
    rows = [row[:-1] for row in record_rows(listed.packages, local)]
    rows += [[each.name, each.version, "pypi_0", "pypi"] for each in listed.pypi]
    note(f"# packages in {prefix}:")
    write_lines(table(sorted(rows), ["name", "version", "build", "channel"]))
    return 0


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
