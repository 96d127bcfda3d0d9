"""``envmgr doctor``: finds out what is wrong, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.cli.exit_codes import DONE, FAILED
from envmgr.cli.options import CommandParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from envmgr.net.probe import Step
    from envmgr.ops.doctor import Place

_TIMED = frozenset(("dns", "tcp", "tunnel", "tls", "index"))


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "doctor",
        "Find out what is wrong. network: go the way to each channel step by step (proxy, name, connection, "
        "TLS, index, login).",
    )
    made.add_argument("topic", nargs="?", choices=["network"], default="network", help="default: all topics")
    made.add_argument(
        "channels", nargs="*", metavar="CHANNEL", help="a channel's name or URL (default: those configured)"
    )
    made.add_argument("--json", action="store_true", help="print one JSON object")
    return made


def run(arguments: Sequence[str]) -> int:
    """Print each step as it is done, or all as JSON; exit code 1 when one failed."""
    options = parser().parse_intermixed_args(arguments)
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
