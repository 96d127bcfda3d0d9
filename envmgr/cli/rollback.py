"""``envmgr rollback``: bring an environment back to what an earlier generation held."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.change import change_parser, run_change
from envmgr.cli.options import add_linking, whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.cli.options import CommandParser


def parser() -> CommandParser:
    """The command's options."""
    made = change_parser("rollback", "Bring an environment back to an earlier generation.")
    made.add_argument(
        "generation",
        nargs="?",
        type=whole_number,
        metavar="NUMBER",
        help="as envmgr history shows it (default: the one before the last)",
    )
    made.add_argument(
        "--offline", action="store_true", default=None, help="use only packages that are in the cache"
    )
    add_linking(made, "change nothing")
    return made


def run(arguments: Sequence[str]) -> int:
    """Roll back."""
    options = parser().parse_args(arguments)
    from envmgr.ops.change_request import ChangeRequest

    request = ChangeRequest(
        kind="rollback",
        name=options.name,
        prefix=options.prefix,
        generation=options.generation,
        override_frozen=options.override_frozen,
        dry_run=options.dry_run,
        download_only=options.download_only,
        copy=bool(options.copy),
        command_line=("envmgr", "rollback", *arguments),
    )
    return run_change(request, options)
