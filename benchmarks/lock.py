"""Locks: making one for five platforms, checking one that is current, and reading large ones.

- "lock": the whole process of ``envmgr lock`` without an earlier lock, which writes conda-lock.yml, and of a Python
  script that has py-rattler solve for the same platforms at the same time and writes pixi.lock (peer.py). Both with
  a warm cache of a loopback server's index, for the same target machines, python brings pip. conda-lock takes
  part where micromamba, mamba or conda is on PATH to solve for it.
- "lock, nothing changed": ``envmgr lock`` and ``envmgr lock --check`` beside the lock that is there; no rival
  does it.
- "read conda-lock.yml", "read pixi.lock": the text in a file to the values of the tool, timed inside: envmgr's
  `read_lock`, py-rattler's ``LockFile.from_path``, conda-lock's ``parse_conda_lock_file``, PyYAML's
  ``CSafeLoader`` and ruamel.yaml's safe loader in C.

The records are conda-forge's of the corpus; those of linux-64 stand for linux-aarch64, too, and those of
osx-arm64 for osx-64. Large locks are the smallest of these, with copies of its packages under other names.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from typing import TYPE_CHECKING

from benchmarks.corpus import real_records, write_channel
from benchmarks.measure import ENVMGR, HERE, OWN, PEER, Bench, Side, Sizes, Trial, has_peer, open_bench, skip
from benchmarks.records import corpus_folder
from benchmarks.server import serve

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmarks.measure import Run

QUICK = Sizes((1, 2, 3), 2)
FULL = Sizes((1, 2, 3), 7)

PLATFORMS = ("linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64")
REQUESTS = (
    ("python", "numpy", "pandas"),
    ("python", "numpy", "pandas", "scikit-learn", "matplotlib", "xarray"),
    ("python", "numpy", "pandas", "scikit-learn", "matplotlib", "jupyterlab", "xarray", "dask", "zarr"),
)
"""Answers of about 50, 150 and 300 packages for a platform."""

READ_BYTES = (1_250_000, 2_500_000, 5_000_000)
MOST_READ_ROUNDS = 3
"""conda-lock and ruamel.yaml take a quarter of a minute for the largest."""

_OTHER = (sys.executable, str(HERE / "other_parsers.py"))
_SOLVERS = ("micromamba", "mamba", "conda")


def run(sizes: Sizes) -> list[Trial]:
    """The trials, all sizes of a title together."""
    corpus = corpus_folder()
    if corpus is None:
        skip("there is no corpus of real records beside the project.")
        return []
    peer = has_peer()
    with open_bench() as bench:
        subdirs = ("noarch", *PLATFORMS)
        write_channel(bench.folder / "channel", real_records(corpus, subdirs=subdirs), 0, subdirs)
        with serve(bench.folder / "channel") as url:
            found = [
                trial
                for size in sizes.values
                for trial in _lock_trials(bench, url, REQUESTS[size - 1], sizes.rounds, peer=peer)
            ]
        found += _read_trials(bench, sizes, peer=peer)
    order = list(dict.fromkeys(trial.title for trial in found))
    return sorted(found, key=lambda trial: order.index(trial.title))


def _lock_trials(bench: Bench, url: str, specs: Sequence[str], rounds: int, *, peer: bool) -> Iterator[Trial]:
    project = bench.folder / "project"
    project.mkdir(exist_ok=True)
    file, lock = project / "environment.yml", project / "conda-lock.yml"
    lines = [f"channels: [{url}, nodefaults]", f"platforms: [{', '.join(PLATFORMS)}]"]
    file.write_text("\n".join([*lines, f"dependencies: [{', '.join(specs)}]", ""]))
    command = (*ENVMGR, "lock", "-f", str(file), "--json")

    def remove() -> None:
        lock.unlink(missing_ok=True)

    sides = [Side("envmgr", command, remove)]
    if peer:
        words = (url, str(bench.folder / "peer"), str(bench.folder / "pixi.lock"), " ".join(PLATFORMS))
        sides.append(Side("py-rattler", (*PEER, "lock", *words, *specs)))
    sides += _conda_lock(bench, file)
    runs = bench.in_turns(sides, rounds)
    bench.run(sides[0])
    size = lock.read_text().count("\n- name: ")
    yield Trial("lock, five platforms", size, "packages", runs, notes=(_likeness(bench, runs, size),))
    same = [Side("envmgr lock", command), Side("envmgr lock --check", (*command, "--check"))]
    yield Trial("lock, nothing changed", size, "packages", bench.in_turns(same, rounds))
    if not (bench.folder / "own-pixi.lock").exists():
        shutil.copy(lock, bench.folder / "conda-lock.yml")
        bench.run(Side("pixi", (*command, "--pixi", str(bench.folder / "own-pixi.lock"))))


def _conda_lock(bench: Bench, file: Path) -> list[Side]:
    solver = next((each for each in _SOLVERS if shutil.which(each)), None)
    if importlib.util.find_spec("conda_lock") is None:
        skip("conda-lock is not installed beside envmgr (pip install conda-lock).")
        return []
    if solver is None:
        skip(f"conda-lock cannot solve: there is no {', '.join(_SOLVERS)} on PATH.")
        return []
    target = str(bench.folder / "other-conda-lock.yml")
    words = ("-m", "conda_lock", "lock", "--conda", solver, "-f", str(file), "--lockfile", target)
    return [Side("conda-lock", (sys.executable, *words))]


def _likeness(bench: Bench, runs: dict[str, list[Run]], size: int) -> str:
    if "py-rattler" not in runs:
        return f"packages: envmgr {size}"
    theirs = sorted(runs["py-rattler"][0].told["records"])
    lock = (bench.folder / "project" / "conda-lock.yml").read_text()
    urls = re.findall(r"^  url: '?(\S+?)'?$", lock, re.MULTILINE)
    ours = sorted(each.rpartition("/")[2] for each in urls)
    both = sum(min(ours.count(name), theirs.count(name)) for name in set(ours))
    return f"packages: envmgr {len(ours)}, py-rattler {len(theirs)}; in both answers: {both}"


def _read_trials(bench: Bench, sizes: Sizes, *, peer: bool) -> Iterator[Trial]:
    for title, name, copied in (
        ("read conda-lock.yml", "conda-lock.yml", _larger_conda_lock),
        ("read pixi.lock", "own-pixi.lock", _larger_pixi_lock),
    ):
        text = (bench.folder / name).read_text()
        for size in (each // (8 if sizes is QUICK else 1) for each in READ_BYTES):
            made = bench.folder / f"large-{name}"
            made.write_text(copied(text, size))
            sides = [Side("envmgr", (*OWN, "parse", str(made)))]
            sides += [Side("py-rattler", (*PEER, "parse", str(made)))] if peer else []
            if name == "conda-lock.yml" and importlib.util.find_spec("conda_lock") is not None:
                sides.append(Side("conda-lock", (*_OTHER, "conda-lock", str(made))))
            sides.append(Side("PyYAML", (*_OTHER, "pyyaml", str(made))))
            if importlib.util.find_spec("ruamel") is not None:
                sides.append(Side("ruamel.yaml", (*_OTHER, "ruamel", str(made))))
            runs = bench.in_turns(sides, min(sizes.rounds, MOST_READ_ROUNDS))
            counts = ", ".join(f"{side} {each[0].told['packages']}" for side, each in runs.items())
            notes = (f"packages: {counts}",)
            yield Trial(title, made.stat().st_size, "bytes", runs, inside=True, notes=notes)


def _larger_conda_lock(text: str, size: int) -> str:
    """*text* with copies of its packages under names of their own, about *size* characters in all."""
    head, _, blocks = text.partition("\npackage:\n")
    found = [f"- name: {each}" for each in f"\n{blocks}".split("\n- name: ")[1:]]
    named = [(re.match(r"- name: '?([^'\n]*)", each), each.rstrip("\n")) for each in found]
    made: list[str] = []
    length = copy = 0
    while length < size - len(head):
        for match, block in named:
            assert match is not None
            part = block if not copy else _renamed(block, match[1], copy)
            made.append(part)
            length += len(part) + 1
            if length >= size - len(head):
                break
        copy += 1
    made.sort(key=lambda block: block.partition("\n")[0])
    return f"{head}\npackage:\n" + "\n".join(made) + "\n"


def _renamed(block: str, name: str, copy: int) -> str:
    return block.replace(f"- name: {name}\n", f"- name: {name}-x{copy}\n").replace(
        f"/{name}-", f"/{name}-x{copy}-"
    )


def _larger_pixi_lock(text: str, size: int) -> str:
    """The same of a pixi.lock in version 6: the list of each platform and the descriptions grow alike."""
    head, _, described = text.partition("\npackages:\n")
    blocks = [f"- conda: {each}".rstrip("\n") for each in f"\n{described}".split("\n- conda: ")[1:]]
    facts = []
    for block in blocks:
        url = block.partition("\n")[0].removeprefix("- conda: ").strip("'")
        name = re.search(r"^  name: '?([^'\n]*)", block, re.MULTILINE)
        assert name is not None
        facts.append((url, name[1], block))
    lists = {
        platform: re.findall(rf"^      {platform}:\n((?:      - .*\n)+)", f"{head}\n", re.MULTILINE)[0]
        for platform in PLATFORMS
    }
    made, more = list(blocks), {platform: [lists[platform].rstrip("\n")] for platform in PLATFORMS}
    length, copy = len(text), 0
    while length < size:
        copy += 1
        for url, name, block in facts:
            new = url.replace(f"/{name}-", f"/{name}-x{copy}-")
            made.append(block.replace(url, new).replace(f"\n  name: {name}\n", f"\n  name: {name}-x{copy}\n"))
            length += len(made[-1])
            for platform in PLATFORMS:
                if url in lists[platform]:
                    more[platform].append(f"      - conda: {new}")
                    length += len(new) + 16
            if length >= size:
                break
    start = head.partition("    packages:\n")[0]
    listed = "\n".join(f"      {platform}:\n" + "\n".join(more[platform]) for platform in PLATFORMS)
    return f"{start}    packages:\n{listed}\npackages:\n" + "\n".join(made) + "\n"
