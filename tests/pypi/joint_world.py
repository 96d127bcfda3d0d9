"""Channels, indexes and stubs for the tests of joint plans, and uv as a judge that shares no code with envmgr.

The recorded world is a conda channel and a PyPI index (PEP 503, as a folder) made from `joint_records`; nothing in
it can be installed, and nothing is fetched. What conda provides is shown to uv as stub wheels, metadata only.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.builders import make_channel, pkg
from tests.pypi.joint_records import CONDA, PYPI, PYPI_OF_CONDA

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

PLATFORM = "x86_64-manylinux_2_28"
# What conda packages provide under another name than their own; those of their kind that provide nothing have "".
OTHER_NAMES = {
    "pytorch": "torch",
    "matplotlib-base": "matplotlib",
    "matplotlib": "",
    "python": "",
    "tzdata": "",
}

Link = list[dict[str, Any]]


class World(NamedTuple):
    """A conda channel and the options that lead to a PyPI index; *python_names* depend on python."""

    channel: Path
    index: Path | None
    python_names: frozenset[str]

    @property
    def index_options(self) -> list[str]:
        """What stands before the pip items."""
        return [] if self.index is None else [f"--index-url {self.index.as_uri()}"]


class Answer(NamedTuple):
    """What uv says: the versions by name, or none and why."""

    versions: dict[str, str] | None
    told: str


def recorded_world(folder: Path) -> World:
    """Write the recorded channel and index below *folder*."""
    packages = []
    for line in CONDA.splitlines():
        head, *depends = line.split(" | ")
        name, version, build, *noarch = head.split()
        options = {"noarch": "python"} if noarch else {}
        packages.append(pkg(name, version, build, depends=depends, **options))
    channel = make_channel(folder / "channel", packages)
    index = folder / "index"
    for line in (*PYPI.splitlines(), *PYPI_OF_CONDA.splitlines()):
        file_name, requires_python, *requires = (*line.split(" | "), "")[: max(2, line.count(" | ") + 1)]
        write_wheel(index, file_name, requires, requires_python)
    write_pages(index)
    return World(channel, index, python_names(channel))


def python_names(channel: Path) -> frozenset[str]:
    """The packages of *channel* (linux-64 and noarch) that depend on python."""
    found = set()
    for subdir in ("linux-64", "noarch"):
        repodata = json.loads((channel / subdir / "repodata.json").read_bytes())
        for section in ("packages", "packages.conda"):
            found |= {
                record["name"]
                for record in repodata.get(section, {}).values()
                if record.get("noarch") == "python"
                or any(each.split(" ")[0] == "python" for each in record["depends"])
            }
    return frozenset(found)


def provided(link: Link, python_names: frozenset[str]) -> dict[str, str]:
    """The distributions that conda's part of a plan provides, with their versions."""
    found = {}
    for each in link:
        if each["channel"] != "pypi" and each["name"] in python_names:
            name = OTHER_NAMES.get(each["name"], normalized(each["name"]))
            if name and re.fullmatch(r"[0-9]+(\.[0-9]+)*(\.?(post|rc|a|b)[0-9]+)?", each["version"]):
                found[name] = each["version"]
    return found


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def write_wheel(index: Path, file_name: str, requires: Sequence[str] = (), requires_python: str = "") -> None:
    """A wheel with nothing but metadata, in its project's folder of *index*."""
    name, version, *tags = file_name.removesuffix(".whl").split("-")
    folder = index / normalized(name)
    folder.mkdir(parents=True, exist_ok=True)
    python, abi, platforms = tags[-3:]
    head = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    head += [f"Requires-Python: {requires_python}"] if requires_python else []
    wheel = ["Wheel-Version: 1.0", "Generator: tests", "Root-Is-Purelib: true"]
    wheel += [f"Tag: {python}-{abi}-{platform}" for platform in platforms.split(".")]
    files = {
        "METADATA": [*head, *(f"Requires-Dist: {each}" for each in requires)],
        "WHEEL": wheel,
        "RECORD": [f"{name}-{version}.dist-info/{each},," for each in ("METADATA", "WHEEL", "RECORD")],
    }
    with zipfile.ZipFile(folder / file_name, "w") as archive:
        for part, lines in files.items():
            archive.writestr(f"{name}-{version}.dist-info/{part}", "".join(f"{line}\n" for line in lines))


def write_pages(index: Path) -> None:
    """The pages of a simple index (PEP 503) for the wheels that are there."""
    for folder in index.iterdir():
        links = "".join(
            f'<a href="{wheel.name}">{wheel.name}</a>\n' for wheel in sorted(folder.glob("*.whl"))
        )
        (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>\n{links}</body></html>\n")


@cache
def uv_program() -> str | None:
    """uv beside this interpreter or on PATH."""
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv")


def ask_uv(
    items: Iterable[str], stubs: dict[str, str], python: str, folder: Path, world: World, exclude_newer: str
) -> Answer:
    """What uv makes of *items* when the distributions of *stubs* have just these versions."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, version in stubs.items():
        write_wheel(folder, f"{name.replace('-', '_')}-{version}-py3-none-any.whl")
    write_pages(folder)
    command = [uv_program(), "pip", "compile", "-", "--no-header", "--no-annotate", "--only-binary", ":all:"]
    command += ["--no-python-downloads", "--python", sys.executable, "--python-version", python]
    command += ["--python-platform", PLATFORM, "--index", folder.as_uri(), "--no-config", "--color", "never"]
    if world.index is not None:
        command += ["--default-index", world.index.as_uri(), "--offline"]
    else:
        command += ["--exclude-newer", exclude_newer]
        command += [word for name in stubs for word in ("--exclude-newer-package", f"{name}=false")]
    text = "".join(f"{item}\n" for item in items)
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=100, check=False)
    if done.returncode != 0:
        return Answer(None, done.stderr)
    lines = [line.split(" ;")[0] for line in done.stdout.splitlines() if "==" in line]
    return Answer(dict(line.split("==", 1) for line in lines), done.stderr)
