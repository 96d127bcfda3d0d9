"""``envmgr env ...``: conda's spellings of commands that envmgr has under shorter names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_output, did_you_mean
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

DEFAULT_FILE = "environment.yml"
"""What conda reads where no file is named."""

ACTIONS = {
    "list": "show the environments that are known",
    "create": "the same as envmgr create; without -f from environment.yml here",
    "update": "install or update what -f FILE (or environment.yml here) names; --prune: and nothing else",
    "export": "the same as envmgr export",
    "remove": "the same as envmgr remove --all",
    "rename": "the same as envmgr rename",
    "config vars list": "show the variables of an environment",
    "config vars set": "set variables of an environment",
    "config vars unset": "unset variables of an environment",
}
"""What stands after ``env``, and what it does."""


def action_parser(action: str) -> argparse.ArgumentParser:
    """The options of one of `ACTIONS`."""
    if action == "list":
        made = CommandParser("env list", "Show the environments that are known.")
        add_output(made)
        return made
    if action.startswith("config vars "):
        from envmgr.cli import env_vars

        return env_vars.parser(action.rpartition(" ")[2])
    import importlib

    parser: argparse.ArgumentParser = importlib.import_module(f"envmgr.cli.{action}").parser()
    return parser


def run(arguments: Sequence[str]) -> int:
    """Run ``env list`` here and hand the others to the commands that they are."""
    if not arguments or arguments[0] in ("-h", "--help"):
        _print_help()
        return 0
    action, rest = arguments[0], list(arguments[1:])
    if action in _RUNS:
        return _RUNS[action](rest)
    raise UsageError(
        f"there is no command 'env {action}'.",
        hint=did_you_mean(f"env {action}", [f"env {each}" for each in ACTIONS])
        or f"There are: env {', env '.join(ACTIONS)}.",
    )


def _print_help() -> None:
    from envmgr.cli.render import write_lines

    width = max(map(len, ACTIONS))
    write_lines(
        [
            "usage: envmgr env ACTION [OPTIONS]",
            "",
            "Conda's spellings of commands that envmgr has under shorter names.",
            "",
            *(f"  {action:<{width}}  {summary}" for action, summary in ACTIONS.items()),
        ]
    )


def _list(arguments: Sequence[str]) -> int:
    options = action_parser("list").parse_args(arguments)
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


def _create(arguments: list[str]) -> int:
    from envmgr.cli import create

    options = create.parser().parse_args(arguments)
    bare = not (options.file or options.specs or options.clone)
    return create.run([*arguments, "--file", DEFAULT_FILE] if bare else arguments)


def _update(arguments: list[str]) -> int:
    """Update the environment that is named here or in the file, as conda does; one that is not there is made."""
    from envmgr.cli import create, update
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import locate
    from envmgr.ops.request import Asked, read_request
    from envmgr.prefix.store import PrefixStore

    if not update.parser().parse_args(arguments).file:
        arguments = [*arguments, "--file", DEFAULT_FILE]
    options = update.parser().parse_args(arguments)
    context, _ = open_context(options)
    name, prefix = options.name, options.prefix
    if name is None and prefix is None:
        written = read_request(Asked(files=tuple(options.file), subdir=options.subdir), context)
        name, prefix = written.name, (written.prefix if written.name is None else None)
        arguments += ["--name", name] if name else ["--prefix", prefix] if prefix else []
    if PrefixStore(locate(name, prefix, context)).is_environment():
        return update.run(arguments)
    return create.run([argument for argument in arguments if argument != "--prune"])


def _remove(arguments: list[str]) -> int:
    from envmgr.cli import remove

    return remove.run(["--all", *arguments])


def _export(arguments: list[str]) -> int:
    from envmgr.cli import export

    return export.run_as("env export", arguments)


def _rename(arguments: list[str]) -> int:
    from envmgr.cli import rename

    return rename.run(arguments)


def _config(arguments: list[str]) -> int:
    from envmgr.cli import env_vars

    return env_vars.run(arguments)


_RUNS: dict[str, Callable[[list[str]], int]] = {
    "list": _list,
    "create": _create,
    "update": _update,
    "export": _export,
    "remove": _remove,
    "rename": _rename,
    "config": _config,
}
