"""Reads what is installed in a host or build environment, from its ``conda-meta`` (CEP 32)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmgr.build.depends import PackageFacts
from envmgr.build.recipe import RUN_EXPORT_KINDS
from envmgr.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_environment(prefix: Path) -> dict[str, PackageFacts]:
    """Name -> facts of every package in *prefix*; empty where nothing is installed."""
    packages = {}
    for path in sorted((prefix / "conda-meta").glob("*.json")):
        record = _read_json(path)
        if isinstance(record, dict) and "name" in record:
            packages[record["name"]] = _facts(record)
    return packages


def _facts(record: Mapping[str, Any]) -> PackageFacts:
    return PackageFacts(
        name=record["name"],
        version=record["version"],
        build=record.get("build", ""),
        depends=tuple(record.get("depends", ())),
        exports=_run_exports(record),
        files=tuple(record.get("files", ())),
        url=record.get("url", ""),
        sha256=record.get("sha256"),
    )


def _run_exports(record: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """The package's run exports, read from its unpacked folder in the package cache."""
    folder = record.get("extracted_package_dir") or (record.get("link") or {}).get("source")
    path = Path(folder or "/nonexistent", "info", "run_exports.json")
    exports = _read_json(path) if path.is_file() else {}
    if isinstance(exports, list):
        exports = {"weak": exports}
    return {kind: tuple(exports[kind]) for kind in RUN_EXPORT_KINDS if exports.get(kind)}


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BuildError(f"{path} cannot be read as JSON: {error}.") from None
