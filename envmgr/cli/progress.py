"""Shows long work on a terminal as one bar per phase, keeps warnings, and measures each phase.

No bar appears in a pipe, in quiet mode, on a terminal that cannot go back in a line, or for work that ends within a
moment. One thread draws, so that bars move on while nothing arrives; whoever prints takes them away first.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.cli.style import obeys_escapes, styled
from envmgr.ports import Phase, Reporter

if TYPE_CHECKING:
    from tqdm import tqdm

# Seconds that work may take before a bar is drawn, and between two drawings.
_MOMENT = 0.3
_TICK = 0.1
_IN_BYTES = {Phase.INDEX, Phase.DOWNLOAD}
# Columns that stay free behind a bar, so that an echoed ^C does not begin a new line.
_ROOM = 4
_NARROW = 50  # columns; below, a bar has only its name and share


class _Progress(Struct):
    """A phase that is under way: the moment it began, what is done of how much, and its bar once there is one."""

    started: float
    total: int | None
    done: int = 0
    bar: Any = None


class TerminalReporter(Reporter):
    """Draws bars on standard error when it is a terminal and *quiet* is false; tells more with *verbose*.

    *verbose* is how often -v was said: from 1 on decisions and times, from 2 on URLs.
    """

    def __init__(self, *, quiet: bool, verbose: int = 0) -> None:
        self._draws = not quiet and obeys_escapes(sys.stderr, os.environ)
        self._verbose = verbose
        self._lock = threading.RLock()
        self._phases: dict[Phase, _Progress] = {}
        self._ended = threading.Event()
        self._drawing: threading.Thread | None = None
        self.seconds: dict[Phase, float] = {}
        self.warnings: list[str] = []

    def phase_started(self, phase: Phase, total: int | None = None) -> None:
        """Starts the phase's watch, and on a terminal the thread that draws."""
        with self._lock:
            if phase in self._phases:
                return
            self._phases[phase] = _Progress(time.monotonic(), total)
            if self._draws and self._drawing is None:
                self._ended = threading.Event()
                self._drawing = threading.Thread(target=self._draw, args=(self._ended,), daemon=True)
                self._drawing.start()

    def phase_grew(self, phase: Phase, amount: int) -> None:
        """Lengthens the bar."""
        with self._lock:
            progress = self._phases.get(phase)
            if progress is not None:
                progress.total = (progress.total or 0) + amount

    def phase_advanced(self, phase: Phase, amount: int) -> None:
        """Moves the bar."""
        with self._lock:
            progress = self._phases.get(phase)
            if progress is not None:
                progress.done += amount

    def phase_finished(self, phase: Phase) -> None:
        """Stops the watch and takes the bar away."""
        with self._lock:
            progress = self._phases.pop(phase, None)
            if progress is None:
                return
            seconds = time.monotonic() - progress.started
            self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds
            if progress.bar is not None:
                progress.bar.close()
            if not self._phases:
                self._ended.set()
                self._drawing = None
        self._tell_time(phase, progress.done, seconds)

    def warned(self, message: str) -> None:
        """Prints the sentence once, above any bar; nothing in it steers the terminal."""
        sentence = _clean(message)
        with self._lock:
            if sentence in self.warnings:
                return
            self.warnings.append(sentence)
        self._print(f"{styled('warning:', 'warning')} {sentence}")

    def decided(self, message: str) -> None:
        """Prints the sentence with -v."""
        if self._verbose:
            self._print(styled(f"envmgr: {_clean(message)}", "quiet"))

    def requested(self, message: str) -> None:
        """Prints what was asked of the network, or read, with -vv."""
        if self._verbose > 1:
            self._print(styled(f"envmgr: {_clean(message)}", "quiet"))

    def timings(self) -> str:
        """The seconds of each phase in a line, in the order in which they happened."""
        return " · ".join(f"{phase.value} {seconds:.2f} s" for phase, seconds in self.seconds.items())

    def _tell_time(self, phase: Phase, done: int, seconds: float) -> None:
        if not self._verbose:
            return
        from envmgr.cli.render import size_text

        amount = f", {size_text(done) if phase in _IN_BYTES else f'{done} done'}" if done else ""
        self.decided(f"{phase.value} took {seconds:.2f} s{amount}.")

    def _print(self, line: str) -> None:
        """A line where no bar is."""
        with self._lock:
            bars = [each.bar for each in self._phases.values() if each.bar is not None]
            for bar in bars:
                bar.clear()
            sys.stderr.write(f"{line}\n")
            for bar in bars:
                bar.refresh()

    def _draw(self, ended: threading.Event) -> None:
        """Until all phases ended: a bar for each that takes longer than a moment, and what it came to."""
        while not ended.wait(_TICK):
            with self._lock:
                if ended.is_set():
                    return
                for phase, progress in self._phases.items():
                    self._show(phase, progress)

    def _show(self, phase: Phase, progress: _Progress) -> None:
        if progress.bar is None:
            elapsed = time.monotonic() - progress.started
            if elapsed < _MOMENT:
                return
            progress.bar = _bar(phase, progress.total)
            progress.bar.start_t -= elapsed
            progress.bar.last_print_t -= elapsed
        bar = progress.bar
        columns = _columns()
        bar.ncols, bar.total = columns - _ROOM, progress.total or None
        bar.bar_format = _form(bar.total, progress.done, columns)
        if progress.done > bar.n:
            bar.update(progress.done - bar.n)
        bar.refresh()


def _clean(message: str) -> str:
    from envmgr.models.credentials import without_credentials_in_text
    from envmgr.models.visible_text import visible_lines

    return visible_lines(without_credentials_in_text(message))


def _columns() -> int:
    """The width of the terminal, which may change; 80 for one that does not say."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _bar(phase: Phase, total: int | None) -> tqdm[Any]:
    from tqdm import tqdm

    in_bytes = phase in _IN_BYTES
    return tqdm(
        desc=f"{phase.value:<8}",
        total=total or None,
        unit="B" if in_bytes else "",
        unit_scale=in_bytes,
        unit_divisor=1024,
        mininterval=0,
        miniters=0,
        leave=False,
        file=sys.stderr,
        ncols=_columns() - _ROOM,
        bar_format=_form(total, 0, _columns()),
    )


def _form(total: int | None, done: int, columns: int) -> str | None:
    """What a bar tells, as tqdm has it; None for all: share, amount, time, time left and rate."""
    if not total and not done:
        return "{desc}: [{elapsed}]"
    if columns < _NARROW:
        return "{desc}: {percentage:.0f}%" if total else "{desc}: {n_fmt}"
    return None
