"""Makes an unpacked, checked package of a wheel (effects: writes files); `prepare` does so for conda's archives.

A wheel has no description of its own that conda's readers know, so one is written (CEP 34): paths.json, link.json
and index.json. ``info/envmgr-RECORD`` has the lines that a ``RECORD`` in any prefix begins with.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from envmgr.errors import DataError
from envmgr.models.package_files import PackageFiles, PathEntry, check_entries
from envmgr.models.record import PackageRecord
from envmgr.models.wheel_name import WheelName
from envmgr.packages.extract import Extraction, extract_wheel, limits_of
from envmgr.packages.folder import INDEX_JSON, completed, render_record
from envmgr.packages.identity import RECORD_JSON, is_vouched_for
from envmgr.packages.link_plan import PLAN_JSON, render_plan
from envmgr.packages.offsets import make_plan
from envmgr.packages.wheel import PLACEHOLDER, SITE_PACKAGES, WheelReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmgr.packages.preparation import Preparation

_INSTALLER = b"envmgr\n"
RECORD_LINES = "info/envmgr-RECORD"


def prepare_wheel(order: Preparation, check: Callable[[], None] | None = None) -> None:
    """Unpack, check, and write what the cache keeps beside the files; raises as `prepare_package` does."""
    record, folder = order.record, Path(order.folder)
    name = WheelName.parse(record.file_name)
    if name.name != record.shown_name:
        raise DataError(f"{record.file_name} is no wheel of {record.shown_name}.", found=name.name)
    request = Extraction(record.file_name, check=check)
    with open(order.archive, "rb") as file:
        reader = WheelReader(file, record.file_name, limits_of(file, request), vouched=is_vouched_for(record))
        extract_wheel(reader, folder, request)
    _add_installer(reader, folder)
    files = _package_files(reader)
    (folder / "info").mkdir()
    for path, text in _description(record, files).items():
        (folder / path).write_bytes(text)
    (folder / RECORD_LINES).write_text("".join(reader.lines), encoding="utf-8", newline="")
    whole = completed(record, record, sha256=order.sha256, size=order.size)
    (folder / PLAN_JSON).write_bytes(render_plan(make_plan(folder, files)))
    (folder / RECORD_JSON).write_bytes(render_record(whole))


def _add_installer(reader: WheelReader, folder: Path) -> None:
    """Note who installs the wheel (PEP 376), as a file of its own: it is the same in every prefix."""
    path = f"{reader.metadata_folder}/INSTALLER"
    (folder / SITE_PACKAGES / path).write_bytes(_INSTALLER)
    reader.add_sum(path, _INSTALLER)


def _package_files(reader: WheelReader) -> PackageFiles:
    entries = [
        PathEntry(path, sha256=digest, size=size, placeholder=PLACEHOLDER if path in reader.patched else None)
        for path, (digest, size) in reader.sums.items()
    ]
    return PackageFiles(check_entries(entries), "python", reader.entry_points)


def _description(record: PackageRecord, files: PackageFiles) -> dict[str, bytes]:
    """What conda's readers ask an unpacked package for, by path."""
    index = PackageRecord(
        name=record.name,
        version=record.version,
        build=record.build,
        depends=record.depends,
        noarch="python",
        subdir="noarch",
    )
    link = {"type": "python", "entry_points": [str(each) for each in files.entry_points]}
    contents = {
        INDEX_JSON: index.to_dict(),
        "info/paths.json": {"paths": files.paths, "paths_version": 1},
        "info/link.json": {"noarch": link, "package_metadata_version": 1},
    }
    return {path: msgspec.json.encode(content) for path, content in contents.items()}
