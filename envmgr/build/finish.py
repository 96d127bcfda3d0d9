"""Makes what a build script installed fit for a package, in the host environment where it was built.

Symlinks become relative, Python's installer notes true, ELF files relocatable, and modules get their bytecode.
Files are unshared from hardlinks before they are changed, so nothing outside of the environment is touched.
"""

from __future__ import annotations

import os
import posixpath
import shutil
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.build.elf_tool import find_patchelf, read_elf_file, set_runpath
from envmgr.build.files import (
    compiled_path,
    entry_point_script,
    needs_bytecode,
    relative_link,
    with_python_shebang,
)
from envmgr.build.globs import matches_flag
from envmgr.build.python_metadata import INSTALLER, rewrite_record
from envmgr.build.relocate import Libraries, plan_runpath
from envmgr.models.package_files import EntryPoint

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from envmgr.build.elf import ElfFile
    from envmgr.build.recipe import Output
    from envmgr.ports import Runner

# Compiles the listed modules; a module that does not compile is left as it is. Bytecode that checks the source's
# hash stays valid wherever and however the files are copied.
_COMPILE = """
import os, py_compile, sys
prefix, listing = sys.argv[1:]
with open(listing, encoding="utf-8") as file:
    modules = file.read().split("\\0")
for module in modules:
    try:
        py_compile.compile(os.path.join(prefix, module), dfile=module, doraise=True, quiet=2,
                           invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    except (py_compile.PyCompileError, OSError, ValueError, RecursionError):
        pass
print(sys.implementation.cache_tag)
"""


class FinishRequest(Struct, frozen=True):
    """What to finish: *selected* are the package's paths, *owners* the host packages' files."""

    output: Output
    prefix: Path
    selected: tuple[str, ...]
    owners: Mapping[str, str]
    environ: Mapping[str, str]
    aside: Path


class Finished(Struct, frozen=True):
    """The package's paths after finishing, and what was read of its ELF files (by path)."""

    selected: tuple[str, ...]
    elf_files: Mapping[str, ElfFile]
    libraries: Libraries


def finish(request: FinishRequest, runner: Runner) -> Finished:
    """Finish the files of one package; see the module's docstring. Raises BuildError."""
    selected = sorted({*request.selected, *_write_entry_points(request)})
    for path in selected:
        _make_link_relative(request, path)
    changed = _true_python_notes(request, selected)
    libraries = library_map(request.owners, selected)
    elf_files = _relocate(request, selected, libraries, runner)
    _rewrite_records(request, selected, changed | set(elf_files))
    selected += _compile(request, selected, runner)
    return Finished(tuple(sorted(selected)), elf_files, libraries)


def library_map(owners: Mapping[str, str], selected: Iterable[str]) -> Libraries:
    """Where shared libraries stand and who owns them; the package's own files win."""
    owned = {path: owner for path, owner in owners.items() if ".so" in path} | {
        path: "" for path in selected if ".so" in path
    }
    folders: dict[str, set[str]] = {}
    for path in owned:
        folder, name = posixpath.split(path)
        folders.setdefault(name, set()).add(folder)
    return Libraries(folders, owned)


def _write_entry_points(request: FinishRequest) -> list[str]:
    """Scripts for declared entry points of a package that is not noarch, where the build made none."""
    build = request.output.build
    if build.is_python_noarch:
        return []
    written = []
    for text in build.entry_points:
        point = EntryPoint.parse(text)
        path = request.prefix / "bin" / point.command
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(entry_point_script(point, str(request.prefix)))
            path.chmod(0o755)
        written.append(f"bin/{point.command}")
    return written


def _make_link_relative(request: FinishRequest, path: str) -> None:
    full = request.prefix / path
    if not full.is_symlink():
        return
    target = os.readlink(full)
    relative = relative_link(path, target, str(request.prefix))
    if relative is None:
        request.output.place.fail(f"the symlink {path} points out of the prefix, to {target}.")
    if relative != target:
        full.unlink()
        full.symlink_to(relative)


def _unshare(path: Path) -> None:
    """Give *path* contents of its own where other names share them."""
    if path.stat().st_nlink > 1:
        aside = path.with_name(f".{path.name}.unshared")
        shutil.copy2(path, aside)
        aside.replace(path)


def _rewrite(path: Path, content: bytes) -> None:
    mode = path.stat().st_mode
    path.unlink()
    path.write_bytes(content)
    path.chmod(mode & 0o777)


def _true_python_notes(request: FinishRequest, selected: Sequence[str]) -> set[str]:
    """INSTALLER and the first lines of Python scripts; answers what changed."""
    changed = set()
    for path in selected:
        full = request.prefix / path
        if full.is_symlink():
            continue
        if path.endswith(".dist-info/INSTALLER"):
            _rewrite(full, INSTALLER)
            changed.add(path)
        elif path.startswith("bin/") and _starts_as_script(full):
            content = full.read_bytes()
            everywhere = request.output.build.is_python_noarch
            fixed = with_python_shebang(content, str(request.prefix), everywhere=everywhere)
            if fixed != content:
                _rewrite(full, fixed)
                changed.add(path)
    return changed


def _starts_as_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _rewrite_records(request: FinishRequest, selected: Sequence[str], changed: Iterable[str]) -> None:
    known, altered = frozenset(selected), frozenset(changed)
    for path in selected:
        if not path.endswith(".dist-info/RECORD"):
            continue
        full = request.prefix / path
        contents = {name: (request.prefix / name).read_bytes() for name in altered}
        folder = posixpath.dirname(posixpath.dirname(path))
        text = full.read_text(encoding="utf-8")
        _rewrite(full, rewrite_record(text, folder, known.__contains__, contents).encode())


def _relocate(
    request: FinishRequest, selected: Sequence[str], libraries: Libraries, runner: Runner
) -> dict[str, ElfFile]:
    """Give ELF files their run paths; answers all that are linked dynamically, as they are afterwards."""
    linking = request.output.build.dynamic_linking
    found: dict[str, ElfFile] = {}
    patchelf: Path | None = None
    for path in selected:
        full = request.prefix / path
        elf = None if full.is_symlink() else read_elf_file(full)
        if elf is None:
            continue
        planned = plan_runpath(path, elf, str(request.prefix), linking, libraries) if elf.is_dynamic else None
        if planned is not None and matches_flag(path, linking.relocate):
            patchelf = patchelf or find_patchelf(request.environ)
            _unshare(full)
            set_runpath(patchelf, runner, full, planned, request.environ)
            elf = read_elf_file(full) or elf
        found[path] = elf
    return found


def _compile(request: FinishRequest, selected: Sequence[str], runner: Runner) -> list[str]:
    """Write bytecode beside the package's modules; answers the new paths."""
    python = request.prefix / "bin" / "python"
    build = request.output.build
    modules = [path for path in selected if needs_bytecode(path, build)]
    modules = [
        path for path in modules if str(request.prefix).encode() not in (request.prefix / path).read_bytes()
    ]
    if not modules or not python.exists():
        return []
    listing = request.aside / "modules"
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text("\0".join(modules))
    env = {**request.environ, "PYTHONHASHSEED": "0"}
    done = runner.run(
        [str(python), "-I", "-S", "-W", "ignore", "-c", _COMPILE, str(request.prefix), str(listing)], env=env
    )
    tag = done.stdout.strip()
    if done.returncode != 0 or not tag:
        return []
    compiled = [compiled_path(path, tag) for path in modules]
    return [path for path in compiled if (request.prefix / path).exists()]
