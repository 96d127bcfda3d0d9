"""Sharded repodata (CEP 16) made from the repodata.json of a channel folder. It shares no code with envmgr."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INDEX = "repodata_shards.msgpack.zst"


def packed(document: Any) -> bytes:
    """*document* as MessagePack in a zstandard frame."""
    return zstandard.compress(msgspec.msgpack.encode(document))


def with_binary_sums(record: dict[str, Any]) -> dict[str, Any]:
    """A record as shards write it."""
    sums = {key: bytes.fromhex(record[key]) for key in ("sha256", "md5") if record.get(key)}
    return {**record, **sums}


def write_shards(
    channel: Path,
    *,
    shards_base_url: str = "./shards/",
    info: Mapping[str, Any] | None = None,
    remove_others: bool = True,
) -> dict[str, str]:
    """Write shards and their index into each subdir; tells the URL path of each shard by ``subdir/name``."""
    paths: dict[str, str] = {}
    for subdir in sorted(path for path in channel.iterdir() if (path / "repodata.json").exists()):
        document = json.loads((subdir / "repodata.json").read_bytes())
        shards: dict[str, dict[str, Any]] = {}

        def shard_of(name: str, shards: dict[str, dict[str, Any]] = shards) -> dict[str, Any]:
            return shards.setdefault(name, {"packages": {}, "packages.conda": {}, "removed": []})

        for section in ("packages", "packages.conda"):
            for fn, record in document.get(section, {}).items():
                shard_of(record["name"])[section][fn] = with_binary_sums(record)
        for extension, records in document.get("v3", {}).items():
            for fn, record in records.items():
                revision = shard_of(record["name"]).setdefault("v3", {})
                revision.setdefault(extension, {})[fn] = with_binary_sums(record)
        digests = {}
        (subdir / "shards").mkdir(exist_ok=True)
        for name, shard in shards.items():
            data = packed(shard)
            digests[name] = hashlib.sha256(data).digest()
            path = subdir / "shards" / f"{digests[name].hex()}.msgpack.zst"
            path.write_bytes(data)
            paths[f"{subdir.name}/{name}"] = f"/{subdir.name}/shards/{path.name}"
        facts = {
            "subdir": subdir.name,
            "shards_base_url": shards_base_url,
            **document.get("info", {}),
            **(info or {}),
        }
        (subdir / INDEX).write_bytes(packed({"version": 1, "info": facts, "shards": digests}))
        if remove_others:
            for path in subdir.glob("repodata.json*"):
                path.unlink()
    return paths
