"""Makes package records of Python distributions, so that a wheel is a package like any other. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.channel import without_credentials
from envmgr.models.record import PYPI_PREFIX, Origin, PackageRecord
from envmgr.models.wheel_name import WheelName, normalized_version
from envmgr.pypi.items import without_login

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BUILD = "pypi_0"
"""The build string of a distribution from PyPI, as conda shows it."""
_SHA256_DIGITS = 64


class WheelNeeds(Struct, frozen=True):
    """What a wheel needs: its ``Requires-Dist`` lines (PEP 508) and ``Requires-Python`` (PEP 440)."""

    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None


def needs_in(metadata: Iterable[str]) -> WheelNeeds:
    """What the lines of a METADATA file say, up to the first empty one ("Core metadata specifications").

    >>> needs_in(["License: x", "  ", "Requires-Dist: b>=1", "Requires-Python: >=3.9", "", "Requires-Dist: c"])
    WheelNeeds(requires_dist=('b>=1',), requires_python='>=3.9')
    """
    requires: list[str] = []
    python: str | None = None
    for line in metadata:
        if not line.rstrip("\r\n"):  # One of spaces goes on with a field, as licences do.
            break
        field, _, value = line.partition(":")
        if field.lower() == "requires-dist":
            requires.append(value.strip())
        elif field.lower() == "requires-python":
            python = value.strip() or None
    return WheelNeeds(tuple(requires), python)


def wheel_record(
    url: str,
    *,
    index: str = "",
    sha256: str | None = None,
    size: int | None = None,
    needs: WheelNeeds | None = None,
    direct_url: Mapping[str, Any] | None = None,
    built_from: Mapping[str, object] | None = None,
) -> PackageRecord:
    """The record of the wheel at *url*, whose file name tells name and version.

    *index* is the URL of the index that named it (PEP 503), "" where a URL, a folder or a build did; *size* is in
    bytes. *direct_url* is the content of ``direct_url.json`` (PEP 610), for what was asked for by URL, VCS or path.
    *built_from* is the file of an index (``url``, ``sha256``, ``size``) that the wheel was built from.
    Credentials are cut off everywhere. Raises DataError for a URL that names no wheel, or a sum that is no SHA-256.
    """
    place = without_credentials(url).partition("#")[0].partition("?")[0]
    folder, _, quoted = place.rpartition("/")
    file_name = unquote(quoted)
    wheel = WheelName.parse(file_name)
    if sha256 is not None and not _is_sha256(sha256):
        raise DataError(f"{place}: {sha256!r} is no SHA-256.", url=place)
    needs = needs or WheelNeeds()
    extra: dict[str, Any] = {"requires_dist": list(needs.requires_dist)}
    if needs.requires_python:
        extra["requires_python"] = needs.requires_python
    if direct_url is not None:
        extra["direct_url"] = _public(direct_url)
    if built_from is not None:
        extra["built_from"] = dict(built_from)
    return PackageRecord(
        name=f"{PYPI_PREFIX}{wheel.name}",
        version=normalized_version(wheel.version.replace("_", "-")),
        build=BUILD,
        depends=["python"],
        noarch="python",
        subdir="noarch",
        sha256=sha256.lower() if sha256 else None,
        size=size,
        fn=file_name,
        origin=Origin(without_credentials(index or folder).rstrip("/"), "noarch", f"{folder}/"),
        extra=extra,
    )


def _public(direct_url: Mapping[str, Any]) -> dict[str, Any]:
    """*direct_url* without credentials in its URL (PEP 610); the name that `ssh` logs in with is none."""
    return {**direct_url, "url": without_login(str(direct_url.get("url", "")))}


def _is_sha256(text: str) -> bool:
    return len(text) == _SHA256_DIGITS and not set(text.lower()) - set("0123456789abcdef")
