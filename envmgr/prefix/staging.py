"""Makes a prefix appear all at once or not at all.

A prefix is built in a folder beside its place (``.NAME.envmgr-PID-...``) and renamed. What has to run at the
final path afterwards (link scripts, pip) runs while the prefix carries a marker that says who is at work. A
prefix with a marker is no environment. When its process has died, the next creation at the path removes it,
and the folders beside it too. Removal begins with a rename, so that a half-removed prefix is never seen.

The marker is no JSON file by name, because conda and mamba read every ``conda-meta/*.json`` as a package.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from envmgr.errors import PrefixError

MARKER = "conda-meta/envmgr-unfinished"


class Owner(Struct, frozen=True):
    """A process; *host* tells machines, boots and containers apart, *started* tells reused ids apart."""

    host: str
    pid: int
    started: str

    @classmethod
    def this_process(cls) -> Owner:
        """The running process."""
        return cls(_host(), os.getpid(), _started(os.getpid()))

    def is_alive(self) -> bool | None:
        """Whether the process still runs; None for one of another machine, where nobody can tell."""
        if self.host != _host():
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return _started(self.pid) == self.started


def read_owner(prefix: Path) -> Owner | None:
    """Who is building *prefix*; None for a finished or foreign folder, or one whose marker cannot be read."""
    marker = _read_marker(prefix)
    try:
        return Owner(str(marker["host"]), int(marker["pid"]), str(marker["started"]))
    except (ValueError, KeyError, TypeError):
        return None


def _read_marker(prefix: Path) -> dict[str, Any]:
    try:
        content = json.loads((prefix / MARKER).read_text())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


class Staging:
    """A prefix under construction; ``root`` is where its files are at the moment."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.root = prefix
        self._aside: Path | None = None
        self._made_parents: list[Path] = []
        self._was_empty_folder = False

    def open(self) -> None:
        """Make the folder beside, after removing what died at this path earlier.

        Raises PrefixError when the place is taken, by an environment or by another process at work.
        """
        remove_remains(self.prefix)
        self._was_empty_folder = check_free(self.prefix)
        self._make_parents()
        owner = Owner.this_process()
        self.root = self._aside = (
            self.prefix.parent / f"{_stem(self.prefix)}{owner.pid}-{os.urandom(4).hex()}"
        )
        self._aside.mkdir()
        (self._aside / "conda-meta").mkdir()
        (self._aside / MARKER).write_text(json.dumps({**asdict(owner), "work": self._aside.name}))

    def place(self) -> None:
        """Rename to the final path; once there, does nothing. The marker stays."""
        if self.root == self.prefix:
            return
        try:
            self.root.rename(self.prefix)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise PrefixError(f"{self.prefix} was created by someone else meanwhile.") from None
            raise
        self.root = self.prefix

    def finish(self) -> None:
        """Take the marker off: from here on the prefix is an environment."""
        (self.root / MARKER).unlink()

    def discard(self) -> None:
        """Remove everything that this construction made, and nothing else; raises OSError where it cannot."""
        if self._aside is not None:
            remove_folder(self._aside)
            # Asked of the marker, since an interrupt may have come between the rename and the note of it.
            if _read_marker(self.prefix).get("work") == self._aside.name:
                remove_folder(self.prefix)
        if self._was_empty_folder and not self.prefix.exists():
            self.prefix.mkdir()
        for parent in reversed(self._made_parents):
            try:
                parent.rmdir()
            except OSError:
                break

    def _make_parents(self) -> None:
        missing = []
        parent = self.prefix.parent
        while not parent.exists():
            missing.append(parent)
            parent = parent.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            self._made_parents.append(folder)


def check_free(prefix: Path) -> bool:
    """Whether an empty folder already stands at *prefix*; raises PrefixError when something else does."""
    if not os.path.lexists(prefix):
        return False
    if (prefix / "conda-meta" / "history").exists():
        raise PrefixError(
            f"{prefix} is already an environment.",
            hint="Remove it first, or choose another place.",
            prefix=str(prefix),
        )
    if prefix.is_symlink() or not prefix.is_dir():
        raise PrefixError(f"{prefix} exists and is not a folder.", prefix=str(prefix))
    if any(prefix.iterdir()):
        raise PrefixError(f"the folder {prefix} exists and is not empty.", prefix=str(prefix))
    if os.path.ismount(prefix):
        raise PrefixError(
            f"{prefix} is a mount point, which cannot be replaced.",
            hint=f"Choose a folder below it: {prefix}/env",
        )
    return True


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


def remove_remains(prefix: Path) -> None:
    """Remove what dead processes left of earlier creations at *prefix*.

    Raises PrefixError while another process is at work on the prefix itself.
    """
    if is_abandoned(prefix):
        remove_folder(prefix)
    stem = _stem(prefix)
    if not prefix.parent.is_dir():
        return
    for folder in list(prefix.parent.iterdir()):
        if folder.name.startswith(stem) and _is_left_over(folder, folder.name[len(stem) :]):
            remove_folder(folder)


def remove_folder(folder: Path) -> None:
    """Remove *folder* and all below it; after the first step it is gone from its place."""
    if not folder.name.startswith(".") or "-trash-" not in folder.name:
        trash = folder.parent / f"{_stem(folder)}trash-{os.urandom(4).hex()}"
        try:
            folder.rename(trash)
        except FileNotFoundError:
            return
        folder = trash
    shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        _make_folders_writable(folder)
        shutil.rmtree(folder, ignore_errors=True)


def _is_left_over(folder: Path, suffix: str) -> bool:
    if suffix.startswith("trash-"):
        return True
    owner = read_owner(folder)
    if owner is not None:
        return owner.is_alive() is False
    # Killed between making the folder and writing the marker: the name tells the process.
    pid = suffix.partition("-")[0]
    return pid.isdigit() and Owner(_host(), int(pid), _started(int(pid)) or "gone").is_alive() is False


def _stem(prefix: Path) -> str:
    """How the names of all folders begin that belong to constructions of *prefix*."""
    name = prefix.name.encode()[:180].decode(errors="ignore")
    return f".{name}.envmgr-"


def _make_folders_writable(folder: Path) -> None:
    for parent, _, _ in os.walk(folder):
        try:
            Path(parent).chmod(0o700)
        except OSError:
            continue


def _host() -> str:
    """The machine, its boot and its process namespace: where process ids mean the same."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        pass
    return "/".join(parts)


def _started(pid: int) -> str:
    """When the process *pid* started, in the kernel's ticks; "" where that is not known."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
