"""Solving: which packages a request needs, over real channel records (see corpus.py for the sizes).

Three tables for each request, all with the same channel:

- "pure": records and index in memory; only specs and dependencies are parsed, and the problem solved. Timed inside:
  envmgr's `solver.solve` with caches of parsed specs emptied; py-rattler's ``solve`` with a Gateway that has solved
  the same before (its Python interface has nothing nearer; looking up the records in its memory is part of it).
- "file channel": the whole process of ``envmgr create --dry-run`` and of a Python script that calls py-rattler's
  Gateway and ``solve`` (peer.py), over a ``file://`` folder with repodata.json. envmgr has read the folder into its
  store in the uncounted run; py-rattler reads a file channel anew each time, it has no cache for one.
- "web channel": the same over a loopback server with all forms of an index, each side from its own warm cache in
  the form that it prefers: envmgr's store, py-rattler's cached shards (CEP 16).

On both sides: strict priority, virtual packages detected, python brings pip (not in "pure"), nothing downloaded.
envmgr's process also renders its plan. The script's process includes importing py-rattler; see the start-up table.
Memory and CPU are always the whole process's, in "pure" too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.corpus import IndexChannel, write_channel, write_compressed
from benchmarks.measure import ENVMGR, OWN, PEER, Bench, Side, Sizes, Trial, has_peer, open_bench
from benchmarks.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator

QUICK = Sizes((1, 2, 3), 3)
FULL = Sizes((1, 2, 4), 11)


def run(sizes: Sizes) -> list[Trial]:
    """The trials, all sizes of a title together."""
    peer = has_peer()
    trials = [trial for size in sizes.values for trial in _trials(size, sizes.rounds, peer=peer)]
    titles = list(dict.fromkeys(trial.title for trial in trials))
    return sorted(trials, key=lambda trial: titles.index(trial.title))


def _trials(size: int, rounds: int, *, peer: bool) -> Iterator[Trial]:
    with open_bench() as bench:
        channel = write_channel(bench.folder / "channel", size)
        for title, specs in channel.requests.items():
            url = channel.folder.as_uri()
            pure = [Side("envmgr", (*OWN, "again", url, *specs))]
            if peer:
                pure.append(_peer(bench, "again", url, specs))
            yield _trial(f"solve, pure: {title}", channel, bench.in_turns(pure, rounds), inside=True)
            yield _trial(f"solve, file channel: {title}", channel, _commands(bench, url, specs, rounds, peer))
        write_compressed(channel)
        with serve(channel.folder) as url:
            for title, specs in channel.requests.items():
                yield _trial(
                    f"solve, web channel: {title}", channel, _commands(bench, url, specs, rounds, peer)
                )


def _commands(bench: Bench, url: str, specs: tuple[str, ...], rounds: int, peer: bool) -> dict:
    prefix = str(bench.folder / "prefix")
    options = ("--json", "--dry-run", "--override-channels", "--platform", "linux-64")
    sides = [Side("envmgr", (*ENVMGR, "create", *options, "-p", prefix, "-c", url, *specs))]
    return bench.in_turns([*sides, _peer(bench, "solve", url, specs)] if peer else sides, rounds)


def _peer(bench: Bench, job: str, url: str, specs: tuple[str, ...]) -> Side:
    return Side("py-rattler", (*PEER, job, url, str(bench.folder / "peer"), *specs))


def _trial(title: str, channel: IndexChannel, runs: dict, *, inside: bool = False) -> Trial:
    return Trial(title, channel.records, "records", runs, inside=inside, notes=(_likeness(runs),))


def _likeness(runs: dict) -> str:
    results = {side: set(_file_names(each[0].told)) for side, each in runs.items()}
    sizes = ", ".join(f"{side} {len(found)}" for side, found in results.items())
    return f"packages: {sizes}; in all answers: {len(set.intersection(*results.values()))}"


def _file_names(told: dict) -> list[str]:
    if "records" in told:
        return told["records"]
    return [record["url"].rsplit("/", 1)[1] for record in told["actions"]["LINK"]]
