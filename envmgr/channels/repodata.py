"""What repodata says: its sections, its header, and whose record each member is (CEP 36, CEP 15, CEP 48). Pure.

Records stay undecoded slices of JSON here: only name, version and build are looked at, to sort them by package
name. A record that cannot be one (no name, a file name that would escape from a folder) is counted and left
out; a document that is not repodata raises DataError. ``removed`` and ``signatures`` are not used.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from envmgr.channels.json_stream import JsonStream
from envmgr.errors import DataError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.models.record import ARCHIVE_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from envmgr.channels.json_stream import Members

Groups = dict[str, dict[str, msgspec.Raw]]

NEWEST_REPODATA_VERSION = 2
_SECTIONS = ("packages", "packages.conda")
# What has no place in a file name, for names that each stand on a line of their own.
_UNSAFE = lazy_pattern(r"[/\\\0 \t\r]|^\.", re.MULTILINE)


class _Identity(msgspec.Struct, gc=False):
    name: str
    version: str
    build: str = ""


class _Info(msgspec.Struct):
    base_url: str | None = None
    repodata_version: int | None = None


_decode_identity = msgspec.json.Decoder(_Identity).decode


class RepodataReader:
    """Reads one repodata document from the chunks of its text.

    Iterating yields the records sorted by lower-case package name, in batches of about *batch_bytes* of text,
    so a name may come again in a later batch. ``base_url``, ``records`` and ``skipped`` (counts) are complete
    after the last batch. An empty document counts as an empty object (CEP 36, "Schema").
    """

    def __init__(self, chunks: Iterable[bytes], *, batch_bytes: int = 16 << 20) -> None:
        self._stream = JsonStream(chunks)
        self._batch_bytes = batch_bytes
        self.base_url: str | None = None
        self.records = 0
        self.skipped = 0

    def __iter__(self) -> Iterator[Groups]:
        groups: Groups = {}
        limit = self._batch_bytes
        for suffix, members in self._sections():
            self._sort(members, suffix, groups)
            if self._stream.position >= limit:
                yield groups
                groups = {}
                limit = self._stream.position + self._batch_bytes
        yield groups

    def _sections(self) -> Iterator[tuple[str, Members]]:
        stream = self._stream
        if not stream.peek():
            return
        if stream.peek() != b"{":
            raise DataError(f"it does not hold a JSON object but {_shown(stream)}.")
        for key in stream.iter_keys():
            if key in _SECTIONS:
                for members in self._section(key):
                    yield "", members
            elif key == "v3":
                yield from self._revision()
            else:
                self._read_header(key)
        stream.finish()

    def _section(self, name: str) -> Iterator[Members]:
        if self._stream.peek() != b"{":
            raise DataError(f"its section '{name}' is not a JSON object.")
        return self._stream.members()

    def _revision(self) -> Iterator[tuple[str, Members]]:
        """The records of CEP 48, whose keys lack the extension that names their section."""
        if self._stream.peek() != b"{":
            raise DataError("its section 'v3' is not a JSON object.")
        for extension in self._stream.iter_keys():
            for members in self._section(f"v3.{extension}"):
                yield f".{extension}", members

    def _read_header(self, key: str) -> None:
        if key == "info":
            info = self._typed(key, _Info)
            self.base_url = info.base_url
            self._check_version(info.repodata_version)
        elif key == "repodata_version":
            self._check_version(self._typed(key, int))
        else:
            self._stream.skip()

    def _typed(self, key: str, kind: type[Any]) -> Any:
        try:
            return msgspec.json.decode(self._stream.value(), type=kind)
        except msgspec.DecodeError as error:
            raise DataError(f"its '{key}' is not valid: {error}.") from None

    def _check_version(self, version: int | None) -> None:
        if version is not None and version > NEWEST_REPODATA_VERSION:
            raise DataError(
                f"its repodata_version is {version}; this envmgr knows up to {NEWEST_REPODATA_VERSION}."
            )

    def _sort(self, members: Members, suffix: str, groups: Groups) -> None:
        if suffix:
            members = {key + suffix: record for key, record in members.items()}
        listed = "\n".join(members)
        suspicious = listed.count("\n") >= len(members) or _UNSAFE.search(listed) is not None
        decode, skipped = _decode_identity, 0
        for fn, record in members.items():
            try:
                identity = decode(record)
            except (msgspec.DecodeError, UnicodeDecodeError):
                skipped += 1
                continue
            name = identity.name
            usual = not suspicious and fn == f"{name}-{identity.version}-{identity.build}.conda"
            if not usual and not _is_sound(fn, identity):
                skipped += 1
                continue
            name = name.lower()
            group = groups.get(name)
            if group is None:
                groups[name] = {fn: record}
            else:
                group[fn] = record
        self.skipped += skipped
        self.records += len(members) - skipped


def _is_sound(fn: str, identity: _Identity) -> bool:
    """Whether the archive is of a known kind, and no path made from its names can leave its folder."""
    if not fn.endswith(ARCHIVE_EXTENSIONS):
        return False
    names = f"{fn}\n{identity.name}-{identity.version}-{identity.build}"
    return names.count("\n") == 1 and _UNSAFE.search(names) is None


def _shown(stream: JsonStream) -> str:
    first = stream.peek()
    if first == b"<":
        return "a page of HTML or XML"
    return f"something that starts with {first.decode('utf-8', 'replace')!r}"


def superseded(file_names: Mapping[str, object]) -> list[str]:
    """Of the keys, the ``.tar.bz2`` files whose package is there as a ``.conda`` file too."""
    return [fn for fn in file_names if fn.endswith(".tar.bz2") and f"{fn[:-8]}.conda" in file_names]
