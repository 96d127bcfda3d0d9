"""``envmgr init``: have shells know ``envmgr activate`` from their start, or take that back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_output, add_understood

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.ops.shell_init import StartUpEdit


SHELLS = ("bash", "zsh", "ksh", "fish", "tcsh", "xonsh", "powershell", "nushell")


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "init",
        "Have shells know envmgr activate from their start, by a marked block in their start-up files.",
    )
    made.add_argument(
        "shells",
        nargs="*",
        metavar="SHELL",
        help=f"{', '.join(SHELLS)} (default: the one that runs this command)",
    )
    made.add_argument("--all", action="store_true", help="all of these shells that are installed")
    add_understood(made, "--user")
    made.add_argument("--reverse", action="store_true", help="take the block out again")
    made.add_argument(
        "-d", "--dry-run", action="store_true", help="show what would be written, and write nothing"
    )
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Plan, show, write."""
    options = parser().parse_args(arguments)
    from envmgr.cli.session import open_local_context
    from envmgr.host.shell import find_shell, named_shell
    from envmgr.ops.shell_init import apply_init, plan_init

    context = open_local_context(options)
    shells = list(dict.fromkeys(options.shells)) or [find_shell().name]
    if options.all:
        shells = [shell for shell in SHELLS if named_shell(shell) is not None]
    edits = plan_init(shells, context, reverse=options.reverse)
    if not options.dry_run:
        apply_init(edits, context, reverse=options.reverse)
    if options.json:
        from envmgr.cli.render import write_json

        write_json({"success": True, "dry_run": options.dry_run, "files": [_fields(edit) for edit in edits]})
        return 0
    _tell(edits, options)
    return 0


def _fields(edit: StartUpEdit) -> dict[str, Any]:
    return {"shell": edit.shell, "file": str(edit.file), "changed": edit.is_change}


def _tell(edits: Sequence[StartUpEdit], options: argparse.Namespace) -> None:
    from envmgr.cli.render import note

    for edit in edits:
        if not edit.is_change:
            note(f"Nothing to do: {edit.file} is as it should be.")
        elif options.dry_run:
            note(_difference(edit))
        else:
            note(f"{'Removed' if edit.after is None else 'Wrote'} {edit.file}")
    if options.dry_run:
        note("Dry run: nothing was written.")
    elif any(edit.is_change for edit in edits) and not options.reverse:
        note("New shells know envmgr activate.")


def _difference(edit: StartUpEdit) -> str:
    import difflib

    before, after = (
        (each or b"").decode("utf-8", "replace").splitlines() for each in (edit.before, edit.after)
    )
    return "\n".join(difflib.unified_diff(before, after, str(edit.file), str(edit.file), lineterm="", n=1))
