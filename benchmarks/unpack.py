"""Unpacking one .conda archive that lies in the file cache, into a new folder on the same disk.

Two tables: the whole process, and the time inside of it that the unpacking takes.

- envmgr: own.py: `packages.extract.extract_archive` with its checks, while a thread computes SHA-256 and MD5 of the
  archive. A creation computes the sum in the threads that download, also while others unpack.
- py-rattler: peer.py: ``extract``, which computes both sums while it unpacks.
- zstd | tar: ``zstd -d | tar x`` for each of the two tars, which were taken out of the zip before; no sums, no
  checks: a raw limit. Its memory is that of the larger program, not of both.

Folders are removed between runs, untimed.
"""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from benchmarks.measure import OWN, PEER, Bench, Side, Sizes, Trial, has_peer, has_programs, open_bench
from benchmarks.wheels import write_one_archive

if TYPE_CHECKING:
    from pathlib import Path

QUICK = Sizes((5, 50), 3)
FULL = Sizes((5, 50, 250), 7)


def run(sizes: Sizes) -> list[Trial]:
    """The whole processes at all sizes, then what is inside of them."""
    peer, programs = has_peer(), has_programs("zstd", "tar")
    whole, inside = [], []
    for packages in sizes.values:
        with open_bench() as bench:
            archive, files, size = write_one_archive(bench.folder / "made", packages)
            sides = _sides(bench, archive, peer=peer, programs=programs)
            notes = (
                f"{packages} wheels, {size / 1e6:.0f} MB in an archive of {archive.stat().st_size / 1e6:.0f} MB",
            )
            runs = bench.in_turns(sides, sizes.rounds)
        whole.append(Trial("unpack, whole process", files, "files", runs, notes=notes))
        timed = {side: each for side, each in runs.items() if "seconds" in each[0].told}
        inside.append(Trial("unpack, inside the process", files, "files", timed, inside=True))
    return [*whole, *inside]


def _sides(bench: Bench, archive: Path, *, peer: bool, programs: bool) -> list[Side]:
    target = bench.folder / "unpacked"
    clean = bench.removing("unpacked")
    sides = [Side("envmgr", (*OWN, "extract", str(archive), str(target)), prepare=clean)]
    if peer:
        sides.append(Side("py-rattler", (*PEER, "extract", str(archive), str(target)), prepare=clean))
    if programs:
        tars = bench.folder / "tars"
        with zipfile.ZipFile(archive) as members:
            members.extractall(tars)
        script = 'mkdir "$1" && for part in "$0"/*.tar.zst; do zstd -dc "$part" | tar x -C "$1" || exit; done'
        command = ("sh", "-c", script, str(tars), str(target))
        sides.append(Side("zstd | tar", command, prepare=clean))
    return sides
