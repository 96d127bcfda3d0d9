"""Which cached package is which: names in a layer, and whether two records mean one archive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envmgr.errors import DataError
from envmgr.models.channel import without_credentials
from envmgr.models.record import ARCHIVE_EXTENSIONS, WHEEL_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.models.record import PackageRecord

BY_HASH = ".by-hash"
WHEELS = ".pypi"
"""The folder of a layer that wheels and what they unpack to lie in: conda and mamba look for no packages there."""
RECORD_JSON = "info/repodata_record.json"


def homes_in(layer: Path, record: PackageRecord) -> tuple[Path, Path]:
    """The two folders of *layer* where *record* may lie: that of its kind, and the one named by its checksum.

    The first is the layer itself, and for wheels a folder in it.
    """
    key = checksum_key(record)
    if not key:
        import hashlib

        key = hashlib.sha256(without_credentials(record.url).encode()).hexdigest()
    home = layer / WHEELS if record.is_pypi else layer
    return home, home / BY_HASH / key[:32]


def checksum_key(record: PackageRecord) -> str | None:
    """*record*'s best checksum as a file name; None where it states none."""
    key = record.sha256 or record.md5 or ""
    if not key.isalnum():
        key = "".join(letter for letter in key if letter.isalnum())
    return key.lower() or None


def nested_home(layer: Path, record: PackageRecord) -> Path | None:
    """Where newer versions of mamba keep *record* in *layer*: by its URL, which keeps channels apart.

    ``https://x.org:80/c/noarch/a-1-0.conda`` lies in ``https/x.org_80/c/noarch/``.
    """
    if record.is_pypi:
        return None
    url = without_credentials(record.url)
    folder = url.rpartition("/")[0].replace("://", "/", 1).replace(":", "_").replace("\\", "_")
    parts = [part for part in folder.split("/") if part]
    if not parts or {".", ".."}.intersection(parts) or "\0" in folder:
        return None
    return layer.joinpath(*parts)


def distribution(record: PackageRecord) -> str:
    """The folder name of *record*'s package: its file name without extension.

    Raises DataError for a name that would not stay inside the cache, since records come from channels.
    """
    name = record.file_name
    for extension in (WHEEL_EXTENSION,) if record.is_pypi else ARCHIVE_EXTENSIONS:
        stem = name.removesuffix(extension)
        if stem != name and stem[0:1] not in ("", ".") and not set(stem) & set("/\\:\0"):
            return stem
    raise DataError(f"{name!r} is no file name of a package.", file_name=name)


def describes_same_archive(cached: Mapping[str, Any], record: PackageRecord) -> bool:
    """Whether *cached*, the content of a repodata_record.json, is about the archive that *record* names.

    A checksum that both state decides. Where the record states none, the URL and, if both know it, the size do;
    mamba writes a size of 0 for what it does not know.
    """
    for stated, kept in ((record.sha256, cached.get("sha256")), (record.md5, cached.get("md5"))):
        if stated and kept:
            return isinstance(kept, str) and kept.lower() == stated.lower()
    if is_vouched_for(record) or not record.url or cached.get("url") != without_credentials(record.url):
        return False
    return record.size is None or cached.get("size") in (None, 0, record.size)


def is_vouched_for(record: PackageRecord) -> bool:
    """Whether the record states a checksum of the whole archive."""
    return bool(record.sha256 or record.md5)
