"""``envmgr shell``: becomes a shell in which an environment is active; leaving it leaves the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_target
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser("shell", "Start a shell inside an environment; exit leaves it.")
    made.add_argument("environment", nargs="?", metavar="ENV", help="a name, or a path with a / in it")
    add_target(made)
    made.add_argument(
        "-s", "--shell", metavar="SHELL", help="which shell (default: the one that runs this command)"
    )
    return made


def run(arguments: Sequence[str]) -> int:
    """Prepare and exec; returns only by raising, since the process becomes the shell."""
    options = parser().parse_intermixed_args(arguments)
    from envmgr.cli.run import become
    from envmgr.cli.session import open_local_context
    from envmgr.cli.shell_hook import chosen_environment
    from envmgr.host.shell import find_shell, named_shell
    from envmgr.ops.environments import locate_existing
    from envmgr.ops.shell import ShellRequest, missing_shell, prepare_shell

    name, prefix = chosen_environment(options)
    if name is None and prefix is None:
        raise UsageError("no environment was named.", hint="envmgr shell -n NAME")
    context = open_local_context(options)
    place = locate_existing(name, prefix, context)
    shell = named_shell(options.shell) if options.shell else find_shell()
    if shell is None:
        raise missing_shell(options.shell)
    execution = prepare_shell(ShellRequest(place, shell.name, shell.program), context)
    become(execution.program, execution.arguments, execution.environ)
