"""The names that identify packages (CEP 26): package names, build strings, distribution strings.

Reading is lenient where published packages are; the checks here are for names that specs ask for and for
packages that are being made.
"""

from __future__ import annotations

import functools

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern

_NAME = lazy_pattern(r"(([a-z0-9])|([a-z0-9_](?!_)))[._-]?([a-z0-9]+(\.|-|_|$))*")
_VIRTUAL_NAME = lazy_pattern(r"__[a-z0-9][._-]?([a-z0-9]+(\.|-|_|$))*")
_VERSION = lazy_pattern(r"[0-9a-z._+!]{1,64}")
_BUILD = lazy_pattern(r"[a-zA-Z0-9_.+]{1,64}")
_EXTENSIONS = (".conda", ".tar.bz2")


@functools.lru_cache(maxsize=1 << 14)
def is_package_name(text: str) -> bool:
    """Whether *text* follows CEP 26, "Package names", as the name of a real or a virtual package."""
    return len(text) <= 64 and bool(_NAME.fullmatch(text) or _VIRTUAL_NAME.fullmatch(text))


def is_build_string(text: str) -> bool:
    """Whether *text* follows CEP 26, "Build strings"."""
    return bool(_BUILD.fullmatch(text))


def is_version_string(text: str) -> bool:
    """Whether *text* has the characters and the length that CEP 26 allows for a version."""
    return bool(_VERSION.fullmatch(text))


def split_distribution(file_name: str) -> tuple[str, str, str, str]:
    """Name, version, build and extension (".conda", ".tar.bz2" or "") of an archive's name (CEP 26).

    Raises DataError where fewer than two dashes are found.

    >>> split_distribution("python-dateutil-2.9.0-pyhd8ed1ab_0.conda")
    ('python-dateutil', '2.9.0', 'pyhd8ed1ab_0', '.conda')
    """
    extension = next((end for end in _EXTENSIONS if file_name.endswith(end)), "")
    parts = file_name[: len(file_name) - len(extension)].rsplit("-", 2)
    if len(parts) != 3 or not all(parts):
        raise DataError(f"'{file_name}' is not a package's file name; expected name-version-build.")
    return parts[0], parts[1], parts[2], extension
