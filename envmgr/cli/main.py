"""Finds the command, runs it, and turns every failure into one sentence and an exit code.

Only the module of the command that was asked for is imported, so that start-up stays lean.
"""

from __future__ import annotations

import gc
import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from envmgr.cli.exit_codes import DONE, FAILED, SIGNALLED, WRONG_USAGE
from envmgr.errors import EnvmgrError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

# The commands in the order in which help shows them: what each does, in a line.
COMMANDS = {
    "create": "make a new environment from specs or files",
    "run": "run a command inside an environment",
    "list": "list the packages of an environment",
    "env": "conda's spellings: env list, env create",
    "info": "show settings, platform and virtual packages",
    "build": "build packages from recipes into the local channel",
    "index": "write the repodata of a channel folder",
}


def run_command_line(arguments: Sequence[str]) -> int:
    """Run ``envmgr`` with *arguments* (without the program's name); returns the exit code."""
    signal.signal(signal.SIGTERM, _end_orderly)
    # A command makes many records and few cycles; looking for cycles often would double the time of a solve.
    gc.set_threshold(100_000, 20, 20)
    as_json = "--json" in arguments
    try:
        return _dispatch(list(arguments))
    except UsageError as error:
        _print_failure(error, as_json=as_json)
        return WRONG_USAGE
    except EnvmgrError as error:
        _print_failure(error, as_json=as_json)
        return FAILED
    except BrokenPipeError:
        # The reader of our output went away, for example `envmgr list | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt as stop:
        _print_failure(EnvmgrError("interrupted; nothing was left half-done."), as_json=as_json)
        return SIGNALLED + getattr(stop, "signum", signal.SIGINT)
    except OSError as error:
        _print_failure(_operating_system_error(error), as_json=as_json)
        return FAILED
    except Exception as error:
        if os.environ.get("ENVMGR_TRACEBACK"):
            raise
        _print_failure(_defect(error), as_json=as_json)
        return FAILED


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_help_text())
        return DONE
    name = arguments[0]
    if name not in COMMANDS:
        raise UsageError(f"there is no command '{name}'.", hint=_command_hint(name))
    module = importlib.import_module(f"envmgr.cli.{name}")
    code: int = module.run(arguments[1:])
    return code


def _help_text() -> str:
    lines = [
        "usage: envmgr COMMAND [OPTIONS]",
        "",
        "Environments for Python, R, Node and native libraries.",
        "",
    ]
    lines += [f"  {name:<8} {summary}" for name, summary in COMMANDS.items()]
    lines += ["", "envmgr COMMAND --help shows a command's options; envmgr --version the version.", ""]
    return "\n".join(lines)


def _command_hint(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    return f"Did you mean '{near[0]}'?" if near else "envmgr --help lists the commands."


def _end_orderly(_number: int, _frame: FrameType | None) -> None:
    """Let `finally` blocks undo what is half-done before a SIGTERM ends the process."""
    raise SystemExit(SIGNALLED + signal.SIGTERM)


def _operating_system_error(error: OSError) -> EnvmgrError:
    place = f"{error.filename}: " if error.filename else ""
    return EnvmgrError(f"{place}{error.strerror or error}.", errno=error.errno)


def _defect(error: Exception) -> EnvmgrError:
    return EnvmgrError(
        f"envmgr has a defect: {type(error).__name__}: {error}.",
        hint="Please report it with the output of the same command under ENVMGR_TRACEBACK=1.",
    )


def _print_failure(error: EnvmgrError, *, as_json: bool) -> None:
    from envmgr.models.channel import without_credentials_in_text

    sentence = without_credentials_in_text(str(error))
    if as_json:
        from envmgr.cli.render import write_json

        facts: dict[str, Any] = {"success": False, "error": sentence, "exception_name": type(error).__name__}
        write_json({**error.facts, **facts, "hint": error.hint})
        return
    sys.stderr.write(f"envmgr: {sentence}\n")
    if error.hint:
        sys.stderr.write(f"  hint: {error.hint}\n")
