"""Starts one program after another and tells what each cost: a small process, so that it can measure memory.

A child's peak memory, as the kernel counts it, is never below that of the process that started it. So the harness,
which holds test data, does not start programs itself: it writes orders (one JSON object a line) to this process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import Any

MOST_SECONDS = 900
MAXRSS_UNIT_BYTES = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    """Answer orders from standard input until it closes."""
    for line in sys.stdin:
        sys.stdout.write(json.dumps(_run(json.loads(line))) + "\n")
        sys.stdout.flush()


def _run(order: dict[str, Any]) -> dict[str, Any]:
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    files = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, order["stdout"], new, 0o600),
        (os.POSIX_SPAWN_OPEN, 2, order["stderr"], new, 0o600),
    ]
    begin = time.perf_counter()
    child = os.posix_spawn(order["command"][0], order["command"], order["environ"], file_actions=files)
    signal.signal(signal.SIGALRM, lambda *_: os.kill(child, signal.SIGKILL))
    signal.alarm(MOST_SECONDS)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - begin
    signal.alarm(0)
    return {
        "code": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * MAXRSS_UNIT_BYTES,
    }


if __name__ == "__main__":
    main()
