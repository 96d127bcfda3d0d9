"""Runs the sides of a comparison in turns and keeps what every run cost.

One uncounted run of each side comes first; it warms the operating system's file cache, compiles bytecode and fills
the caches that a benchmark calls warm. Then the sides take turns, each round in the other direction, so that a
machine that gets slower does so for all. A side's `prepare` runs before each of its runs and is not timed.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE = Path(__file__).resolve().parent
OWN = (sys.executable, str(HERE / "own.py"))
PEER = (sys.executable, str(HERE / "peer.py"))
_INSTALLED = Path(sys.executable).with_name("envmgr")
ENVMGR = (str(_INSTALLED),) if _INSTALLED.exists() else (sys.executable, "-m", "envmgr")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Three sizes, in the benchmark's own unit, and how many rounds are counted at each."""

    values: tuple[int, ...]
    rounds: int


@dataclass(frozen=True, slots=True)
class Side:
    """One of the compared: a program, and what is done before each of its runs."""

    name: str
    command: tuple[str, ...]
    prepare: Callable[[], object] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one run cost; ``told`` is the JSON object that the program printed, if it did."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int
    told: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """The runs of all sides for one input; the first side is envmgr, and the i-th runs of all are one round.

    Attributes:
        title: what was measured; trials of one title differ in size alone.
        size: how large the input is, in `unit`; growth is counted in it.
        inside: whether the time is the one that the programs took themselves (seconds in ``told``), without
            their start and their preparations, instead of that of the whole process.
        notes: whatever else is worth a line: bytes, the likeness of results.
    """

    title: str
    size: int
    unit: str
    runs: Mapping[str, Sequence[Run]]
    inside: bool = False
    notes: tuple[str, ...] = ()

    def seconds(self, side: str) -> list[float]:
        """The times of *side*, round by round."""
        return [run.told["seconds"] if self.inside else run.seconds for run in self.runs[side]]


class Bench:
    """A temporary folder and the process that starts programs in a clean environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        home = folder / "home"
        home.mkdir()
        self.environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(home),
            "TMPDIR": str(folder),
            "LC_ALL": "C.UTF-8",
            "ENVMGR_ROOT": str(folder / "root"),
        }
        self._launcher = subprocess.Popen(
            [sys.executable, "-IS", str(HERE / "launcher.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        """Ends the launcher."""
        self._launcher.communicate(timeout=10)

    def run(self, side: Side) -> Run:
        """Run *side* once; ends the harness with the program's own words when it fails."""
        if side.prepare:
            side.prepare()
        out, err = self.folder / "stdout", self.folder / "stderr"
        program = shutil.which(side.command[0]) or side.command[0]
        order = {
            "command": [program, *side.command[1:]],
            "environ": self.environ,
            "stdout": str(out),
            "stderr": str(err),
        }
        assert self._launcher.stdin and self._launcher.stdout
        self._launcher.stdin.write(json.dumps(order) + "\n")
        self._launcher.stdin.flush()
        cost = json.loads(self._launcher.stdout.readline())
        if code := cost.pop("code"):
            words = f"{side.name} failed ({code}): {' '.join(side.command)}"
            raise SystemExit(f"{words}\n{err.read_text()[-2000:]}")
        text = out.read_text(errors="replace")
        return Run(**cost, told=json.loads(text) if text.startswith("{") else {})

    def in_turns(self, sides: Sequence[Side], rounds: int) -> dict[str, list[Run]]:
        """*rounds* counted runs of each side."""
        runs: dict[str, list[Run]] = {side.name: [] for side in sides}
        for turn in range(rounds + 1):
            for side in sides if turn % 2 else reversed(sides) if turn else sides:
                run = self.run(side)
                if turn:
                    runs[side.name].append(run)
        return runs

    def removing(self, *names: str) -> Callable[[], None]:
        """A preparation that removes these folders of the bench."""

        def remove() -> None:
            for name in names:
                shutil.rmtree(self.folder / name, ignore_errors=True)

        return remove


@contextlib.contextmanager
def open_bench() -> Iterator[Bench]:
    """A bench whose folder is removed at the end; TMPDIR chooses the disk."""
    with tempfile.TemporaryDirectory(prefix="envmgr-bench-") as folder:
        bench = Bench(Path(folder))
        try:
            yield bench
        finally:
            bench.close()


def skip(sentence: str) -> None:
    """Says on standard error why a side is missing."""
    sys.stderr.write(f"skipped: {sentence}\n")


def has_peer() -> bool:
    """Whether py-rattler can be imported; says so if not."""
    import importlib.util

    found = importlib.util.find_spec("rattler") is not None
    if not found:
        skip("py-rattler is not installed beside envmgr (pip install py-rattler).")
    return found


def has_programs(*names: str) -> bool:
    """Whether all programs are on PATH; says so if not."""
    missing = [name for name in names if shutil.which(name) is None]
    if missing:
        skip(f"there is no program {' or '.join(missing)} on PATH.")
    return not missing
