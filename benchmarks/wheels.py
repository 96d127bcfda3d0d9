"""Packages made of real wheels: what ``wheels.txt`` pins, unpacked and packed again for conda.

The wheels are downloaded once into ``build/wheels`` of the project, by pip. A size is a number of packages, which
begin with the same ones; beyond the list the wheels come a second time, under other names and paths. Each package
also has one script that holds a placeholder of 255 characters, as built packages do (CEP 34). None is noarch,
because no package here brings an interpreter that could compile it.

The first `UPDATED` packages exist in a second version, in which one file is another.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envmgr.packages.write import write_conda

PLACEHOLDER = ("/opt/built" + "_placehold" * 30)[:255]
LEVEL = 3
UPDATED = 3
_HERE = Path(__file__).resolve().parent
_LIST = _HERE / "wheels.txt"
# Only the benchmark of wheels as wheels takes them, so that the sizes of the others stay what they were.
_MORE = _HERE / "more_wheels.txt"
_STORE = _HERE.parent / "build" / "wheels"
_PIP = ("-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:")
_TARGET = ("--python-version", "3.12", "--platform", "manylinux2014_x86_64")
_TARGET += ("--platform", "manylinux_2_28_x86_64", "--platform", "any")


@dataclass(frozen=True, slots=True)
class MadeChannel:
    """A channel folder; *name* depends on all its packages; sizes are of the unpacked files of the first versions.

    *updated* are the packages of two versions, as (name, first version, second version).
    """

    folder: Path
    name: str
    packages: int
    files: int
    bytes: int
    updated: tuple[tuple[str, str, str], ...]

    @property
    def note(self) -> str:
        """The size in words."""
        return f"{self.files:,} files, {self.bytes / 1e6:.0f} MB"

    def specs(self, version: int = 1) -> list[str]:
        """Everything, with the packages of two versions at the first or second."""
        return [self.name, *(f"{each[0]}={each[version]}" for each in self.updated)]


@dataclass(frozen=True, slots=True)
class _Package:
    """An archive that was written, its index and what it unpacks to."""

    archive: Path
    index: dict[str, Any]
    files: int
    bytes: int


def write_wheels_channel(folder: Path, packages: int) -> MadeChannel:
    """A channel of *packages* packages and one that depends on all; each depends on the two after it."""
    wheels = _fetch()
    (folder / "linux-64").mkdir(parents=True)
    chosen = [(wheels[number % len(wheels)], number // len(wheels)) for number in range(packages)]
    names = [f"{wheel.name.split('-')[0].lower()}{f'-copy{turn}' if turn else ''}" for wheel, turn in chosen]
    made, again, updated = [], [], []
    for number, (wheel, turn) in enumerate(chosen):
        depends, version = names[number + 1 : number + 3], wheel.name.split("-")[1]
        place = _unpack(folder / "staging", wheel, turn)
        made.append(_pack(folder, place, names[number], version, depends))
        if number < UPDATED:
            (place / _folder(turn) / f"{names[number]}_news.py").write_text("news = True\n")
            again.append(_pack(folder, place, names[number], f"{version}.1", depends))
            updated.append((names[number], version, f"{version}.1"))
        shutil.rmtree(place)
    everything = _pack(folder, _empty(folder / "staging"), "everything", "1.0", names)
    records = {each.archive.name: _record(each) for each in [*made, *again, everything]}
    for subdir, section in (("linux-64", records), ("noarch", {})):
        (folder / subdir).mkdir(exist_ok=True)
        repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": section}
        (folder / subdir / "repodata.json").write_text(json.dumps(repodata))
    shutil.rmtree(folder / "staging")
    sizes = sum(each.files for each in made), sum(each.bytes for each in made)
    return MadeChannel(folder, "everything", packages + 1, *sizes, tuple(updated))


def write_one_archive(folder: Path, packages: int) -> tuple[Path, int, int]:
    """One .conda archive with the files of the first *packages* wheels; how many, and their size in bytes."""
    (folder / "linux-64").mkdir(parents=True)
    place = folder / "staging"
    for number, wheel in enumerate((wheels := _fetch()) * (packages // len(wheels) + 1)):
        if number == packages:
            break
        _unpack(place, wheel, number // len(wheels))
    package = _pack(folder, place, "bench", "1.0", [])
    shutil.rmtree(place)
    return package.archive, package.files, package.bytes


def fetch_all() -> list[Path]:
    """All wheels that are pinned, those of `_MORE` last."""
    return [*_fetch(), *_fetch(_MORE)]


def write_python_channel(folder: Path, version: str) -> Path:
    """A channel with a python of that version, which is a script and starts nothing."""
    (folder / "linux-64").mkdir(parents=True)
    place = _empty(folder / "staging")
    (place / "bin").mkdir()
    (place / f"bin/python{version}").write_text("#!/bin/sh\nexit 1\n")
    package = _pack(folder, place, "python", f"{version}.0", [])
    for subdir, records in (("linux-64", {package.archive.name: _record(package)}), ("noarch", {})):
        (folder / subdir).mkdir(exist_ok=True)
        repodata = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": records}
        (folder / subdir / "repodata.json").write_text(json.dumps(repodata))
    shutil.rmtree(place)
    return folder


def _fetch(listed: Path = _LIST) -> list[Path]:
    """The wheels in the order of the list, downloaded where they are missing."""
    pins = listed.read_text().split()
    found = {_key(path.name.split("-")[0]): path for path in _STORE.glob("*.whl")}
    missing = [pin for pin in pins if not _is_there(pin, found)]
    if missing:
        sys.stderr.write(f"downloading {len(missing)} wheels into {_STORE} ...\n")
        _STORE.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, *_PIP, *_TARGET, "--dest", str(_STORE), *missing]
        if subprocess.run(command, timeout=1800, check=False).returncode:
            raise SystemExit(f"the wheels of benchmarks/{listed.name} cannot be downloaded.")
        return _fetch(listed)
    return [found[_key(pin.partition("==")[0])] for pin in pins]


def _is_there(pin: str, found: dict[str, Path]) -> bool:
    name, _, version = pin.partition("==")
    path = found.get(_key(name))
    return path is not None and path.name.split("-")[1] == version


def _key(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _folder(turn: int) -> str:
    return f"lib/python3.12/site-packages{turn or ''}"


def _unpack(place: Path, wheel: Path, turn: int) -> Path:
    """The files of a wheel as an installer would place them, the executable ones with their mode."""
    target = place / _folder(turn)
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            if not entry.is_dir():
                path = Path(archive.extract(entry, target))
                path.chmod(0o755 if entry.external_attr >> 16 & 0o100 else 0o644)
    return place


def _empty(place: Path) -> Path:
    place.mkdir(exist_ok=True)
    return place


def _pack(folder: Path, place: Path, name: str, version: str, depends: list[str]) -> _Package:
    """Write the tree *place* as a package; the tree is as before afterwards, but for what is made here."""
    archive = folder / "linux-64" / f"{name}-{version}-0.conda"
    script = place / "bin" / name
    script.parent.mkdir(exist_ok=True)
    script.write_text(f"#!/bin/sh\nexec {PLACEHOLDER}/bin/true\n")
    shutil.rmtree(place / "info", ignore_errors=True)
    paths = sorted(path for path in place.rglob("*") if path.is_file())
    entries = [_entry(path.relative_to(place).as_posix(), path) for path in paths]
    for entry in entries:
        if entry["_path"] == f"bin/{name}":
            entry |= {"prefix_placeholder": PLACEHOLDER, "file_mode": "text"}
    index = {"name": name, "version": version, "build": "0", "build_number": 0, "subdir": "linux-64"}
    index |= {"depends": depends, "constrains": [], "timestamp": 1_700_000_000_000}
    (place / "info").mkdir()
    (place / "info/index.json").write_text(json.dumps(index))
    (place / "info/paths.json").write_text(json.dumps({"paths_version": 1, "paths": entries}))
    write_conda(place, archive, level=LEVEL)
    return _Package(archive, index, len(entries), sum(entry["size_in_bytes"] for entry in entries))


def _entry(path: str, file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    sums = {"sha256": hashlib.sha256(data).hexdigest(), "size_in_bytes": len(data)}
    return {"_path": path, "path_type": "hardlink", **sums}


def _record(package: _Package) -> dict[str, Any]:
    data = package.archive.read_bytes()
    sums = {"md5": hashlib.md5(data).hexdigest(), "sha256": hashlib.sha256(data).hexdigest()}
    return {**package.index, **sums, "size": len(data)}
