"""Where an ELF file should look for its libraries, and whether they will be there.

A relocatable prefix needs run paths relative to the file (``$ORIGIN``). ``plan_runpath`` decides the new run
path; ``find_missing`` is the overlinking check: each needed library must be in the package, in a package that
is required at run time, in glibc's family, or allowed by the recipe.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.build.elf import is_glibc_library
from envmgr.build.globs import matches_any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set

    from envmgr.build.elf import ElfFile
    from envmgr.build.recipe import DynamicLinking


class Libraries(Struct, frozen=True):
    """Which files stand where below the prefix: file name -> folders, and path -> owning package.

    Files of the package that is being made are owned by the empty name.
    """

    folders: Mapping[str, Set[str]]
    owners: Mapping[str, str]


def plan_runpath(
    path: str, elf: ElfFile, prefix: str, linking: DynamicLinking, libraries: Libraries
) -> tuple[str, ...] | None:
    """The run path that *path* should have; None where it is right as it is.

    Entries inside of the prefix are kept (absolute ones made relative), others dropped unless
    ``rpath_allowlist`` names them. The recipe's ``rpaths`` are added to programs, and to libraries that do not
    find everything without them.
    """
    folder = posixpath.dirname(path)
    kept = [
        entry for old in elf.search_path if (entry := _kept_entry(old, folder, prefix, linking)) is not None
    ]
    if elf.interpreter is not None or not _finds_all(elf, folder, kept, libraries):
        kept += [_origin_entry(rpath.rstrip("/"), folder) for rpath in linking.rpaths]
    planned = tuple(dict.fromkeys(kept))
    return None if planned == elf.search_path else planned


def _origin_entry(inner: str, folder: str) -> str:
    relative = posixpath.relpath(f"/{inner}", f"/{folder}")
    return "$ORIGIN" if relative == "." else f"$ORIGIN/{relative}"


def _kept_entry(entry: str, folder: str, prefix: str, linking: DynamicLinking) -> str | None:
    inner = inner_folder(entry, folder)
    if inner is not None:
        return entry if not _climbs_out(inner) else None
    if entry == prefix or entry.startswith(f"{prefix}/"):
        return _origin_entry(posixpath.relpath(entry, prefix), folder)
    return entry if matches_any(entry, linking.rpath_allowlist) else None


def inner_folder(entry: str, folder: str) -> str | None:
    """The folder below the prefix that a run path entry of a file in *folder* means; None for absolute ones."""
    for origin in ("$ORIGIN", "${ORIGIN}"):
        if entry == origin or entry.startswith(f"{origin}/"):
            return posixpath.normpath(posixpath.join(folder or ".", entry[len(origin) :].lstrip("/")))
    return None


def _climbs_out(inner: str) -> bool:
    return inner == ".." or inner.startswith("../")


def _finds_all(elf: ElfFile, folder: str, entries: list[str], libraries: Libraries) -> bool:
    searched = {inner_folder(entry, folder) for entry in entries}
    wanted = (name for name in elf.needed if not is_glibc_library(name))
    return all(searched & libraries.folders.get(name, frozenset()) for name in wanted)


class MissingLibrary(Struct, frozen=True):
    """A library that *path* needs and that nothing provides; *owner* is a host package that has it, or None."""

    path: str
    library: str
    owner: str | None

    def __str__(self) -> str:
        found = (
            f"of {self.owner}, which 'run' does not require" if self.owner else "which no package provides"
        )
        return f"{self.path} needs {self.library}, {found}"


def find_missing(
    path: str, elf: ElfFile, allowed: tuple[str, ...], libraries: Libraries, required: Set[str]
) -> Iterator[MissingLibrary]:
    """What *path* needs and will not find; *required* are the packages that come with the package at run time."""
    folder = posixpath.dirname(path)
    searched = [inner_folder(entry, folder) for entry in elf.search_path]
    for name in elf.needed:
        if (
            is_glibc_library(name)
            or matches_any(name, allowed)
            or matches_any(posixpath.basename(name), allowed)
        ):
            continue
        places = libraries.folders.get(name, frozenset())
        owners = {libraries.owners[posixpath.join(place, name) if place else name] for place in places}
        near = {
            libraries.owners[posixpath.join(place, name)]
            for place in searched
            if place is not None and place in places
        }
        if "" in owners or near & required:
            continue
        yield MissingLibrary(path, name, min(near or owners, default=None))
