"""The index of a channel: first use, later use, and an update, as shards (CEP 16) and as a whole file.

The channels are those of ``solve`` (corpus.py), served by nginx over a loopback line that is made longer by a proxy
(slow_proxy.py). Every run is a whole process that ends with the packages of `REQUEST`:

- envmgr: ``envmgr create --dry-run --json``;
- py-rattler: peer.py: a Gateway with a folder for its cache, and ``solve``; includes importing py-rattler;
- raw: what neither can do without. Of shards, curl fetches the files that envmgr fetched, 16 at a time, over the
  same line. Of a whole file, curl fetches both compressed files at once, and zstd unpacks one after the other.

"first" starts with empty caches, "later" with those of the run before; "update" starts with caches of a channel in
which one name of a hundred has a record less, and asks the server whether there is something newer.
Below the tables stand requests and bytes of each side's last run, as the server counted them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from benchmarks.corpus import made_records, real_records, write_channel
from benchmarks.measure import (
    ENVMGR,
    HERE,
    OWN,
    PEER,
    Bench,
    Side,
    Sizes,
    Trial,
    has_peer,
    has_programs,
    open_bench,
)
from benchmarks.records import SUBDIRS, corpus_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from benchmarks.corpus import Names
    from benchmarks.measure import Run

QUICK = Sizes((100_000,), 2)
FULL = Sizes((10_000, 100_000, 1_000_000), 5)
DELAYS = (0, 20, 100)
REQUEST = ("python=3.12", "numpy", "pandas", "scikit-learn")
MADE_REQUEST = ("p2999", "p2500", "p2000")
CHANGED = 100  # One name of so many is different after an update.

_CONFIG = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log; user root;
events {{ worker_connections 512; }}
http {{
  log_format counts '$status $body_bytes_sent $uri';
  access_log {folder}/access.log counts;
  keepalive_requests 100000; sendfile on; tcp_nodelay on; etag on;
  client_body_temp_path {folder}/temp; proxy_temp_path {folder}/temp; fastcgi_temp_path {folder}/temp;
  uwsgi_temp_path {folder}/temp; scgi_temp_path {folder}/temp;
  add_header Cache-Control $kept;
  map $uri $kept {{ default "max-age=3600"; ~/shards/ "immutable"; }}
  server {{ listen 127.0.0.1:{sharded}; root {folder}/channel; }}
  server {{ listen 127.0.0.1:{whole}; root {folder}/channel; location ~ repodata_shards {{ return 404; }} }}
}}
"""


class Served(NamedTuple):
    """nginx over the channel: the ports at which it has all forms, and at which it has whole files alone."""

    sharded: int
    whole: int
    log: Path

    def counted(self) -> tuple[int, int, list[str]]:
        """Requests, bytes of bodies, and the paths that were found; forgets them."""
        lines = [line.split(" ", 2) for line in self.log.read_text().splitlines()]
        os.truncate(self.log, 0)
        found = [uri for status, _, uri in lines if status == "200"]
        return len(lines), sum(int(sent) for _, sent, _ in lines), found


def run(sizes: Sizes) -> list[Trial]:
    """All trials, those of a title together; none where nginx or curl is missing."""
    if not has_programs("nginx", "curl", "zstd"):
        return []
    peer, corpus = has_peer(), corpus_folder()
    names = real_records(corpus) if corpus is not None else made_records()
    specs = REQUEST if corpus is not None else MADE_REQUEST
    trials: list[Trial] = []
    for size in sizes.values:
        sys.stderr.write(f"  {size:,} records ...\n")
        with open_bench() as bench:
            trials += _trials(bench, names, size, specs, sizes.rounds, peer=peer)
    order = list(dict.fromkeys(trial.title for trial in trials))
    return sorted(trials, key=lambda trial: order.index(trial.title))


def _trials(
    bench: Bench, names: Names, size: int, specs: tuple[str, ...], rounds: int, *, peer: bool
) -> Iterator[Trial]:
    count = write_channel(bench.folder / "channel", names, size)
    with _serve(bench.folder) as served:
        for delay in DELAYS:
            with _line(served.sharded, delay) as sharded, _line(served.whole, delay) as whole:
                for form, url in (("shards", sharded), ("whole file", whole)):
                    sides = _sides(bench, url, specs, peer=peer)
                    runs, notes, uris = _measured(bench, served, sides, rounds, cold=True)
                    raw = _raw(bench, url, uris if form == "shards" else None)
                    runs |= bench.in_turns([raw], rounds)
                    served.counted()
                    title = f"index, first use: {form}, {delay} ms"
                    yield Trial(title, count, "records", runs, notes=(*notes, _likeness(runs)))
                    runs, notes, _ = _measured(bench, served, sides, rounds, cold=False)
                    yield Trial(f"index, later use: {form}, {delay} ms", count, "records", runs, notes=notes)
        yield from _updates(bench, served, specs, count, rounds, peer=peer)
        inside = [
            Side("envmgr", (*OWN, "open", f"http://127.0.0.1:{served.sharded}", specs[0].partition("=")[0]))
        ]
        runs = bench.in_turns(inside, rounds)
        yield Trial("index, later use: opening it and one table, inside", count, "records", runs, inside=True)


def _measured(
    bench: Bench, served: Served, sides: list[Side], rounds: int, *, cold: bool
) -> tuple[dict[str, list[Run]], tuple[str, ...], list[str]]:
    """The runs of each side, what they asked the server for, and what envmgr found there."""
    clean = bench.removing("root", "peer") if cold else None
    runs: dict[str, list[Run]] = {side.name: [] for side in sides}
    notes: dict[str, str] = {}
    uris: list[str] = []
    for turn in range(rounds + 1):
        for side in sides if turn % 2 else reversed(sides):
            if clean:
                clean()
            served.counted()
            cost = bench.run(side)
            asked, sent, found = served.counted()
            notes[side.name] = f"{side.name} {asked} requests, {sent / 1e6:.2f} MB"
            if side.name == "envmgr":
                uris = found
            if turn:
                runs[side.name].append(cost)
    return runs, ("; ".join(notes[side.name] for side in sides),), uris


def _updates(
    bench: Bench, served: Served, specs: tuple[str, ...], count: int, rounds: int, *, peer: bool
) -> Iterator[Trial]:
    """Runs over a channel that has changed since the caches were filled."""
    now, before = bench.folder / "channel", bench.folder / "before"
    _write_before(now, before)
    for form, port in (("shards", served.sharded), ("whole file", served.whole)):
        url = f"http://127.0.0.1:{port}"
        sides = _sides(bench, url, specs, peer=peer)
        bench.removing("root", "peer", "kept")()
        now.rename(bench.folder / "now")
        before.rename(now)
        for side in sides:
            bench.run(side)
        now.rename(before)
        (bench.folder / "now").rename(now)
        for name in ("root", "peer"):
            if (bench.folder / name).exists():
                shutil.copytree(bench.folder / name, bench.folder / "kept" / name)

        def restore() -> None:
            bench.removing("root", "peer")()
            shutil.copytree(bench.folder / "kept", bench.folder, dirs_exist_ok=True)
            _make_stale(bench.folder)

        runs: dict[str, list[Run]] = {side.name: [] for side in sides}
        notes: dict[str, str] = {}
        for turn in range(rounds + 1):
            for side in sides if turn % 2 else reversed(sides):
                restore()
                served.counted()
                cost = bench.run(side)
                asked, sent, _ = served.counted()
                notes[side.name] = f"{side.name} {asked} requests, {sent / 1e6:.2f} MB"
                if turn:
                    runs[side.name].append(cost)
        told = "; ".join(notes[side.name] for side in sides)
        yield Trial(f"index, update of 1 % of the names: {form}, 0 ms", count, "records", runs, notes=(told,))


def _make_stale(folder: Path) -> None:
    """Let each side find that its index is too old to be used without a question."""
    for path in (folder / "root" / "index").glob("*.sqlite"):
        os.utime(path, (1, 1))
    for path in (folder / "peer").rglob("*"):
        if path.suffix == ".shards-cache-v1" or path.name.endswith(".info.json"):
            path.unlink()


def _write_before(now: Path, before: Path) -> None:
    """The channel as it was before one name in a hundred got its last record."""
    import hashlib

    import zstandard

    for subdir in SUBDIRS:
        source, target = now / subdir, before / subdir
        target.mkdir(parents=True)
        for path in source.glob("*.msgpack.zst"):
            os.link(path, target / path.name)
        packed = (source / "repodata_shards.msgpack.zst").read_bytes()
        index = msgspec.msgpack.decode(zstandard.decompress(packed))
        dropped: set[str] = set()
        for name in sorted(index["shards"])[::CHANGED]:
            shard_path = source / f"{index['shards'][name].hex()}.msgpack.zst"
            shard = msgspec.msgpack.decode(zstandard.decompress(shard_path.read_bytes()))
            section = max(("packages", "packages.conda"), key=lambda each: len(shard[each]))
            fn = next(reversed(shard[section]))
            dropped.add(fn)
            del shard[section][fn]
            data = zstandard.compress(msgspec.msgpack.encode(shard))
            index["shards"][name] = hashlib.sha256(data).digest()
            (target / f"{index['shards'][name].hex()}.msgpack.zst").write_bytes(data)
        (target / "repodata_shards.msgpack.zst").unlink()
        (target / "repodata_shards.msgpack.zst").write_bytes(
            zstandard.compress(msgspec.msgpack.encode(index))
        )
        document = msgspec.json.decode((source / "repodata.json").read_bytes(), type=dict[str, msgspec.Raw])
        for section in ("packages", "packages.conda"):
            files = msgspec.json.decode(document[section], type=dict[str, msgspec.Raw])
            kept = {fn: record for fn, record in files.items() if fn not in dropped}
            document[section] = msgspec.Raw(msgspec.json.encode(kept))
        with (target / "repodata.json.zst").open("wb") as file:
            file.write(zstandard.ZstdCompressor(level=3).compress(msgspec.json.encode(document)))


def _sides(bench: Bench, url: str, specs: tuple[str, ...], *, peer: bool) -> list[Side]:
    options = ("--json", "--dry-run", "--override-channels", "--platform", "linux-64")
    own = (*ENVMGR, "create", *options, "-p", str(bench.folder / "prefix"), "-c", url, *specs)
    sides = [Side("envmgr", own)]
    if peer:
        sides.append(Side("py-rattler", (*PEER, "solve", url, str(bench.folder / "peer"), *specs)))
    return sides


def _raw(bench: Bench, url: str, uris: list[str] | None) -> Side:
    """The transfer alone, and the unpacking of whole files."""
    wanted = uris if uris is not None else [f"/{subdir}/repodata.json.zst" for subdir in SUBDIRS]
    config, target = bench.folder / "curl.conf", bench.folder / "fetched"
    target.mkdir(exist_ok=True)
    lines = [f'url = "{url}{uri}"\noutput = "{target}/{number}"' for number, uri in enumerate(wanted)]
    config.write_text("\n".join(lines))
    fetch = f"curl --silent --fail --parallel --parallel-max 16 --config {config}"
    unpack = "" if uris is not None else f" && zstd -d -q -c {target}/0 {target}/1 > /dev/null"
    return Side("raw", ("sh", "-c", fetch + unpack))


def _likeness(runs: Mapping[str, list[Run]]) -> str:
    found = {}
    for side, each in runs.items():
        told = each[0].told
        if "records" in told:
            found[side] = set(told["records"])
        elif "actions" in told:
            found[side] = {record["url"].rpartition("/")[2] for record in told["actions"]["LINK"]}
    sizes = ", ".join(f"{side} {len(files)}" for side, files in found.items())
    return f"packages: {sizes}; in all answers: {len(set.intersection(*found.values()))}"


@contextlib.contextmanager
def _serve(folder: Path) -> Iterator[Served]:
    (folder / "temp").mkdir()
    sharded, whole = _free_ports()
    config = folder / "nginx.conf"
    config.write_text(_CONFIG.format(folder=folder, sharded=sharded, whole=whole))
    (folder / "access.log").touch()
    folder.chmod(0o755)
    with subprocess.Popen(
        ["nginx", "-c", str(config), "-p", str(folder)], stderr=subprocess.DEVNULL
    ) as process:
        try:
            _wait_for(sharded)
            yield Served(sharded, whole, folder / "access.log")
        finally:
            process.terminate()


@contextlib.contextmanager
def _line(port: int, delay: int) -> Iterator[str]:
    """The URL of a port at the other end of a line of *delay* milliseconds."""
    if not delay:
        yield f"http://127.0.0.1:{port}"
        return
    command = [sys.executable, str(HERE / "slow_proxy.py"), str(port), str(delay)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.terminate()


def _free_ports() -> tuple[int, int]:
    import socket

    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def _wait_for(port: int) -> None:
    import socket
    import time

    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise SystemExit("nginx does not answer.")
