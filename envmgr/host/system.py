"""The real Runner and Clock (`envmgr.ports`): programs of this machine and its time."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

from envmgr.ports import Finished

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping, Sequence
    from pathlib import Path


class SystemRunner:
    """Runs programs as children with no standard input, each in a session of its own.

    Whatever ends the wait early (the time limit, Ctrl-C, a signal that was turned into an exception) also
    ends the program and all that it started.
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
                stdout, stderr = process.communicate(timeout=timeout_seconds)
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
