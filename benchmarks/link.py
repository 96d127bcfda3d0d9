"""Making an environment from packages that are unpacked in the cache, on the same disk.

Timed on each side: the whole process.

- envmgr: ``envmgr create``: reads its settings and the stored index, solves, looks into the cache, links, writes
  conda-meta and history, and renames the finished prefix into place.
- py-rattler: peer.py: Gateway and ``solve`` over the same channel, then ``rattler.install`` with its warm cache;
  includes importing py-rattler.
- cp -al: hard links of an environment that was made before, into another folder: a raw limit. No index and no
  metadata, and the script with a placeholder that each package has is linked, where the other two write it anew.

A second table tells the calls of the system, by strace, in one more run of each. No package is noarch, so no side
compiles bytecode; none has link scripts. Prefixes are removed between runs, untimed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from benchmarks.measure import ENVMGR, PEER, Bench, Side, Sizes, Trial, has_peer, has_programs, open_bench
from benchmarks.report import Table, aligned
from benchmarks.wheels import write_wheels_channel

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.wheels import MadeChannel

QUICK = Sizes((5, 50), 3)
FULL = Sizes((5, 50, 250), 11)
_CALLS = re.compile(r"^ *[\d.]+ +[\d.]+ +\d+ +(\d+) +(?:\d+ +)?(\w+)$", re.MULTILINE)
_SHOWN = ("link", "linkat", "mkdir", "mkdirat", "openat", "newfstatat", "statx", "rename", "unlink")


def run(sizes: Sizes) -> list[Trial | Table]:
    """One trial for each size, then the calls of the system at the last but one."""
    peer, copying, tracing = has_peer(), has_programs("cp"), has_programs("strace")
    trials: list[Trial | Table] = []
    for packages in sizes.values:
        with open_bench() as bench:
            channel = write_wheels_channel(bench.folder / "channel", packages)
            clean = bench.removing("prefix")
            sides = create_sides(bench, channel.folder.as_uri(), channel, clean, peer=peer)
            if copying:
                bench.run(sides[0])
                (bench.folder / "prefix").rename(bench.folder / "made")
                command = ("cp", "-al", str(bench.folder / "made"), str(bench.folder / "prefix"))
                sides.append(Side("cp -al", command, prepare=clean))
            runs = bench.in_turns(sides, sizes.rounds)
            trials.append(Trial("link: everything cached", packages, "packages", runs, notes=(channel.note,)))
            if tracing and packages == sizes.values[-1]:
                trials.append(_calls_table(bench, sides, channel.files))
    return trials


def create_sides(
    bench: Bench, url: str, channel: MadeChannel, clean: Callable[[], None], *, peer: bool
) -> list[Side]:
    """Creating an environment with everything of *channel*, by envmgr and by the peer where it is there."""
    prefix = str(bench.folder / "prefix")
    options = ("-q", "-y", "--override-channels", "--platform", "linux-64")
    specs = channel.specs()
    sides = [Side("envmgr", (*ENVMGR, "create", *options, "-p", prefix, "-c", url, *specs), prepare=clean)]
    if peer:
        command = (*PEER, "create", url, str(bench.folder / "peer"), prefix, *specs)
        sides.append(Side("py-rattler", command, prepare=clean))
    return sides


def _calls_table(bench: Bench, sides: Sequence[Side], files: int) -> Table:
    """How often each side calls the system for a file, by ``strace -fc``."""
    counted = {side.name: _count_calls(bench, side) for side in sides}
    rows = [["side", "calls a file", *_SHOWN]]
    for name, calls in counted.items():
        numbers = [sum(calls.values()), *(calls.get(call, 0) for call in _SHOWN)]
        rows.append([name, *(f"{number / files:.2f}" for number in numbers)])
    text = "\n".join([f"link: calls of the system for each of {files:,} files", *aligned(rows)])
    raw: list[dict[str, Any]] = [
        {"side": name, "files": files, "calls": calls} for name, calls in counted.items()
    ]
    return Table(text, raw)


def _count_calls(bench: Bench, side: Side) -> dict[str, int]:
    report = bench.folder / "strace"
    bench.run(Side(side.name, ("strace", "-fc", "-o", str(report), *side.command), prepare=side.prepare))
    found = _CALLS.findall(report.read_text())
    return {name: int(count) for count, name in found if name != "total"}
