"""``envmgr install``: bring packages into an environment, moving as little else as possible."""

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
    import argparse
    from collections.abc import Sequence

    from envmgr.cli.options import CommandParser
    from envmgr.solver.update import UpdateMode


def parser() -> CommandParser:
    """The command's options."""
    made = change_parser("install", "Bring packages into an environment.")
    made.add_argument("specs", nargs="*", metavar="SPEC", help="a package, for example 'numpy >=2'")
    add_pypi(made)
    add_files(made, "environment.yml, lock, explicit file, list of specs, or file of a project")
    movement = made.add_mutually_exclusive_group()
    movement.add_argument(
        "--freeze-installed",
        "--no-update-deps",
        action="store_true",
        help="let nothing move that is installed",
    )
    movement.add_argument(
        "--update-deps", action="store_true", help="bring what the named packages need up to date"
    )
    movement.add_argument(
        "--update-all", "--all", action="store_true", help="bring everything up to date on this occasion"
    )
    movement.add_argument(
        "--update-specs", action="store_true", help="bring the named packages up to date where they are there"
    )
    add_understood(made, "-S", "--satisfied-skip-solve")
    made.add_argument(
        "--force-reinstall", action="store_true", help="link the named packages anew, even where they stay"
    )
    made.add_argument(
        "--save", action="store_true", help="write the specs into the file that the environment came from"
    )
    made.add_argument("--no-deps", action="store_true", help="only the named packages")
    add_linking(made, "change nothing")
    add_channels(made)
    add_solving(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Install."""
    options = parser().parse_args(arguments)
    from envmgr.ops.change_request import ChangeRequest

    if not (options.specs or options.file or options.pypi):
        raise UsageError("nothing was named to install.", hint="envmgr install -n NAME SPEC ...")
    request = ChangeRequest(
        kind="install",
        asked=asked_of(options),
        name=options.name,
        prefix=options.prefix,
        options=solving_options(options),
        mode=_mode(options),
        force=options.force_reinstall,
        save=options.save,
        override_frozen=options.override_frozen,
        dry_run=options.dry_run,
        download_only=options.download_only,
        copy=bool(options.copy),
        command_line=("envmgr", "install", *arguments),
    )
    return run_change(request, options)


def _mode(options: argparse.Namespace) -> UpdateMode:
    if options.freeze_installed:
        return "freeze"
    if options.update_deps:
        return "dependencies"
    if options.update_specs:
        return "named"
    return "all" if options.update_all else "keep"
