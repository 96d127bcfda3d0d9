"""Finds the program that resolves: uv beside our own interpreter or on PATH, else a pip."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.pypi.uv_command import OLDEST_UV

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.ports import Runner

_ANSWER_SECONDS = 20.0


class Tool(Struct, frozen=True):
    """A program that resolves: its *name* (``uv`` or ``pip``), version, and the command that starts it."""

    name: str
    version: str
    command: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Found(Struct, frozen=True):
    """The tool, or None; *refused* tells of each program that was found and could not be taken."""

    tool: Tool | None
    refused: tuple[str, ...] = ()


def find_uv(environ: Mapping[str, str], runner: Runner) -> Found:
    """uv, if one is there that is new enough to write locks (PEP 751)."""
    refused = []
    for path in _uv_places(environ):
        version = _version([path, "--version"], environ, runner)
        if version is None:
            refused.append(f"{path} does not run.")
        elif tuple(int(part) for part in version.split(".")[:3]) < OLDEST_UV:
            oldest = ".".join(map(str, OLDEST_UV))
            refused.append(f"{path} is uv {version}, too old to be used: {oldest} or newer is needed.")
        else:
            return Found(Tool("uv", version, (path,)), tuple(refused))
    return Found(None, tuple(refused))


def find_pip(python: Path, environ: Mapping[str, str], runner: Runner) -> Tool | None:
    """The pip of *python*, else ours, led to *python*; None where neither runs. ``--report`` came with pip 22.2."""
    for command in ((str(python), "-m", "pip"), (sys.executable, "-m", "pip", "--python", str(python))):
        version = _version([*command, "--version"], environ, runner)
        if version is not None and tuple(int(part) for part in version.split(".")[:2]) >= (22, 2):
            return Tool("pip", version, command)
    return None


def _uv_places(environ: Mapping[str, str]) -> Iterator[str]:
    name = "uv.exe" if os.name == "nt" else "uv"
    beside = Path(sys.executable).parent / name
    if beside.is_file() and os.access(beside, os.X_OK):
        yield str(beside)
    on_path = shutil.which(name, path=environ.get("PATH", ""))
    if on_path is not None and Path(on_path) != beside:
        yield on_path


def _version(command: list[str], environ: Mapping[str, str], runner: Runner) -> str | None:
    try:
        finished = runner.run(command, env=dict(environ), timeout_seconds=_ANSWER_SECONDS)
    except OSError:
        return None
    found = re.match(r"(?:uv|pip) ([0-9]+(?:\.[0-9]+)+)", finished.stdout)
    return found[1] if finished.returncode == 0 and found else None
