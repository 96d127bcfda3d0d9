"""``envmgr doctor``: finds out what is wrong with the way to channels, step by step, or with an environment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.exit_codes import DONE, FAILED
from envmgr.cli.options import CommandParser, add_confirmation, add_output, add_target
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.net.probe import Step
    from envmgr.ops.checkup import Checkup, Diagnosis
    from envmgr.ops.context import Context
    from envmgr.ops.doctor import Place

_TIMED = frozenset(("dns", "tcp", "tunnel", "tls", "index"))


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "doctor",
        "Find out what is wrong. network: go the way to each channel step by step (proxy, name, connection, "
        "TLS, index, login). environment: explain an environment, with causes and remedies.",
    )
    made.add_argument(
        "topic",
        nargs="?",
        choices=["network", "environment"],
        help="default: environment where -n or -p is given, else network",
    )
    made.add_argument(
        "channels", nargs="*", metavar="CHANNEL", help="a channel's name or URL (default: those configured)"
    )
    add_target(made)
    made.add_argument(
        "--fix",
        "--heal",
        action="store_true",
        help="mend an environment: damage as verify --repair does, and a folder that was moved by hand",
    )
    made.add_argument("--override-frozen", action="store_true", help="with --fix: mend a frozen one, too")
    made.add_argument(
        "--offline", action="store_true", default=None, help="with --fix: only from packages in the cache"
    )
    add_confirmation(made)
    add_output(made)
    return made


def run(arguments: Sequence[str]) -> int:
    """Print what is found, or all as JSON; exit code 1 when something is wrong."""
    options = parser().parse_intermixed_args(arguments)
    has_target = options.name is not None or options.prefix is not None
    topic = options.topic or ("environment" if has_target else "network")
    if topic == "network" and has_target:
        raise UsageError(
            "doctor network looks at channels and takes no environment.",
            hint="Name channels with -c, or leave out the word network.",
        )
    if topic == "environment" and options.channels:
        raise UsageError(
            "doctor environment takes no channels.",
            hint="Leave out the channels, or ask about them with envmgr doctor network.",
        )
    if topic == "network" and options.fix:
        raise UsageError("--fix mends an environment.", hint="Name one with -n NAME or -p PREFIX.")
    return _explain_environment(options) if topic == "environment" else _explain_network(options)


def _explain_environment(options: argparse.Namespace) -> int:
    from envmgr.cli.render import write_json
    from envmgr.cli.session import open_context
    from envmgr.ops.checkup import check_up

    context, _ = open_context(options, always_yes=options.yes or None)
    found, facts = check_up(options.name, options.prefix, context), {}
    if options.fix:
        if not options.json:
            _print_checkup(found)
        facts = _fix(found, options, context)
        if facts["fixed"]:
            found = check_up(options.name, options.prefix, context)
    if options.json:
        write_json({**_checkup_fields(found), **facts})
    elif not options.fix or facts["fixed"]:
        _print_checkup(found)
    return DONE if found.is_well else FAILED


def _fix(found: Checkup, options: argparse.Namespace, context: Context) -> dict[str, Any]:
    """Show the plan, ask, mend; what was done, for the JSON."""
    from envmgr.cli.plan import is_shown, show_change
    from envmgr.cli.question import may_proceed
    from envmgr.cli.render import note, record_fields
    from envmgr.ops.fix import FixPlan, FixRequest, fix

    def confirm(plan: FixPlan) -> bool:
        if is_shown(options, context):
            show_change(plan.change, context, verbose=options.verbose)
            if plan.moved_from is not None:
                note(f"  What names {plan.moved_from} will name {plan.change.prefix}.")
                note(f"  Files of pip and scripts are fitted, too ({plan.fitted} are pip's).\n")
        return may_proceed(options, context)

    request = FixRequest(found, options.dry_run, options.override_frozen, ("envmgr", "doctor", "--fix"))
    changed = fix(request, context, confirm)
    if not options.json:
        if changed is None:
            note("There is nothing that --fix mends.")
        elif not changed.done:
            note("Dry run: nothing was changed." if options.dry_run else "Nothing was changed.")
    relinked = changed.plan.link if changed is not None else ()
    return {
        "fixed": changed is not None and changed.done,
        "dry_run": options.dry_run,
        "relinked": [record_fields(record) for record in relinked],
    }


def _print_checkup(found: Checkup) -> None:
    from envmgr.cli.render import count_text, note, write_lines

    write_lines(line for finding in found.findings for line in _diagnosis_lines(finding))
    problems = sum(finding.level == "problem" for finding in found.findings)
    packages = count_text(found.packages, "package")
    note(f"{found.prefix}, {packages}: {count_text(problems, 'problem') if problems else 'no problem'}.")


def _diagnosis_lines(finding: Diagnosis) -> list[str]:
    from envmgr.models.visible_text import visible

    lines = [f"{finding.level:<8} {visible(finding.text)}"]
    lines += [f"{'':<9}cause: {visible(finding.cause)}"] if finding.cause else []
    return [*lines, f"{'':<9}to do: {visible(finding.remedy)}"] if finding.remedy else lines


def _checkup_fields(found: Checkup) -> dict[str, Any]:
    return {
        "success": found.is_well,
        "prefix": str(found.prefix),
        "packages": found.packages,
        "generation": found.generation,
        "findings": [_diagnosis_fields(finding) for finding in found.findings],
    }


def _diagnosis_fields(finding: Diagnosis) -> dict[str, Any]:
    from envmgr.models.visible_text import visible

    return {
        "kind": finding.kind,
        "level": finding.level,
        "text": visible(finding.text),
        "cause": visible(finding.cause) if finding.cause else None,
        "remedy": visible(finding.remedy) if finding.remedy else None,
        **finding.facts,
    }


def _explain_network(options: argparse.Namespace) -> int:
    from envmgr.cli.render import write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.doctor import examine, find_places

    context, _ = open_context(options)
    told: list[dict[str, Any]] = []
    for place in find_places(options.channels, context):
        steps = []
        if not options.json:
            write_lines([_heading(place)])
        for step in examine(place, context):
            steps.append(step)
            if not options.json:
                write_lines(_step_lines(step))
        told.append(_place_fields(place, steps))
    is_well = all(each["ok"] for each in told)
    if options.json:
        write_json({"success": is_well, "network": told})
    return DONE if is_well else FAILED


def _heading(place: Place) -> str:
    return place.url if place.url == place.channel else f"{place.url} (a mirror of {place.channel})"


def _step_lines(step: Step) -> list[str]:
    is_timed = step.name in _TIMED and step.status == "ok"
    took = f" ({step.facts['seconds'] * 1000:.0f} ms)" if is_timed else ""
    from envmgr.models.visible_text import visible

    lines = [f"  {step.name:<8}{step.status:<8}{visible(step.detail)}{took}"]
    return [*lines, f"{'':<18}hint: {step.hint}"] if step.hint else lines


def _place_fields(place: Place, steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "channel": place.channel,
        "url": place.url,
        "ok": all(step.status == "ok" for step in steps),
        "steps": [
            {"name": step.name, "status": step.status, "detail": step.detail, "hint": step.hint, **step.facts}
            for step in steps
        ],
    }
