"""The programs that start console entry points on Windows (effects: reads distlib's launchers).

Windows runs no scripts, so each command is a launcher ``NAME.exe``, beside the ``NAME-script.py`` that conda has,
too. The launchers are those of distlib, which pip uses: a program, followed by an interpreter line, followed by a
zip archive whose ``__main__.py`` is what the interpreter runs. Only made for ``win-*``.
"""

from __future__ import annotations

import configparser
import io
import zipfile
from typing import TYPE_CHECKING

from envmgr.errors import PrefixError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

# The launchers' names begin with t (console) or w (windows).
_SUFFIXES = {"win-64": "64", "win-arm64": "64-arm", "win-32": "32"}
_EPOCH = (1980, 1, 1, 0, 0, 0)


def launcher(script: bytes, python_folder: str, subdir: str, *, gui: bool) -> bytes:
    r"""The launcher that runs *script* by the Python in *python_folder*; with *gui*, without a console window.

    *python_folder* is the environment's absolute path; the interpreter is its ``python.exe`` or ``pythonw.exe``.
    The same arguments give the same bytes. Raises PrefixError where there is no launcher for *subdir*, and
    without distlib.
    """
    program = _program(subdir, gui=gui)
    python = f"{python_folder.replace('/', chr(92)).rstrip(chr(92))}\\{'pythonw' if gui else 'python'}.exe"
    line = f'#!"{python}"' if " " in python else f"#!{python}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(zipfile.ZipInfo("__main__.py", _EPOCH), script)
    return program + line.encode() + b"\r\n" + archive.getvalue()


def gui_commands(folder: Path, paths: Iterable[str]) -> frozenset[str]:
    """The commands of the unpacked package at *folder* that have no console.

    The package's own metadata says so (``gui_scripts`` in ``entry_points.txt``, PyPA "Entry points"); a conda
    package's ``link.json`` tells only the commands. *paths* are the package's.
    """
    found: set[str] = set()
    for path in paths:
        if path.endswith(".dist-info/entry_points.txt"):
            parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
            parser.optionxform = str  # type: ignore[method-assign, assignment]
            try:
                parser.read_string((folder / path).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, configparser.Error):
                continue
            found.update(parser["gui_scripts"] if parser.has_section("gui_scripts") else ())
    return frozenset(found)


def _program(subdir: str, *, gui: bool) -> bytes:
    from importlib.resources import files

    suffix = _SUFFIXES.get(subdir)
    if suffix is None:
        raise PrefixError(f"there is no launcher for entry points on {subdir}.")
    try:
        return (files("distlib") / f"{'w' if gui else 't'}{suffix}.exe").read_bytes()
    except (ModuleNotFoundError, FileNotFoundError):
        raise PrefixError(
            f"entry points on {subdir} need the launchers of distlib, which is not installed.",
            hint="Install distlib into the Python of envmgr.",
        ) from None
