"""Shows long work on a terminal as one bar per phase, keeps warnings, and measures each phase.

No bar appears in a pipe, in quiet mode, or for work that ends within a moment.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from envmgr.ports import Phase, Reporter

if TYPE_CHECKING:
    from tqdm import tqdm

# Seconds that work may take before a bar is drawn.
_MOMENT = 0.3
_IN_BYTES = {Phase.INDEX, Phase.DOWNLOAD}


class TerminalReporter(Reporter):
    """Draws bars on standard error when it is a terminal and *quiet* is false."""

    def __init__(self, *, quiet: bool) -> None:
        self._draws = not quiet and sys.stderr.isatty()
        self._lock = threading.Lock()
        self._bars: dict[Phase, tqdm[Any]] = {}
        self._started: dict[Phase, float] = {}
        self.seconds: dict[Phase, float] = {}
        self.warnings: list[str] = []

    def phase_started(self, phase: Phase, total: int | None = None) -> None:
        """Starts the phase's watch, and its bar on a terminal."""
        with self._lock:
            self._started.setdefault(phase, time.monotonic())
            if self._draws and phase not in self._bars:
                self._bars[phase] = self._bar(phase, total)

    def phase_grew(self, phase: Phase, amount: int) -> None:
        """Lengthens the bar."""
        with self._lock:
            bar = self._bars.get(phase)
            if bar is not None:
                bar.total = (bar.total or 0) + amount

    def phase_advanced(self, phase: Phase, amount: int) -> None:
        """Moves the bar."""
        bar = self._bars.get(phase)
        if bar is not None:
            with self._lock:
                bar.update(amount)

    def phase_finished(self, phase: Phase) -> None:
        """Stops the watch and takes the bar away."""
        with self._lock:
            started = self._started.pop(phase, None)
            if started is not None:
                self.seconds[phase] = self.seconds.get(phase, 0.0) + time.monotonic() - started
            bar = self._bars.pop(phase, None)
            if bar is not None:
                bar.close()

    def warned(self, message: str) -> None:
        """Prints the sentence once, above any bar; nothing in it steers the terminal."""
        from envmgr.models.credentials import without_credentials_in_text
        from envmgr.models.visible_text import visible_lines

        sentence = visible_lines(without_credentials_in_text(message))
        with self._lock:
            if sentence in self.warnings:
                return
            self.warnings.append(sentence)
        if self._bars:
            from tqdm import tqdm

            tqdm.write(f"warning: {sentence}", file=sys.stderr)
        else:
            sys.stderr.write(f"warning: {sentence}\n")

    def timings(self) -> str:
        """The seconds of each phase in a line, in the order in which they happened."""
        return " · ".join(f"{phase.value} {seconds:.2f} s" for phase, seconds in self.seconds.items())

    def _bar(self, phase: Phase, total: int | None) -> tqdm[Any]:
        from tqdm import tqdm

        in_bytes = phase in _IN_BYTES
        return tqdm(
            desc=f"{phase.value:<8}",
            total=total or None,
            unit="B" if in_bytes else "",
            unit_scale=in_bytes,
            unit_divisor=1024,
            delay=_MOMENT,
            leave=False,
            file=sys.stderr,
            **_width(),
        )


def _width() -> dict[str, Any]:
    """How wide a bar is: as the terminal, which may change; 80 columns for one that does not say."""
    import os

    known = os.get_terminal_size(sys.stderr.fileno()).columns > 0
    return {"dynamic_ncols": True} if known else {"ncols": 80}
