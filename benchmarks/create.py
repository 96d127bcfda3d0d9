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

from benchmarks.link import create_sides
from benchmarks.measure import Sizes, Trial, has_peer, open_bench
from benchmarks.server import serve
from benchmarks.wheels import write_wheels_channel

QUICK = Sizes((5, 50), 3)
FULL = Sizes((5, 50, 250), 7)


def run(sizes: Sizes) -> list[Trial]:
    """One trial for each size."""
    peer = has_peer()
    trials = []
    for packages in sizes.values:
        with open_bench() as bench:
            channel = write_wheels_channel(bench.folder / "channel", packages)
            with serve(channel.folder) as url:
                clean = bench.removing("prefix", "root", "peer")
                runs = bench.in_turns(create_sides(bench, url, channel, clean, peer=peer), sizes.rounds)
        trials.append(Trial("create: nothing cached", packages, "packages", runs, notes=(channel.note,)))
    return trials
