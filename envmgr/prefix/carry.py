"""Takes what packages did not bring from one place of an environment to another (effects).

A file is hardlinked, since the old place goes at the end; what is written anew never goes through such a link.
In texts of programs that know where they are (those of pip, scripts, what link scripts wrote) the old place becomes
the new one. Files of the user's own stay as they are: the small ones that name the old place are told.
"""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.prefix.generation import FOLDER as GENERATIONS
from envmgr.prefix.journal import FOLDER
from envmgr.prefix.lookup import exists, is_folder
from envmgr.prefix.marker import MARKER
from envmgr.prefix.placeholder import path_pattern, replace_moved
from envmgr.prefix.store import PrefixStore

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_SMALL = 1 << 20


class Carrying(Struct):
    """Carries from *old* to *new*, both complete environments for *subdir* but for what is carried.

    ``patched`` are the paths in which the place was replaced, ``stale`` those that still name the old one, and
    ``skipped`` what is no file (sockets and the like).
    """

    old: Path
    new: Path
    subdir: str
    patched: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)

    def folders(self) -> None:
        """Make all folders that are missing, empty ones too, and give all of them the permissions they had."""
        for root, names, _ in os.walk(self.old):
            inside = os.path.relpath(root, self.old)
            if inside == ".":
                names[:] = [name for name in names if name != "conda-meta"]
            for name in names:
                source, target = Path(root, name), self.new / inside / name
                if source.is_symlink():
                    continue
                if not is_folder(target):
                    target.unlink(missing_ok=True)
                    target.mkdir()
                target.chmod(stat.S_IMODE(source.stat().st_mode))

    def files(self, paths: Iterable[str], texts: Collection[str]) -> None:
        """Carry the files at *paths*; those among *texts*, and scripts, are fitted to the new place."""
        for path in paths:
            self._file(path, fitted=path in texts)

    def changes(self, paths: Iterable[str]) -> None:
        """Carry what is not as packages brought it: what was written to, and what was taken away."""
        for path in paths:
            target = self.new / path
            if not exists(self.old / path):
                if not is_folder(target):
                    target.unlink(missing_ok=True)
            elif not is_folder(self.old / path):
                self._file(path, fitted=True)

    def metadata(self) -> None:
        """Carry what the environment knows of itself beside its records; the history comes last."""
        ours = (FOLDER.rpartition("/")[2], MARKER.rpartition("/")[2], "history")
        source, target = self.old / "conda-meta", self.new / "conda-meta"
        for entry in sorted(os.listdir(source)):
            if entry in ours or entry.endswith(".json") or not (source / entry).is_file():
                continue
            data = (source / entry).read_bytes()
            fitted = replace_moved(data, str(self.old), str(self.new), subdir=self.subdir)
            (target / entry).write_bytes(data if fitted is None else fitted)
        for folder in (GENERATIONS, f"{FOLDER}/saved"):
            if (self.old / folder).is_dir():
                shutil.copytree(self.old / folder, self.new / folder, symlinks=True, dirs_exist_ok=True)
        shutil.copy2(source / "history", target / "history")

    def _file(self, path: str, *, fitted: bool) -> None:
        source, target = self.old / path, self.new / path
        status = os.lstat(source)
        if stat.S_ISLNK(status.st_mode):
            self._symlink(path)
        elif not stat.S_ISREG(status.st_mode):
            self.skipped.append(path)
        elif fitted or exists(target) or _is_script(source):
            self._text(path, status)
        else:
            self._link(path, status)

    def _symlink(self, path: str) -> None:
        leads_to = _moved_target(self.old / path, str(self.old), self.new) or os.readlink(self.old / path)
        self._make_room(path).symlink_to(leads_to)

    def _text(self, path: str, status: os.stat_result) -> None:
        data = (self.old / path).read_bytes()
        fitted = replace_moved(data, str(self.old), str(self.new), subdir=self.subdir)
        if fitted is None:
            # What a link script made in the new place is right where nobody can correct the one of the old place.
            if not (exists(self.new / path) and path_pattern(str(self.old)).search(data)):
                self._link(path, status)
            return
        target = self._make_room(path)
        target.write_bytes(fitted)
        target.chmod(stat.S_IMODE(status.st_mode))
        self.patched.append(path)

    def _link(self, path: str, status: os.stat_result) -> None:
        target = self._make_room(path)
        try:
            os.link(self.old / path, target)
        except OSError:
            shutil.copy2(self.old / path, target)
        if _is_small_with(str(self.old), target, status):
            self.stale.append(path)

    def _make_room(self, path: str) -> Path:
        target = self.new / path
        if is_folder(target):
            target.rmdir()
        target.unlink(missing_ok=True)
        return target


def _is_script(path: Path) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


class Refitting(Struct):
    """Fits what packages did not bring to the *prefix*, which was moved here from *old* by hand.

    Each file is written aside and renamed, so this can be done twice. ``patched`` and ``stale`` are as with
    `Carrying`.
    """

    prefix: Path
    old: str
    subdir: str
    patched: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    def files(self, paths: Iterable[str], texts: Collection[str]) -> None:
        """Fit those of *paths* that are among *texts*, scripts, or symlinks into the old place."""
        for path in paths:
            place = self.prefix / path
            status = os.lstat(place)
            if stat.S_ISLNK(status.st_mode):
                self._symlink(place)
            elif stat.S_ISREG(status.st_mode) and (path in texts or _is_script(place)):
                self._text(path, place, status)
            elif stat.S_ISREG(status.st_mode) and _is_small_with(self.old, place, status):
                self.stale.append(path)

    def still_stale(self) -> list[str]:
        """Those of ``stale`` that name the old place at this moment."""
        return [
            path
            for path in self.stale
            if exists(self.prefix / path)
            and _is_small_with(self.old, self.prefix / path, os.lstat(self.prefix / path))
        ]

    def variables(self) -> None:
        """Fit the values of the environment's own variables."""
        store, old, new = PrefixStore(self.prefix), path_pattern(self.old), os.fsencode(self.prefix)
        before = store.state_variables()
        after = {
            name: os.fsdecode(old.sub(lambda _: new, os.fsencode(value))) for name, value in before.items()
        }
        if after != before:
            store.write_variables(after)

    def _symlink(self, place: Path) -> None:
        leads_to = _moved_target(place, self.old, self.prefix)
        if leads_to is not None:
            aside = place.with_name(f".{place.name[:200]}.{os.getpid()}")
            aside.symlink_to(leads_to)
            aside.replace(place)

    def _text(self, path: str, place: Path, status: os.stat_result) -> None:
        fitted = replace_moved(place.read_bytes(), self.old, str(self.prefix), subdir=self.subdir)
        if fitted is not None:
            aside = place.with_name(f".{place.name[:200]}.{os.getpid()}")
            aside.write_bytes(fitted)
            aside.chmod(stat.S_IMODE(status.st_mode))
            aside.replace(place)
            self.patched.append(path)
        elif _is_small_with(self.old, place, status):
            self.stale.append(path)


def _moved_target(link: Path, old: str, new: Path) -> str | None:
    """Where the symlink *link* is to lead now; None where it does not lead into *old*."""
    leads_to = os.readlink(link)
    if not path_pattern(old).match(os.fsencode(leads_to)):
        return None
    return f"{new}{leads_to[len(old) :]}"


def _is_small_with(old: str, place: Path, status: os.stat_result) -> bool:
    return status.st_size <= _SMALL and bool(path_pattern(old).search(place.read_bytes()))
