"""Looks at the machine: its platform, and its virtual packages (CEP 30, CEP 46).

Nothing is probed before it is asked for: the CPU's name takes a database and the GPU a child process, and
most solves need neither. The rules, and what the CONDA_OVERRIDE variables do, are in
`envmgr.models.virtual_package`.
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Final

from envmgr.host.system import SystemRunner
from envmgr.models.platform import machine_type, operating_system, subdir_of
from envmgr.models.virtual_package import (
    DEFAULT_GLIBC,
    VIRTUAL_NAMES,
    assumed_archspec,
    cuda_version,
    is_possible,
    lowest_capability,
    override,
    override_variable,
    virtual_record,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.models.record import PackageRecord
    from envmgr.ports import Runner

UNKNOWN: Final = "0"
"""The version of ``__linux``, ``__osx`` and ``__win`` where this machine cannot tell it."""

_CUDA_SECONDS: Final = 15.0
_DRIVER_SIGNS: Final = (
    "/dev/nvidiactl",
    "/dev/nvidia0",
    "/dev/dxg",
    "/dev/nvgpu",
    "/dev/nvmap",
    "/proc/driver/nvidia",
)
_LIBRARY_FOLDERS: Final = (
    "/usr/lib64",
    "/usr/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib/wsl/lib",
    "/run/opengl-driver/lib",
)
_CUDA_LIBRARIES: Final = {
    "linux": ("libcuda.so.1", "libcuda.so"),
    "osx": ("/usr/local/cuda/lib/libcuda.dylib", "libcuda.dylib"),
    "win": ("nvcuda64.dll", "nvcuda.dll"),
}
# The driver is loaded in a child: it can crash, and it does not survive a later fork of its process.
# Device attributes 75 and 76 are the major and minor compute capability.
_CUDA_PROGRAM: Final = """\
import ctypes, sys
for name in sys.argv[1:]:
    try:
        cuda = ctypes.CDLL(name)
        break
    except OSError:
        pass
else:
    sys.exit(1)
def ask(function, *arguments):
    number = ctypes.c_int()
    if getattr(cuda, function)(ctypes.byref(number), *arguments) != 0:
        sys.exit(0)
    return number.value
print(ask("cuDriverGetVersion"), flush=True)
if cuda.cuInit(0) == 0:
    for place in range(ask("cuDeviceGetCount")):
        device = ask("cuDeviceGet", place)
        print(ask("cuDeviceGetAttribute", 75, device), ask("cuDeviceGetAttribute", 76, device), flush=True)
"""


def native_subdir() -> str:
    """The platform of this machine, as its Python sees it; raises DataError for an unknown one."""
    if sys.platform == "win32":
        machine = os.environ.get("PROCESSOR_ARCHITEW6432") or os.environ.get("PROCESSOR_ARCHITECTURE", "")
        system = "Windows"
    else:
        system, machine = os.uname().sysname, os.uname().machine
    if sys.maxsize < 2**32 and machine.lower() in ("x86_64", "amd64"):
        machine = "x86"
    return subdir_of(system, machine)


def virtual_packages(
    subdir: str, environ: Mapping[str, str], *, runner: Runner | None = None
) -> VirtualPackages:
    """The virtual packages of this machine for the target platform *subdir*, overridden by *environ*."""
    return VirtualPackages(subdir, environ, runner or SystemRunner())


class VirtualPackages:
    """Answers for one virtual package at a time, and remembers the answers."""

    def __init__(self, subdir: str, environ: Mapping[str, str], runner: Runner) -> None:
        self._subdir = subdir
        self._environ = environ
        self._runner = runner
        self._native = native_subdir()
        self._found: dict[str, PackageRecord | None] = {}
        self._cuda: tuple[int, tuple[tuple[int, int], ...]] | None = None

    @property
    def subdir(self) -> str:
        """The target platform."""
        return self._subdir

    def names(self) -> tuple[str, ...]:
        """The virtual packages that the target platform can have; nothing is probed for this."""
        return tuple(name for name in VIRTUAL_NAMES if is_possible(name, self._subdir))

    def records(self, name: str) -> list[PackageRecord]:
        """The one record of *name*, or none; raises DataError for an override that cannot be read."""
        if name not in self._found:
            self._found[name] = self._find(name)
        record = self._found[name]
        return [] if record is None else [record]

    def all(self) -> list[PackageRecord]:
        """Every virtual package, by name; this probes everything."""
        return [record for name in self.names() for record in self.records(name)]

    def _find(self, name: str) -> PackageRecord | None:
        if name not in self.names() or (name == "__cuda_arch" and not self.records("__cuda")):
            return None
        value = self._environ.get(override_variable(name))
        if value is not None and value.strip():
            record = override(name, value)
            if record is not None:
                return record
        elif value is not None and name in ("__cuda", "__cuda_arch"):
            return None
        return self._detect(name)

    def _detect(self, name: str) -> PackageRecord | None:
        if name == "__archspec":
            return self._detect_archspec()
        version: str | None
        if name == "__cuda":
            version = cuda_version(self._ask_driver()[0])
        elif name == "__cuda_arch":
            version = lowest_capability(self._ask_driver()[1])
        elif name == "__glibc":
            version = _glibc_version() if self._native == self._subdir else DEFAULT_GLIBC
        elif name == "__unix":
            version = "0"
        else:
            version = self._system_version()
        return None if version is None else virtual_record(name, version)

    def _detect_archspec(self) -> PackageRecord:
        cpu = _cpu_name() if self._native == self._subdir else None
        cpu = cpu or assumed_archspec(self._subdir)
        if cpu is not None:
            return virtual_record("__archspec", "1", cpu)
        return virtual_record("__archspec", "0", machine_type(self._subdir) or "0")

    def _system_version(self) -> str:
        system = operating_system(self._subdir)
        if system != operating_system(self._native):
            return UNKNOWN
        if system == "osx":
            return self._macos_version()
        return _windows_version() if system == "win" else _kernel_version()

    def _macos_version(self) -> str:
        env = {**self._environ, "SYSTEM_VERSION_COMPAT": "0"}
        try:
            text = self._runner.run(
                ["/usr/bin/sw_vers", "-productVersion"], env=env, timeout_seconds=10
            ).stdout
        except OSError:
            return UNKNOWN
        return _first_numbers(text.strip(), 2) or UNKNOWN

    def _ask_driver(self) -> tuple[int, tuple[tuple[int, int], ...]]:
        """The driver's version number, 0 without a driver, and the compute capability of each device."""
        if self._cuda is None:
            self._cuda = _ask_cuda_driver(self._environ, self._runner)
        return self._cuda


def _ask_cuda_driver(environ: Mapping[str, str], runner: Runner) -> tuple[int, tuple[tuple[int, int], ...]]:
    libraries = _cuda_libraries(environ)
    if not libraries or not sys.executable:
        return 0, ()
    # Which devices the shell hides from its programs says nothing about the machine.
    env = {name: value for name, value in environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    command = [sys.executable, "-I", "-S", "-c", _CUDA_PROGRAM, *libraries]
    try:
        lines = runner.run(command, env=env, timeout_seconds=_CUDA_SECONDS).stdout.splitlines()
    except OSError:
        return 0, ()
    numbers = [tuple(map(int, line.split())) for line in lines if re.fullmatch(r"\d+( \d+)?", line)]
    if not numbers:
        return 0, ()
    return numbers[0][0], tuple((pair[0], pair[1]) for pair in numbers[1:] if len(pair) == 2)


def _cuda_libraries(environ: Mapping[str, str]) -> list[str]:
    """What to load as the driver; empty where this machine shows no sign of one, so no child is started."""
    system = operating_system(native_subdir())
    names = list(_CUDA_LIBRARIES.get(system, ()))
    if system == "win":
        return names
    folders = [folder for folder in environ.get("LD_LIBRARY_PATH", "").split(":") if folder]
    places = [os.path.join(folder, name) for folder in (*folders, *_LIBRARY_FOLDERS) for name in names]
    found = [place for place in places if os.path.exists(place)]
    return [*found, *names] if found or any(map(os.path.exists, _DRIVER_SIGNS)) else []


def _glibc_version() -> str | None:
    """The version of the GNU C library that this process runs on, None under another one."""
    try:
        text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (AttributeError, ValueError, OSError):
        return None
    return _first_numbers(text.removeprefix("glibc "), 2) if text.startswith("glibc ") else None


def _kernel_version() -> str:
    """The upstream version of the running kernel, without what a distribution appends."""
    return _first_numbers(os.uname().release, 4) or UNKNOWN


def _windows_version() -> str:
    if sys.platform == "win32":
        return ".".join(map(str, sys.getwindowsversion().platform_version))
    return UNKNOWN


def _first_numbers(text: str, most: int) -> str | None:
    """The leading ``1.2.3`` of *text*: at least two numbers, at most *most*."""
    found = re.match(rf"[0-9]+\.[0-9]+(?:\.[0-9]+){{0,{most - 2}}}", text)
    return found.group() if found else None


def _cpu_name() -> str | None:
    """The microarchitecture in archspec's database, None where it cannot be told."""
    try:
        from archspec.cpu import host

        return str(host().name)
    except Exception:  # noqa: BLE001 -- an odd /proc or a missing database must not stop a solve.
        return None
