"""The file names of wheels, and the names that Python distributions have (PyPA specifications). Pure."""

from __future__ import annotations

import re

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.record import WHEEL_EXTENSION

_NAME = lazy_pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._]*[A-Za-z0-9])?")
_TAG = lazy_pattern(r"[A-Za-z0-9_.]+")
_VERSION = lazy_pattern(r"[A-Za-z0-9_.!+]+")
_MOST_SHOWN = 120


class WheelName(Struct, frozen=True):
    """What a wheel's file name says (PyPA "Binary distribution format", "File name convention").

    ``distribution`` and ``version`` are as written, which is how the wheel calls its own folders; ``tags`` are the
    three compatibility tags, each perhaps several joined by dots (PEP 425).
    """

    distribution: str
    version: str
    build: str
    tags: tuple[str, str, str]

    @classmethod
    def parse(cls, file_name: str) -> WheelName:
        """Read ``name-version(-build)-python-abi-platform.whl``; raises DataError for anything else.

        >>> WheelName.parse("ruamel.yaml-0.18-py3-none-any.whl").name
        'ruamel-yaml'
        """
        parts = file_name.removesuffix(WHEEL_EXTENSION).split("-")
        sound = file_name.endswith(WHEEL_EXTENSION) and len(parts) in (5, 6)
        if sound:
            name, version, *build = parts[:-3]
            sound = bool(_NAME.fullmatch(name) and _VERSION.fullmatch(version))
            sound &= all(map(_TAG.fullmatch, (*build, *parts[-3:])))
            sound &= all(each[:1].isdigit() for each in build)
        if not sound:
            raise DataError(
                f"{file_name[:_MOST_SHOWN]!r} is no file name of a wheel; expected "
                "name-version-python-abi-platform.whl.",
                file_name=file_name,
            )
        return cls(name, version, build[0] if build else "", (parts[-3], parts[-2], parts[-1]))

    @property
    def name(self) -> str:
        """The normalized name (PEP 503)."""
        return normalized_name(self.distribution)


def normalized_name(name: str) -> str:
    """*name* as the index knows it (PEP 503, "Normalized Names").

    >>> normalized_name("Ruamel.Yaml__x")
    'ruamel-yaml-x'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def normalized_version(version: str) -> str:
    """*version* in its normal form (PEP 440); a text that is no such version stays as it is.

    >>> normalized_version("1.0.0-RC1"), normalized_version("2024-x")
    ('1.0.0rc1', '2024-x')
    """
    from packaging.version import Version

    try:
        return str(Version(version))
    except ValueError:  # Also for numbers of thousands of digits.
        return version
