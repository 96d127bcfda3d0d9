"""Prepares the run of a command inside an environment: what to execute, and with which variables.

The process is not started here: the caller replaces itself with it (exec), so that streams, signals and the
exit code are the command's own.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.ops.context import Context


class RunRequest(Struct, frozen=True):
    """*command* to run in *prefix*; *variables* are set on top, an empty value included."""

    prefix: Path
    command: tuple[str, ...]
    variables: Mapping[str, str]
    folder: Path | None = None


class Execution(Struct, frozen=True):
    """What to hand to exec: the program's path, the whole argument list, the environment, the folder."""

    program: str
    arguments: tuple[str, ...]
    environ: dict[str, str]
    folder: Path | None


def prepare_run(request: RunRequest, context: Context) -> Execution:
    """The execution of the command in the activated environment.

    Activation scripts of packages run first where there are any, in a shell that then becomes the command: bash
    where there is one, as in conda, since compilers' scripts need it. Raises PrefixError when the program or
    folder does not exist.
    """
    from envmgr.activation.environment import posix_exec_script
    from envmgr.prefix.store import PrefixStore

    if not request.command:
        raise UsageError("no command was given to run.", hint="envmgr run -n NAME COMMAND ...")
    if request.folder is not None and not request.folder.is_dir():
        raise PrefixError(f"the folder {request.folder} does not exist.")
    environ = {"PYTHONNOUSERSITE": "1", **activated(request.prefix, context), **request.variables}
    name, folder = request.command[0], request.folder
    if os.sep in name:
        _check_path(name, folder or context.cwd)
    scripts = PrefixStore(request.prefix).activation_scripts()
    if scripts:
        script = posix_exec_script([str(path) for path in scripts], request.variables)
        shell = shutil.which("bash", path=environ["PATH"]) or "/bin/sh"
        return Execution(shell, (shell, "-c", script, "envmgr-run", *request.command), environ, folder)
    program = name if os.sep in name else shutil.which(name, path=environ["PATH"])
    if program is None:
        raise PrefixError(f"there is no program '{name}' in the environment or on PATH.", program=name)
    return Execution(program, request.command, environ, folder)


def activated(prefix: Path, context: Context) -> dict[str, str]:
    """The process's environment as it is after activating *prefix*, without the packages' scripts.

    Where it has no PATH, as cron and containers may start programs, the system's folders follow the prefix's.
    """
    from envmgr.activation.environment import activated_environment
    from envmgr.prefix.store import PrefixStore

    store = PrefixStore(prefix)
    return activated_environment(
        str(prefix),
        context.environ if context.environ.get("PATH") else {**context.environ, "PATH": os.defpath},
        subdir=context.settings.subdir,
        env_vars=store.environment_variables(),
        name=store.display_name(context.settings.envs_dirs),
    )


def _check_path(name: str, folder: Path) -> None:
    place = folder / name
    if not place.exists():
        raise PrefixError(f"there is no program {name}.", program=name)
    if place.is_dir() or not os.access(place, os.X_OK):
        kind = "it is a folder" if place.is_dir() else "it is not executable"
        hint = None if place.is_dir() else f"chmod +x {name}"
        raise PrefixError(f"{name} cannot be run: {kind}.", hint=hint, program=name)
