"""The prefix that wheels and markers are chosen for: its Python and its platform, not this machine's (pure).

Platform compatibility tags follow PEP 425, 600 (manylinux), 656 (musllinux) and 730's predecessors as `packaging.tags`
implements them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.models.platform import machine_type, operating_system

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envmgr.models.record import PackageRecord

DEFAULT_GLIBC = "2.17"
DEFAULT_MACOS = {"64": "11.0", "arm64": "11.0"}
_MACHINES = {"64": "x86_64", "32": "i686"}
_WINDOWS_MACHINES = {"64": "amd64", "32": "win32", "arm64": "arm64"}
# What uv 0.9 and later know by name; the highest that is not above the target's is taken.
_UV_GLIBC = ("2.17", "2.28", "2.31", "2.32", "2.33", "2.34", "2.35", "2.36", "2.37", "2.38", "2.39", "2.40")
_UV_LINUX = frozenset(("x86_64", "aarch64"))


class PypiTarget(Struct, frozen=True, kw_only=True):
    """*python* is the full version (``3.12.4``); *glibc*, *musl* and *macos* are versions or None.

    ``free_threaded`` is the build of CPython without the global lock (ABI flag ``t``, PEP 703).
    """

    python: str
    subdir: str
    glibc: str | None = None
    musl: str | None = None
    macos: str | None = None
    implementation: str = "cpython"
    free_threaded: bool = False

    @classmethod
    def of(cls, python: PackageRecord, virtual: Iterable[PackageRecord], subdir: str) -> PypiTarget:
        """The target of a prefix that will hold the conda package *python* on a machine with *virtual* packages.

        Without ``__glibc`` or ``__osx`` among them, the oldest that conda builds for is taken.
        """
        versions = {record.name: record.version for record in virtual}
        system = operating_system(subdir)
        return cls(
            python=python.version,
            subdir=subdir,
            glibc=versions.get("__glibc", DEFAULT_GLIBC)
            if system == "linux" and "__musl" not in versions
            else None,
            musl=versions.get("__musl"),
            macos=versions.get("__osx", DEFAULT_MACOS.get(machine_type(subdir))) if system == "osx" else None,
            implementation="pypy" if "pypy" in python.build else "cpython",
            free_threaded=re.search(r"(^|_)cp3[0-9]+t$", python.build) is not None,
        )

    @property
    def minor(self) -> str:
        """``3.12``."""
        return ".".join(self.python.split(".")[:2])
