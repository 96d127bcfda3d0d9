"""What an environment holds, as the formats of SBOMs describe it. Pure values."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Literal

import msgspec
from msgspec import Struct, field

from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


class Component(Struct, frozen=True, kw_only=True):
    """One package.

    ``purl`` names it everywhere (package-url specification), and within one inventory. ``license`` is as its record
    or metadata says it, "" where they say nothing. ``url`` is the file that others reach, "" where there is none;
    ``sha256`` and ``md5`` are that file's. ``needs`` are purls of components.
    """

    kind: Literal["conda", "pypi"]
    name: str
    version: str
    purl: str
    license: str = ""
    url: str = ""
    sha256: str | None = None
    md5: str | None = None
    needs: tuple[str, ...] = ()


class Inventory(Struct, frozen=True, kw_only=True):
    """The components of the environment *name*, by purl; ``roots`` are the purls that it needs itself.

    ``moment`` is when it was written, in UTC, None where that is not to be told; ``newest`` is when its newest
    package was made.
    """

    name: str
    tool_version: str
    components: tuple[Component, ...]
    roots: tuple[str, ...]
    moment: datetime | None = None
    newest: datetime | None = field(default=None)

    @property
    def identity(self) -> uuid.UUID:
        """The same for the same content, and no other (RFC 9562, version 5)."""
        content = msgspec.json.encode(self).decode()
        return uuid.uuid5(uuid.NAMESPACE_URL, f"envmgr:sbom:{content}")


def conda_purl(name: str, version: str, qualifiers: Mapping[str, str]) -> str:
    """The purl of a conda package; *qualifiers* are ``build``, ``channel``, ``subdir`` and ``type``.

    >>> conda_purl("zlib", "1.3", {"build": "h1_0", "channel": "conda-forge"})
    'pkg:conda/zlib@1.3?build=h1_0&channel=conda-forge'
    """
    from packageurl import PackageURL

    return str(PackageURL("conda", None, name, version, _given(qualifiers)))


def pypi_purl(name: str, version: str, qualifiers: Mapping[str, str]) -> str:
    """The purl of a distribution of PyPI; *qualifiers* are ``repository_url`` and ``vcs_url``.

    >>> pypi_purl("Typing_Extensions", "4.15", {"repository_url": ""})
    'pkg:pypi/typing-extensions@4.15'
    """
    from packageurl import PackageURL

    # Releases of the library differ in what they make of a dot.
    return str(PackageURL("pypi", None, normalized_name(name), version, _given(qualifiers)))


def _given(qualifiers: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in qualifiers.items() if value}
