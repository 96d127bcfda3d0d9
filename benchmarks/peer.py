"""The peer's side, as a program: what a user of py-rattler would write for the same job.

``peer.py solve|again|create CHANNELS CACHE [PREFIX] SPEC...`` and ``peer.py extract ARCHIVE FOLDER``.
CHANNELS are URLs with spaces between. It prints a JSON object: ``seconds`` of the part named in the
benchmark's docstring, and the result.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import rattler
from rattler.package_streaming import extract


async def _solve(
    gateway: rattler.Gateway, channels: str, specs: list[str], *, pip: bool
) -> list[rattler.RepoDataRecord]:
    return await rattler.solve(
        channels.split(),
        specs,
        gateway=gateway,
        platforms=["linux-64", "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(rattler.VirtualPackageOverrides.from_env()),
        add_pip_as_python_dependency=pip,
    )


async def solve(channels: str, cache: str, *specs: str) -> dict[str, Any]:
    """Read the index and solve, once, as the first thing a process does."""
    begin = time.perf_counter()
    records = await _solve(rattler.Gateway(cache_dir=Path(cache)), channels, list(specs), pip=True)
    return _told(begin, records)


async def again(channels: str, cache: str, *specs: str) -> dict[str, Any]:
    """Solve with a gateway that has all records in memory from an earlier solve."""
    gateway = rattler.Gateway(cache_dir=Path(cache))
    await _solve(gateway, channels, list(specs), pip=False)
    begin = time.perf_counter()
    return _told(begin, await _solve(gateway, channels, list(specs), pip=False))


async def create(channels: str, cache: str, prefix: str, *specs: str) -> dict[str, Any]:
    """Read the index, solve, download what is not cached, and install."""
    begin = time.perf_counter()
    records = await _solve(rattler.Gateway(cache_dir=Path(cache) / "index"), channels, list(specs), pip=True)
    await rattler.install(records, prefix, cache_dir=Path(cache) / "pkgs", show_progress=False)
    return _told(begin, records)


async def unpack(archive: str, folder: str) -> dict[str, Any]:
    """Unpack one archive; its SHA-256 and MD5 are computed on the way."""
    begin = time.perf_counter()
    extract(Path(archive), Path(folder))
    return {"seconds": time.perf_counter() - begin}


def _told(begin: float, records: list[rattler.RepoDataRecord]) -> dict[str, Any]:
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "records": sorted(record.file_name for record in records)}


if __name__ == "__main__":
    jobs: dict[str, Any] = {"solve": solve, "again": again, "create": create, "extract": unpack}
    print(json.dumps(asyncio.run(jobs[sys.argv[1]](*sys.argv[2:]))), flush=True)
    # py-rattler's threads crash the interpreter now and then while it shuts down; this also saves it that time.
    os._exit(0)
