"""The parts in which an index keeps the records of a name: blocks of JSON, or shards (CEP 16). Pure.

A part is known by the digest of its content, so whatever is made of parts can be kept under their digests.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from envmgr.channels.file_names import is_sound, without_superseded
from envmgr.errors import DataError
from envmgr.models.decoding import UNDECODABLE, complaint_of
from envmgr.models.record import PackageRecord
from envmgr.models.record_table import columns_of, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envmgr.models.record import Origin
    from envmgr.models.record_table import Columns

_decode_records = msgspec.json.Decoder(dict[str, PackageRecord]).decode
_decode_slices = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Part(NamedTuple):
    """Where the store finds some records of a name: *key* is its own, *digest* that of the content."""

    key: int | bytes
    digest: bytes


class Content(NamedTuple):
    """What a part holds: a shard as it was transferred, or the JSON text of ``{file name: record}``."""

    data: bytes
    is_shard: bool


Records = tuple[dict[str, PackageRecord], dict[str, str]]


def key_of(name: str, parts: Sequence[Sequence[Part]]) -> str:
    """The key under which to keep what is made for *name* of *parts*, those of each source.

    The name counts, since a channel may say of another's parts that they hold a name that they do not.
    """
    encoded = name.encode()
    found = hashlib.sha256(len(encoded).to_bytes(4, "little") + encoded)
    for of_source in parts:
        found.update(len(of_source).to_bytes(4, "little"))
        for part in of_source:
            found.update(part.digest)
    return found.hexdigest()


def make_columns(name: str, parts: Sequence[Sequence[Part]], read: Callable[[int, Part], Records]) -> Columns:
    """One table of the records of *name* in all *parts*; *read* takes the number of a source and a part of it.

    Of a ``.tar.bz2`` and a ``.conda`` of the same build in a source only the latter counts. Records that do not
    follow the standard are noted in ``unusable``.
    """
    found: list[PackageRecord] = []
    unusable: list[tuple[int, str, str]] = []
    place_of: dict[int, tuple[int, int]] = {}
    for source, of_source in enumerate(parts):
        files: dict[str, tuple[int, PackageRecord]] = {}
        for number, part in enumerate(of_source):
            records, odd = read(source, part)
            unusable += [(source, fn, reason) for fn, reason in odd.items()]
            for fn, record in records.items():
                files[fn] = number, record.placed(fn, None)
        for number, record in without_superseded(files).values():
            place_of[id(record)] = source, number
            found.append(record)
    ordered = in_order(found)
    places = [place_of[id(record)] for record in ordered]
    columns = columns_of(ordered, places, unusable)
    return columns if ordered else msgspec.structs.replace(columns, name=name)


def record_in(content: Content, fn: str, origin: Origin) -> PackageRecord | None:
    """The record of the file *fn* with every key that its channel published; None where it is not there.

    Raises DataError when the content is not what it should be.
    """
    if content.is_shard:
        from envmgr.channels.shards import record_of_shard

        return record_of_shard(content.data, fn, origin)
    raw = _slices(content.data).get(fn)
    return None if raw is None else PackageRecord.parse(bytes(raw), fn=fn, origin=origin)


def records_in(content: Content, name: str) -> Records:
    """The records of *name* by file name, and why others are unusable.

    Raises DataError when the content is not what it should be.
    """
    if content.is_shard:
        from envmgr.channels.shards import parse_shard

        return parse_shard(content.data, name)
    unusable: dict[str, str] = {}
    try:
        if not content.data.isascii():
            content.data.decode()  # What the records' fields do not need would not be looked at.
        found = _decode_records(content.data)
    except UNDECODABLE:
        found = _decode_singly(content.data, unusable)
    for fn, record in [*found.items()]:
        usual = f"{record.name}-{record.version}-{record.build}.conda"
        if record.name.lower() != name or (fn != usual and not is_sound(fn, record)):
            unusable[fn] = f"its record does not belong to a file of {name} that may be so called."
            del found[fn]
    return found, unusable


def text_of(content: Content) -> bytes:
    """The bytes in which the strings of the records stand as they are; DataError where they cannot be had."""
    if not content.is_shard:
        return content.data
    from envmgr.channels.shards import LARGEST_SHARD_BYTES, unpacked

    return unpacked(content.data, LARGEST_SHARD_BYTES)


def _decode_singly(text: bytes, unusable: dict[str, str]) -> dict[str, PackageRecord]:
    found: dict[str, PackageRecord] = {}
    for fn, raw in _slices(text).items():
        try:
            found[fn] = PackageRecord.parse(bytes(raw), fn=fn)
        except DataError as error:
            unusable[fn] = str(error)
    return found


def _slices(text: bytes) -> dict[str, msgspec.Raw]:
    try:
        return _decode_slices(text)
    except UNDECODABLE as error:
        raise DataError(f"it is not valid JSON: {complaint_of(error)}.") from None
