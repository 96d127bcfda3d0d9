"""Installing real wheels that are unpacked in the cache, into an environment that has a Python and nothing else.

Timed on each side: the whole process.

- envmgr: ``envmgr rollback`` to a generation that holds the wheels: reads the environment, looks into the cache
  and at each of its files, plans, links, writes records, RECORD files, a generation and the journal, and moves all
  of it into place; afterwards it is a change that can be taken back. Nothing is resolved.
- uv: ``uv pip install --offline --no-deps`` of the same files into a virtual environment, from its own warm cache,
  by hardlinks. It resolves nothing either, keeps no history, and a kill leaves what it leaves.

Neither compiles bytecode. Environments are made anew between runs, untimed.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import ENVMGR, Bench, Side, Sizes, Trial, open_bench, skip
from benchmarks.wheels import fetch_all, write_python_channel
from envmgr.models.package_index import pypi_url

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.report import Table

QUICK = Sizes((15, 150), 3)
FULL = Sizes((15, 50, 150), 11)
VERSION = "3.12"


def run(sizes: Sizes) -> list[Trial | Table]:
    """One trial for each size."""
    trials: list[Trial | Table] = []
    for packages in sizes.values:
        with open_bench() as bench:
            wheels = _copied(fetch_all()[:packages], bench.folder / "wheels")
            sides = [_envmgr_side(bench, wheels)]
            sides += [side for side in (_uv_side(bench, wheels),) if side]
            runs = bench.in_turns(sides, sizes.rounds)
            trials.append(Trial("pypi: wheels that are cached", packages, "wheels", runs))
    return trials


def _copied(wheels: Sequence[Path], folder: Path) -> list[Path]:
    folder.mkdir()
    return [Path(shutil.copy2(wheel, folder)) for wheel in wheels]


def _envmgr_side(bench: Bench, wheels: Sequence[Path]) -> Side:
    prefix, template = bench.folder / "prefix", bench.folder / "template"
    channel = write_python_channel(bench.folder / "channel", VERSION)
    options = ("-q", "-y", "--override-channels", "--platform", "linux-64", "-c", channel.as_uri())
    create = Side("envmgr", (*ENVMGR, "create", *options, "-p", str(prefix), "python"))
    bench.run(create)
    _add_generation(prefix, wheels)
    prefix.rename(template)

    def prepare() -> None:
        shutil.rmtree(prefix, ignore_errors=True)
        shutil.copytree(template, prefix, symlinks=True)

    return Side("envmgr", (*ENVMGR, "rollback", "-q", "-y", "-p", str(prefix), "2"), prepare=prepare)


def _add_generation(prefix: Path, wheels: Sequence[Path]) -> None:
    """Have the environment at *prefix* know a generation that also holds the wheels."""
    from msgspec.structs import replace

    from envmgr.prefix.generation import entry_of
    from envmgr.prefix.store import PrefixStore
    from envmgr.pypi.records import wheel_record

    store = PrefixStore(prefix)
    (first,) = store.generations().known
    entries = [
        entry_of(
            wheel_record(
                wheel.as_uri(),
                index=pypi_url(),
                sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
                size=wheel.stat().st_size,
            )
        )
        for wheel in wheels
    ]
    store.add_generation(replace(first, number=2, packages=[*first.packages, *entries]))


def _uv_side(bench: Bench, wheels: Sequence[Path]) -> Side | None:
    python, uv = _find_python(), _find_uv()
    if not python or not uv:
        skip(f"there is no uv, or no Python {VERSION} for it.")
        return None
    venv, template = bench.folder / "venv", bench.folder / "venv-template"
    subprocess.run(
        [uv, "venv", "-q", "--relocatable", "--no-python-downloads", "-p", python, str(template)], check=True
    )

    def prepare() -> None:
        shutil.rmtree(venv, ignore_errors=True)
        shutil.copytree(template, venv, symlinks=True)

    options = ("-q", "--offline", "--no-deps", "--no-python-downloads", "--link-mode", "hardlink")
    place = ("--cache-dir", str(bench.folder / "uv"), "-p", str(venv / "bin/python"))
    return Side("uv", (uv, "pip", "install", *options, *place, *map(str, wheels)), prepare=prepare)


def _find_uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def _find_python() -> str | None:
    """A Python of the version that the wheels are for, which starts."""
    versions = Path.home() / ".pyenv" / "versions"
    for place in (shutil.which(f"python{VERSION}"), *map(str, versions.glob(f"{VERSION}.*/bin/python"))):
        if place and subprocess.run([place, "-V"], capture_output=True, check=False).returncode == 0:
            return place
    return None
