"""Making an environment from nothing: index, solve, download, check, unpack, link, over a loopback server.

Timed on each side: the whole process, with every cache empty.

- envmgr: ``envmgr create``. It keeps the downloaded archives in its cache, as conda does.
- py-rattler: peer.py: Gateway, ``solve``, ``rattler.install``; includes importing py-rattler. It unpacks while it
  downloads and keeps no archives, so it writes less.

Both check the sums of every archive. The server is a process of its own that shares the machine's processors; the
index is small (a line for each package), so this measures packages and not the reading of an index. Caches and
prefixes are removed between runs, untimed.
"""

from __future__ import annotations

from benchmarks.files import write_files_channel
from benchmarks.link import create_sides
from benchmarks.measure import Sizes, Trial, has_peer, open_bench
from benchmarks.server import serve

QUICK = Sizes((100, 400, 1_600), 3)
FULL = Sizes((1_000, 4_000, 16_000), 11)


def run(sizes: Sizes) -> list[Trial]:
    """One trial for each size."""
    peer = has_peer()
    trials = []
    for files in sizes.values:
        with open_bench() as bench:
            channel = write_files_channel(bench.folder / "channel", files)
            with serve(channel.folder) as url:
                clean = bench.removing("prefix", "root", "peer")
                runs = bench.in_turns(create_sides(bench, url, channel.name, clean, peer=peer), sizes.rounds)
        notes = (f"{channel.packages} packages, {channel.bytes / 1e6:.1f} MB",)
        trials.append(Trial("create: everything cold", files, "files", runs, notes=notes))
    return trials
