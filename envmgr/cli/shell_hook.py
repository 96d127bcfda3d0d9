"""``envmgr shell-hook``: print what a shell has to evaluate to activate an environment."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from envmgr.cli.options import CommandParser, add_target
from envmgr.errors import EnvmgrError, UsageError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

_EXAMPLES = """\
bash, zsh, ksh, dash:  eval "$(envmgr shell-hook bash -n NAME)"
fish:                  envmgr shell-hook fish -n NAME | source
tcsh:                  eval "`envmgr shell-hook tcsh -n NAME`"
xonsh:                 execx($(envmgr shell-hook xonsh -n NAME))
PowerShell:            envmgr shell-hook powershell -n NAME | Out-String | Invoke-Expression
nushell:               source PREFIX/conda-meta/envmgr/activate/activate.nu
"""


def parser() -> argparse.ArgumentParser:
    """The command's options."""
    made = CommandParser(
        "shell-hook",
        "Print what a shell evaluates to activate an environment; without one, to know envmgr activate.",
        epilog=_EXAMPLES,
    )
    made.add_argument(
        "shell", metavar="SHELL", help="bash, zsh, dash, ksh, fish, tcsh, xonsh, powershell, cmd, nushell"
    )
    made.add_argument("environment", nargs="?", metavar="ENV", help="a name, or a path with a / in it")
    add_target(made)
    made.add_argument(
        "--stack", action="store_true", help="keep the active environment on PATH, below this one"
    )
    modes = made.add_mutually_exclusive_group()
    modes.add_argument("--activate", action="store_true", help="insist on an environment")
    modes.add_argument("--deactivate", action="store_true", help="print what deactivates the active one")
    modes.add_argument(
        "--facts", action="store_true", help="with nushell, print the record that it activates from"
    )
    return made


def run(arguments: Sequence[str]) -> int:
    """Print the text; where there is none the shell is told to fail, too."""
    options = parser().parse_intermixed_args(arguments)
    from envmgr.ops.activation import refusal

    try:
        sys.stdout.write(_text(options))
    except EnvmgrError:
        if not (options.activate or options.facts):
            sys.stdout.write(refusal(options.shell))
        raise
    return 0


def _text(options: argparse.Namespace) -> str:
    from envmgr.cli.session import open_local_context
    from envmgr.ops.activation import HookRequest, hook_text
    from envmgr.ops.environments import locate_existing

    name, prefix = chosen_environment(options)
    if name is None and prefix is None and (options.activate or options.facts):
        raise UsageError(
            "no environment was named.", hint="envmgr activate NAME; envmgr env list shows the environments."
        )
    context = open_local_context(options)
    place = None if name is None and prefix is None else locate_existing(name, prefix, context)
    request = HookRequest(options.shell, place, options.stack, options.deactivate, options.facts)
    return hook_text(request, context)


def chosen_environment(options: argparse.Namespace) -> tuple[str | None, str | None]:
    """The name or prefix that was given with -n, -p or as a word."""
    word: str | None = options.environment
    if word is None:
        return options.name, options.prefix
    if options.name is not None or options.prefix is not None:
        raise UsageError(
            f"'{word}' and -n or -p both name an environment; give one.", hint="Leave out one of them."
        )
    is_path = "/" in word or word in (".", "..") or "\\" in word
    return (None, word) if is_path else (word, None)
