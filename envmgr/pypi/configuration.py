"""Finds pip's configuration files at the places that pip documents ("Configuration", Location)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.pypi.index_options import parse_pip_configuration, pip_variables, uv_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

_LARGEST_FILE_BYTES = 1_000_000


def configured_options(environ: Mapping[str, str], prefix: Path | None) -> list[dict[str, str]]:
    """What pip's files and variables, then uv's variables say, weakest first; *prefix* may hold a file, too.

    Raises DataError for a file that is no configuration.
    """
    found = [_read(path) for path in configuration_files(environ, prefix)]
    return [*(each for each in found if each), pip_variables(environ), uv_variables(environ)]


def configuration_files(environ: Mapping[str, str], prefix: Path | None) -> list[Path]:
    """The files that may exist, weakest first: the machine's, the user's, the prefix's, ``PIP_CONFIG_FILE``."""
    chosen = environ.get("PIP_CONFIG_FILE")
    if chosen == os.devnull:
        return []
    own = Path(chosen) if chosen else None
    name = "pip.ini" if os.name == "nt" else "pip.conf"
    users = [] if own is not None and own.exists() else _of_user(environ, name)
    sites = [prefix / name] if prefix is not None else []
    return [*_of_machine(environ, name), *users, *sites, *([own] if own is not None else [])]


def _of_machine(environ: Mapping[str, str], name: str) -> list[Path]:
    if os.name == "nt":
        return [Path(environ.get("PROGRAMDATA", r"C:\ProgramData"), "pip", name)]
    if sys.platform == "darwin":
        return [Path("/Library/Application Support/pip", name)]
    folders = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
    return [*(Path(folder, "pip", name) for folder in folders.split(":") if folder), Path("/etc", name)]


def _of_user(environ: Mapping[str, str], name: str) -> list[Path]:
    home = environ.get("USERPROFILE") if os.name == "nt" else environ.get("HOME")
    if not home:
        return []
    if os.name == "nt":
        return [Path(home, "pip", name), Path(environ.get("APPDATA", home), "pip", name)]
    configured = Path(environ.get("XDG_CONFIG_HOME") or Path(home, ".config"))
    library = Path(home, "Library/Application Support/pip")
    if sys.platform == "darwin" and library.is_dir():
        return [Path(home, ".pip", name), library / name]
    return [Path(home, ".pip", name), configured / "pip" / name]


def _read(path: Path) -> dict[str, str]:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return parse_pip_configuration(file.read(_LARGEST_FILE_BYTES), str(path))
    except OSError:
        return {}
