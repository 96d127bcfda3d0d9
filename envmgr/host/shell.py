"""Finds the shell that the user sits at (effects: looks at the parent process and the environment)."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

from msgspec import Struct

_KNOWN: Final = frozenset(
    ("bash", "zsh", "dash", "ash", "sh", "ksh", "ksh93", "mksh", "fish", "tcsh", "csh", "xonsh", "pwsh", "nu")
)


class FoundShell(Struct, frozen=True):
    """A shell by its usual name, and the program to start it."""

    name: str
    program: str


def find_shell() -> FoundShell:
    """The shell that started this process, else the one that SHELL names, else ``sh``."""
    for program in (_parent_program(), os.environ.get("SHELL", "")):
        name = os.path.basename(program).lower().removeprefix("-").removesuffix(".exe")
        if name in _KNOWN:
            return FoundShell(name, shutil.which(program) or shutil.which(name) or program)
    return FoundShell("sh", shutil.which("sh") or "/bin/sh")


def named_shell(name: str) -> FoundShell | None:
    """The shell *name*, a name or a path; None where there is no such program."""
    program = shutil.which({"nushell": "nu", "powershell": "pwsh"}.get(name, name))
    if program is None and name == "powershell":
        program = shutil.which(name)
    return FoundShell(os.path.basename(name), program) if program else None


def _parent_program() -> str:
    try:
        return Path(f"/proc/{os.getppid()}/comm").read_text().strip()
    except OSError:
        return ""
