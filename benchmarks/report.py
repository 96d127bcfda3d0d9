"""Turns trials into plain tables and raw numbers.

A ratio is envmgr's time divided by the other side's in the same round; below 1 envmgr is faster. Its quartiles are
those of the rounds' ratios, so what slows both sides of a round alike does not widen them.
"""

from __future__ import annotations

import platform
import statistics
import sys
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Any

from msgspec import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Trial


class Table(Struct, frozen=True):
    """A result that is no comparison of times round by round: its text, and what is saved as JSON."""

    text: str
    raw: list[dict[str, Any]]


HEADER = ["size", "side", "median s", "quartiles", "cpu s", "peak MB", "envmgr/side", "quartiles", "growth"]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def render(results: Sequence[Trial | Table]) -> str:
    """A table for each title; growth is against the size before, the input's beside each size."""
    blocks = [result.text for result in results if isinstance(result, Table)]
    trials = [result for result in results if not isinstance(result, Table)]
    for title, group in groupby(trials, key=lambda trial: trial.title):
        rows: list[list[str]] = [HEADER]
        notes: list[str] = []
        before: Trial | None = None
        for trial in group:
            rows += _rows(trial, before)
            notes += [f"  {trial.size:,} {trial.unit}: {note}" for note in trial.notes]
            before = trial
        blocks.append("\n".join([title, *aligned(rows), *notes]))
    return "\n\n".join(blocks) + "\n"


def raw(results: Sequence[Trial | Table]) -> dict[str, Any]:
    """All runs of all trials, times in seconds and memory in bytes, and the machine that they ran on."""
    trials = [asdict(result) for result in results if not isinstance(result, Table)]
    tables = [result.raw for result in results if isinstance(result, Table)]
    machine = {"python": sys.version, "platform": platform.platform(), "machine": platform.machine()}
    return {"machine": machine, "trials": trials, "tables": tables}


def _rows(trial: Trial, before: Trial | None) -> list[list[str]]:
    own = trial.seconds(next(iter(trial.runs)))
    rows = []
    for position, (side, runs) in enumerate(trial.runs.items()):
        seconds = trial.seconds(side)
        low, middle, high = quartiles(seconds)
        ratio = ["", ""]
        if position:
            ratios = quartiles([mine / other for mine, other in zip(own, seconds, strict=True)])
            ratio = [f"{ratios[1]:.2f}", f"{ratios[0]:.2f} - {ratios[2]:.2f}"]
        grown = ""
        if before is not None and side in before.runs:
            grown = f"x{middle / statistics.median(before.seconds(side)):.1f}"
        cpu = statistics.median(run.cpu_seconds for run in runs)
        peak = max(run.peak_bytes for run in runs) / 1e6
        size = "" if position else _size(trial, before)
        rows.append(
            [
                size,
                side,
                f"{middle:.3f}",
                f"{low:.3f} - {high:.3f}",
                f"{cpu:.2f}",
                f"{peak:.0f}",
                *ratio,
                grown,
            ]
        )
    return rows


def _size(trial: Trial, before: Trial | None) -> str:
    if not trial.unit:
        return ""
    grown = f" (x{trial.size / before.size:.1f})" if before else ""
    return f"{trial.size:,} {trial.unit}{grown}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
