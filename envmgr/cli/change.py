"""What the commands that change an environment share: options, the question, the table of what moves, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_confirmation, add_output, add_target
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from envmgr.cli.progress import TerminalReporter
    from envmgr.ops.change_request import Changed, ChangePlan, ChangeRequest
    from envmgr.ops.context import Context


def change_parser(command: str, description: str) -> CommandParser:
    """A parser with what every such command has."""
    made = CommandParser(command, description)
    add_target(made)
    add_confirmation(made)
    add_output(made)
    made.add_argument(
        "--override-frozen", action="store_true", help="change an environment that is marked as frozen"
    )
    return made


def run_change(request: ChangeRequest, options: argparse.Namespace) -> int:
    """Plan, show, ask, change, and say what was done."""
    make_change(request, options)
    return 0


def make_change(
    request: ChangeRequest, options: argparse.Namespace, facts: Mapping[str, Any] | None = None
) -> Changed:
    """Like `run_change`, for a caller that has to know what was done; *facts* come with the JSON."""
    from envmgr.cli.session import open_context
    from envmgr.ops.change import change

    context, reporter = open_context(options, always_yes=options.yes or None)
    _check_named(request, context)
    changed = change(request, context, _confirmation(options, context))
    if options.json:
        from envmgr.cli.plan import moves_of_change
        from envmgr.ops.moves import tell_reasons

        reasons = tell_reasons(moves_of_change(changed.plan), context)
        _write_json(changed, options, reporter, {"reasons": reasons, **(facts or {})})
    else:
        _write_text(changed, options, reporter)
    return changed


def _check_named(request: ChangeRequest, context: Context) -> None:
    """Raises UsageError where -n was left out before the name of an environment, as it stands first among specs."""
    from envmgr.ops.environments import list_environments

    specs = request.asked.specs
    if request.name or request.prefix or context.environ.get("CONDA_PREFIX") or not specs:
        return
    if specs[0] in {known.name for known in list_environments(context)}:
        raise UsageError(
            f"no environment was named with -n, and none is active; '{specs[0]}' was read as a package.",
            hint=f"Did you mean -n {specs[0]}?",
        )


def _confirmation(options: argparse.Namespace, context: Context) -> Callable[[ChangePlan], bool]:
    from envmgr.cli.plan import is_shown, show_change
    from envmgr.cli.question import may_proceed

    def confirm(plan: ChangePlan) -> bool:
        if is_shown(options, context):
            show_change(plan, context, verbose=options.verbose)
        return may_proceed(options, context)

    return confirm


def _write_json(
    changed: Changed, options: argparse.Namespace, reporter: TerminalReporter, facts: Mapping[str, Any]
) -> None:
    from envmgr.cli.render import placement_fields, pypi_fields, record_fields, write_json

    plan = changed.plan
    actions: dict[str, Any] = {
        "PREFIX": str(plan.prefix),
        "FETCH": [record_fields(record) for record in plan.fetch],
        "LINK": [record_fields(record) for record in plan.link],
        "UNLINK": [record_fields(record) for record in plan.unlink],
        "RELINK": [{**record_fields(record), "reason": why} for record, why in plan.relink],
    }
    outcome: dict[str, Any] = {
        "success": True,
        "dry_run": options.dry_run,
        "prefix": str(plan.prefix),
        "actions": actions,
        "generation": changed.generation,
        "notes_request": plan.notes_request,
        "sets_variables": plan.sets_variables,
        "adds_pins": plan.adds_pins,
        "saved": str(changed.saved) if changed.saved else None,
        "clobbers": [
            {"path": each.path, "winner": each.winner, "losers": list(each.losers)} for each in plan.clobbers
        ],
    }
    if plan.pypi is not None:
        outcome["pypi"] = pypi_fields(plan.pypi)
    if plan.placed:
        outcome["mapped"] = placement_fields(plan.placed)
    if plan.is_nothing:
        outcome["message"] = "All requested packages already installed."
    seconds = {phase.value: round(each, 3) for phase, each in reporter.seconds.items()}
    write_json({**outcome, **facts, "seconds": seconds})


def _write_text(changed: Changed, options: argparse.Namespace, reporter: TerminalReporter) -> None:
    from envmgr.cli.render import note

    for message in changed.messages:
        note(message)
    if options.quiet:
        return
    if changed.done and changed.generation is None:
        note(f"Set the variables of {changed.plan.prefix}; no package moved.")
    elif changed.done and changed.plan.is_nothing:
        number = changed.generation
        note(f"Noted the request of {changed.plan.prefix}: generation {number}; no package moved.")
    elif changed.done:
        note(f"Changed {changed.plan.prefix}: generation {changed.generation}  ({reporter.timings()})")
    elif changed.plan.changes_nothing:
        note(f"Nothing to do: {changed.plan.prefix} is as it should be.")
    elif options.dry_run:
        note("Dry run: nothing was changed.")
    elif getattr(options, "download_only", False):
        note("Downloaded; nothing was changed.")
    else:
        note("Nothing was changed.")
    if changed.saved is not None:
        note(f"Wrote the request into {changed.saved}.")
