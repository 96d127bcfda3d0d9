"""The marker of a prefix that is being built: which process is at work on it, and whether that still lives."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from envmgr.errors import PrefixError

MARKER = "conda-meta/envmgr-unfinished"


class Owner(Struct, frozen=True):
    """A process; *host* tells machines, boots and containers apart, *started* tells reused ids apart.

    *machine* and *boot* tell whether a machine was started anew since; "" where that is not known.
    """

    host: str
    pid: int
    started: str
    machine: str = ""
    boot: str = ""

    @classmethod
    def this_process(cls) -> Owner:
        """The running process."""
        return cls(_host(), os.getpid(), _started(os.getpid()), _machine(), _boot())

    @classmethod
    def of_process(cls, pid: int) -> Owner:
        """The process that has the id *pid* on this machine now, if any."""
        return cls(_host(), pid, _started(pid) or "gone")

    def is_alive(self) -> bool | None:
        """Whether the process still runs; None for one of another machine, where nobody can tell."""
        if self.machine and self.machine == _machine() and self.boot and _boot() not in ("", self.boot):
            return False
        if self.host != _host():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        # There is such a process. One that we may not look at (hidepid, proc(5)) counts as the one that is meant.
        return _started(self.pid) in ("", self.started)


def is_ancestor(owner: Owner) -> bool:
    """Whether this process was started by *owner*, or by one that it started; False where that is not known."""
    pid = os.getppid()
    for _ in range(1000):
        if pid == owner.pid:
            return owner.host == _host() and owner.is_alive() is True
        if pid <= 1:
            break
        pid = _parent(pid)
    return False


def read_owner(prefix: Path) -> Owner | None:
    """Who is building *prefix*; None for a finished or foreign folder, or one whose marker cannot be read."""
    marker = read_marker(prefix)
    try:
        known = (str(marker.get("machine", "")), str(marker.get("boot", "")))
        return Owner(str(marker["host"]), int(marker["pid"]), str(marker["started"]), *known)
    except (ValueError, KeyError, TypeError):
        return None


def read_marker(prefix: Path) -> dict[str, Any]:
    """What the marker says; empty where there is none that can be read."""
    try:
        content = msgspec.json.decode((prefix / MARKER).read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def is_abandoned(prefix: Path) -> bool:
    """Whether *prefix* is unfinished and its process has died.

    Raises PrefixError for one that a living process, or one of another machine, is at work on.
    """
    if not os.path.lexists(prefix / MARKER):
        return False
    owner = read_owner(prefix)
    alive = owner.is_alive() if owner is not None else False
    if owner is not None and alive:
        raise PrefixError(f"{prefix} is being created by another process ({owner.pid}).", prefix=str(prefix))
    if alive is None:
        raise PrefixError(
            f"{prefix} is being created on another machine, or its creation died there.",
            hint=f"If nobody is at work on it, remove it: rm -r {prefix}",
            prefix=str(prefix),
        )
    return True


def _host() -> str:
    """The machine, its boot and its process namespace: where process ids mean the same."""
    parts = [_machine_name()]
    if boot := _boot():
        parts.append(boot)
        with contextlib.suppress(OSError):
            parts.append(os.readlink("/proc/self/ns/pid"))
    return "/".join(parts)


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0


def _machine() -> str:
    """The machine's own number (machine-id(5)) and name, which stay when it is started anew."""
    number = _text("/etc/machine-id")
    return f"{number}/{_machine_name()}" if number else ""


def _machine_name() -> str:
    """What `socket.gethostname` gives, where possible without that module, which takes 2 ms to import."""
    if hasattr(os, "uname"):
        return os.uname().nodename
    import socket

    return socket.gethostname()


def _boot() -> str:
    return _text("/proc/sys/kernel/random/boot_id")


def _text(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When the process *pid* started, in the kernel's ticks; "" where that is not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
