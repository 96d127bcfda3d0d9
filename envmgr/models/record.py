"""Package records: what a channel says about one package file (CEP 34 ``index.json``, CEP 36).

Records are read by the ten thousand, so they are msgspec structs that decode straight from JSON bytes. The
fields keep the types that occur in the wild; the properties give them one shape. A record knows its file name
and where it came from (`Origin`), both set after decoding because repodata keeps them outside the record.

`PackageRecord.parse` also keeps unknown keys (``extra``); the index's quick path leaves ``extra`` empty, and
completes only the records of a solution.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec.structs import force_setattr

from envmgr.errors import DataError
from envmgr.models.decoding import UNDECODABLE, complaint_of
from envmgr.models.version import Version

ARCHIVE_EXTENSIONS = (".conda", ".tar.bz2")
WHEEL_EXTENSION = ".whl"
PYPI_PREFIX = "pypi:"
"""Begins the name of a Python distribution's record; no conda package can be called so (CEP 26)."""

# Numbers beyond 64 bits cannot be stored, and mean nothing here; NaN is outside of all bounds.
_LARGEST = 2**63 - 1
_Count = Annotated[int, msgspec.Meta(ge=0, le=_LARGEST)]
_Moment = (
    Annotated[int, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
    | Annotated[float, msgspec.Meta(ge=-9e18, le=9e18)]
)


class Origin(msgspec.Struct, frozen=True):
    """Where a record came from.

    ``channel`` is the channel's canonical URL without subdir, credentials or trailing slash (CEP 26);
    ``base_url`` is what the file name is appended to for the download (CEP 15), ending in a slash.
    """

    channel: str
    subdir: str
    base_url: str


class PackageRecord(msgspec.Struct, frozen=True, kw_only=True, eq=False, omit_defaults=True):
    """One package file, as its channel, its archive or a lock describes it.

    Two records are equal when they name the same file from the same channel and subdir. Sizes are bytes,
    timestamps milliseconds since the Unix epoch. Sizes and build numbers are not negative (CEP 34).
    """

    # In the order of the alphabet, as channels sort the keys: then each key is found at the first look.
    arch: str | None = None
    build: str = ""
    build_number: _Count = 0
    constrains: list[str] = []
    depends: list[str] = []
    extra_depends: dict[str, list[str]] = {}
    features: str | list[str] | None = None
    flags: list[str] = []
    indexed_timestamp: _Moment | None = None
    legacy_bz2_md5: str | None = None
    legacy_bz2_size: _Count | None = None
    license: str | None = None
    license_family: str | None = None
    md5: str | None = None
    name: str
    noarch: str | bool | None = None
    platform: str | None = None
    python_site_packages_path: str | None = None
    schema_version: int | None = None
    sha256: str | None = None
    size: _Count | None = None
    subdir: str | None = None
    timestamp: _Moment | None = None
    track_features: str | list[str] | None = None
    version: str
    # Ours, never read from a channel's text.
    fn: str = ""
    origin: Origin | None = None
    extra: dict[str, Any] = {}

    @classmethod
    def parse(
        cls, source: bytes | str | Mapping[str, Any], *, fn: str = "", origin: Origin | None = None
    ) -> PackageRecord:
        """Read one record and keep what it says beyond the standard in ``extra``.

        Raises DataError that names the file and the field when a field is missing or has the wrong type.
        """
        try:
            mapping = dict(source) if isinstance(source, Mapping) else msgspec.json.decode(source)
            known = {key: mapping[key] for key in mapping if key in PUBLISHED_FIELDS}
            record = msgspec.convert(_drop_nulls(known), cls)
        except (*UNDECODABLE, TypeError) as error:
            raise DataError(
                f"the record of {fn or 'a package'} is not valid: {complaint_of(error)}."
            ) from None
        force_setattr(record, "extra", {key: mapping[key] for key in mapping if key not in PUBLISHED_FIELDS})
        return record.placed(fn, origin)

    def placed(self, fn: str, origin: Origin | None) -> PackageRecord:
        """This record, told its file name and origin; only for a record that nobody else holds yet."""
        force_setattr(self, "fn", fn)
        force_setattr(self, "origin", origin)
        return self

    def to_dict(self) -> dict[str, Any]:
        """The record as ``index.json`` and repodata write it: unknown keys kept, nothing of ours added."""
        plain = msgspec.to_builtins(self)
        for key in ("fn", "origin", "extra"):
            plain.pop(key, None)
        fields = {"build": self.build, "build_number": self.build_number, "depends": self.depends}
        return {**self.extra, **fields, **plain}

    @property
    def key(self) -> tuple[str, str, str]:
        """Channel, subdir and file name: what makes this record itself."""
        file_name = self.file_name
        if self.extra and self.sha256 and "direct_url" in self.extra:
            # Built here, or named by its URL: the next one may be called the same.
            file_name = f"{file_name}#{self.sha256}"
        if self.origin is None:
            return "", self.subdir or "", file_name
        return self.origin.channel, self.origin.subdir, file_name

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, PackageRecord) else NotImplemented

    def __ne__(self, other: object) -> bool:
        return self.key != other.key if isinstance(other, PackageRecord) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def parsed_version(self) -> Version:
        """The version as a value with an order (CEP 33); parsed once per distinct text."""
        return _version(self.version)

    @property
    def dist_name(self) -> str:
        """``name-version-build``, the distribution string without subdir (CEP 26)."""
        return f"{self.shown_name}-{self.version}-{self.build}"

    @property
    def file_name(self) -> str:
        """The archive's file name; made up from the distribution string where none is known."""
        return self.fn or f"{self.dist_name}.conda"

    @property
    def channel(self) -> str:
        """The URL of its channel; empty for a record without origin."""
        return self.origin.channel if self.origin is not None else ""

    @property
    def url(self) -> str:
        """Where the archive is downloaded from, without credentials; empty for a record without origin."""
        if self.origin is None:
            return ""
        return f"{self.origin.base_url}{_quoted(self.fn) if self.is_pypi else self.fn}"

    @property
    def features_tracked(self) -> tuple[str, ...]:
        """``track_features`` as names, whether they were written as a list or in one string."""
        return split_names(self.track_features)

    @property
    def is_pypi(self) -> bool:
        """Whether this is a Python distribution, whose archive is a wheel."""
        return is_pypi_name(self.name)

    @property
    def shown_name(self) -> str:
        """The name as people know it: that of a Python distribution without what tells it apart here."""
        return self.name.removeprefix(PYPI_PREFIX)

    @property
    def is_virtual(self) -> bool:
        """Whether this stands for a property of the machine (CEP 30)."""
        return self.name.startswith("__")

    @property
    def noarch_kind(self) -> str | None:
        """``"python"``, ``"generic"`` or None; the old ``noarch: true`` means generic."""
        if self.noarch is True:
            return "generic"
        return self.noarch or None


PUBLISHED_FIELDS = frozenset(PackageRecord.__struct_fields__) - {"fn", "origin", "extra"}
"""What channels and archives say of a package, as far as records know it."""


def is_pypi_name(name: str) -> bool:
    """Whether a record called *name* is one of a Python distribution."""
    return name.startswith(PYPI_PREFIX)


def _drop_nulls(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}


def split_names(names: str | list[str] | None) -> tuple[str, ...]:
    """Names from a list or from one string that separates them by commas or spaces (CEP 34)."""
    if not names:
        return ()
    words = names.replace(",", " ").split() if isinstance(names, str) else names
    return tuple(word for word in words if word)


def _quoted(file_name: str) -> str:
    """A wheel's name in a URL: servers take a plus sign for a space."""
    if "+" not in file_name:
        return file_name
    from urllib.parse import quote

    return quote(file_name)


@functools.cache
def _version(text: str) -> Version:
    return Version.parse(text)
