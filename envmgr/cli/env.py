"""``envmgr env ...``: conda's spellings of commands that envmgr has under shorter names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output
from envmgr.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ACTIONS = {
    "list": "show the environments that are known",
    "create": "the same as envmgr create",
    "rename": "the same as envmgr rename",
    "config vars": "list, set and unset the variables of an environment",
}


def run(arguments: Sequence[str]) -> int:
    """Run ``env list`` here and hand the others to the commands that they are."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_help()
        return 0
    action, rest = arguments[0], list(arguments[1:])
    if action == "list":
        return _list(rest)
    if action == "create":
        from envmgr.cli import create

        return create.run(rest)
    if action == "rename":
        from envmgr.cli import rename

        return rename.run(rest)
    if action == "config":
        from envmgr.cli import env_vars

        return env_vars.run(rest)
    raise UsageError(
        f"there is no command 'env {action}'.", hint=f"There are: env {', env '.join(_ACTIONS)}."
    )


def _print_help() -> None:
    from envmgr.cli.render import write_lines

    width = max(map(len, _ACTIONS))
    write_lines(
        [
            "usage: envmgr env ACTION [OPTIONS]",
            "",
            "Conda's spellings of commands that envmgr has under shorter names.",
            "",
            *(f"  {action:<{width}}  {summary}" for action, summary in _ACTIONS.items()),
        ]
    )


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
