"""Packages made of real files: those of the interpreter's site-packages, a hundred neighbours to a package.

Which neighbours come first is drawn with a fixed seed, and smaller sizes are the beginnings of larger ones. Files
above a megabyte and compiled bytecode stay out, so that sizes have much the same mix; when there are too few files
for a size, they are used again under other paths. Each package also has one script that holds a placeholder of 255
characters, as built packages do (CEP 34).
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import shutil
import sysconfig
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

from envmgr.packages.write import write_conda

PLACEHOLDER = ("/opt/built" + "_placehold" * 30)[:255]
FILES_EACH = 100
LEVEL = 6
MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class MadeChannel:
    """A channel folder; *name* depends on all its packages; sizes are of the unpacked files."""

    folder: Path
    name: str
    packages: int
    bytes: int


def write_files_channel(folder: Path, files: int) -> MadeChannel:
    """A channel with *files* files in packages of `FILES_EACH`, each of which depends on the two after it."""
    sources = _sources(files)
    names = [f"bench-{number:03}" for number in range(math.ceil(files / FILES_EACH))]
    archives, total = [], 0
    for number, name in enumerate(names):
        part = sources[number * FILES_EACH : (number + 1) * FILES_EACH]
        total += sum(source.stat().st_size for _, source in part)
        archives.append(_write(folder, name, part, names[number + 1 : number + 3]))
    archives.append(_write(folder, "bench-all", [], names))
    records = {archive.name: _record(archive, index) for archive, index in archives}
    for subdir, section in (("linux-64", records), ("noarch", {})):
        (folder / subdir).mkdir(exist_ok=True)
        repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": section}
        (folder / subdir / "repodata.json").write_text(json.dumps(repodata))
    return MadeChannel(folder, "bench-all", len(names) + 1, total)


def write_one_archive(folder: Path, files: int) -> tuple[Path, int]:
    """One .conda archive with *files* files, and their size in bytes."""
    sources = _sources(files)
    archive, _ = _write(folder, "bench", sources, [])
    return archive, sum(source.stat().st_size for _, source in sources)


def _sources(count: int) -> list[tuple[str, Path]]:
    """*count* files with their paths in a package."""
    root = Path(sysconfig.get_path("purelib"))
    found = [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts and path.stat().st_size <= MOST_BYTES
    ]
    blocks = [found[start : start + FILES_EACH] for start in range(0, len(found), FILES_EACH)]
    random.Random("envmgr").shuffle(blocks)
    found = [path for block in blocks for path in block]
    return [
        (f"lib/bench{number // len(found)}/{path.relative_to(root).as_posix()}", path)
        for number, path in zip(range(count), cycle(found), strict=False)
    ]


def _write(
    folder: Path, name: str, files: list[tuple[str, Path]], depends: list[str]
) -> tuple[Path, dict[str, Any]]:
    archive = folder / "linux-64" / f"{name}-1.0-0.conda"
    archive.parent.mkdir(parents=True, exist_ok=True)
    place = folder / "staging"
    entries = [_place(place, path, source) for path, source in files]
    script = place / "bin" / name
    script.parent.mkdir(parents=True)
    script.write_text(f"#!/bin/sh\nexec {PLACEHOLDER}/bin/true\n")
    entries.append(_entry(f"bin/{name}", script) | {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"})
    index = {"name": name, "version": "1.0", "build": "0", "build_number": 0, "subdir": "linux-64"}
    index |= {"depends": depends, "constrains": [], "timestamp": 1_700_000_000_000}
    (place / "info").mkdir()
    (place / "info/index.json").write_text(json.dumps(index))
    (place / "info/paths.json").write_text(json.dumps({"paths_version": 1, "paths": entries}))
    write_conda(place, archive, level=LEVEL)
    shutil.rmtree(place)
    return archive, index


def _place(place: Path, path: str, source: Path) -> dict[str, Any]:
    (place / path).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, place / path)
    return _entry(path, source)


def _entry(path: str, file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    return {
        "_path": path,
        "path_type": "hardlink",
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_in_bytes": len(data),
    }


def _record(archive: Path, index: dict[str, Any]) -> dict[str, Any]:
    data = archive.read_bytes()
    sums = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
    return {**index, **sums, "size": len(data)}
