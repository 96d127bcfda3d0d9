"""``envmgr rename``: give an environment another name or place, with everything in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_confirmation, add_output, add_target
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.ops.rename import Renamed, RenamePlan


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("rename", "Give an environment another name or place.")
    add_target(made)
    made.add_argument(
        "names",
        nargs="+",
        metavar="[OLD] NEW",
        help="the environment, if not by -n or -p; its new name or folder",
    )
    made.add_argument(
        "--override-frozen", action="store_true", help="rename an environment that is marked as frozen"
    )
    made.add_argument("--offline", action="store_true", default=None, help="use only what is cached or local")
    add_confirmation(made)
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Plan, show, ask, rename, and say what was done."""
    options = parser().parse_intermixed_args(arguments)
    from envmgr.cli.plan import is_shown
    from envmgr.cli.question import may_proceed
    from envmgr.cli.session import open_context
    from envmgr.ops.rename import RenameRequest, rename_environment

    name, prefix, new = _names(options)
    context, reporter = open_context(options, always_yes=options.yes or None)
    request = RenameRequest(
        new=new,
        name=name,
        prefix=prefix,
        dry_run=options.dry_run,
        override_frozen=options.override_frozen,
        command_line=("envmgr", "rename", *arguments),
    )

    def confirm(plan: RenamePlan) -> bool:
        if is_shown(options, context):
            _show(plan)
        return may_proceed(options, context)

    renamed = rename_environment(request, context, confirm)
    if options.json:
        _write_json(renamed, dry_run=options.dry_run)
    elif not options.quiet:
        _write_text(renamed, reporter.timings(), dry_run=options.dry_run)
    return 0


def _names(options: argparse.Namespace) -> tuple[str | None, str | None, str]:
    has_target = options.name is not None or options.prefix is not None
    if len(options.names) != (1 if has_target else 2):
        raise UsageError(
            "rename takes the environment and its new name.",
            hint="envmgr rename OLD NEW, or envmgr rename -n OLD NEW",
        )
    if has_target:
        return options.name, options.prefix, options.names[0]
    old, new = options.names
    is_path = "/" in old or old.startswith(("~", "."))
    return (None, old, new) if is_path else (old, None, new)


def _show(plan: RenamePlan) -> None:
    from envmgr.cli.render import count_text, note, size_text

    size = size_text(sum(record.size or 0 for record in plan.fetch))
    note(f"Rename {plan.old}\n    to {plan.new}\n")
    note(f"  {count_text(len(plan.link), 'package')} linked there, {len(plan.fetch)} to download ({size})")
    note(f"  {count_text(plan.carried, 'file')} of no package taken along")
    if plan.pip:
        note(f"  of these, of pip: {', '.join(plan.pip)}")
    if plan.changed:
        note(f"  {count_text(len(plan.changed), 'file')} that differ from their packages stay so")
    note("")


def _write_json(renamed: Renamed, *, dry_run: bool) -> None:
    from envmgr.cli.render import record_fields, write_json

    plan = renamed.plan
    write_json(
        {
            "success": True,
            "dry_run": dry_run,
            "prefix": str(plan.new),
            "old_prefix": str(plan.old),
            "actions": {
                "PREFIX": str(plan.new),
                "FETCH": [record_fields(record) for record in plan.fetch],
                "LINK": [record_fields(record) for record in plan.link],
                "UNLINK": [],
            },
            "carried_files": plan.carried,
            "pip": list(plan.pip),
            "changed_files": list(plan.changed),
        }
    )


def _write_text(renamed: Renamed, timings: str, *, dry_run: bool) -> None:
    from envmgr.cli.render import note

    for message in renamed.messages:
        note(message)
    if renamed.done:
        note(f"Renamed to {renamed.plan.new}  ({timings})")
    else:
        note("Dry run: nothing was changed." if dry_run else "Nothing was changed.")
