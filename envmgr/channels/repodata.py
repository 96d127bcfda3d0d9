"""What repodata says: its sections, its header, and whose record each member is (CEP 36, CEP 15, CEP 48). Pure.

Records stay undecoded slices of JSON here: only whose they are is looked at, to sort them by package name. A record
that cannot be one (no name, a file name that would escape from a folder) is counted and left out; a document that
is not repodata raises DataError. ``signatures`` are not used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from envmgr.channels.file_names import are_suspicious, is_sound
from envmgr.channels.json_stream import JsonStream
from envmgr.errors import DataError
from envmgr.models.decoding import UNDECODABLE, complaint_of
from envmgr.models.record import ARCHIVE_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmgr.channels.json_stream import Members

Groups = dict[str, dict[str, msgspec.Raw]]

NEWEST_REPODATA_VERSION = 2
_SECTIONS = ("packages", "packages.conda")


class Batch(NamedTuple):
    """Records of one section by lower-case package name; of equal file names, that of the later section counts."""

    section: int
    groups: Groups


class _Identity(msgspec.Struct, gc=False):
    name: str
    version: str
    build: str = ""


class _Named(msgspec.Struct, gc=False):
    name: str


_decode_identity = msgspec.json.Decoder(_Identity).decode
_decode_named = msgspec.json.Decoder(_Named).decode


class RepodataReader:
    """Reads one repodata document from the chunks of its text.

    Iterating yields the records in batches of about *batch_bytes* of text, so a name may come again in a later
    batch. ``info`` (the header), ``removed`` (file names), ``strays`` (lower-case names of which some files are
    called otherwise), ``records`` and ``skipped`` (counts) are complete after the last batch. An empty document
    counts as an empty object (CEP 36, "Schema").
    """

    def __init__(self, chunks: Iterable[bytes], *, batch_bytes: int = 4 << 20) -> None:
        self._stream = JsonStream(chunks)
        self._batch_bytes = batch_bytes
        self.info: dict[str, Any] = {}
        self.removed: list[str] = []
        self.strays: set[str] = set()
        self.records = 0
        self.skipped = 0

    @property
    def base_url(self) -> str | None:
        """Where the files are, as written (CEP 15)."""
        value = self.info.get("base_url")
        if value is None or isinstance(value, str):
            return value
        raise DataError("its base_url is not a text.")

    def __iter__(self) -> Iterator[Batch]:
        stream = self._stream
        if not stream.peek():
            return
        if stream.peek() != b"{":
            raise DataError(f"it does not hold a JSON object but {_shown(stream)}.")
        for key in stream.iter_keys():
            if key in _SECTIONS:
                yield from self._batches(_SECTIONS.index(key), self._section(key), "")
            elif key == "v3":
                yield from self._revision()
            else:
                self._read_header(key)
        stream.finish()
        _ = self.base_url

    def _batches(self, section: int, parts: Iterator[Members], suffix: str) -> Iterator[Batch]:
        groups: Groups = {}
        limit = self._stream.position + self._batch_bytes
        for members in parts:
            self._sort(members, suffix, groups)
            if self._stream.position >= limit:
                yield Batch(section, groups)
                groups = {}
                limit = self._stream.position + self._batch_bytes
        if groups:
            yield Batch(section, groups)

    def _section(self, name: str) -> Iterator[Members]:
        if self._stream.peek() != b"{":
            raise DataError(f"its section '{name}' is not a JSON object.")
        return self._stream.members()

    def _revision(self) -> Iterator[Batch]:
        """The records of CEP 48, whose keys lack the extension that names their section."""
        if self._stream.peek() != b"{":
            raise DataError("its section 'v3' is not a JSON object.")
        for extension in self._stream.iter_keys():
            yield from self._batches(len(_SECTIONS), self._section(f"v3.{extension}"), f".{extension}")

    def _read_header(self, key: str) -> None:
        if key == "info":
            self.info = self._typed(key, dict[str, Any])
            self._check_version(self.info.get("repodata_version"))
        elif key == "repodata_version":
            self._check_version(self._typed(key, int))
        elif key == "removed":
            self.removed = self._typed(key, list[str])
        else:
            self._stream.skip()

    def _typed(self, key: str, kind: Any) -> Any:
        try:
            return msgspec.json.decode(self._stream.value(), type=kind)
        except UNDECODABLE as error:
            raise DataError(f"its '{key}' is not valid: {complaint_of(error)}.") from None

    def _check_version(self, version: object) -> None:
        if version is None:
            return
        if not isinstance(version, int):
            raise DataError("its repodata_version is not a number.")
        if version > NEWEST_REPODATA_VERSION:
            raise DataError(
                f"its repodata_version is {version}; this envmgr knows up to {NEWEST_REPODATA_VERSION}."
            )

    def _sort(self, members: Members, suffix: str, groups: Groups) -> None:
        """Put each record to those of its name, which is that of its file as a rule; these stand together."""
        if suffix:
            members = {key + suffix: record for key, record in members.items()}
        suspicious = are_suspicious(members)
        guess, group = "", dict[str, msgspec.Raw]()
        skipped = 0
        for fn, record in members.items():
            name = fn.rsplit("-", 2)[0]
            if name != guess:
                guess, group = name, {}
            try:
                is_usual = _decode_named(record).name == name and not suspicious
            except UNDECODABLE:
                is_usual = False
            if not is_usual or not fn.endswith(ARCHIVE_EXTENSIONS):
                identity = _identity(fn, record)
                if identity is None:
                    skipped += 1
                    continue
                own = identity.name.lower()
                groups.setdefault(own, {})[fn] = record
                if own != name.lower():
                    self.strays.add(own)
                continue
            if not group:
                group = groups.setdefault(name.lower(), {})
            group[fn] = record
        self.skipped += skipped
        self.records += len(members) - skipped


def _identity(fn: str, record: msgspec.Raw) -> _Identity | None:
    """Whose record it is; None where it says nothing, or nothing that may be."""
    try:
        identity = _decode_identity(record)
    except UNDECODABLE:
        return None
    return identity if is_sound(fn, identity) else None


def _shown(stream: JsonStream) -> str:
    first = stream.peek()
    if first == b"<":
        return "a page of HTML or XML"
    return f"something that starts with {first.decode('utf-8', 'replace')!r}"
