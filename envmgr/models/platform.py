"""Subdirs: the names of platforms in channels (CEP 26, "Subdir names")."""

from __future__ import annotations

from typing import Final

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern

NOARCH: Final = "noarch"

KNOWN_SUBDIRS: Final = frozenset(
    (
        NOARCH,
        *(
            f"{system}-{machine}"
            for system, machines in {
                "android": "32 64 aarch64 armv7a",
                "emscripten": "wasm32 wasm64",
                "freebsd": "32 64 arm64",
                "ios": "arm64",
                "iossimulator": "64 arm64",
                "linux": "32 64 aarch64 armv6l armv7l loongarch64 ppc ppc64 ppc64le riscv32 riscv64 s390x",
                "osx": "64 arm64",
                "wasi": "wasm32",
                "win": "32 64 arm64",
                "zos": "z",
            }.items()
            for machine in machines.split()
        ),
    )
)
"""The subdirs that tools of the ecosystem know; a channel may have others of the same shape."""

_SHAPE = lazy_pattern(r"noarch|[a-z0-9]+-[a-z0-9]+")
_SYSTEMS: Final = {
    "linux": "linux",
    "darwin": "osx",
    "windows": "win",
    "freebsd": "freebsd",
    "emscripten": "emscripten",
}
_MACHINES: Final = {
    "x86_64": "64",
    "amd64": "64",
    "i386": "32",
    "i486": "32",
    "i586": "32",
    "i686": "32",
    "x86": "32",
    "aarch64": "arm64",
    "arm64": "arm64",
}
_UNIX_SYSTEMS: Final = frozenset(("android", "emscripten", "freebsd", "ios", "iossimulator", "linux", "osx"))


def check_subdir(text: str) -> str:
    """*text* if it can be a subdir's name, known or not; raises DataError otherwise.

    >>> check_subdir("linux-64")
    'linux-64'
    """
    if _SHAPE.fullmatch(text) and len(text) <= 32:
        return text
    raise DataError(
        f"'{text}' is not a platform; expected one like linux-64, osx-arm64, win-64 or noarch.",
        hint=near_subdir(text),
    )


def near_subdir(text: str) -> str | None:
    """A question for a known subdir that *text* may have meant; None where none is near."""
    import difflib

    near = difflib.get_close_matches(text.lower(), sorted(KNOWN_SUBDIRS), n=1)
    return f"Did you mean {near[0]}?" if near else None


def operating_system(subdir: str) -> str:
    """The part before the dash: ``linux``, ``osx``, ``win`` ...; empty for ``noarch``."""
    return subdir.partition("-")[0] if "-" in subdir else ""


def machine_type(subdir: str) -> str:
    """The part behind the dash: ``64``, ``arm64`` ...; empty for ``noarch``."""
    return subdir.partition("-")[2]


def is_unix(subdir: str) -> bool:
    """Whether the virtual package ``__unix`` belongs to this platform (CEP 30)."""
    return operating_system(subdir) in _UNIX_SYSTEMS


def subdir_of(system: str, machine: str) -> str:
    """The subdir of a machine, from what ``platform.system()`` and ``platform.machine()`` say of it.

    Raises DataError for a system that conda packages do not know.

    >>> subdir_of("Linux", "x86_64"), subdir_of("Darwin", "arm64"), subdir_of("Linux", "aarch64")
    ('linux-64', 'osx-arm64', 'linux-aarch64')
    """
    name = _SYSTEMS.get(system.lower())
    if name is None:
        raise DataError(f"there are no conda packages for the operating system {system or '(unknown)'!r}.")
    kind = machine.lower()
    if name == "linux" and kind in ("aarch64", "arm64"):
        return "linux-aarch64"
    subdir = f"{name}-{_MACHINES.get(kind, kind)}"
    return check_subdir(subdir)
