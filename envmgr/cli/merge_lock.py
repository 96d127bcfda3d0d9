"""``envmgr merge-lock``: merge the changes of two branches in conda-lock.yml, for git or after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from envmgr.ops.context import Context
    from envmgr.ops.lock_merge import Conflict

_OF_GIT = 5
_NO_LABEL = "%"  # What older versions of git do not know, they leave as it is.


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "merge-lock",
        "Mend a conda-lock.yml in which a merge left a conflict; with what git gives to a merge driver"
        " (%O %A %B %L %P), merge it for git.",
    )
    made.add_argument(
        "files", nargs="*", metavar="FILE", help="the lock (default: conda-lock.yml), or the words of git"
    )
    made.add_argument(
        "--install", action="store_true", help="have git merge locks with envmgr in the repository here"
    )
    made.add_argument("--offline", action="store_true", default=None, help="ask no channel")
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Merge; the exit code 1 tells git that there is a conflict."""
    options = parser().parse_intermixed_args(arguments)
    from envmgr.cli.session import open_context
    from envmgr.errors import UsageError

    files = options.files
    if (options.install and files) or 1 < len(files) < _OF_GIT:
        raise UsageError(
            "envmgr merge-lock takes one lock, or the five words of git's merge drivers, or --install alone.",
            hint="envmgr merge-lock --install writes what git has to know.",
        )
    context, _ = open_context(options)
    if options.install:
        return _install(context, options)
    from envmgr.cli.lock import tell_locked
    from envmgr.ops.lock_inputs import LOCK_NAME
    from envmgr.ops.lock_merge import mend_lock, merge_lock

    options.dry_run = False
    if len(files) < _OF_GIT:
        tell_locked(mend_lock(files[0] if files else LOCK_NAME, context), options)
        return 0
    tell_locked(merge_lock(_conflict(files, context.cwd), context), options)
    return 0


def _conflict(words: Sequence[str], folder: Path) -> Conflict:
    from envmgr.errors import UsageError
    from envmgr.ops.lock_merge import Conflict as Made

    base, ours, theirs = (folder / each for each in words[:3])
    if not (words[3].isascii() and words[3].isdigit() and len(words[3]) < _OF_GIT):
        raise UsageError(
            f"the size of conflict markers is a number, not '{words[3]}'.", hint="Git calls it as %L."
        )
    labels = [each for each in words[_OF_GIT:] if not each.startswith(_NO_LABEL)]
    told = (labels[0], labels[2]) if len(labels) == len(("base", "ours", "theirs")) else ()
    return Made(base, ours, theirs, words[4], int(words[3]), told)


def _install(context: Context, options: argparse.Namespace) -> int:
    from envmgr.cli.render import note, write_json
    from envmgr.ops.lock_merge import COMMAND, install_driver

    place, changed = install_driver(context)
    if options.json:
        write_json({"success": True, "file": str(place), "written": changed, "driver": COMMAND})
    elif not options.quiet:
        note(f"git runs `{COMMAND}` in this clone.")
        note(f"{place} {'says so for conda-lock.yml; commit it' if changed else 'stays as it is'}.")
    return 0
