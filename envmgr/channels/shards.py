"""Sharded repodata (CEP 16): the index of shards, and what is in a shard. Pure.

Both are MessagePack in a zstandard frame. The index maps package names to the SHA-256 of their shards, as they
are transferred; a shard holds the records of one name, in the sections that repodata has (CEP 36, CEP 48), with
``sha256`` and ``md5`` as bytes. A shard that cannot be read raises DataError; a record that cannot be used is
named.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from envmgr.channels.decompress import decompress_zstd
from envmgr.channels.file_names import are_suspicious, is_sound, without_superseded
from envmgr.channels.shard_rows import DIGEST_BYTES
from envmgr.errors import DataError
from envmgr.models.decoding import UNDECODABLE, complaint_of
from envmgr.models.record import PUBLISHED_FIELDS, PackageRecord

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envmgr.models.record import Origin

LARGEST_INDEX_BYTES = 128 << 20
LARGEST_SHARD_BYTES = 128 << 20
NEWEST_VERSION = 1

_NOT_IN_JSON = (TypeError, ValueError, OverflowError)
_SUM_BYTES = {"sha256": 32, "md5": 16, "legacy_bz2_md5": 16}


class _Record(PackageRecord, frozen=True, kw_only=True, eq=False):
    """A record as shards write it; its sums are read only when the whole record is."""

    legacy_bz2_md5: msgspec.Raw | None = None  # type: ignore[assignment]
    md5: bytes | None = None  # type: ignore[assignment]
    sha256: bytes | None = None  # type: ignore[assignment]


_Section = dict[str, _Record]
_RawSection = dict[str, msgspec.Raw]


class _Shard(msgspec.Struct):
    packages: _Section = {}
    packages_conda: _Section = msgspec.field(default={}, name="packages.conda")
    v3: dict[str, _Section] = {}
    removed: list[str] = []


class _RawShard(msgspec.Struct):
    packages: _RawSection = {}
    packages_conda: _RawSection = msgspec.field(default={}, name="packages.conda")
    v3: dict[str, _RawSection] = {}
    removed: list[str] = []


class _Dated(msgspec.Struct, gc=False):
    depends: list[str] = []
    timestamp: int | float | None = None


class _DatedShard(msgspec.Struct):
    packages: dict[str, _Dated] = {}
    packages_conda: dict[str, _Dated] = msgspec.field(default={}, name="packages.conda")
    v3: dict[str, dict[str, _Dated]] = {}


class ShardIndex(msgspec.Struct, frozen=True):
    """The index of a subdir: ``shards`` maps lower-case names to digests of 32 bytes; URLs are as written.

    ``info`` is the whole header; ``skipped`` counts the entries that no shard can belong to.
    """

    base_url: str | None
    shards_base_url: str
    info: Mapping[str, Any]
    shards: Mapping[str, bytes]
    skipped: int


class _Index(msgspec.Struct):
    shards: dict[str, Any]
    info: dict[str, Any] = {}
    version: int = 1


_decode_index = msgspec.msgpack.Decoder(_Index).decode
_decode_shard = msgspec.msgpack.Decoder(_Shard).decode
_decode_raw_shard = msgspec.msgpack.Decoder(_RawShard).decode
_decode_fields = msgspec.msgpack.Decoder(dict[str, msgspec.Raw]).decode
_decode_dated_shard = msgspec.msgpack.Decoder(_DatedShard).decode


def parse_shard_index(data: bytes) -> ShardIndex:
    """Read ``repodata_shards.msgpack.zst`` (CEP 16, "Repodata shard index"); raises DataError."""
    try:
        index = _decode_index(unpacked(data, LARGEST_INDEX_BYTES))
    except UNDECODABLE as error:
        raise DataError(f"it is no index of shards: {complaint_of(error)}.") from None
    if index.version != NEWEST_VERSION:
        raise DataError(f"its version is {index.version}; this envmgr knows {NEWEST_VERSION}.")
    shards = index.shards if _are_usable(index.shards) else _usable(index.shards)
    return ShardIndex(
        _text(index.info, "base_url"),
        _text(index.info, "shards_base_url") or "./",
        index.info,
        shards,
        len(index.shards) - len(shards),
    )


def _are_usable(shards: Mapping[str, Any]) -> bool:
    """Whether all names and digests are usable as they are; as a rule they are, and there may be a million."""
    text = "".join(shards)
    return (
        set(map(type, shards.values())) <= {bytes}
        and set(map(len, shards.values())) <= {DIGEST_BYTES}
        and text == text.lower()
        and "\n" not in text
        and "" not in shards
    )


def _usable(shards: Mapping[str, Any]) -> dict[str, bytes]:
    found = {
        name.lower(): digest
        for name, digest in shards.items()
        if _is_digest(digest) and name and "\n" not in name
    }
    # Of names that differ in case alone, the one in lower case counts.
    return found | {name: shards[name] for name in found if _is_digest(shards.get(name))}


def parse_shard(data: bytes, name: str) -> tuple[dict[str, PackageRecord], dict[str, str]]:
    """The records of a shard of *name* by file name, without their sums, and why others are unusable.

    Raises DataError when *data* is no shard.
    """
    packed = unpacked(data, LARGEST_SHARD_BYTES)
    unusable: dict[str, str] = {}
    found: dict[str, PackageRecord]
    try:
        found = dict(_members(_decode_shard(packed)))
    except UNDECODABLE:
        found = _decode_singly(packed, unusable)
    suspicious = are_suspicious(found)
    for fn, record in [*found.items()]:
        usual = f"{record.name}-{record.version}-{record.build}.conda"
        if record.name.lower() != name or ((suspicious or fn != usual) and not is_sound(fn, record)):
            unusable[fn] = f"its record does not belong to a file of {name} that may be so called."
            del found[fn]
    return without_superseded(found), unusable


def record_of_shard(data: bytes, fn: str, origin: Origin) -> PackageRecord | None:
    """The record of the file *fn* with every key that the shard has; None where it has no such file.

    Raises DataError when the shard or the record is not valid.
    """
    raw = _member(_raw_shard(unpacked(data, LARGEST_SHARD_BYTES)), fn)
    return None if raw is None else PackageRecord.parse(_as_json_would(raw, fn), fn=fn, origin=origin)


def dependency_names(data: bytes, newest: int, most_bytes: int = LARGEST_SHARD_BYTES) -> list[str]:
    """The names that the *newest* records of a shard depend on.

    None where it cannot be read, or would unpack to more than *most_bytes*.
    """
    try:
        shard = _decode_dated_shard(unpacked(data, most_bytes))
    except (DataError, *UNDECODABLE):
        return []
    records = [record for _, record in _members(shard)]
    records.sort(key=lambda record: record.timestamp or 0, reverse=True)
    entries = dict.fromkeys(entry for record in records[:newest] for entry in record.depends)
    return list(dict.fromkeys(entry.partition(" ")[0].lower() for entry in entries))


def unpacked_size(data: bytes) -> int | None:
    """How many bytes the zstandard frame *data* says that it unpacks to; None where it does not say."""
    import zstandard

    try:
        size: int = zstandard.frame_content_size(data)
    except zstandard.ZstdError:
        return None
    return size if size >= 0 else None


def unpacked(data: bytes, limit: int) -> bytes:
    """What the zstandard frame *data* holds, at most *limit* bytes; raises DataError."""
    import zstandard

    try:
        size = zstandard.frame_content_size(data)
        if size > limit:
            raise _too_large(limit)
        if size >= 0:
            return zstandard.ZstdDecompressor().decompress(data)
    except (zstandard.ZstdError, MemoryError):
        raise DataError("it is not valid zstandard data.") from None
    parts, length = [], 0
    for part in decompress_zstd([data]):
        parts.append(part)
        length += len(part)
        if length > limit:
            raise _too_large(limit)
    return b"".join(parts)


def _too_large(limit: int) -> DataError:
    return DataError(f"it would unpack to more than {limit >> 20} MiB.")


def _members(shard: Any) -> Iterator[tuple[str, Any]]:
    """File name and record of all sections; the keys of CEP 48 lack the extension that names their section."""
    removed = set(getattr(shard, "removed", ()))
    sections = [("", shard.packages), ("", shard.packages_conda)]
    sections += [(f".{extension}", section) for extension, section in shard.v3.items()]
    for suffix, section in sections:
        for key, record in section.items():
            if key + suffix not in removed:
                yield key + suffix, record


def _member(shard: _RawShard, fn: str) -> msgspec.Raw | None:
    """The one record that `_members` would give last for *fn*, without a look at all others."""
    if fn in shard.removed:
        return None
    found = shard.packages.get(fn)
    found = shard.packages_conda.get(fn, found)
    for extension, section in shard.v3.items():
        if fn.endswith(f".{extension}"):
            found = section.get(fn.removesuffix(f".{extension}"), found)
    return found


def _raw_shard(packed: bytes) -> _RawShard:
    try:
        return _decode_raw_shard(packed)
    except UNDECODABLE as error:
        raise DataError(f"it is no shard: {complaint_of(error)}.") from None


def _decode_singly(packed: bytes, unusable: dict[str, str]) -> dict[str, PackageRecord]:
    found = {}
    for fn, raw in _members(_raw_shard(packed)):
        try:
            found[fn] = PackageRecord.parse(_as_json_would(raw, fn), fn=fn)
        except DataError as error:
            unusable[fn] = str(error)
    return found


def _as_json_would(raw: msgspec.Raw, fn: str) -> dict[str, Any]:
    """A record as repodata.json would have it: sums in hexadecimal digits, and nothing unknown that JSON lacks."""
    fields: dict[str, Any] = {}
    try:
        for key, packed in _decode_fields(raw).items():
            if key in PUBLISHED_FIELDS:
                fields[key] = msgspec.msgpack.decode(packed)
                continue
            with contextlib.suppress(*UNDECODABLE, *_NOT_IN_JSON):
                fields[key] = msgspec.json.decode(msgspec.json.encode(msgspec.msgpack.decode(packed)))
    except UNDECODABLE as error:
        raise DataError(f"the record of {fn} is not valid: {complaint_of(error)}.") from None
    for key, size in _SUM_BYTES.items():
        value = fields.get(key)
        if isinstance(value, bytes):
            if len(value) != size:
                raise DataError(f"the record of {fn} is not valid: its {key} has {len(value)} bytes.")
            fields[key] = value.hex()
    return fields


def _is_digest(value: object) -> bool:
    return isinstance(value, bytes) and len(value) == DIGEST_BYTES


def _text(info: Mapping[str, Any], key: str) -> str | None:
    value = info.get(key)
    if value is None or isinstance(value, str):
        return value
    raise DataError(f"its {key} is not a text.")
