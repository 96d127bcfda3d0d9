"""Prepares a shell in which an environment is active: what to start, and the start-up files that activate it.

The shell reads the user's own start-up files first, so that these cannot undo the activation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError
from envmgr.ops.activation import family_of, ready_script, refresh, write_shared
from envmgr.ops.run import Execution, RunRequest, prepare_run

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.ops.context import Context

_BASH = """\
[ -r ~/.bashrc ] && . ~/.bashrc
. "$__ENVMGR_START"
unset __ENVMGR_START
"""
_ZSH_ENV = """\
ZDOTDIR=${__ENVMGR_ZDOTDIR:-$HOME}
[ -r "$ZDOTDIR/.zshenv" ] && . "$ZDOTDIR/.zshenv"
__ENVMGR_ZDOTDIR=$ZDOTDIR
ZDOTDIR=$__ENVMGR_ZSH
"""
_ZSH = """\
ZDOTDIR=$__ENVMGR_ZDOTDIR
[ "$ZDOTDIR" = "$HOME" ] && unset ZDOTDIR
[ -r "${ZDOTDIR:-$HOME}/.zshrc" ] && . "${ZDOTDIR:-$HOME}/.zshrc"
. "$__ENVMGR_START"
unset __ENVMGR_START __ENVMGR_ZDOTDIR __ENVMGR_ZSH
"""
_POSIX = """\
ENV=${__ENVMGR_ENV-}
if [ -n "$ENV" ] && [ -r "$ENV" ]; then . "$ENV"; else unset ENV; fi
. "$__ENVMGR_START"
unset __ENVMGR_START __ENVMGR_ENV
"""


class ShellRequest(Struct, frozen=True):
    """A shell (its usual *name*, and the *program*) to start with *prefix* active; *words* are for the shell."""

    prefix: Path
    name: str
    program: str
    words: tuple[str, ...] = ()


def prepare_shell(request: ShellRequest, context: Context) -> Execution:
    """What to execute; raises PrefixError or UsageError where it cannot be prepared."""
    family = family_of(request.name)
    refresh(request.prefix, context)
    if family in ("csh", "xonsh", "cmd"):
        # These read no file of ours after the user's own, so the shell gets the environment as a command would.
        run = RunRequest(request.prefix, (request.program, *request.words), {})
        return prepare_run(run, context)
    script = str(ready_script(request.prefix, request.name, context))
    environ = dict(context.environ)
    arguments = [request.program, *_start(request.name, family, script, environ, context)]
    return Execution(request.program, (*arguments, *request.words), environ, None)


def _start(name: str, family: str, script: str, environ: dict[str, str], context: Context) -> list[str]:
    """The shell's options, with what it needs put into *environ* and into files of ours."""
    folder = context.settings.root / "shell"
    if family == "fish":
        from envmgr.activation.fish import quote

        return ["--init-command", f"source {quote(script)}"]
    if family == "powershell":
        from envmgr.activation.powershell import quote as quote_word

        return ["-NoExit", "-Command", f". {quote_word(script)}"]
    if family == "nushell":
        from envmgr.activation.nushell import quote as quote_text

        return ["--execute", f"source {quote_text(script)}"]
    environ["__ENVMGR_START"] = script
    if name == "bash":
        write_shared(folder / "start.bash", _BASH)
        return ["--rcfile", str(folder / "start.bash"), "-i"]
    if name == "zsh":
        write_shared(folder / "zsh" / ".zshenv", _ZSH_ENV)
        write_shared(folder / "zsh" / ".zshrc", _ZSH)
        if "ZDOTDIR" in environ:
            environ["__ENVMGR_ZDOTDIR"] = environ["ZDOTDIR"]
        environ["ZDOTDIR"] = environ["__ENVMGR_ZSH"] = str(folder / "zsh")
        return ["-i"]
    write_shared(folder / "start.sh", _POSIX)
    if "ENV" in environ:
        environ["__ENVMGR_ENV"] = environ["ENV"]
    environ["ENV"] = str(folder / "start.sh")
    return ["-i"]


def missing_shell(name: str) -> PrefixError:
    """The error for a shell that is not installed."""
    return PrefixError(f"there is no shell '{name}' on PATH.", program=name)
