"""``envmgr create``: make a new environment from specs, files or another environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.options import (
    CommandParser,
    add_channels,
    add_confirmation,
    add_files,
    add_linking,
    add_output,
    add_pypi,
    add_solving,
    add_target,
    asked_of,
    solving_options,
)

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from envmgr.cli.progress import TerminalReporter
    from envmgr.ops.context import Context
    from envmgr.ops.create import Created, CreatePlan, CreateRequest
    from envmgr.ops.lock_use import LockUse


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("create", "Make a new environment from specs or files.")
    add_target(made)
    made.add_argument("specs", nargs="*", metavar="SPEC", help="a package, for example 'python >=3.11'")
    add_pypi(made)
    add_files(made, "environment.yml, lock, explicit file, or file of a project (docs/inputs.md)")
    made.add_argument("--clone", metavar="ENV", help="use exactly the packages of this environment")
    made.add_argument("--no-deps", action="store_true", help="only the named packages")
    made.add_argument("--only-deps", action="store_true", help="only what the named packages need")
    made.add_argument(
        "--no-default-packages",
        action="store_true",
        help="without those of the setting create_default_packages",
    )
    lock = made.add_mutually_exclusive_group()
    lock.add_argument(
        "--locked", action="store_true", help="the lock beside the file has to be current, and is used"
    )
    lock.add_argument(
        "--frozen", action="store_true", help="use the lock beside the file as it is, current or not"
    )
    lock.add_argument("--without-lock", action="store_true", help="solve, also where a current lock is there")
    add_linking(made, "create nothing")
    add_channels(made)
    add_solving(made)
    add_confirmation(made)
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Plan, show, ask, create, and say what was done."""
    options = parser().parse_args(arguments)
    from envmgr.cli.session import open_context
    from envmgr.ops.create import create

    defaults = () if options.no_default_packages else None
    context, reporter = open_context(
        options, always_yes=options.yes or None, create_default_packages=defaults
    )
    created = create(_request(options, arguments), context, _confirmation(options, context))
    if options.json:
        _write_json(created, options, reporter)
    else:
        _write_text(created, options, reporter, context)
    return 0


def _request(options: argparse.Namespace, arguments: Sequence[str]) -> CreateRequest:
    from envmgr.ops.create import CreateRequest

    return CreateRequest(
        asked=asked_of(options),
        name=options.name,
        prefix=options.prefix,
        clone=options.clone,
        options=solving_options(options),
        dry_run=options.dry_run,
        download_only=options.download_only,
        copy=bool(options.copy),
        default_packages=not options.no_default_packages,
        tell_notices=not (options.json or options.quiet),
        lock=_lock_use(options),
        command_line=("envmgr", "create", *arguments),
    )


def _lock_use(options: argparse.Namespace) -> LockUse:
    if options.locked:
        return "locked"
    if options.frozen:
        return "frozen"
    return "none" if options.without_lock else "fresh"


def _confirmation(options: argparse.Namespace, context: Context) -> Callable[[CreatePlan], bool]:
    """Shows the plan; asks only where a person sits at a terminal and -y was not said."""

    from envmgr.cli.plan import is_shown, show_creation
    from envmgr.cli.question import may_proceed
    from envmgr.cli.render import note

    def confirm(plan: CreatePlan) -> bool:
        if plan.lock is not None and not (options.quiet or options.json):
            note(f"Using the lock {plan.lock}.")
        if is_shown(options, context):
            show_creation(plan, context, verbose=options.verbose)
        return may_proceed(options, context)

    return confirm


def _write_json(created: Created, options: argparse.Namespace, reporter: TerminalReporter) -> None:
    from envmgr.cli.render import placement_fields, pypi_fields, record_fields, write_json

    plan = created.plan
    actions: dict[str, Any] = {
        "PREFIX": str(plan.prefix),
        "FETCH": [record_fields(record) for record in plan.fetch],
        "LINK": [record_fields(record) for record in plan.link],
        "UNLINK": [],
    }
    outcome = {"success": True, "dry_run": options.dry_run, "prefix": str(plan.prefix), "actions": actions}
    if plan.lock is not None:
        outcome["lock"] = plan.lock
    if plan.pypi is not None:
        outcome["pypi"] = pypi_fields(plan.pypi)
    if plan.placed:
        outcome["mapped"] = placement_fields(plan.placed)
    write_json(
        {**outcome, "seconds": {phase.value: round(each, 3) for phase, each in reporter.seconds.items()}}
    )


def _write_text(
    created: Created, options: argparse.Namespace, reporter: TerminalReporter, context: Context
) -> None:
    from envmgr.cli.render import note

    for message in created.messages:
        note(message)
    if options.quiet:
        return
    import shlex

    if created.done:
        note(f"Created {created.plan.prefix}  ({reporter.timings()})")
        prefix = created.plan.prefix
        named = prefix.parent in context.settings.envs_dirs
        shown = shlex.join(["-n", prefix.name] if named else ["-p", str(prefix)])
        note(f"  envmgr run {shown} COMMAND ...")
    elif options.dry_run:
        note("Dry run: nothing was changed.")
    elif options.download_only:
        note("Downloaded; no environment was created.")
    else:
        note("Nothing was changed.")
    if created.notices is not None:
        from envmgr.cli.notices import told_lines

        for line in told_lines(created.notices):
            note(line)
