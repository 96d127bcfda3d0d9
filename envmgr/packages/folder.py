"""An unpacked package in a cache: which files tell what, as bytes in and values out.

Reading the files is the caller's business; the names are here so that they stand in one place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from envmgr.errors import DataError
from envmgr.models.channel import without_credentials
from envmgr.models.package_files import PackageFiles, parse_legacy, parse_link_json, parse_paths_json
from envmgr.models.record import Origin, PackageRecord
from envmgr.packages.identity import RECORD_JSON

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmgr.models.package_files import EntryPoint, PathEntry

INDEX_JSON = "info/index.json"


def package_files(read: Callable[[str], bytes | None]) -> PackageFiles:
    """The package's own description of its files; *read* gives the content of a path, None if there is none.

    ``paths.json`` goes before the old files (CEP 34). Raises DataError for a broken or missing description.
    """
    noarch: str | None = None
    entry_points: tuple[EntryPoint, ...] = ()
    link = read("info/link.json")
    if link is not None:
        noarch, entry_points = parse_link_json(link)
    return PackageFiles(_path_entries(read), noarch, entry_points)


def _path_entries(read: Callable[[str], bytes | None]) -> tuple[PathEntry, ...]:
    paths = read("info/paths.json")
    if paths is not None:
        return parse_paths_json(paths)
    files = read("info/files")
    if files is None:
        raise DataError("the package has neither info/paths.json nor info/files.")
    try:
        old = [(read(f"info/{name}") or b"").decode() for name in ("has_prefix", "no_link")]
        return parse_legacy(files.decode(), *old)
    except UnicodeDecodeError:
        raise DataError("info/files, info/has_prefix or info/no_link is not UTF-8.") from None


def parse_index(text: bytes | None, archive: str) -> PackageRecord:
    """The record in ``info/index.json``; DataError unless it names the package that the file name does (CEP 26)."""
    if text is None:
        raise DataError(f"{archive} holds no {INDEX_JSON}, which every package needs.")
    index = PackageRecord.parse(text, fn=archive)
    if index.is_pypi or not archive.lower().startswith(f"{index.dist_name}.".lower()):
        raise DataError(f"{archive} is another package inside, {index.dist_name}.", found=index.dist_name)
    return index


def is_bare(record: PackageRecord) -> bool:
    """Whether *record* says no more than a URL does, as the records of an explicit file do (CEP 23)."""
    return record.size is None and record.timestamp is None and not (record.depends or record.constrains)


def completed(record: PackageRecord, source: PackageRecord, **facts: Any) -> PackageRecord:
    """*record* with *facts* where it knows nothing; a bare one takes all else from *source* (CEP 32, step 4).

    What others will write down is made of it, so its origin holds no credentials.
    """
    missing = {key: value for key, value in facts.items() if getattr(record, key) is None}
    missing["origin"] = _public(record.origin)
    if is_bare(record):
        own = {"fn": record.fn, "md5": record.md5, "sha256": record.sha256}
        return msgspec.structs.replace(source, **{**own, **missing})
    return msgspec.structs.replace(record, **missing)


def _public(origin: Origin | None) -> Origin | None:
    if origin is None:
        return None
    return Origin(without_credentials(origin.channel), origin.subdir, without_credentials(origin.base_url))


def render_record(record: PackageRecord) -> bytes:
    """The content of ``info/repodata_record.json``, without credentials."""
    where: dict[str, Any] = {"fn": record.file_name, "url": without_credentials(record.url)}
    if record.origin is not None:
        where["channel"] = without_credentials(record.origin.channel)
        where["subdir"] = record.origin.subdir or record.subdir
    return msgspec.json.format(msgspec.json.encode({**record.to_dict(), **where}, order="sorted"), indent=2)


def parse_cached_record(
    text: bytes, record: PackageRecord, read: Callable[[str], bytes | None]
) -> PackageRecord:
    """What ``info/repodata_record.json`` says about *record*'s package; raises DataError.

    What mamba 2.1.1 to 2.3.2 wrote for packages that it knew by their URL alone has a timestamp of 0, and says of
    most else nothing either; there ``info/index.json`` counts, which *read* gives.
    """
    mapping = msgspec.json.decode(text)
    if not isinstance(mapping, dict):
        raise DataError(f"{RECORD_JSON} of {record.file_name} is no JSON object.")
    if mapping.get("timestamp") == 0:
        return parse_index(read(INDEX_JSON), record.file_name)
    kept = {key: value for key, value in mapping.items() if key not in ("fn", "url", "channel", "schannel")}
    return PackageRecord.parse(kept, fn=record.fn, origin=record.origin)
