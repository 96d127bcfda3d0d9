"""``envmgr activate``: tells how a shell comes to know it, since a program cannot change its shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_target
from envmgr.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command's options, which the shell's function hands to ``shell-hook``."""
    made = CommandParser(
        "activate", "Activate an environment in this shell (a function of the shell does it)."
    )
    made.add_argument("environment", nargs="?", metavar="ENV", help="a name, or a path with a / in it")
    add_target(made)
    made.add_argument(
        "--stack", action="store_true", help="keep the active environment on PATH, below this one"
    )
    return made


def run(arguments: Sequence[str]) -> int:
    """Refuse with what to do instead; only help ends well."""
    parser().parse_intermixed_args(arguments)
    raise refuse_without_function("activate", arguments)


def refuse_without_function(command: str, arguments: Sequence[str]) -> UsageError:
    """The error for a shell that ran the program, with the line that gives it the function."""
    import shlex

    from envmgr.host.shell import find_shell

    shell = find_shell().name
    words = {
        "fish": "envmgr shell-hook fish | source",
        "tcsh": 'eval "`envmgr shell-hook tcsh`"',
        "csh": 'eval "`envmgr shell-hook csh`"',
        "xonsh": "execx($(envmgr shell-hook xonsh))",
        "pwsh": "envmgr shell-hook powershell | Out-String | Invoke-Expression",
        "nu": "envmgr init nushell",
    }
    first = words.get(shell, f'eval "$(envmgr shell-hook {shell})"')
    asked = shlex.join(["envmgr", command, *arguments])
    hint = f"Say once in this shell: {first}  and then: {asked}"
    return UsageError(f"this shell has no function 'envmgr' yet, and a program cannot {command}.", hint=hint)
