"""Writes the repodata of a channel folder from the archives in it (CEP 36)."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.errors import DataError, EnvmgrError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.ops.context import Context

_EXTENSIONS = (".conda", ".tar.bz2")


class IndexedSubdir(Struct, frozen=True):
    """One subdir of the channel and how many archives its repodata now lists."""

    subdir: str
    packages: int


def index_channel(folder: Path, context: Context, *, reuse: bool = False) -> tuple[IndexedSubdir, ...]:
    """Write ``repodata.json`` and ``repodata.json.zst`` in every subdir of *folder*; noarch is made if missing.

    With *reuse*, archives of the same size that are older than the present repodata are not read again.
    An archive that cannot be read is left out and named in a warning. Raises DataError when *folder* is none.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder} to index.")
    (folder / "noarch").mkdir(exist_ok=True)
    return tuple(
        IndexedSubdir(subdir.name, _index_subdir(subdir, context, _known(subdir) if reuse else {}))
        for subdir in sorted(folder.iterdir())
        if subdir.is_dir() and _is_subdir(subdir)
    )


def _is_subdir(folder: Path) -> bool:
    from envmgr.models.platform import check_subdir

    try:
        check_subdir(folder.name)
    except EnvmgrError:
        return False
    return True


def _index_subdir(folder: Path, context: Context, known: Mapping[str, dict[str, Any]]) -> int:
    import zstandard

    from envmgr.channels.index_folder import render_repodata

    archives = sorted(path for path in folder.iterdir() if path.name.endswith(_EXTENSIONS))
    unread = [path for path in archives if path.name not in known]
    records = {**known, **_read_records(unread, context)}
    text = render_repodata(folder.name, records)
    write_replacing(folder / "repodata.json", text)
    write_replacing(folder / "repodata.json.zst", zstandard.ZstdCompressor(level=9).compress(text))
    return len(records)


def _known(folder: Path) -> dict[str, dict[str, Any]]:
    """The records of the present repodata whose archives did not change since it was written."""
    import msgspec

    path = folder / "repodata.json"
    try:
        written = path.stat().st_mtime_ns
        document = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        records = {**document.get("packages", {}), **document.get("packages.conda", {})}
    except (OSError, msgspec.MsgspecError, TypeError):
        return {}
    kept: dict[str, dict[str, Any]] = {}
    for name, record in records.items():
        try:
            status = (folder / name).stat()
        except OSError:
            continue
        if status.st_size == record.get("size") and status.st_mtime_ns < written:
            kept[name] = record
    return kept


def _read_records(archives: Sequence[Path], context: Context) -> dict[str, dict[str, Any]]:
    from envmgr.packages.extract import read_index_json, sums_of_file

    records: dict[str, dict[str, Any]] = {}
    for path in archives:
        try:
            index = read_index_json(path)
        except (EnvmgrError, OSError) as error:
            context.reporter.warned(f"{path.name} is left out of the index: {error}")
            continue
        records[path.name] = {**index, **sums_of_file(path)}
    return records


def write_replacing(path: Path, content: bytes) -> None:
    """Put *content* at *path* in one step, so that a reader sees the old file or the new one."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
