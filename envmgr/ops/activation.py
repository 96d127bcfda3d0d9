"""Writes the text that activates an environment, for any shell, and keeps it ready inside the environment.

The ready scripts stand in ``conda-meta/envmgr/activate/``. They are written anew when what they were made from has
changed; whether it has, a few calls of stat tell. Where the environment cannot be written, nothing is kept.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.errors import EnvmgrError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.activation.facts import Environment
    from envmgr.config.settings import Settings
    from envmgr.ops.context import Context

FOLDER: Final = "conda-meta/envmgr/activate"
_FORMAT: Final = 1
_KEY: Final = "key"

SHELLS: Final = {
    **dict.fromkeys(("bash", "zsh", "sh", "dash", "ash", "ksh", "ksh93", "mksh", "busybox", "posix"), "posix"),
    "fish": "fish", "tcsh": "csh", "csh": "csh", "xonsh": "xonsh", "powershell": "powershell",
    "pwsh": "powershell", "cmd": "cmd", "cmd.exe": "cmd", "nushell": "nushell", "nu": "nushell",
}  # fmt: skip
"""What each shell may be called, and which module of ``envmgr.activation`` writes for it."""

_SUFFIXES: Final = {
    "posix": "sh",
    "fish": "fish",
    "csh": "csh",
    "xonsh": "xsh",
    "powershell": "ps1",
    "nushell": "nu",
    "cmd": "bat",
}


class HookRequest(Struct, frozen=True):
    """For *shell*, the functions alone, or with *prefix* the text that activates that environment.

    With *stack* the active environment stays on PATH below it; with *leave* the text deactivates. *facts* asks
    for nushell's record.
    """

    shell: str
    prefix: Path | None = None
    stack: bool = False
    leave: bool = False
    facts: bool = False


def family_of(shell: str) -> str:
    """The module that writes for *shell*; raises UsageError for one that is not known."""
    found = SHELLS.get(shell.lower().removeprefix("-"))
    if found is None:
        raise UsageError(
            f"there is no activation for the shell '{shell}'.", hint=f"Known are {', '.join(SHELLS)}."
        )
    return found


def hook_text(request: HookRequest, context: Context) -> str:
    """What the shell has to evaluate; raises PrefixError or UsageError where there is nothing to activate."""
    family, settings = family_of(request.shell), context.settings
    program = this_program()
    if request.leave:
        return _leave_text(family, program, context)
    prefix = request.prefix
    if prefix is None:
        return _functions_text(family, program, settings)
    environment = environment_at(prefix, context)
    refresh(prefix, context)
    if request.facts:
        from envmgr.activation import nushell

        return nushell.facts(environment, stack=request.stack) + "\n"
    if family in ("csh", "cmd"):
        script = ready_script(prefix, request.shell, context)
        return _sourced(family, str(script), "stack" if request.stack else "")
    return _activate_text(family, environment, program, stack=request.stack)


def environment_at(prefix: Path, context: Context) -> Environment:
    """What activation has to know of *prefix*; variables that no shell can set are named in a warning."""
    from envmgr.activation.facts import Environment, prompt_modifier, settable
    from envmgr.prefix.store import PrefixStore

    store, settings = PrefixStore(prefix), context.settings
    variables, odd = settable(store.environment_variables())
    if odd:
        context.reporter.warned(f"{prefix} has variables that activation does not set: {', '.join(odd)}.")
    name = store.display_name(settings.envs_dirs)
    template = settings.env_prompt if settings.changeps1 else ""
    modifier = prompt_modifier(template, name=name, prefix=str(prefix))
    return Environment(str(prefix), name, modifier, variables, settings.subdir)


def refresh(prefix: Path, context: Context) -> None:
    """Have the ready scripts of *prefix* be as they should; what stands in the way of that is no error."""
    with contextlib.suppress(OSError, EnvmgrError):
        key = _key(prefix, context.settings)
        folder = prefix / FOLDER
        if _is_ready(folder, key, context.settings):
            return
        environment = environment_at(prefix, context)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in ready_files(environment, folder, this_program()):
            _replace(folder / name, text)
        for name in os.listdir(folder):
            # A process that was killed left it; one that writes the same at this moment does without.
            if name.startswith("."):
                os.unlink(folder / name)
        _replace(folder / _KEY, key)


def refresh_own(prefix: Path, context: Context) -> None:
    """`refresh` for an environment that envmgr has worked on; those of other tools are left alone."""
    if os.path.isdir(prefix / "conda-meta" / "envmgr"):
        refresh(prefix, context)


def ready_script(prefix: Path, shell: str, context: Context) -> Path:
    """A script that activates *prefix* in *shell*: the environment's own, or one beside the settings' folders.

    Raises PrefixError where neither can be written.
    """
    import hashlib

    family = family_of(shell)
    name = f"activate.{_SUFFIXES[family]}"
    if _is_ready(prefix / FOLDER, _key(prefix, context.settings), context.settings):
        return prefix / FOLDER / name
    folder = shell_folder(context.settings) / hashlib.sha256(os.fsencode(prefix)).hexdigest()[:16]
    environment = environment_at(prefix, context)
    for each, text in ready_files(environment, folder, this_program(), family):
        write_shared(folder / each, text)
    return folder / name


def ready_files(
    environment: Environment, folder: Path, program: tuple[str, ...], only: str | None = None
) -> Iterator[tuple[str, str]]:
    """The names and texts of the scripts in *folder*, for each shell of the platform, or for one."""
    windows = environment.subdir.startswith("win-")
    for family, suffix in _SUFFIXES.items():
        if only not in (None, family) or (family == "cmd" and not windows) or (family == "csh" and windows):
            continue
        if family == "csh":
            from envmgr.activation import csh

            library = folder / "envmgr.csh"
            yield library.name, csh.hook(program, str(library))
            yield f"activate.{suffix}", csh.activate(environment, str(library))
        elif family == "cmd":
            from envmgr.activation import cmd

            yield f"deactivate.{suffix}", cmd.deactivate()
            yield f"activate.{suffix}", cmd.activate(environment)
        else:
            yield f"activate.{suffix}", _activate_text(family, environment, program)


def functions_file(family: str, settings: Settings) -> Path:
    """The file with the functions alone, for start-up files to source; PrefixError if it cannot be written."""
    folder = shell_folder(settings)
    path = folder / f"envmgr.{_SUFFIXES[family]}"
    if family == "csh":
        from envmgr.activation import csh

        text = csh.hook(this_program(), str(path))
    elif family == "cmd":
        from envmgr.activation import cmd

        leave = folder / "deactivate.bat"
        write_shared(leave, cmd.deactivate())
        text = cmd.hook(this_program(), str(leave))
    else:
        text = _functions_text(family, this_program(), settings)
    write_shared(path, text)
    return path


def refusal(shell: str) -> str:
    """What the shell evaluates when nothing is activated, so that it learns of it."""
    import importlib

    text: str = importlib.import_module(f"envmgr.activation.{SHELLS.get(shell.lower(), 'posix')}").REFUSAL
    return text


def this_program() -> tuple[str, ...]:
    """The command that runs envmgr as this process was run."""
    program = os.path.abspath(sys.argv[0])
    if (
        os.path.basename(program).startswith("envmgr")
        and os.access(program, os.X_OK)
        and os.path.isfile(program)
    ):
        return (program,)
    return (sys.executable, "-m", "envmgr")


def _activate_text(
    family: str, environment: Environment, program: tuple[str, ...], *, stack: bool = False
) -> str:
    import importlib

    module = importlib.import_module(f"envmgr.activation.{family}")
    text: str = module.activate(environment, program, stack=stack)
    return text


def _functions_text(family: str, program: tuple[str, ...], settings: Settings) -> str:
    if family in ("csh", "cmd"):
        return _sourced(family, str(functions_file(family, settings)), "")
    import importlib

    text: str = importlib.import_module(f"envmgr.activation.{family}").hook(program)
    return text


def _leave_text(family: str, program: tuple[str, ...], context: Context) -> str:
    if family == "csh":
        return _sourced(family, str(functions_file(family, context.settings)), "leave")
    if family == "cmd":
        functions_file(family, context.settings)
        return _sourced(family, str(shell_folder(context.settings) / "deactivate.bat"), "")
    import importlib

    from envmgr.activation.facts import settable
    from envmgr.prefix.store import PrefixStore

    names: dict[str, str] = {}
    active = context.environ.get("CONDA_PREFIX")
    if active:
        with contextlib.suppress(EnvmgrError):
            names, _ = settable(PrefixStore(Path(active)).environment_variables())
    words = "".join(f"{name} " for name in names)
    text: str = importlib.import_module(f"envmgr.activation.{family}").deactivate(words, program)
    return text


def _sourced(family: str, script: str, word: str) -> str:
    from envmgr.activation import cmd, csh

    return csh.sourced(script, word) if family == "csh" else cmd.called(script, word)


def shell_folder(settings: Settings) -> Path:
    """Where files for shells stand that belong to no environment."""
    return settings.root / "shell"


def _key(prefix: Path, settings: Settings) -> str:
    """What the ready scripts are made from, as text that differs when it differs."""
    from envmgr import __version__

    prompt = settings.env_prompt if settings.changeps1 else ""
    name = prefix.name if prefix.parent in settings.envs_dirs else ""
    parts = [f"{_FORMAT} {__version__} {settings.subdir}", str(prefix), name, prompt]
    parts += [_stamp(prefix / "conda-meta" / "state")]
    folder = prefix / "etc" / "conda" / "env_vars.d"
    with contextlib.suppress(OSError):
        parts += [f"{name} {_stamp(folder / name)}" for name in sorted(os.listdir(folder))]
    return "\n".join(parts) + "\n"


def _stamp(path: Path) -> str:
    try:
        found = os.stat(path)
    except OSError:
        return "-"
    return f"{found.st_mtime_ns} {found.st_size} {found.st_ino}"


def _is_ready(folder: Path, key: str, settings: Settings) -> bool:
    windows = settings.subdir.startswith("win-")
    try:
        written = (folder / _KEY).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return False
    left_out = "csh" if windows else "cmd"
    names = [f"activate.{suffix}" for family, suffix in _SUFFIXES.items() if family != left_out]
    return written == key and all(os.path.isfile(folder / name) for name in names)


def _replace(path: Path, text: str) -> None:
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_bytes(text.encode("utf-8", "surrogateescape"))
        aside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise


def write_shared(path: Path, text: str) -> None:
    """Write *path*, below the settings' own folder, unless it is so already; raises PrefixError."""
    from envmgr.errors import PrefixError

    try:
        if path.is_file() and path.read_bytes() == text.encode("utf-8", "surrogateescape"):
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise PrefixError(f"{path} cannot be written: {error.strerror}.") from error
