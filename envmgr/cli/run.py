"""``envmgr run``: replaces this process with a command inside an environment."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from envmgr.cli.options import CommandParser, add_target
from envmgr.errors import PrefixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command's options; everything from the first other word on belongs to the command that is run."""
    made = CommandParser("run", "Run a command inside an environment, as if it were active.")
    add_target(made)
    made.add_argument("--cwd", metavar="FOLDER", help="run it in this folder")
    made.add_argument("-e", "--env", action="append", default=[], metavar="VAR=VALUE", help="set a variable")
    made.add_argument(
        "-s", "--no-capture-output", "--live-stream", action="store_true", help=argparse.SUPPRESS
    )
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND ...")
    return made


def run(arguments: Sequence[str]) -> int:
    """Prepare and exec; returns only by raising, since the process becomes the command."""
    options = parser().parse_args(arguments)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    from envmgr.cli.session import open_context
    from envmgr.ops.environments import expanded, locate_existing
    from envmgr.ops.run import RunRequest, prepare_run

    context, _ = open_context(options)
    prefix = locate_existing(options.name, options.prefix, context)
    folder = expanded(options.cwd, context) if options.cwd else None
    variables = dict(_assignment(text) for text in options.env)
    execution = prepare_run(RunRequest(prefix, tuple(command), variables, folder), context)
    if execution.folder is not None:
        os.chdir(execution.folder)
    become(execution.program, execution.arguments, execution.environ)


def _assignment(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise UsageError(f"-e expects VAR=VALUE, not '{text}'.", hint="Write it as in -e LANG=C.")
    return name, value


def become(program: str, arguments: Sequence[str], environ: dict[str, str]) -> NoReturn:
    """Replace this process with *program*; raises PrefixError where it cannot be run.

    A file without an interpreter line is a script of the system's shell, as it is to shells and execvp.
    """
    sys.stdout.flush()
    # Python ignores these, and a command would inherit it: `yes | head` would not end in silence.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        try:
            os.execve(program, list(arguments), environ)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            os.execve("/bin/sh", ["/bin/sh", program, *arguments[1:]], environ)
    except OSError as error:
        if error.errno == errno.ENOENT and os.path.isfile(program):
            raise PrefixError(
                f"{program} cannot be run: the interpreter that it names is not there.",
                hint="Where its environment was moved: envmgr doctor --fix",
                program=program,
            ) from None
        raise PrefixError(f"{program} cannot be run: {error.strerror}.", program=program) from None
