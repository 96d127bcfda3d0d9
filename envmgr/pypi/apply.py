"""Installs the ``pip:`` items of an environment file with the pip of the prefix itself (CEP 24, subsections).

The items reach pip in a private requirements file, so that credentials in index URLs are in no process list.
Relative paths mean what they mean to the environment file: they start at its folder.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import PrefixError
from envmgr.ports import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.ports import Reporter, Runner

# pip's own variables that would install somewhere else than into the prefix.
_MISLEADING = (
    "PIP_TARGET",
    "PIP_PREFIX",
    "PIP_ROOT",
    "PIP_USER",
    "PIP_REQUIRE_VIRTUALENV",
    "PIP_REQUIREMENT",
)
_FILE_OPTION = re.compile(r"^(-r|-c|--requirement|--constraint)(\s+|=)(.+)$")
_LINES_SHOWN = 12


class PipRequest(Struct, frozen=True):
    """*items* as written, each with the folder of the file that it stands in."""

    prefix: Path
    python: Path
    items: tuple[tuple[str, Path], ...]
    offline: bool = False


def install_with_pip(
    request: PipRequest, environ: Mapping[str, str], runner: Runner, reporter: Reporter
) -> None:
    """Run pip of the prefix over the items; *environ* is the activated environment.

    Raises PrefixError with the end of pip's output when pip is missing or fails.
    """
    if not request.python.exists():
        raise PrefixError(
            "the file has pip items but the environment has no python to run pip with.",
            hint="Add python and pip to its dependencies.",
        )
    reporter.phase_started(Phase.PYPI, len(request.items))
    try:
        _run_pip(request, environ, runner)
    finally:
        reporter.phase_finished(Phase.PYPI)


def _run_pip(request: PipRequest, environ: Mapping[str, str], runner: Runner) -> None:
    lines = [_absolute(item, folder) for item, folder in request.items]
    descriptor, path = tempfile.mkstemp(prefix="envmgr-pip-", suffix=".txt")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
        command = [str(request.python), "-m", "pip", "install", "--no-input", "-r", path]
        if request.offline:
            command.insert(-2, "--no-index")
        finished = runner.run(command, env=pip_environment(environ), cwd=request.items[0][1])
    finally:
        Path(path).unlink()
    if finished.returncode != 0:
        raise _failure(finished.stdout + finished.stderr, lines, finished.returncode)


def pip_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """*environ* without what would lead pip out of the prefix."""
    kept = {name: value for name, value in environ.items() if name not in _MISLEADING}
    return {**kept, "PYTHONNOUSERSITE": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def _absolute(item: str, folder: Path) -> str:
    """Options that name a file are resolved here, since pip would start at the private file's folder."""
    match = _FILE_OPTION.match(item.strip())
    if match is None or "://" in match[3]:
        return item
    return f"{match[1]} {os.path.normpath(folder / match[3].strip())}"


def _failure(output: str, lines: Sequence[str], returncode: int) -> PrefixError:
    if "No module named pip" in output:
        return PrefixError(
            "the file has pip items but the environment has no pip.", hint="Add pip to its dependencies."
        )
    told = [line for line in output.splitlines() if line.strip()][-_LINES_SHOWN:]
    names = ", ".join(line for line in lines if not line.startswith("-"))
    return PrefixError(
        f"pip could not install {names or 'its items'} (exit code {returncode}).", explanation=told
    )
