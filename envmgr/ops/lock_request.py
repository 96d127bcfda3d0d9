"""What a lock is asked for, and what came of it, as values."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.ops.resolve import ResolveOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.lock.inputs import LockInputs
    from envmgr.lock.locked import LockedPackage
    from envmgr.ops.request import Asked


class LockRequest(Struct, frozen=True):
    """What to lock, for which *platforms*; none: those of the files, else of the earlier lock, else this machine's.

    ``file`` is the lock's path, None for conda-lock.yml beside the first file. ``virtual`` are words such as
    ``linux-64:__glibc=2.17``. The names in ``update`` may move, with ``update_all`` everything.
    ``pixi`` is a path for the same packages as pixi.lock.
    """

    asked: Asked
    platforms: tuple[str, ...] = ()
    file: str | None = None
    virtual: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    update_all: bool = False
    dry_run: bool = False
    pixi: str | None = None
    options: ResolveOptions = field(default_factory=ResolveOptions)


class Move(Struct, frozen=True):
    """One package that is another than in the earlier lock; None on the side where it is not."""

    name: str
    before: str | None
    after: str | None
    why: str | None = None


class LockedPlatform(Struct, frozen=True):
    """The packages for *subdir*; ``moves`` against the earlier lock, and sentences on what a reader should know.

    ``stays`` tells of packages that might have moved, by their names, why they did not.
    """

    subdir: str
    packages: tuple[LockedPackage, ...]
    inputs: LockInputs
    moves: tuple[Move, ...] = ()
    stays: Mapping[str, str] = field(default_factory=dict)
    indexes: Mapping[str, str] = field(default_factory=dict)
    is_kept: bool = False
    warnings: tuple[str, ...] = ()


class Locked(Struct, frozen=True):
    """The lock that was made; ``written`` says whether *file* is another than before; *pixi* is the second file."""

    file: Path
    platforms: tuple[LockedPlatform, ...]
    written: bool
    pixi: Path | None = None


class Checked(Struct, frozen=True):
    """Whether the lock *file* is current, and otherwise why not, in a few words for each platform."""

    file: Path
    outdated: Mapping[str, tuple[str, ...]]

    @property
    def is_current(self) -> bool:
        return not self.outdated
