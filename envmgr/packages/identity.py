"""Which cached package is which: names in a layer, and whether two records mean one archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.errors import DataError
from envmgr.models.channel import without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.models.record import PackageRecord

BY_HASH = ".by-hash"
RECORD_JSON = "info/repodata_record.json"
_EXTENSIONS = (".conda", ".tar.bz2")


def homes_in(layer: Path, record: PackageRecord) -> tuple[Path, Path]:
    """The two folders of *layer* where *record* may lie: the layer itself, and the one named by its checksum."""
    key = record.sha256 or record.md5
    if not key:
        import hashlib

        key = hashlib.sha256(without_credentials(record.url).encode()).hexdigest()
    if not key.isalnum():
        key = "".join(letter for letter in key if letter.isalnum())
    return layer, layer / BY_HASH / key[:32].lower()


def distribution(record: PackageRecord) -> str:
    """The folder name of *record*'s package: its file name without extension.

    Raises DataError for a name that would not stay inside the cache, since records come from channels.
    """
    name = record.file_name
    for extension in _EXTENSIONS:
        stem = name.removesuffix(extension)
        if stem != name and stem[0:1] not in ("", ".") and not set(stem) & set("/\\:\0"):
            return stem
    raise DataError(f"{name!r} is no file name of a package.", file_name=name)


def describes_same_archive(cached: Mapping[str, Any], record: PackageRecord) -> bool:
    """Whether *cached*, the content of a repodata_record.json, is about the archive that *record* names.

    A checksum that both state decides. Where the record states none, the URL and, if both know it, the size do.
    """
    for stated, kept in ((record.sha256, cached.get("sha256")), (record.md5, cached.get("md5"))):
        if stated and kept:
            return isinstance(kept, str) and kept.lower() == stated.lower()
    if is_vouched_for(record) or not record.url or cached.get("url") != without_credentials(record.url):
        return False
    return record.size is None or cached.get("size") in (None, record.size)


def is_vouched_for(record: PackageRecord) -> bool:
    """Whether the record states a checksum of the whole archive."""
    return bool(record.sha256 or record.md5)
