"""Wheels as archives: what is in them, and whether it is what it claims (PyPA "Binary distribution format").

This module takes an open binary file and gives members like `packages.tar` does, each at the path that it has in an
unpacked package; it writes nothing. An unpacked wheel has the shape of a conda noarch Python package (CEP 34):

    site-packages/...         what the wheel holds, and its purelib and platlib
    python-scripts/...        its scripts; one that begins with ``#!python`` has the placeholder of a prefix instead
    python-headers/...        its headers
    python-data/...           its data, relative to the prefix

``RECORD`` is held against every file and is not handed on, nor is what an installer writes: linking makes these
anew, of what is in the prefix. As with conda's archives it is strict where two readers could see two packages in
one file. It is lenient where pip is and nothing is lost: a file that ``RECORD`` does not list is taken, and one
that it lists and the wheel lacks is not missed where the index vouches for the wheel.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
from typing import IO, TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError
from envmgr.models.package_files import EntryPoint
from envmgr.models.wheel_name import WheelName, normalized_name, normalized_version
from envmgr.packages.member_paths import quoted, safe_path
from envmgr.packages.tar import Kind, Member
from envmgr.packages.zip_members import MOST_TEXT_BYTES, ZipMembers

if TYPE_CHECKING:
    import zipfile
    from collections.abc import Iterator, Mapping

    from envmgr.packages.tar import Limits

PLACEHOLDER = ("/opt/envmgr_wheel_prefix" + "_placehold" * 30)[:255]
"""Stands for the prefix in scripts that are to be run by the environment's Python."""

SITE_PACKAGES, SCRIPTS, HEADERS, DATA = "site-packages", "python-scripts", "python-headers", "python-data"
_SCHEMES = {
    "purelib": SITE_PACKAGES, "platlib": SITE_PACKAGES, "scripts": SCRIPTS, "headers": HEADERS, "data": DATA,
}  # fmt: skip
# What the installer writes (PyPA "Recording installed projects"); a wheel that brings it is overruled.
GENERATED = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
_PYTHON_LINE = b"#!python"
_STRONG = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512", "blake2b", "blake2s"})
_MOST_SHOWN = 80


class Promise(Struct, frozen=True):
    """A line of ``RECORD``: the *algorithm* and *digest* (urlsafe base64) of a file, and its size in bytes."""

    algorithm: str
    digest: str
    size: int | None


class _Entry(Struct):
    """One file of the wheel: where it stands in the zip, and where it goes."""

    name: str
    path: str
    zipped: zipfile.ZipInfo


class WheelReader:
    """The files of the wheel *file*, which is called *name*, in the order in which they lie there.

    To be iterated over once; `content` reads the member that came last. Afterwards ``sums`` has the SHA-256
    (lower-case hex) and size of each by its path, and ``lines`` the lines of a ``RECORD`` of what is in
    site-packages. Raises DataError for a file that is no wheel, is damaged, is another distribution than its name
    says, or holds what no wheel may.
    """

    def __init__(self, file: IO[bytes], name: str, limits: Limits, *, vouched: bool = True) -> None:
        self._name, self.wheel = name, WheelName.parse(name)
        self._zip = ZipMembers(file, name, limits)
        entries = self._zip.entries
        self.metadata_folder = self._metadata_folder(entries)
        self._check_metadata(entries)
        self._promises = self._read_record(entries, vouched=vouched)
        self.entry_points = self._entry_points(entries)
        self._members = sorted(self._placed(entries), key=lambda each: each.zipped.header_offset)
        self._current: tuple[_Entry, bytes | None] | None = None
        self.sums: dict[str, tuple[str, int]] = {}
        self.patched: set[str] = set()
        self.lines: list[str] = []

    def __iter__(self) -> Iterator[Member]:
        for entry in self._members:
            size, mode = entry.zipped.file_size, 0o644
            data = None
            if entry.path.startswith(f"{SCRIPTS}/"):
                mode = 0o755
                if self._begins_with_python(entry.zipped):
                    data = _with_placeholder(self._script(entry))
                    size = len(data)
            elif entry.zipped.external_attr >> 16 & 0o111:
                mode = 0o755
            self._current = entry, data
            yield Member(entry.path, Kind.FILE, mode, size, "")

    def _begins_with_python(self, zipped: zipfile.ZipInfo) -> bool:
        """Whether a script is for the environment's Python; one that is large is a program."""
        if zipped.file_size > MOST_TEXT_BYTES:
            return False
        return next(self._zip.pieces(zipped), b"").startswith(_PYTHON_LINE)

    def _script(self, entry: _Entry) -> bytes:
        """All of a script, as it is in the wheel, held against its line of ``RECORD``."""
        data = self._zip.text(entry.zipped)
        promise = self._promises.get(entry.name)
        if promise is not None:
            digest = _other_digest(promise) or hashlib.sha256()
            digest.update(data)
            self._check_promise(entry.name, promise, _digest_text(digest.digest()), len(data))
        return data

    def content(self) -> Iterator[bytes]:
        """The bytes of the member that came last; raises DataError where they are not what ``RECORD`` promises."""
        assert self._current is not None
        entry, data = self._current
        if data is not None:
            self.patched.add(entry.path)
            self.sums[entry.path] = hashlib.sha256(data).hexdigest(), len(data)
            yield data
            return
        digest = hashlib.sha256()
        promise = self._promises.get(entry.name)
        other = _other_digest(promise)
        for piece in self._zip.pieces(entry.zipped):
            digest.update(piece)
            if other is not None:
                other.update(piece)
            yield piece
        size = entry.zipped.file_size
        own = _digest_text(digest.digest())
        if promise is not None:
            found = own if other is None else _digest_text(other.digest())
            self._check_promise(entry.name, promise, found, size)
        self.sums[entry.path] = digest.hexdigest(), size
        if entry.path.startswith(f"{SITE_PACKAGES}/"):
            self.lines.append(record_line(entry.path[len(SITE_PACKAGES) + 1 :], own, size))

    def add_sum(self, path: str, data: bytes) -> None:
        """Count a file *path* of site-packages with the content *data*, which the wheel does not hold."""
        digest = hashlib.sha256(data)
        self.sums[f"{SITE_PACKAGES}/{path}"] = digest.hexdigest(), len(data)
        self.lines.append(record_line(path, _digest_text(digest.digest()), len(data)))

    # What the wheel says of itself

    def _metadata_folder(self, entries: Mapping[str, zipfile.ZipInfo]) -> str:
        tops = {path.partition("/")[0] for path in entries if "/" in path}
        found = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(found) != 1:
            what = (
                "no .dist-info folder"
                if not found
                else f"several .dist-info folders ({', '.join(found[:3])})"
            )
            raise DataError(f"{self._name} holds {what}; a wheel has one.")
        name, dash, version = found[0].removesuffix(".dist-info").rpartition("-")
        if not dash or not self._is_own(name, version):
            raise self._other(found[0].removesuffix(".dist-info"))
        return found[0]

    def _is_own(self, name: str, version: str) -> bool:
        if normalized_name(name) != self.wheel.name:
            return False
        own = self.wheel.version
        return version == own or _plain_version(version) == _plain_version(own)

    def _other(self, found: str) -> DataError:
        return DataError(
            f"{self._name} is another distribution inside, {found[:_MOST_SHOWN]}.", found=found[:_MOST_SHOWN]
        )

    def _check_metadata(self, entries: Mapping[str, zipfile.ZipInfo]) -> None:
        texts = {}
        for each in ("WHEEL", "METADATA", "RECORD"):
            zipped = entries.get(f"{self.metadata_folder}/{each}")
            if zipped is None:
                raise DataError(
                    f"{self._name} holds no {self.metadata_folder}/{each}, which every wheel needs."
                )
            texts[each] = zipped
        wheel = _headers(self._zip.text(texts["WHEEL"]))
        if wheel.get("wheel-version", "").partition(".")[0] != "1":
            said = wheel.get("wheel-version", "none")[:_MOST_SHOWN]
            raise DataError(f"{self._name} has the wheel version {said}; only version 1 is known.")
        metadata = _headers(self._zip.text(texts["METADATA"]))
        name, version = metadata.get("name", ""), metadata.get("version", "")
        if not self._is_own(name, version):
            raise self._other(f"{name} {version}".strip() or "one without a name")

    def _read_record(self, entries: Mapping[str, zipfile.ZipInfo], *, vouched: bool) -> dict[str, Promise]:
        """The lines of ``RECORD`` with a sum, by path."""
        record = f"{self.metadata_folder}/RECORD"
        promises: dict[str, Promise] = {}
        try:
            text = self._zip.text(entries[record]).decode("utf-8")
            rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
            for row in rows:
                path, digest, size, *_ = (*row, "", "")
                path = path.replace("\\", "/").removeprefix("./")
                if digest:
                    algorithm, _, value = digest.partition("=")
                    if algorithm not in _STRONG:
                        raise ValueError(f"it has a sum of the kind {algorithm[:_MOST_SHOWN]!r}")
                    promises[path] = Promise(algorithm, value.rstrip("="), int(size) if size else None)
                if not vouched and path not in entries and not path.endswith("/"):
                    raise DataError(
                        f"{self._name} is damaged at its source: {quoted(path)} is missing.", member=path
                    )
        except (csv.Error, ValueError) as error:
            raise DataError(f"{self._name}: {record} is not valid: {error}.") from None
        return promises

    def _check_promise(self, name: str, promise: Promise, digest: str, size: int) -> None:
        if digest != promise.digest:
            what = f"another {promise.algorithm} than RECORD states"
        elif promise.size not in (None, size):
            what = f"{size} bytes, where RECORD states {promise.size}"
        else:
            return
        raise DataError(
            f"{self._name} is damaged at its source: {quoted(name)} has {what}.",
            hint="Report it to the index, or choose another version.",
            member=name,
        )

    def _entry_points(self, entries: Mapping[str, zipfile.ZipInfo]) -> tuple[EntryPoint, ...]:
        """The commands that ``entry_points.txt`` names, those without a console too (PyPA "Entry points")."""
        zipped = entries.get(f"{self.metadata_folder}/entry_points.txt")
        if zipped is None:
            return ()
        import configparser

        parser = configparser.ConfigParser(delimiters=("=",), interpolation=None, strict=False)
        parser.optionxform = str  # type: ignore[method-assign, assignment]
        try:
            parser.read_string(self._zip.text(zipped).decode("utf-8-sig"))
            found = {
                command: EntryPoint.parse(f"{command} = {value}")
                for section in ("console_scripts", "gui_scripts")
                for command, value in (parser.items(section) if parser.has_section(section) else ())
            }
        except DataError as error:
            raise DataError(f"{self._name}: {error}") from None
        except (configparser.Error, UnicodeDecodeError) as error:
            said = str(error).splitlines()[0].rstrip(".")
            raise DataError(f"{self._name}: its entry_points.txt is not valid: {said}.") from None
        return tuple(found.values())

    # Where files go

    def _placed(self, entries: Mapping[str, zipfile.ZipInfo]) -> Iterator[_Entry]:
        generated = {f"{self.metadata_folder}/{each}" for each in GENERATED}
        for name, zipped in entries.items():
            if name in generated:
                continue
            top, _, rest = name.partition("/")
            if not (top.endswith(".data") and self._is_data_folder(top)):
                yield _Entry(name, f"{SITE_PACKAGES}/{name}", zipped)
                continue
            scheme, _, below = rest.partition("/")
            if scheme not in _SCHEMES or not below:
                known = ", ".join(_SCHEMES)
                raise DataError(
                    f"{self._name}: the member {quoted(name)} is for an unknown place; known are {known}.",
                    member=name,
                )
            yield _Entry(name, f"{_SCHEMES[scheme]}/{safe_path(below, self._name)}", zipped)

    def _is_data_folder(self, top: str) -> bool:
        name, _, version = top.removesuffix(".data").rpartition("-")
        return self._is_own(name, version)


def record_line(path: str, digest: str, size: int | None) -> str:
    """A line of ``RECORD`` (PEP 376, PEP 627); *digest* is a SHA-256 in urlsafe base64, "" for none.

    >>> record_line("a/__init__.py", "47DEQpj8", 0)
    'a/__init__.py,sha256=47DEQpj8,0\\n'
    """
    if any(each in path for each in ',"\r\n'):
        path = '"' + path.replace('"', '""') + '"'
    return f"{path},{f'sha256={digest}' if digest else ''},{'' if size is None else size}\n"


def _digest_text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _other_digest(promise: Promise | None) -> hashlib._Hash | None:
    """What computes the promised sum where that is no SHA-256."""
    if promise is None or promise.algorithm == "sha256":
        return None
    return hashlib.new(promise.algorithm)


def _plain_version(version: str) -> str:
    return normalized_version(version.replace("_", "-"))


def _headers(text: bytes) -> dict[str, str]:
    """The first of each field, by name in lower case; what is folded is left at its first line."""
    found: dict[str, str] = {}
    for line in text.decode("utf-8", "replace").splitlines():
        if not line.strip():
            break
        name, mark, value = line.partition(":")
        if mark and not line[:1].isspace():
            found.setdefault(name.strip().lower(), value.strip())
    return found


def _with_placeholder(script: bytes) -> bytes:
    """*script*, which begins with ``#!python``, for the Python of a prefix (PEP 427)."""
    _, newline, rest = script.partition(b"\n")
    return f"#!{PLACEHOLDER}/bin/python".encode() + newline + rest
