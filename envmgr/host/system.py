"""The real Runner and Clock (`envmgr.ports`): programs of this machine and its time."""

from __future__ import annotations

import math
import os
import signal
import time
from typing import TYPE_CHECKING

from envmgr.ports import Finished

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path


# How often is looked whether a program has ended whose outputs stay open.
_LOOK_SECONDS = 0.5


class SystemRunner:
    """Runs programs as children with no standard input, each in a session of its own.

    Whatever ends the wait early (the time limit, Ctrl-C, a signal that was turned into an exception) also
    ends the program and all that it started. What a program that ends leaves in the background is not waited for.
    """

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path | None = None,
        timeout_seconds: float | None = None,
    ) -> Finished:
        """Run *command* to its end and return what it printed, undecodable bytes replaced.

        Raises OSError when it cannot be started, and TimeoutError, which is an OSError, after
        *timeout_seconds*.
        """
        import subprocess

        with subprocess.Popen(
            list(command),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = _outputs(process, timeout_seconds)
            except subprocess.TimeoutExpired:
                _end(process)
                raise TimeoutError(f"{command[0]} did not end within {timeout_seconds} s") from None
            except BaseException:
                _end(process)
                raise
        return Finished(process.returncode, stdout, stderr)


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the Unix epoch, UTC."""
        return time.time()


def _outputs(process: subprocess.Popen[str], timeout_seconds: float | None) -> tuple[str, str]:
    """What the program prints until its end; raises subprocess.TimeoutExpired.

    A process in the background may keep the pipes open for as long as it likes.
    """
    import subprocess

    end = math.inf if timeout_seconds is None else time.monotonic() + timeout_seconds
    while True:
        has_ended = process.poll() is not None
        left = end - time.monotonic()
        try:
            return process.communicate(timeout=max(0.0, min(left, _LOOK_SECONDS)))
        except subprocess.TimeoutExpired as waited:
            if has_ended:
                return _text(waited.stdout), _text(waited.stderr)
            if left <= _LOOK_SECONDS:
                raise


def _text(printed: str | bytes | None) -> str:
    return printed.decode("utf-8", "replace") if isinstance(printed, bytes) else printed or ""


def _end(process: subprocess.Popen[str]) -> None:
    """Kill the program with its children, and close its pipes so that nobody waits for them."""
    try:
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    except ProcessLookupError:
        pass
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
