"""``envmgr remove``: take packages out of an environment, with what needs them; or the whole environment."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from envmgr.cli.change import change_parser, run_change
from envmgr.cli.options import add_understood
from envmgr.cli.question import may_proceed
from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.cli.options import CommandParser


def parser() -> CommandParser:
    """The command's options."""
    made = change_parser("remove", "Take packages out of an environment, or remove all of it.")
    made.add_argument("specs", nargs="*", metavar="PACKAGE", help="a package that is installed")
    made.add_argument("-a", "--all", action="store_true", help="remove the whole environment")
    made.add_argument("--keep-env", action="store_true", help="with --all: remove the packages only")
    add_understood(made, "--prune")
    made.add_argument("--offline", action="store_true", default=None, help=argparse.SUPPRESS)
    made.add_argument("--no-prune", action="store_true", help="keep what only the removed packages needed")
    made.add_argument(
        "-f",
        "--force",
        "--force-remove",
        action="store_true",
        help="remove only the named packages, even where others need them",
    )
    return made


def run(arguments: Sequence[str]) -> int:
    """Remove."""
    options = parser().parse_args(arguments)
    from envmgr.ops.change_request import ChangeRequest
    from envmgr.ops.request import Asked
    from envmgr.ops.resolve import ResolveOptions

    if options.all:
        if options.specs:
            raise UsageError(
                "--all takes no names.",
                hint="Leave out --all to remove packages, or the names to remove the environment.",
            )
        if not options.keep_env:
            return _remove_all(options)
        options.specs = _all_names(options)
    elif options.keep_env:
        raise UsageError("--keep-env goes with --all.", hint="Add --all, or name the packages to remove.")
    if not options.specs:
        raise UsageError("nothing was named to remove.", hint="envmgr remove -n NAME PACKAGE ..., or --all")
    request = ChangeRequest(
        kind="remove",
        asked=Asked(tuple(options.specs)),
        name=options.name,
        prefix=options.prefix,
        options=ResolveOptions(no_deps=options.force),
        prune=not options.no_prune,
        override_frozen=options.override_frozen,
        dry_run=options.dry_run,
        command_line=("envmgr", "remove", *arguments),
    )
    return run_change(request, options)


def _all_names(options: argparse.Namespace) -> list[str]:
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.list import list_packages

    context, _ = open_context(options)
    prefix = locate_existing(options.name, options.prefix, context)
    return [record.name for record in list_packages(prefix, context, pip=False).packages]


def _remove_all(options: argparse.Namespace) -> int:
    from envmgr.cli.plan import is_shown
    from envmgr.cli.render import note, record_fields, write_json
    from envmgr.cli.session import open_context
    from envmgr.ops.remove import remove_environment

    context, _ = open_context(options, always_yes=options.yes or None)

    def confirm(question: str) -> bool:
        if is_shown(options, context):
            note(question)
        return may_proceed(options, context, default=False)

    removed = remove_environment(
        options.name,
        options.prefix,
        context,
        confirm,
        dry_run=options.dry_run,
        override_frozen=options.override_frozen,
    )
    if options.json:
        actions = {
            "PREFIX": str(removed.prefix),
            "FETCH": [],
            "LINK": [],
            "UNLINK": [record_fields(record) for record in removed.records],
        }
        write_json(
            {"success": True, "dry_run": options.dry_run, "prefix": str(removed.prefix), "actions": actions}
        )
    elif options.quiet:
        pass
    elif removed.done:
        note(f"Removed {removed.prefix}.")
    else:
        note("Dry run: nothing was changed." if options.dry_run else "Nothing was changed.")
    return 0
