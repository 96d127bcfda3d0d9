"""Forks of this process that do one thing (effects)."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def can_fork() -> bool:
    """Whether a fork helps, and is safe: other threads may hold locks that it would never see freed."""
    # Elsewhere than on Linux the system's own libraries start threads that a fork does not survive.
    return sys.platform == "linux" and len(os.sched_getaffinity(0)) > 1 and threading.active_count() == 1


def forked(action: Callable[[], None]) -> int:
    """The number of a fork that does *action* and ends at once, whatever happens; to be waited for.

    Signals end it, as they end a program. Raises OSError where there can be no more processes.
    """
    parent = os.getpid()
    try:
        if child := os.fork():
            return child
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(each, signal.SIG_DFL)
        action()
    finally:
        if os.getpid() != parent:  # Also where a signal came before it was told what to do with it.
            os._exit(0)
    raise AssertionError("a fork does not come here")
