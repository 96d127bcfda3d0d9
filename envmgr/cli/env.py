"""``envmgr env ...``: conda's spellings of commands that envmgr has under shorter names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_ACTIONS = ("list", "create")


def run(arguments: Sequence[str]) -> int:
    """Run ``env list`` here and hand ``env create`` to ``create``."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _parser().parse_args(["--help"])
    action, rest = arguments[0], list(arguments[1:])
    if action == "create":
        from envmgr.cli import create

        return create.run(rest)
    if action == "list":
        return _list(rest)
    raise UsageError(
        f"there is no command 'env {action}'.", hint=f"There are: env {', env '.join(_ACTIONS)}."
    )


def _parser() -> argparse.ArgumentParser:
    made = CommandParser("env", "env list shows the environments; env create is the same as create.")
    made.add_argument("action", choices=_ACTIONS)
    return made


def _list(arguments: Sequence[str]) -> int:
    made = CommandParser("env list", "Show the environments that are known.")
    add_output(made)
    options = made.parse_args(arguments)
    from envmgr.cli.render import note, table, write_json, write_lines
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import list_environments

    context, _ = open_context(options)
    known = list_environments(context)
    if options.json:
        write_json({"envs": [str(each.prefix) for each in known]})
        return 0
    if not known:
        note("No environments yet. envmgr create makes one.")
        return 0
    active = context.environ.get("CONDA_PREFIX")
    rows = [[each.name or "", "*" if str(each.prefix) == active else "", str(each.prefix)] for each in known]
    write_lines(table(rows, ["name", "", "folder"]))
    return 0
