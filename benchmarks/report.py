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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.measure import Trial

HEADER = ["size", "side", "median s", "quartiles", "cpu s", "peak MB", "envmgr/side", "quartiles", "growth"]


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """The lower quartile, the median and the upper quartile."""
    if len(values) < 2:
        return values[0], values[0], values[0]
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def render(trials: Sequence[Trial]) -> str:
    """A table for each title; growth is against the size before, the input's beside each size."""
    blocks = []
    for title, group in groupby(trials, key=lambda trial: trial.title):
        rows: list[list[str]] = [HEADER]
        notes: list[str] = []
        before: Trial | None = None
        for trial in group:
            rows += _rows(trial, before)
            notes += [f"  {trial.size:,} {trial.unit}: {note}" for note in trial.notes]
            before = trial
        blocks.append("\n".join([title, *_aligned(rows), *notes]))
    return "\n\n".join(blocks) + "\n"


def raw(trials: Sequence[Trial]) -> dict[str, Any]:
    """All runs of all trials, times in seconds and memory in bytes, and the machine that they ran on."""
    machine = {"python": sys.version, "platform": platform.platform(), "machine": platform.machine()}
    return {"machine": machine, "trials": [asdict(trial) for trial in trials]}


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


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
