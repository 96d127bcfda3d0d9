"""The folders of one recipe's build: where they are, and that they go away.

The host environment's path is padded to 255 characters, so that the path of any real prefix fits in its place
(CEP 34 "prefix_placeholder"). Names are fixed by the recipe, not by time, so that a rebuild makes the same
bytes; a lock keeps two builds of one recipe apart.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import BuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACEHOLDER_LENGTH = 255
_PADDING = "_placehold"


class Workplace(Struct, frozen=True):
    """The folders below one *root*; *channel* takes the archives before they are published."""

    root: Path
    logs: Path

    @property
    def prefix(self) -> Path:
        """The host environment: a path of exactly 255 characters."""
        start = f"{self.root}/h"
        missing = PLACEHOLDER_LENGTH - len(os.fsencode(start))
        return self.root / ("h" + (_PADDING * (missing // len(_PADDING) + 1))[:missing])

    @property
    def build_prefix(self) -> Path:
        """The build environment."""
        return self.root / "b"

    @property
    def source(self) -> Path:
        """Where sources are unpacked and scripts run."""
        return self.root / "work"

    @property
    def channel(self) -> Path:
        """The folder of archives that this recipe made so far."""
        return self.root / "channel"

    def scratch(self, name: str) -> Path:
        """A folder for anything else."""
        return self.root / "scratch" / name

    def clear(self) -> None:
        """Remove what one output leaves behind; the archives stay."""
        for folder in (self.prefix, self.build_prefix, self.source, self.root / "scratch"):
            remove_tree(folder)


def remove_tree(folder: Path) -> None:
    """Remove a folder with everything in it, folders without write permission too."""
    if not folder.exists():
        return
    for path, folders, _ in os.walk(folder):
        for name in (".", *folders):
            full = os.path.join(path, name)
            if not os.path.islink(full) and not os.access(full, os.W_OK | os.X_OK):
                Path(full).chmod(0o700)
    shutil.rmtree(folder)


@contextlib.contextmanager
def open_workplace(work_root: Path, name: str, *, keep_failed: bool) -> Iterator[Workplace]:
    """A fresh workplace for the recipe *name*; it is removed at the end, or kept after a failure if wanted."""
    work_root.mkdir(parents=True, exist_ok=True)
    place = Workplace(work_root.resolve() / name, work_root.resolve() / "logs")
    if len(os.fsencode(place.root)) > PLACEHOLDER_LENGTH - 40:
        raise BuildError(
            f"the path of work folder {place.root} is too long: the host environment in it has 255 characters.",
            hint="Choose a shorter root folder.",
        )
    with _locked(work_root / f"{name}.lock"):
        remove_tree(place.root)
        place.root.mkdir()
        failed = True
        try:
            yield place
            failed = False
        finally:
            if not (failed and keep_failed):
                remove_tree(place.root)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Wait for the lock file *path* and hold it; it is gone afterwards."""
    import fcntl

    while True:
        with path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            # Who held it before has removed it: then the name stands for another file, and that one counts.
            if not _is_named(path, os.fstat(lock.fileno())):
                continue
            try:
                yield
            finally:
                path.unlink(missing_ok=True)
            return


def _is_named(path: Path, opened: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), opened)
    except FileNotFoundError:
        return False
