"""``envmgr env config vars set|unset|list``: the variables of an environment, in conda's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output, add_target
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from envmgr.ops.context import Context

_USAGE = "envmgr env config vars list | set NAME=VALUE ... | unset NAME ..."


def run(arguments: Sequence[str]) -> int:
    """Run what follows ``env config``."""
    actions = {"list": _list, "set": _set, "unset": _unset}
    if len(arguments) < 2 or arguments[0] != "vars" or arguments[1] not in actions:
        raise UsageError("env config knows the variables of an environment only.", hint=_USAGE)
    return actions[arguments[1]](arguments[2:])


def parser(action: str) -> CommandParser:
    """The options of ``list``, ``set`` or ``unset``."""
    does = {
        "list": "Show what activation of an environment sets.",
        "set": "Set variables of an environment, from its next activation on.",
        "unset": "Unset variables of an environment, from its next activation on.",
    }
    made = CommandParser(f"env config vars {action}", does[action])
    add_target(made)
    add_output(made)
    if action == "set":
        made.add_argument("vars", nargs="+", metavar="NAME=VALUE", help="a variable; the value may be empty")
    if action == "unset":
        made.add_argument("vars", nargs="+", metavar="VARIABLE", help="the name of a variable")
    if action != "list":
        made.add_argument(
            "--override-frozen", action="store_true", help="change an environment that is marked as frozen"
        )
    return made


def _list(arguments: Sequence[str]) -> int:
    options = parser("list").parse_args(arguments)
    from envmgr.cli.render import write_json, write_lines
    from envmgr.ops.variables import read_variables

    prefix, context = _opened(options)
    variables = read_variables(prefix, context)
    if options.json:
        write_json(variables)
    else:
        write_lines(f"{name} = {value}" for name, value in variables.items())
    return 0


def _set(arguments: Sequence[str]) -> int:
    options = parser("set").parse_args(arguments)
    from envmgr.ops.variables import parse_assignment, set_variables

    new = dict(map(parse_assignment, options.vars))
    prefix, context = _opened(options)
    set_variables(prefix, new, context, override_frozen=options.override_frozen)
    return _finish(prefix, context, options)


def _unset(arguments: Sequence[str]) -> int:
    options = parser("unset").parse_args(arguments)
    from envmgr.ops.variables import check_variable, unset_variables

    names = list(map(check_variable, options.vars))
    prefix, context = _opened(options)
    for name in unset_variables(prefix, names, context, override_frozen=options.override_frozen):
        context.reporter.warned(f"{name} is not set in {prefix}.")
    return _finish(prefix, context, options)


def _opened(options: argparse.Namespace) -> tuple[Path, Context]:
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import locate_existing

    context, _ = open_context(options)
    return locate_existing(options.name, options.prefix, context), context


def _finish(prefix: Path, context: Context, options: argparse.Namespace) -> int:
    from envmgr.cli.render import note, write_json

    if options.json:
        write_json({"success": True, "prefix": str(prefix)})
    elif context.environ.get("CONDA_PREFIX") == str(prefix):
        note("Where envmgr is no function of this shell, activate the environment anew to have them.")
    return 0
