"""Start-up: how long a command takes that has nothing to do.

Timed on each side: the whole process, from its start to its end.

- envmgr: ``envmgr --version`` and ``envmgr create --help``.
- python: ``python -c pass`` with the same interpreter, which is the least that envmgr can take.
- py-rattler: ``python -c 'import rattler'``, which every py-rattler program below pays as well.

There is no input, so there are two commands instead of three sizes, and no growth.
"""

from __future__ import annotations

import sys

from benchmarks.measure import ENVMGR, Side, Sizes, Trial, has_peer, open_bench

QUICK = Sizes((1,), 10)
FULL = Sizes((1,), 40)


def run(sizes: Sizes) -> list[Trial]:
    """One trial for each command."""
    peers = [Side("python", (sys.executable, "-c", "pass"))]
    if has_peer():
        peers.append(Side("py-rattler", (sys.executable, "-c", "import rattler")))
    with open_bench() as bench:
        return [
            Trial(
                f"start-up: envmgr {' '.join(words)}",
                1,
                "",
                bench.in_turns([Side("envmgr", (*ENVMGR, *words)), *peers], sizes.rounds),
            )
            for words in (("--version",), ("create", "--help"))
        ]
