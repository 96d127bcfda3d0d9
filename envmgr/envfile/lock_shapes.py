"""The shapes of uv.lock and poetry.lock as far as they are read, checked before anything relies on them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct, field

from envmgr.errors import DataError

if TYPE_CHECKING:
    from envmgr.models.toml_document import TomlDocument


class _UvDependency(Struct):
    name: str
    version: str | None = None
    source: dict[str, str] | None = None
    marker: str = ""
    extra: list[str] = []


class _UvFile(Struct):
    hash: str | None = None
    url: str | None = None
    filename: str | None = None
    path: str | None = None


class _UvPackage(Struct, rename="kebab"):
    name: str
    version: str | None = None
    source: dict[str, str] = {}
    dependencies: list[_UvDependency] = []
    optional_dependencies: dict[str, list[_UvDependency]] = {}
    dev_dependencies: dict[str, list[_UvDependency]] = {}
    wheels: list[_UvFile] = []
    sdist: _UvFile | None = None
    resolution_markers: list[str] = []


class _UvManifest(Struct, rename="kebab"):
    members: list[str] = []
    requirements: list[_UvDependency] = []
    dependency_groups: dict[str, list[_UvDependency]] = {}


class UvLock(Struct):
    """uv.lock, version 1."""

    package: list[_UvPackage] = []
    manifest: _UvManifest = field(default_factory=_UvManifest)


class _PoetryFile(Struct):
    file: str
    hash: str


class _PoetrySource(Struct):
    type: str
    url: str
    reference: str | None = None
    resolved_reference: str | None = None
    subdirectory: str | None = None


class _PoetryPackage(Struct):
    name: str
    version: str
    optional: bool = False
    develop: bool = False
    category: str | None = None
    groups: list[str] = []
    markers: str | dict[str, str] = ""
    files: list[_PoetryFile] = []
    source: _PoetrySource | None = None
    dependencies: dict[str, str | dict[str, Any] | list[Any]] = {}


class _PoetryMetadata(Struct, rename="kebab"):
    python_versions: str | None = None
    files: dict[str, list[_PoetryFile]] = {}


class PoetryLock(Struct):
    """poetry.lock, of every version from 1.0 on."""

    package: list[_PoetryPackage] = []
    extras: dict[str, list[str]] = {}
    metadata: _PoetryMetadata = field(default_factory=_PoetryMetadata)


def check_shape(document: TomlDocument, shape: type[UvLock | PoetryLock]) -> None:
    """Raise DataError with the line of the package for a lock that has not this *shape*."""
    try:
        msgspec.convert(document.table, shape)
    except msgspec.ValidationError as error:
        found = re.search(r"\$\.package\[(\d+)\]", str(error))
        lines = [at for at, line in enumerate(document.lines, 1) if line.strip() == "[[package]]"]
        place = int(found[1]) if found else len(lines)
        line = lines[place] if place < len(lines) else None
        where = document.file if line is None else f"{document.file}:{line}"
        what = str(error)[:1].lower() + str(error)[1:]
        raise DataError(f"{where}: {what}.", file=document.file, line=line or 1) from None
