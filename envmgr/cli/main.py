"""Finds the command, runs it, and turns every failure into one sentence and an exit code.

Only the module of the command that was asked for is imported, so that start-up stays lean.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING

from envmgr.cli.exit_codes import DONE, FAILED, SIGNALLED, WRONG_USAGE
from envmgr.cli.failures import explained, print_failure
from envmgr.cli.switches import is_switched_on
from envmgr.errors import EnvmgrError, Terminated, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

# The commands in the order in which help shows them: what each does, in a line.
COMMANDS = {
    "create": "make a new environment from specs or files",
    "install": "bring packages into an environment",
    "update": "bring packages of an environment up to date",
    "remove": "take packages out of an environment, or remove it",
    "rename": "give an environment another name or place",
    "history": "show the changes of an environment",
    "rollback": "bring an environment back to an earlier generation",
    "verify": "compare an environment with its records, and mend it",
    "run": "run a command inside an environment",
    "shell": "start a shell inside an environment",
    "activate": "activate an environment in this shell",
    "deactivate": "deactivate the active environment",
    "shell-hook": "print what a shell evaluates to activate an environment",
    "completion": "print what has a shell complete command lines",
    "init": "have shells know envmgr activate from their start",
    "list": "list the packages of an environment",
    "export": "write an environment down for others, as a file",
    "lock": "write the exact packages of environment files down, for all platforms",
    "merge-lock": "merge the changes of two branches in a lock, also for git",
    "adopt": "write a first environment.yml of a venv, an environment or a project",
    "diff": "show what is different between two environments, generations or files",
    "why": "tell who needs a package and what keeps it from being newer",
    "tree": "show who needs whom, from the requests down",
    "search": "search channels for packages",
    "repoquery": "show what a package depends on, or what needs it",
    "env": "conda's spellings: env list, create, update, export, remove, rename, config vars",
    "notices": "show what the channels have to tell",
    "info": "show settings, platform and virtual packages",
    "config": "show settings and where they come from, and change them",
    "clean": "remove cached files that nothing uses",
    "doctor": "explain an environment, or why channels cannot be reached",
    "auth": "store, remove and list the logins of hosts",
    "build": "build packages from recipes into the local channel",
    "index": "write the repodata of a channel folder",
}


ALIASES = {"uninstall": "remove", "upgrade": "update"}
"""Conda's other words for commands."""


def run_command_line(arguments: Sequence[str]) -> int:
    """Run ``envmgr`` with *arguments* (without the program's name); returns the exit code."""
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows knows no SIGHUP.
            signal.signal(getattr(signal, name), _end_orderly)
    # A command makes many records and few cycles; looking for cycles often would double the time of a solve.
    gc.set_threshold(1_000_000, 20, 20)
    try:
        code = _dispatch(list(arguments))
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of our output went away, for example `envmgr list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (Exception, KeyboardInterrupt) as error:
        if os.environ.get("ENVMGR_TRACEBACK") and not isinstance(error, (EnvmgrError, KeyboardInterrupt)):
            raise
        known = error if isinstance(error, EnvmgrError) else explained(error)
        if isinstance(error, KeyboardInterrupt):
            _clear_line()
        as_json = ("--json" in arguments or is_switched_on("CONDA_JSON")) and arguments[:1] != ["run"]
        print_failure(known, as_json=as_json, words=arguments)
        return _exit_code(error)


def _clear_line() -> None:
    """A terminal has echoed the key that interrupted us, perhaps behind a bar."""
    from envmgr.cli.style import obeys_escapes

    if obeys_escapes(sys.stderr, os.environ):
        sys.stderr.write("\r\x1b[K")
    elif sys.stderr.isatty():
        sys.stderr.write("\n")


def _exit_code(error: BaseException) -> int:
    if isinstance(error, KeyboardInterrupt):
        return SIGNALLED + int(getattr(error, "signum", signal.SIGINT))
    return WRONG_USAGE if isinstance(error, UsageError) else FAILED


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help_text())
        return DONE
    if arguments[0].startswith("shell"):
        from envmgr.cli.shell_words import own_spelling

        arguments = own_spelling(arguments)
    name = ALIASES.get(arguments[0], arguments[0])
    # `run` passes arguments on as they are; `auth` checks its own, because none of them may be repeated.
    if name not in ("run", "auth"):
        _check_text(arguments)
    if name not in COMMANDS:
        raise UsageError(f"there is no command '{name}'.", hint=_command_hint(name))
    module = importlib.import_module(f"envmgr.cli.{name.replace('-', '_')}")
    code: int = module.run(arguments[1:])
    return code


def _help_text() -> str:
    lines = [
        "usage: envmgr COMMAND [OPTIONS]",
        "",
        "Environments for Python, R, Node and native libraries.",
        "",
    ]
    lines += [f"  {name:<10} {summary}" for name, summary in COMMANDS.items()]
    lines += ["", "envmgr COMMAND --help shows a command's options; envmgr --version the version.", ""]
    return "\n".join(lines)


def _command_hint(name: str) -> str:
    from envmgr.cli.options import did_you_mean

    if name.startswith("-"):
        return "The command comes first, then its options, as in envmgr list --json."
    from envmgr.cli.other_tools import COMMANDS_NOT_THERE

    if name in COMMANDS_NOT_THERE:
        return f"Instead: {COMMANDS_NOT_THERE[name]}."
    return did_you_mean(name, [*COMMANDS, *ALIASES]) or "envmgr --help lists the commands."


def _end_orderly(number: int, _frame: FrameType | None) -> None:
    raise Terminated(number)


def _check_text(arguments: Sequence[str]) -> None:
    """Names and paths end up in JSON and in files that other tools read, so they must be text."""
    for argument in arguments:
        if not argument.isascii() and any("\ud800" <= character <= "\udfff" for character in argument):
            raise UsageError(
                f"the argument {argument.encode('utf-8', 'replace').decode()!r} is not UTF-8 text.",
                hint="Write it in the encoding of this system, UTF-8.",
            )
