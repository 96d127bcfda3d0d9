"""Reads a lock in PEP 751's format, as uv writes it, into what is to be installed on one target (pure)."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.credentials import without_credentials
from envmgr.models.named_file import is_on_server, refuse_here
from envmgr.models.requirement import Source
from envmgr.models.wheel_name import normalized_name
from envmgr.pypi.items import without_login
from envmgr.pypi.records import wheel_record
from envmgr.pypi.resolution import PypiSource
from envmgr.pypi.target import best_wheel, tag_ranks

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from envmgr.models.record import PackageRecord
    from envmgr.pypi.index_options import IndexOptions
    from envmgr.pypi.target import PypiTarget


class Locked(Struct, frozen=True):
    """The parts of a lock: *stubs* are the versions of names that a stub answered.

    *written* are URLs with logins or queries. *uploaded* has the times of upload in milliseconds since the Unix
    epoch. *unfit* are names that have no file for the target, *unsummed* those whose files no sum of theirs allows.
    """

    wheels: tuple[PackageRecord, ...]
    sources: tuple[PypiSource, ...]
    stubs: dict[str, str]
    written: tuple[str, ...]
    unfit: tuple[str, ...]
    unsummed: tuple[str, ...]
    uploaded: dict[str, int]


class LockReading(Struct, frozen=True):
    """What the reading depends on: *folder* is that of the lock *file*, *names* those that stubs stand for.

    *sums* maps a name to the sums (``sha256:...``) that its items allow. *extras* and *groups* are those that
    markers of the lock can ask for (PEP 751).
    """

    folder: str
    names: Collection[str]
    target: PypiTarget
    options: IndexOptions
    sums: Mapping[str, tuple[str, ...]]
    extras: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    file: str = "pylock.toml"

    def source(self) -> Source:
        """The lock, for messages."""
        return Source(self.file, None, self.file)


def read_pylock(text: str, reading: LockReading) -> Locked:
    """The packages whose markers hold on the target. Raises DataError for a text that is no lock."""
    from msgspec import DecodeError, toml

    try:
        document = toml.decode(text)
    except DecodeError as error:
        raise DataError(f"the lock that uv wrote cannot be read: {error}.") from None
    return read_document(document, reading)


def read_document(document: Mapping[str, Any], reading: LockReading) -> Locked:
    """`read_pylock`, of a lock whose form is known to be right."""
    parts = _Parts(reading)
    for package in document.get("packages", []):
        marker = package.get("marker")
        try:
            if marker is None or reading.target.marker_holds(marker, reading.extras, reading.groups):
                parts.take(package)
        except DataError as error:
            raise DataError(f"{reading.file}: {package['name']}: {error}", file=reading.file) from None
    return parts.locked()


class _Parts:
    def __init__(self, reading: LockReading) -> None:
        self._reading = reading
        self._ranks = tag_ranks(reading.target)
        self._wheels: list[PackageRecord] = []
        self._sources: list[PypiSource] = []
        self._stubs: dict[str, str] = {}
        self._written: list[str] = []
        self._unfit: list[str] = []
        self._unsummed: list[str] = []
        self._uploaded: dict[str, int] = {}

    def locked(self) -> Locked:
        return Locked(
            tuple(self._wheels),
            tuple(self._sources),
            self._stubs,
            tuple(dict.fromkeys(self._written)),
            tuple(self._unfit),
            tuple(self._unsummed),
            self._uploaded,
        )

    def take(self, package: Mapping[str, Any]) -> None:
        name = normalized_name(package["name"])
        if name in self._reading.names and not package.keys() & {"archive", "vcs", "directory"}:
            self._stubs[name] = package.get("version", "")
        elif "archive" in package:
            self._archive(name, package, package["archive"])
        elif "vcs" in package:
            self._repository(name, package, package["vcs"])
        elif "directory" in package:
            self._directory(name, package, package["directory"])
        else:
            self._of_index(name, package)

    def _of_index(self, name: str, package: Mapping[str, Any]) -> None:
        files = {_file_name(each): each for each in package.get("wheels", [])}
        sdist = package.get("sdist")
        best = best_wheel(files, self._ranks)
        allowed = self._reading.sums.get(name, ())
        if allowed:
            summed = {file: each for file, each in files.items() if _is_allowed(each, allowed)}
            best = best_wheel(summed, self._ranks)
            sdist = sdist if sdist is not None and _is_allowed(sdist, allowed) else None
            if best is None and sdist is None:
                self._unsummed.append(name)
                return
        self._note_upload(name, files[best] if best is not None else sdist)
        if best is not None:
            url, size, sha256 = self._facts(files[best])
            self._wheels.append(wheel_record(url, sha256=sha256, size=size, index=self._index(package, url)))
        elif sdist is not None:
            url, size, sha256 = self._facts(sdist)
            self._sources.append(
                PypiSource(
                    kind="sdist",
                    name=name,
                    version=package["version"],
                    url=url,
                    sha256=sha256,
                    size=size,
                    index=self._index(package, url),
                )
            )
        else:
            self._unfit.append(f"{name} {package.get('version', '')}".strip())

    def _note_upload(self, name: str, file: Mapping[str, Any] | None) -> None:
        moment = file.get("upload-time") if file is not None else None
        if isinstance(moment, datetime):
            self._uploaded[name] = int(moment.timestamp() * 1000)

    def _archive(self, name: str, package: Mapping[str, Any], archive: Mapping[str, Any]) -> None:
        url, size, sha256 = self._facts(archive)
        subdirectory = archive.get("subdirectory")
        allowed = self._reading.sums.get(name, ())
        if allowed and sha256 and not _is_allowed(archive, allowed):
            self._unsummed.append(name)
            return
        source = PypiSource(
            kind="archive",
            name=name,
            version=package.get("version"),
            url=url,
            sha256=sha256,
            size=size,
            subdirectory=subdirectory,
        )
        file = _file_name(archive)
        if not file.endswith(".whl"):
            self._sources.append(source)
        elif best_wheel([file], self._ranks) is None:
            self._unfit.append(f"{name} ({without_credentials(url)})")
        else:
            self._wheels.append(wheel_record(url, sha256=sha256, size=size, direct_url=source.direct_url))

    def _repository(self, name: str, package: Mapping[str, Any], vcs: Mapping[str, Any]) -> None:
        written = vcs.get("url") or _folder_url(self._path(vcs["path"]))
        self._note(written)
        self._sources.append(
            PypiSource(
                kind="vcs",
                name=name,
                version=package.get("version"),
                url=without_login(written),
                vcs=vcs.get("type", "git"),
                commit=vcs["commit-id"],
                requested_revision=vcs.get("requested-revision"),
                subdirectory=vcs.get("subdirectory"),
            )
        )

    def _directory(self, name: str, package: Mapping[str, Any], directory: Mapping[str, Any]) -> None:
        path = self._path(directory["path"])
        self._sources.append(
            PypiSource(
                kind="directory",
                name=name,
                version=package.get("version"),
                url=_folder_url(path),
                path=Path(path),
                editable=bool(directory.get("editable", False)),
                subdirectory=directory.get("subdirectory"),
            )
        )

    def _facts(self, file: Mapping[str, Any]) -> tuple[str, int | None, str | None]:
        written = file.get("url") or _folder_url(self._path(file["path"]))
        if is_on_server(self._reading.folder) and written.lower().startswith("file:"):
            raise refuse_here(written, self._reading.source())
        self._note(written)
        return without_credentials(written), file.get("size"), file.get("hashes", {}).get("sha256")

    def _path(self, text: str) -> str:
        if is_on_server(self._reading.folder):
            raise refuse_here(text, self._reading.source())
        return os.path.normpath(os.path.join(self._reading.folder, text))

    def _note(self, written: str) -> None:
        if without_credentials(written) != written or "?" in written:
            self._written.append(written)

    def _index(self, package: Mapping[str, Any], url: str) -> str:
        """The index that the lock names; else the nearest one on the file's host, or the default one.

        The default one may have its files on another host. Where there is none, the file's folder stands for it.
        """
        told = package.get("index")
        if told:
            return without_credentials(told).rstrip("/")
        host = urlsplit(url).netloc
        near = [
            (len(os.path.commonpath([url, index.shown])), -place, index.shown)
            for place, index in enumerate(self._reading.options.all_indexes)
            if urlsplit(index.url).netloc == host
        ]
        if near:
            return max(near)[2]
        options = self._reading.options
        linked = {urlsplit(each).netloc for each in options.find_links}
        if options.default is not None and host and host not in linked:
            return options.default.shown
        return url.rpartition("/")[0]


def _file_name(file: Mapping[str, Any]) -> str:
    name = file.get("name")
    if name:
        return str(name)
    text = file.get("url") or file.get("path") or ""
    return unquote(urlsplit(text).path.rpartition("/")[2])


def _is_allowed(file: Mapping[str, Any], allowed: Collection[str]) -> bool:
    return any(f"{kind}:{digest}" in allowed for kind, digest in file.get("hashes", {}).items())


def _folder_url(path: str) -> str:
    return Path(path).as_uri()
