"""envmgr's side where a part is measured and no command: ``own.py again|extract|open|parse ...``, as in peer.py."""

from __future__ import annotations

import gc
import hashlib
import json
import sys
import threading
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmgr.models.quick_start import import_msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


def again(urls: str, *specs: str) -> dict[str, Any]:
    """Solve with all records in memory from an earlier solve, and nothing else kept from it."""
    import argparse

    from envmgr.cli.session import open_context
    from envmgr.host.probe import virtual_packages
    from envmgr.models.channel import Channel
    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.requirement import Requirement, Source
    from envmgr.ops.resolve import open_index
    from envmgr.solver.problem import Problem
    from envmgr.solver.solve import Solution, solve

    context, _ = open_context(argparse.Namespace(quiet=True))
    channels = [Channel.parse(url) for url in urls.split()]
    index = open_index(channels, "linux-64", context)
    virtual = virtual_packages("linux-64", context.environ)
    load = cache(lambda name: virtual.records(name) if name.startswith("__") else index.load(name))

    ranks = {channel.url: rank for rank, channel in enumerate(channels)}

    def problem() -> Problem:
        wanted = tuple(Requirement(MatchSpec.parse(each), Source(None, None, each)) for each in specs)
        return Problem(requirements=wanted, load=load, channel_rank=ranks)

    solve(problem())
    _forget()
    begin = time.perf_counter()
    answer = solve(problem())
    seconds = time.perf_counter() - begin
    assert isinstance(answer, Solution)
    return {"seconds": seconds, "records": sorted(each.fn for each in answer.records)}


def open_one(urls: str, name: str) -> dict[str, Any]:
    """Open the index and read the table of one name, once, as the first thing a process does."""
    begin = time.perf_counter()
    import argparse

    from envmgr.cli.session import open_context
    from envmgr.models.channel import Channel
    from envmgr.ops.resolve import open_index

    context, _ = open_context(argparse.Namespace(quiet=True))
    index = open_index([Channel.parse(url) for url in urls.split()], "linux-64", context)
    tables = index.load(name)
    return {"seconds": time.perf_counter() - begin, "records": [str(table.count) for table in tables]}


def parse(file: str) -> dict[str, Any]:
    """Read a lock, pixi.lock or conda-lock.yml."""
    from envmgr.lock.read import read_lock

    begin = time.perf_counter()
    lock = read_lock(Path(file).read_bytes(), file=file)
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "packages": sum(map(len, lock.platforms.values()))}


def _forget() -> None:
    """Empties the caches of parsed specs and versions, so that the second solve parses all of them again."""
    for name, module in list(sys.modules.items()):
        if name.startswith("envmgr."):
            for value in vars(module).values():
                getattr(value, "cache_clear", lambda: None)()
    gc.collect()


def unpack(archive: str, folder: str) -> dict[str, Any]:
    """Unpack one archive, while a thread computes its SHA-256 and MD5, since the peer computes both."""
    from envmgr.packages.extract import extract_archive

    begin = time.perf_counter()
    digests = hashlib.sha256(), hashlib.md5()
    thread = threading.Thread(target=_add_file, args=(archive, digests))
    thread.start()
    extract_archive(Path(archive), Path(folder))
    thread.join()
    seconds = time.perf_counter() - begin
    return {"seconds": seconds, "sums": [digest.hexdigest() for digest in digests]}


def _add_file(path: str, digests: Sequence[hashlib._Hash]) -> None:
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            for digest in digests:
                digest.update(piece)


if __name__ == "__main__":
    sys.path.pop(0)  # This folder, whose module names would hide those of libraries.
    import_msgspec()  # As the command does.
    jobs: dict[str, Any] = {"again": again, "extract": unpack, "open": open_one, "parse": parse}
    print(json.dumps(jobs[sys.argv[1]](*sys.argv[2:])))
