"""``envmgr history``: the changes of an environment, each with its number, who asked for it and what moved."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from envmgr.cli.options import CommandParser, add_target

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from envmgr.ops.context import Context
    from envmgr.ops.history import Step
    from envmgr.prefix.generation import AskedFor


def parser() -> CommandParser:
    """The command's options."""
    made = CommandParser("history", "Show the changes of an environment.")
    add_target(made)
    made.add_argument("--json", action="store_true", help="print one JSON array")
    return made


def run(arguments: Sequence[str]) -> int:
    """Show them."""
    options = parser().parse_args(arguments)
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import locate_existing

    context, _ = open_context(options)
    print_history(locate_existing(options.name, options.prefix, context), context, as_json=options.json)
    return 0


def print_history(prefix: Path, context: Context, *, as_json: bool) -> None:
    """Print the changes of the environment at *prefix*."""
    from envmgr.cli.render import write_json, write_lines
    from envmgr.ops.history import read_history

    steps = read_history(prefix, context)
    if as_json:
        write_json([_fields(step) for step in steps])
    else:
        write_lines(line for step in steps for line in _lines(step))


def _fields(step: Step) -> dict[str, Any]:
    from envmgr.cli.render import record_fields

    generation = step.generation
    return {
        "generation": generation.number or None,
        "time": _moment(step),
        "command": list(generation.command),
        "specs": list(generation.specs),
        "removed_specs": list(generation.removed),
        "asked": [_asked(each) for each in generation.asking.specs],
        "pypi": [_asked(each) for each in generation.asking.pypi],
        "files": list(generation.asking.files),
        "link": [record_fields(record) for record in step.added],
        "unlink": [record_fields(record) for record in step.removed],
        "packages": len(generation.packages),
    }


def _asked(asked: AskedFor) -> dict[str, Any]:
    return {"spec": asked.spec, "file": asked.file, "line": asked.line}


def _lines(step: Step) -> list[str]:
    import shlex

    from envmgr.cli.plan_table import moved_texts
    from envmgr.cli.render import count_text

    generation = step.generation
    number = f"{generation.number}" if generation.number else "now"
    said = shlex.join(generation.command) if generation.command else "(by another tool)"
    lines = [f"{number}  {_moment(step) or ''}  {said}".rstrip()]
    if not step.removed and len(step.added) == len(generation.packages):
        return [*lines, f"     {count_text(len(step.added), 'package')}"]
    return [*lines, *(f"     {text}" for text in moved_texts(step.removed, step.added))]


def _moment(step: Step) -> str | None:
    if not step.generation.moment:
        return None
    moment = datetime.fromtimestamp(step.generation.moment, tz=timezone.utc).astimezone()
    return moment.isoformat(sep=" ", timespec="seconds")
