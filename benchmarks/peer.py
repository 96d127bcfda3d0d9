"""The peer's side, as a program: what a user of py-rattler would write for the same job.

``peer.py solve|again|create CHANNELS CACHE [PREFIX] SPEC...``, ``peer.py extract ARCHIVE FOLDER``,
``peer.py lock CHANNELS CACHE FILE PLATFORMS SPEC...`` and ``peer.py parse FILE``.
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


async def lock(channels: str, cache: str, file: str, platforms: str, *specs: str) -> dict[str, Any]:
    """Read the index, solve for all platforms at the same time, and write pixi.lock."""
    begin = time.perf_counter()
    gateway = rattler.Gateway(cache_dir=Path(cache))
    subdirs = platforms.split()
    answers = await asyncio.gather(
        *(
            rattler.solve(
                channels.split(),
                list(specs),
                gateway=gateway,
                platforms=[subdir, "noarch"],
                virtual_packages=_profile(subdir),
                add_pip_as_python_dependency=True,
            )
            for subdir in subdirs
        )
    )
    places = [rattler.LockPlatform(subdir) for subdir in subdirs]
    made = rattler.LockFile(places)
    made.set_channels("default", [rattler.LockChannel(url) for url in channels.split()])
    for place, records in zip(places, answers, strict=True):
        for record in records:
            made.add_conda_package("default", place, record)
    made.to_path(file)
    return _told(begin, [record for records in answers for record in records])


def _profile(subdir: str) -> list[rattler.GenericVirtualPackage]:
    """The machine that envmgr's locks are made for."""
    own = {
        "linux": ["__unix", "__linux=4.18", "__glibc=2.28"],
        "osx": ["__unix", "__osx=13.0"],
        "win": ["__win=10"],
    }
    found = [text.partition("=") for text in own[subdir.split("-", maxsplit=1)[0]]]
    return [
        rattler.GenericVirtualPackage(
            rattler.PackageName(name), rattler.Version(version or "0"), rattler.BuildString("0")
        )
        for name, _, version in found
    ]


async def parse(file: str) -> dict[str, Any]:
    """Read a lock, pixi.lock or conda-lock.yml."""
    begin = time.perf_counter()
    made = rattler.LockFile.from_path(Path(file))
    seconds = time.perf_counter() - begin
    (environment,) = [each for _, each in made.environments()]
    count = sum(len(environment.packages(each) or ()) for each in environment.platforms())
    return {"seconds": seconds, "packages": count}


async def unpack(archive: str, folder: str) -> dict[str, Any]:
    """Unpack one archive; its SHA-256 and MD5 are computed on the way."""
    begin = time.perf_counter()
    extract(Path(archive), Path(folder))
    return {"seconds": time.perf_counter() - begin}


def _told(begin: float, records: list[rattler.RepoDataRecord]) -> dict[str, Any]:
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "records": sorted(record.file_name for record in records)}


if __name__ == "__main__":
    jobs: dict[str, Any] = {"solve": solve, "again": again, "create": create, "extract": unpack, "lock": lock}
    jobs["parse"] = parse
    print(json.dumps(asyncio.run(jobs[sys.argv[1]](*sys.argv[2:]))), flush=True)
    # py-rattler's threads crash the interpreter now and then while it shuts down; this also saves it that time.
    os._exit(0)
