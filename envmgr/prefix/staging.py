"""Makes a prefix appear all at once or not at all.

A prefix is built in a folder beside its place (``.NAME.envmgr-PID-...``) and renamed. What has to run at the
final path afterwards (link scripts, pip) runs while the prefix carries a marker that says who is at work. A
prefix with a marker is no environment. When its process has died, the next creation at the path removes it,
and the folders beside it too. Removal begins with a rename, so that a half-removed prefix is never seen.

The marker is no JSON file by name, because conda and mamba read every ``conda-meta/*.json`` as a package.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

import msgspec
from msgspec.structs import asdict

from envmgr.errors import PrefixError
from envmgr.prefix.journal import sync_folder
from envmgr.prefix.marker import MARKER, Owner, is_abandoned, read_marker, read_owner
from envmgr.prefix.target import check_free

_MARK = ".envmgr-"


class Staging:
    """A prefix under construction; ``root`` is where its files are at the moment.

    With *strict*, everything is on the disk before it is seen at its place, and before it is an environment.
    """

    def __init__(self, prefix: Path, *, strict: bool = False) -> None:
        self.prefix = prefix
        self._strict = strict
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
        (self._aside / MARKER).write_bytes(msgspec.json.encode({**asdict(owner), "work": self._aside.name}))

    def place(self) -> None:
        """Rename to the final path; once there, does nothing. The marker stays."""
        if self.root == self.prefix:
            return
        self._sync()
        try:
            self.root.rename(self.prefix)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise PrefixError(f"{self.prefix} was created by someone else meanwhile.") from None
            raise
        self.root = self.prefix
        self._sync_names(self.prefix.parent)

    def finish(self) -> None:
        """Take the marker off: from here on the prefix is an environment."""
        self._sync()
        (self.root / MARKER).unlink()
        self._sync_names((self.root / MARKER).parent)

    def discard(self) -> None:
        """Remove everything that this construction made, and nothing else; raises OSError where it cannot."""
        if self._aside is not None:
            remove_folder(self._aside)
            # Asked of the marker, since an interrupt may have come between the rename and the note of it.
            if read_marker(self.prefix).get("work") == self._aside.name:
                remove_folder(self.prefix)
        if self._was_empty_folder and not self.prefix.exists():
            self.prefix.mkdir()
        for parent in reversed(self._made_parents):
            try:
                parent.rmdir()
            except OSError:
                break

    def _sync(self) -> None:
        if self._strict:
            os.sync()

    def _sync_names(self, folder: Path) -> None:
        if self._strict:
            sync_folder(folder, strict=True)

    def _make_parents(self) -> None:
        missing = []
        parent = self.prefix.parent
        while not parent.exists():
            missing.append(parent)
            parent = parent.parent
        for folder in reversed(missing):
            folder.mkdir(exist_ok=True)
            self._made_parents.append(folder)


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


def find_remains(parent: Path) -> list[Path]:
    """What dead processes left of constructions and removals in the folder *parent*; none where it cannot be read.

    Remains of another machine are not among them, since nobody can tell whether it is still at work.
    """
    found = []
    try:
        entries = sorted(parent.iterdir())
    except OSError:
        return []
    for folder in entries:
        stem, mark, suffix = folder.name.rpartition(_MARK)
        if os.path.islink(folder) or not os.path.isdir(folder):
            continue
        if mark and stem.startswith("."):
            found += [folder] if _is_left_over(folder, suffix) else []
        elif _is_dead(folder):
            found.append(folder)
    return found


def _is_dead(prefix: Path) -> bool:
    """Whether *prefix* was never finished, by a process of this machine that has died."""
    if os.path.exists(prefix / "conda-meta" / "history"):
        return False
    try:
        return is_abandoned(prefix)
    except PrefixError:
        return False


def remove_folder(folder: Path) -> None:
    """Remove *folder* and all below it; after the first step it is gone from its place.

    Of a symlink nothing else goes.
    """
    if folder.is_symlink():
        folder.unlink()
        return
    if not folder.name.startswith(".") or "-trash-" not in folder.name:
        trash = folder.parent / f"{_stem(folder)}trash-{os.urandom(4).hex()}"
        try:
            folder.rename(trash)
        except FileNotFoundError:
            return
        folder = trash
    import shutil

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
    return pid.isdigit() and Owner.of_process(int(pid)).is_alive() is False


def _stem(prefix: Path) -> str:
    """How the names of all folders begin that belong to constructions of *prefix*."""
    name = prefix.name.encode()[:180].decode(errors="ignore")
    return f".{name}{_MARK}"


def _make_folders_writable(folder: Path) -> None:
    for parent, _, _ in os.walk(folder):
        try:
            Path(parent).chmod(0o700)
        except OSError:
            continue
