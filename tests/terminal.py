"""Runs envmgr at a terminal (a pseudo-terminal of its own session), with somebody who reads and types.

It shares no code with envmgr. The keys go through the terminal's line discipline: Ctrl-C is a signal to all
processes at it, Ctrl-D the end of the input.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CTRL_C, CTRL_D = "\x03", "\x04"
_MOST_SECONDS = 60.0
# The first process of a session makes the terminal its own, so that Ctrl-C is sent to it.
_TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
_ESCAPES = re.compile(r"\x1b\[[0-9;]*([A-Za-z])")


@dataclass(frozen=True)
class Session:
    """How it ended: exit code, all bytes that came, and the seconds from the last key to the end."""

    code: int
    raw: str
    seconds: float

    @property
    def text(self) -> str:
        """Everything that was written, also what was wiped away later, without colours."""
        return _ESCAPES.sub("", self.raw)

    @property
    def screen(self) -> list[str]:
        """The lines that are left at the end, without the blank ones."""
        lines, row, column = [""], 0, 0
        for piece in re.split(r"(\x1b\[[0-9;]*[A-Za-z]|[\r\n])", self.raw):
            if piece == "\r":
                column = 0
            elif piece == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            elif piece == "\x1b[A":
                row = max(row - 1, 0)
            elif piece == "\x1b[K":
                lines[row] = lines[row][:column]
            elif not piece.startswith("\x1b"):
                before = lines[row].ljust(column)
                lines[row] = before[:column] + piece + before[column + len(piece) :]
                column += len(piece)
        return [line.rstrip() for line in lines if line.strip()]


def at_terminal(
    *arguments: object,
    keys: Sequence[tuple[str, str]] = (),
    columns: int = 80,
    environ: dict[str, str] | None = None,
    program: Sequence[str] = ("-m", "envmgr"),
) -> Session:
    """``envmgr`` with *arguments* at a terminal of *columns*, or another *program* of Python.

    Of *keys*, each pair is what to wait for and to type.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    command = [sys.executable, "-c", _TAKE_TERMINAL, *program, *map(str, arguments)]
    process = subprocess.Popen(
        command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**os.environ, **(environ or {})},
        start_new_session=True,
    )
    os.close(slave)
    try:
        raw, typed = _talk(master, list(keys))
    except BaseException:
        process.kill()
        raise
    finally:
        os.close(master)
        code = process.wait()
    return Session(code, raw.decode(), time.monotonic() - typed)


def _talk(master: int, keys: list[tuple[str, str]]) -> tuple[bytes, float]:
    started = typed = time.monotonic()
    raw, answered = b"", 0
    poll = select.poll()
    poll.register(master, select.POLLIN)
    while time.monotonic() - started < _MOST_SECONDS:
        if keys and keys[0][0].encode() in raw[answered:]:
            answered, typed = len(raw), time.monotonic()
            os.write(master, keys.pop(0)[1].encode())
        if not poll.poll(50):
            continue
        try:
            piece = os.read(master, 1 << 16)
        except OSError:  # Linux tells the end of the last process so.
            piece = b""
        if not piece:
            return raw, typed
        raw += piece
    raise AssertionError(f"envmgr did not end: {raw.decode()}")
