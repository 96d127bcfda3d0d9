"""Makes an unpacked, checked package of an archive, in a folder that nobody else knows.

This is the part that keeps a processor busy. Beside the package's own files the folder then holds
``info/repodata_record.json`` (CEP 32) and the plan for linking.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.packages.extract import Extraction, extract_archive, file_sha256
from envmgr.packages.folder import INDEX_JSON, completed, package_files, parse_index, render_record
from envmgr.packages.identity import RECORD_JSON, is_vouched_for
from envmgr.packages.layers import reader
from envmgr.packages.link_plan import PLAN_JSON, LinkPlan, measured_files, render_plan, with_measured
from envmgr.packages.offsets import make_plan
from envmgr.packages.verify import check_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envmgr.models.package_files import PackageFiles
    from envmgr.models.record import PackageRecord
    from envmgr.packages.preparation import Preparation
    from envmgr.packages.verify import Contents, Finding


def prepare_package(order: Preparation, check: Callable[[], None] | None = None) -> None:
    """Unpack, check, and write what the cache keeps beside the files.

    *check* is called often and may raise to stop the work. Raises DataError for a damaged or hostile archive,
    OSError when the folder cannot be written; whoever made the place removes it.
    """
    if order.record.is_pypi:
        from envmgr.packages.prepare_wheel import prepare_wheel

        return prepare_wheel(order, check)
    return _prepare_conda(order, check)


def _prepare_conda(order: Preparation, check: Callable[[], None] | None) -> None:
    record, folder = order.record, Path(order.folder)
    hashed = order.hashed or not is_vouched_for(record)
    request = Extraction(record.file_name, hashed=hashed, check=check, alone=order.alone)
    contents = extract_archive(Path(order.archive), folder, request)
    read = reader(folder)
    try:
        files, text = package_files(read), read(INDEX_JSON)
    except DataError as error:
        raise DataError(f"{record.file_name}: {error}", hint=error.hint, **error.facts) from None
    plan = _checked_plan(record, folder, files, contents)
    index = parse_index(text, record.file_name)
    whole = completed(record, index, sha256=order.sha256, size=order.size)
    (folder / PLAN_JSON).write_bytes(render_plan(plan))
    (folder / RECORD_JSON).write_bytes(render_record(whole))


def _checked_plan(record: PackageRecord, folder: Path, files: PackageFiles, contents: Contents) -> LinkPlan:
    """Holds the package against its own manifest; DataError for damage, a note in the plan for less."""
    findings = list(check_manifest(files.paths, contents, vouched=is_vouched_for(record)))
    damage = [finding for finding in findings if finding.damage]
    if damage:
        raise _damaged(record.file_name, damage)
    for finding in findings:
        if finding.path not in contents.hashes:
            contents.hashes[finding.path] = file_sha256(folder / finding.path)
    differing = measured_files(findings, contents)
    return replace(make_plan(folder, with_measured(files, differing)), differing=differing)


def _damaged(name: str, damage: Sequence[Finding]) -> DataError:
    first = damage[0]
    more = f" (and {len(damage) - 1} more)" if len(damage) > 1 else ""
    return DataError(
        f"{name} is damaged at its source: {first.path!r} {first.what}{more}.",
        hint="Report it to the channel, or choose another build of the package.",
        package=name,
        members=[finding.path for finding in damage],
    )
