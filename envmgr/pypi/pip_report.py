"""Reads the report of ``pip install --dry-run --report`` (pip's "Installation Report", version 1; pure)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.credentials import without_credentials
from envmgr.models.wheel_name import normalized_name
from envmgr.pypi.items import without_login
from envmgr.pypi.records import WheelNeeds, wheel_record
from envmgr.pypi.resolution import PypiSource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from envmgr.models.record import PackageRecord


class Reported(Struct, frozen=True):
    """What pip would install: records and sources; *stubs* are what conda answered, *written* URLs with logins."""

    wheels: tuple[PackageRecord, ...]
    sources: tuple[PypiSource, ...]
    stubs: dict[str, str]
    written: tuple[str, ...]
    requested: frozenset[str]


def read_report(text: str, names: Collection[str], index: str) -> Reported:
    """The report in *text*; stubs stand for *names*. Raises DataError for one that cannot be read."""
    try:
        report = json.loads(text)
        installs = report["install"]
        wheels: list[PackageRecord] = []
        sources: list[PypiSource] = []
        stubs: dict[str, str] = {}
        written: list[str] = []
        requested = set()
        for each in installs:
            name = normalized_name(each["metadata"]["name"])
            version = each["metadata"]["version"]
            if each.get("requested"):
                requested.add(name)
            if name in names:
                stubs[name] = version
                continue
            url = each["download_info"]["url"]
            if without_credentials(url) != url or "?" in url:
                written.append(url)
            if _is_wheel(url, each["download_info"]):
                wheels.append(_wheel(each, index))
            else:
                sources.append(
                    _source(name, version, each["download_info"], is_direct=bool(each["is_direct"]))
                )
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"the report that pip wrote cannot be read: {error}.") from None
    return Reported(tuple(wheels), tuple(sources), stubs, tuple(written), frozenset(requested))


def _is_wheel(url: str, download: Mapping[str, Any]) -> bool:
    return "archive_info" in download and urlsplit(url).path.endswith(".whl")


def _wheel(each: Mapping[str, Any], index: str) -> PackageRecord:
    download, metadata = each["download_info"], each["metadata"]
    url = without_credentials(download["url"])
    return wheel_record(
        url,
        sha256=_sum(download),
        index="" if each["is_direct"] else index,
        needs=WheelNeeds(tuple(metadata.get("requires_dist", ())), metadata.get("requires_python")),
        direct_url={**download, "url": url} if each["is_direct"] else None,
    )


def _source(name: str, version: str, download: Mapping[str, Any], *, is_direct: bool) -> PypiSource:
    url = without_login(download["url"])
    vcs = download.get("vcs_info")
    directory = download.get("dir_info")
    path = Path(unquote(urlsplit(url).path)) if directory is not None else None
    kind = "vcs" if vcs else "directory" if directory is not None else "archive" if is_direct else "sdist"
    return PypiSource(
        kind=kind,  # type: ignore[arg-type]
        name=name,
        version=version,
        url=url,
        sha256=_sum(download),
        vcs=vcs["vcs"] if vcs else None,
        commit=vcs["commit_id"] if vcs else None,
        requested_revision=vcs.get("requested_revision") if vcs else None,
        subdirectory=download.get("subdirectory"),
        path=path,
        editable=bool(directory and directory.get("editable")),
    )


def _sum(download: Mapping[str, Any]) -> str | None:
    archive = download.get("archive_info", {})
    found = archive.get("hashes", {}).get("sha256")
    legacy = archive.get("hash", "")
    return found or (legacy.removeprefix("sha256=") if legacy.startswith("sha256=") else None)
