"""Virtual packages: properties of a machine in the shape of package records (CEP 30, CEP 46).

Pure rules only; `envmgr.host.probe` looks at the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from envmgr.errors import DataError
from envmgr.models.identifiers import is_build_string
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.platform import is_unix, machine_type, operating_system
from envmgr.models.record import PackageRecord
from envmgr.models.version import Version

if TYPE_CHECKING:
    from collections.abc import Iterable

VIRTUAL_NAMES: Final = (
    "__archspec",
    "__cuda",
    "__cuda_arch",
    "__glibc",
    "__linux",
    "__osx",
    "__unix",
    "__win",
)

DEFAULT_GLIBC: Final = "2.17"
"""The version that is assumed where the machine cannot be asked: that of CentOS 7, which conda builds for."""

_LINUX_VERSION = lazy_pattern(r"[0-9]+\.[0-9]+(\.[0-9]+)?(\.[0-9]+)?")
_CAPABILITY = lazy_pattern(r"([0-9]+\.[0-9]+)[a-z]*")
_NEEDS_SYSTEM: Final = {"__glibc": "linux", "__linux": "linux", "__osx": "osx", "__win": "win"}
_ARCHSPEC_NAMES: Final = {"32": "x86", "64": "x86_64", "arm64": "aarch64"}
_ARCHSPEC_FAMILIES: Final = frozenset(("aarch64", "ppc64", "ppc64le", "riscv64"))


def virtual_record(name: str, version: str, build: str = "0") -> PackageRecord:
    """The record of a virtual package; it belongs to no channel."""
    return PackageRecord(name=name, version=version, build=build)


def override_variable(name: str) -> str:
    """The environment variable that overrides a virtual package.

    >>> override_variable("__cuda_arch")
    'CONDA_OVERRIDE_CUDA_ARCH'
    """
    return f"CONDA_OVERRIDE_{name.lstrip('_').upper()}"


def is_possible(name: str, subdir: str) -> bool:
    """Whether the platform *subdir* can have this virtual package at all."""
    if name == "__unix":
        return is_unix(subdir)
    system = _NEEDS_SYSTEM.get(name)
    return system is None or system == operating_system(subdir)


def override(name: str, value: str) -> PackageRecord | None:
    """The record that the variable's non-empty *value* asks for, or None where the variable has no effect.

    The caller has checked `is_possible`, and that ``__cuda`` is there before it asks for ``__cuda_arch``.
    Raises DataError that names the variable where the value cannot be read.
    """
    if name == "__unix":
        return None
    value = value.strip()
    if name == "__archspec":
        return virtual_record(
            name, "1", _checked(name, value, value if is_build_string(value) else None, "a build string")
        )
    if name == "__linux":
        found = _LINUX_VERSION.fullmatch(value)
        return virtual_record(name, _checked(name, value, found and value, "a kernel version like 6.1"))
    if name == "__cuda_arch":
        capability = _CAPABILITY.fullmatch(value)
        text = _checked(name, value, capability and capability.group(1), "a compute capability like 8.6")
        return virtual_record(name, text)
    try:
        return virtual_record(name, Version.parse(value).text)
    except DataError:
        return virtual_record(name, _checked(name, value, None, "a version"))


def assumed_archspec(subdir: str) -> str | None:
    """The microarchitecture that CEP 30, appendix A, gives a platform; None if archspec has none."""
    machine = machine_type(subdir)
    return _ARCHSPEC_NAMES.get(machine, machine if machine in _ARCHSPEC_FAMILIES else None)


def cuda_version(number: int) -> str | None:
    """What ``cuDriverGetVersion`` means by *number*; None for 0, which says that there is no driver.

    >>> cuda_version(12040)
    '12.4'
    """
    return f"{number // 1000}.{number % 1000 // 10}" if number > 0 else None


def lowest_capability(capabilities: Iterable[tuple[int, int]]) -> str | None:
    """The version of ``__cuda_arch``: the least of the devices' (major, minor), None without a device."""
    lowest = min(capabilities, default=None)
    return None if lowest is None else f"{lowest[0]}.{lowest[1]}"


def _checked(name: str, value: str, accepted: str | None, expected: str) -> str:
    if accepted is None:
        raise DataError(f"the variable {override_variable(name)} is '{value}'; expected {expected}.")
    return accepted
