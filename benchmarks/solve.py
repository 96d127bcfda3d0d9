"""Solving: which packages a request needs, over real channel records and over channels made from them (corpus.py).

Of the requests of requests.py, at the corpus' own size, all that are made from nothing:

- "all requests": the whole process of ``envmgr create --dry-run --json`` and of a Python script that calls
  py-rattler's Gateway and ``solve`` (peer.py), over a loopback server with all forms of an index, each side
  from its own warm cache in the form that it prefers: envmgr's store, py-rattler's cached shards (CEP 16).

Of the requests in `SIZED`, over conda-forge's records at each size:

- "web channel": the same, round by round;
- "pure": records and index in memory; only specs and dependencies are parsed, and the problem solved. Timed
  inside: envmgr's `solver.solve` with caches of parsed specs emptied; py-rattler's ``solve`` with a Gateway
  that has solved the same before (its Python interface has nothing nearer; looking up the records in its
  memory is part of it);
- "file channel": the first request's whole process over a ``file://`` folder. envmgr has read the folder into
  its store in the uncounted run; py-rattler reads a file channel anew each time, it has no cache for one.

On both sides: strict priority, virtual packages detected (``CONDA_OVERRIDE_CUDA`` where a request has a
card), python brings pip (not in "pure"), nothing downloaded. envmgr's process also renders its plan. The
script's process includes importing py-rattler; see the start-up table. Memory and CPU are always the whole
process's, in "pure" too. micromamba and conda take part in "web channel" where they are on PATH.
"""

from __future__ import annotations

import shutil
import statistics
import sys
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from benchmarks.corpus import made_records, part_of, real_records, write_channel
from benchmarks.engines import World
from benchmarks.measure import (
    ENVMGR,
    OWN,
    PEER,
    Bench,
    Side,
    Sizes,
    Trial,
    has_peer,
    has_programs,
    open_bench,
    skip,
)
from benchmarks.records import corpus_folder
from benchmarks.report import Table, aligned
from benchmarks.requests import MACHINE, REQUESTS, Request
from benchmarks.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.corpus import Names
    from benchmarks.measure import Run

QUICK = Sizes((10_000, 100_000, 300_000), 1)
QUICK_REQUESTS = 2
FULL = Sizes((10_000, 100_000, 1_000_000), 4)

SIZED = (
    "numpy, pandas, scikit-learn on 3.12",
    "jupyterlab",
    "xarray stack",
    "geopandas, gdal, rasterio, cartopy",
    "tidyverse",
    "transformers",
    "compilers",
)
"""Requests whose packages, with all that their answers hold, fit into the smallest channel."""

MADE = Request("made data", "made", ("p2999", "p2500", "p2000", "p1500 >=2"), ("made",))


def run(sizes: Sizes) -> list[Trial | Table]:
    """The table of all requests, then the trials, all sizes of a title together."""
    peer, corpus = has_peer(), corpus_folder()
    tables: list[Table] = []
    requests, names = [MADE], made_records()
    if corpus is not None:
        tables = _all_requests(corpus, sizes.rounds) if peer else []
        titles = SIZED[:QUICK_REQUESTS] if sizes is QUICK else SIZED
        requests = [request for request in REQUESTS if request.title in titles]
        names = real_records(corpus)
    trials = [
        trial
        for size in sizes.values
        for trial in _trials(_names(names, size, requests), size, requests, sizes.rounds, peer=peer)
    ]
    order = list(dict.fromkeys(trial.title for trial in trials))
    return [*tables, *sorted(trials, key=lambda trial: order.index(trial.title))]


def _names(names: Names, size: int, requests: Sequence[Request]) -> Names:
    """What a channel of *size* is made from: a part that still holds envmgr's answers where it is smaller."""
    if size >= sum(map(len, names.values())) or requests == [MADE]:
        return names
    with open_bench() as bench:
        write_channel(bench.folder / "conda-forge", names, 0)
        world = World({"conda-forge": bench.folder / "conda-forge"})
        found = [
            world.ask_own(replace(request, specs=(*request.specs, *_pip(request))), ())
            for request in requests
        ]
    answers = {(r.name, r.version, r.build) for answer in found for r in answer.records or ()}
    return part_of(names, size, answers)


def _pip(request: Request) -> tuple[str, ...]:
    return () if request.area in ("R", "compilers and tools") else ("pip",)


def _trials(
    names: Names, size: int, requests: Sequence[Request], rounds: int, *, peer: bool
) -> Iterator[Trial]:
    with open_bench() as bench:
        sys.stderr.write(f"  {size:,} records ...\n")
        count = write_channel(bench.folder / "channel", names, size)
        url = (bench.folder / "channel").as_uri()
        for request in requests:
            pure = [Side("envmgr", (*OWN, "again", url, *request.specs))]
            pure += [_peer(bench, "again", url, request)] if peer else []
            runs = bench.in_turns(pure, rounds)
            yield _trial(f"solve, pure: {request.title}", count, runs, inside=True)
        runs = bench.in_turns(_sides(bench, (url,), requests[0], peer=peer), rounds)
        yield _trial(f"solve, file channel: {requests[0].title}", count, runs)
        with serve(bench.folder / "channel") as url:
            for request in requests:
                sides = [*_sides(bench, (url,), request, peer=peer), *_others(bench, url, request)]
                yield _trial(f"solve, web channel: {request.title}", count, bench.in_turns(sides, rounds))


def _trial(title: str, count: int, runs: dict[str, list[Run]], *, inside: bool = False) -> Trial:
    return Trial(title, count, "records", runs, inside=inside, notes=(_likeness(runs),))


def _sides(bench: Bench, urls: Sequence[str], request: Request, *, peer: bool) -> list[Side]:
    options = ("--json", "--dry-run", "--override-channels", "--platform", "linux-64")
    channels = [word for url in urls for word in ("-c", url)]
    command = (*ENVMGR, "create", *options, "-p", str(bench.folder / "prefix"), *channels, *request.specs)
    sides = [Side("envmgr", (*_machine(request), *command))]
    return [*sides, _peer(bench, "solve", " ".join(urls), request)] if peer else sides


def _peer(bench: Bench, job: str, urls: str, request: Request) -> Side:
    return Side(
        "py-rattler", (*_machine(request), *PEER, job, urls, str(bench.folder / "peer"), *request.specs)
    )


def _machine(request: Request) -> tuple[str, ...]:
    """A start of the command that gives it the request's card."""
    return ("env", f"CONDA_OVERRIDE_CUDA={request.cuda}") if request.virtual is not MACHINE else ()


def _others(bench: Bench, url: str, request: Request) -> list[Side]:
    """The command-line tools of conda's family that are on PATH."""
    options = ("create", "--dry-run", "--json", "--override-channels", "-c", url)
    prefix = str(bench.folder / "prefix")
    return [
        Side(tool, (tool, *options, "-p", prefix, *request.specs))
        for tool in ("micromamba", "conda")
        if shutil.which(tool)
    ]


def _likeness(runs: Mapping[str, Sequence[Run]]) -> str:
    results = {side: set(_file_names(each[0].told)) for side, each in runs.items()}
    sizes = ", ".join(f"{side} {len(found)}" for side, found in results.items())
    return f"packages: {sizes}; in all answers: {len(set.intersection(*results.values()))}"


def _file_names(told: dict[str, Any]) -> list[str]:
    if "records" in told:
        return list(told["records"])
    return [record.get("url", record.get("fn", "")).rsplit("/", 1)[-1] for record in told["actions"]["LINK"]]


def _all_requests(corpus: Path, rounds: int) -> list[Table]:
    """Every request from nothing over all real records, and what is over all of them."""
    if not has_programs("env"):
        return []
    requests = [request for request in REQUESTS if not request.installed]
    costs: dict[str, dict[str, list[Run]]] = {}
    with open_bench() as bench:
        folder = bench.folder / "channels"
        for channel in dict.fromkeys(name for request in requests for name in request.channels):
            write_channel(folder / channel, real_records(corpus, channel), 0)
        with serve(folder) as url:
            for request in requests:
                sys.stderr.write(f"  {request.title}\n")
                urls = [f"{url}/{channel}" for channel in request.channels]
                try:
                    costs[request.title] = bench.in_turns(_sides(bench, urls, request, peer=True), rounds)
                except SystemExit as failure:
                    skip(f"{request.title}: {str(failure)[:300]}")
    return [Table(_render(costs, len(requests)), [_plain(title, runs) for title, runs in costs.items()])]


HEADER = ["request", "packages", "envmgr s", "py-rattler s", "ratio", "envmgr MB", "py-rattler MB"]


class Row(Struct, frozen=True):
    """The medians of seconds and the peaks in 10^6 bytes of one request, envmgr's and py-rattler's."""

    title: str
    packages: int
    seconds: tuple[float, float]
    megabytes: tuple[float, float]

    @property
    def ratio(self) -> float:
        """envmgr's time over py-rattler's."""
        return self.seconds[0] / self.seconds[1]

    def cells(self) -> list[str]:
        """The row as text."""
        times = [f"{each:.3f}" for each in self.seconds]
        peaks = [f"{each:.0f}" for each in self.megabytes]
        return [self.title, str(self.packages), *times, f"{self.ratio:.2f}", *peaks]


def _render(costs: Mapping[str, dict[str, list[Run]]], asked: int) -> str:
    rows = [_row(title, runs) for title, runs in costs.items()]
    title = "solve, all requests: whole process, web channel, the corpus' own size"
    lines = [title, *aligned([HEADER, *(row.cells() for row in rows)])]
    lines.append(f"  {len(rows)} of {asked} requests were answered by both sides")
    if not rows:
        return "\n".join(lines)
    for place, side in enumerate(("envmgr", "py-rattler")):
        times = [row.seconds[place] for row in rows]
        lines.append(f"  {side}: median {statistics.median(times):.3f} s, {_worst(times)}")
    ratios = [row.ratio for row in rows]
    faster = sum(ratio < 1 for ratio in ratios)
    lines.append(f"  ratio: median {statistics.median(ratios):.2f}, {_worst(ratios)}; below 1 for {faster}")
    return "\n".join(lines)


def _row(title: str, runs: dict[str, list[Run]]) -> Row:
    own, peer = runs["envmgr"], runs["py-rattler"]
    seconds, megabytes = (_cost(own), _cost(peer)), (_peak(own), _peak(peer))
    return Row(title, len(_file_names(own[0].told)), seconds, megabytes)


def _cost(runs: Sequence[Run]) -> float:
    return statistics.median(run.seconds for run in runs)


def _peak(runs: Sequence[Run]) -> float:
    return max(run.peak_bytes for run in runs) / 1e6


def _worst(values: Sequence[float]) -> str:
    """The mean of the largest tenth, and its least."""
    tenth = sorted(values)[-max(len(values) // 10, 1) :]
    return f"worst tenth from {tenth[0]:.3f}, mean {statistics.mean(tenth):.3f}"


def _plain(title: str, runs: dict[str, list[Run]]) -> dict[str, Any]:
    from dataclasses import asdict

    return {"request": title, "runs": {side: [asdict(run) for run in each] for side, each in runs.items()}}
