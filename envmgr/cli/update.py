"""``envmgr update``: bring named packages, or all, to their newest versions that fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.change import change_parser, run_change
from envmgr.cli.options import (
    add_channels,
    add_files,
    add_linking,
    add_pypi,
    add_solving,
    add_understood,
    asked_of,
    solving_options,
)
from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.cli.options import CommandParser


def parser() -> CommandParser:
    """The command's options."""
    made = change_parser("update", "Bring packages of an environment up to date.")
    made.add_argument("specs", nargs="*", metavar="PACKAGE", help="a package that is installed")
    add_pypi(made)
    add_files(made, "environment.yml: what it names is installed or updated")
    made.add_argument("-a", "--all", "--update-all", action="store_true", help="bring everything up to date")
    made.add_argument(
        "--prune",
        action="store_true",
        help="let go what neither the request nor anything it needs; with -f, only the file counts",
    )
    made.add_argument(
        "--update-deps", action="store_true", help="bring what the named packages need up to date, too"
    )
    add_understood(made, "--update-specs")
    made.add_argument("--no-deps", action="store_true", help="only the named packages")
    add_linking(made, "change nothing")
    add_channels(made)
    add_solving(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Update."""
    options = parser().parse_args(arguments)
    from envmgr.ops.change_request import ChangeRequest

    if options.all and (options.specs or options.file or options.pypi):
        raise UsageError(
            "--all takes no names and no files.", hint="Leave out --all to update what is named."
        )
    if not (options.all or options.specs or options.file or options.pypi):
        raise UsageError("nothing was named to update.", hint="envmgr update -n NAME PACKAGE ..., or --all")
    request = ChangeRequest(
        kind="update",
        asked=asked_of(options),
        name=options.name,
        prefix=options.prefix,
        options=solving_options(options),
        mode="all" if options.all else "dependencies" if options.update_deps else "named",
        prune=options.prune,
        override_frozen=options.override_frozen,
        dry_run=options.dry_run,
        download_only=options.download_only,
        copy=bool(options.copy),
        command_line=("envmgr", "update", *arguments),
    )
    return run_change(request, options)
