"""Making an environment from packages that are unpacked in the cache, on the same disk.

Timed on each side: the whole process.

- envmgr: ``envmgr create``: reads its settings and the stored index, solves, looks into the cache, links, writes
  conda-meta and history, and renames the finished prefix into place.
- py-rattler: peer.py: Gateway and ``solve`` over the same channel, then ``rattler.install`` with its warm cache;
  includes importing py-rattler.
- cp -al: hard links of the same files into one folder, from envmgr's cache: a raw limit. No index, no metadata, and
  the script with a placeholder that each package has is linked, where the other two write it anew.

No package is noarch, so no side compiles bytecode; none has link scripts. Prefixes are removed between runs,
untimed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.files import write_files_channel
from benchmarks.measure import ENVMGR, PEER, Bench, Side, Sizes, Trial, has_peer, has_programs, open_bench

if TYPE_CHECKING:
    from collections.abc import Callable

QUICK = Sizes((100, 400, 1_600), 3)
FULL = Sizes((1_000, 4_000, 16_000), 11)


def run(sizes: Sizes) -> list[Trial]:
    """One trial for each size."""
    peer, programs = has_peer(), has_programs("cp")
    trials = []
    for files in sizes.values:
        with open_bench() as bench:
            channel = write_files_channel(bench.folder / "channel", files)
            clean = bench.removing("prefix")
            sides = create_sides(bench, channel.folder.as_uri(), channel.name, clean, peer=peer)
            copying = [_copying(bench, clean)] if programs else []
            runs = bench.in_turns([*sides, *copying], sizes.rounds)
        notes = (f"{channel.packages} packages, {channel.bytes / 1e6:.1f} MB",)
        trials.append(Trial("link: create from a warm cache", files, "files", runs, notes=notes))
    return trials


def create_sides(bench: Bench, url: str, name: str, clean: Callable[[], None], *, peer: bool) -> list[Side]:
    """Creating an environment with the package *name*, by envmgr and by the peer where it is there."""
    prefix = str(bench.folder / "prefix")
    options = ("-q", "-y", "--override-channels", "--platform", "linux-64")
    sides = [Side("envmgr", (*ENVMGR, "create", *options, "-p", prefix, "-c", url, name), prepare=clean)]
    if peer:
        command = (*PEER, "create", url, str(bench.folder / "peer"), prefix, name)
        sides.append(Side("py-rattler", command, prepare=clean))
    return sides


def _copying(bench: Bench, clean: Callable[[], None]) -> Side:
    script = 'mkdir "$1" && cp -al "$0"/pkgs/bench-*/lib "$0"/pkgs/bench-*/bin "$1"'
    command = ("sh", "-c", script, bench.environ["ENVMGR_ROOT"], str(bench.folder / "prefix"))
    return Side("cp -al", command, prepare=clean)
