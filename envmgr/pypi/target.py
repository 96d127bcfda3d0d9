"""The prefix that wheels and markers are chosen for: its Python and its platform, not this machine's (pure).

Platform compatibility tags follow PEP 425, 600 (manylinux) and 656 (musllinux), as `packaging.tags`
implements them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.document import quoted
from envmgr.models.platform import machine_type, operating_system

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from collections.abc import Set as AbstractSet
    from typing import Any

    from packaging.tags import Tag

    from envmgr.models.record import PackageRecord

DEFAULT_GLIBC = "2.17"
# What uv takes for macOS, too; many wheels of today have none for an older one.
DEFAULT_MACOS = "13.0"
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

        Without ``__glibc`` among them, the oldest that conda builds for is taken. That of ``__osx`` is not known
        on other systems (version 0); then `DEFAULT_MACOS` is taken.
        """
        versions = {record.name: record.version for record in virtual if record.version != "0"}
        system = operating_system(subdir)
        return cls(
            python=python.version,
            subdir=subdir,
            glibc=versions.get("__glibc", DEFAULT_GLIBC)
            if system == "linux" and "__musl" not in versions
            else None,
            musl=versions.get("__musl"),
            macos=versions.get("__osx", DEFAULT_MACOS) if system == "osx" else None,
            implementation="pypy" if "pypy" in python.build else "cpython",
            free_threaded=re.search(r"(^|_)cp3[0-9]+t$", python.build) is not None,
        )

    @property
    def minor(self) -> str:
        """``3.12``."""
        return ".".join(self.python.split(".")[:2])

    @property
    def tags(self) -> list[Tag]:
        """The tags of wheels that run there, best first (PEP 425, 600, 656)."""
        from packaging.tags import compatible_tags, cpython_tags, generic_tags

        version = tuple(int(part) for part in self.minor.split("."))
        digits = "".join(self.minor.split("."))
        platforms = self._platforms()
        if self.implementation == "pypy":
            interpreter = f"pp{digits}"
            own = list(generic_tags(interpreter, [f"pypy{digits}_pp73"], platforms))
        else:
            interpreter = f"cp{digits}"
            abi = f"{interpreter}t" if self.free_threaded else interpreter
            own = list(cpython_tags(version, [abi], platforms))
        return [*own, *compatible_tags(version, interpreter, platforms)]

    @property
    def machine(self) -> str:
        """The machine as platform tags and markers spell it: ``x86_64``, ``aarch64``, ``arm64``."""
        machine = machine_type(self.subdir)
        if operating_system(self.subdir) == "win":
            return _WINDOWS_MACHINES.get(machine, machine)
        return _MACHINES.get(machine, machine)

    def _platforms(self) -> list[str]:
        system = operating_system(self.subdir)
        if system == "win":
            return ["win32"] if self.machine == "win32" else [f"win_{self.machine}"]
        if system == "osx":
            from packaging.tags import mac_platforms

            return list(mac_platforms(_pair(self.macos or "11.0"), self.machine))
        if system != "linux":
            return []
        if self.musl is not None:
            major, minor = _pair(self.musl)
            libc = [f"musllinux_{major}_{each}_{self.machine}" for each in range(minor, -1, -1)]
        else:
            libc = list(_manylinux(_pair(self.glibc or DEFAULT_GLIBC), self.machine))
        return [*libc, f"linux_{self.machine}"]

    @property
    def markers(self) -> dict[str, str]:
        """The environment of markers (PEP 508) there."""
        system = operating_system(self.subdir)
        names = {
            "linux": ("posix", "linux", "Linux"),
            "osx": ("posix", "darwin", "Darwin"),
            "win": ("nt", "win32", "Windows"),
        }
        os_name, sys_platform, platform_system = names.get(system, ("posix", system, system))
        machine = self.machine.upper() if system == "win" else self.machine
        return {
            "implementation_name": self.implementation,
            "implementation_version": self.python,
            "os_name": os_name,
            "platform_machine": "x86" if machine == "WIN32" else machine,
            "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}[self.implementation],
            "platform_release": "",
            "platform_system": platform_system,
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": self.minor,
            "sys_platform": sys_platform,
        }

    @property
    def lock_marker(self) -> str:
        """The marker of the machines that files chosen for it are for, whichever their Python (PEP 751)."""
        names = ("sys_platform", "platform_machine", "implementation_name")
        return " and ".join(f"{name} == '{self.markers[name]}'" for name in names)

    @property
    def uv_platform(self) -> str:
        """uv's word for the platform (``--python-platform``); where it has no such glibc, the next lower one.

        Raises DataError for a platform that uv has no word for.
        """
        system, machine = operating_system(self.subdir), machine_type(self.subdir)
        if system == "win" and machine in _WINDOWS_MACHINES:
            return f"{ {'64': 'x86_64', '32': 'i686', 'arm64': 'aarch64'}[machine] }-pc-windows-msvc"
        if system == "osx" and machine in ("64", "arm64"):
            return f"{'aarch64' if machine == 'arm64' else 'x86_64'}-apple-darwin"
        if system == "linux" and self.machine in _UV_LINUX:
            if self.musl is not None:
                return f"{self.machine}-unknown-linux-musl"
            known = [text for text in _UV_GLIBC if _pair(text) <= _pair(self.glibc or DEFAULT_GLIBC)]
            return f"{self.machine}-manylinux_{(known or ['2.17'])[-1].replace('.', '_')}"
        if system == "linux" and self.machine == "riscv64":
            return "riscv64-unknown-linux"
        raise DataError(f"uv cannot resolve PyPI packages for the platform {self.subdir}.")

    def marker_holds(
        self, marker: str, extras: frozenset[str] = frozenset(), groups: frozenset[str] = frozenset()
    ) -> bool:
        """Whether a marker (PEP 508, 751) holds there, with these extras and groups of dependencies.

        Raises DataError for one that is none.
        """
        from packaging.markers import Marker

        known: dict[str, str | AbstractSet[str]] = {**self.markers, "extra": ""}
        known |= {"extras": extras, "dependency_groups": groups}
        try:
            return Marker(marker).evaluate(known, context="lock_file")
        except (ValueError, RecursionError):
            raise DataError(f"{quoted(marker)} is no environment marker (PEP 508).") from None


def tag_ranks(target: PypiTarget) -> dict[Tag, int]:
    """The place of each tag of *target*, whose best has the lowest: made once, where many wheels are looked at."""
    return {tag: place for place, tag in enumerate(target.tags)}


def best_wheel(names: Iterable[str], ranks: Mapping[Tag, int]) -> str | None:
    """The file name among *names* that the target with the *ranks* prefers; None where none of them runs there."""
    from packaging.utils import parse_wheel_filename

    found: list[tuple[int, tuple[Any, ...], str]] = []
    for name in names:
        try:
            _, _, build, tags = parse_wheel_filename(name)
        except ValueError:  # Also for a version with a number of thousands of digits.
            continue
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            found.append((-rank, tuple(build), name))
    return max(found, default=(0, (), None))[2]


def _pair(text: str) -> tuple[int, int]:
    numbers = [*(int(part) for part in re.findall(r"[0-9]+", text)[:2]), 0, 0]
    return numbers[0], numbers[1]


def _manylinux(glibc: tuple[int, int], machine: str) -> Iterable[str]:
    """From the target's glibc down to the oldest that is tagged, with the old names of three of them (PEP 600)."""
    old = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
    lowest = 5 if machine in ("x86_64", "i686") else 17
    for minor in range(glibc[1], lowest - 1, -1) if glibc[0] == 2 else ():
        yield f"manylinux_2_{minor}_{machine}"
        if (2, minor) in old:
            yield f"{old[2, minor]}_{machine}"
