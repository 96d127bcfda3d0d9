"""Puts the files of unpacked packages into a prefix: hardlinks, copies, symlinks, patched files.

A hardlinked file is the cache's file: nothing here writes to or changes the mode of a path that may be
linked. Patched files are written fresh, with the mode of the original. Where hardlinks do not work the linker
copies, and says so once.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.models.package_files import DIRECTORY, SOFTLINK
from envmgr.prefix.entry_points import entry_point_script
from envmgr.prefix.outcome import LinkOutcome
from envmgr.prefix.paths import parents_of, resolve_link
from envmgr.prefix.placeholder import replace_placeholder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.package_files import PathEntry
    from envmgr.ports import Reporter
    from envmgr.prefix.plan import PackageLink, PrefixPlan

# The file system, or the pair of them, has no hardlinks, or this file has as many as it can have.
_NO_HARDLINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS}


class Linker(Struct):
    """Links the packages of *plan* into the folder *root*, whose files will know it as ``plan.prefix``.

    *root* ends without slash. With *always_copy* nothing is hardlinked.
    """

    plan: PrefixPlan
    root: str
    reporter: Reporter
    always_copy: bool = False
    _copied_folders: set[str] = field(default_factory=set)

    def make_folders(self) -> None:
        """Make every folder that the files need, and the symlinks that other packages' files go through."""
        targets, links = [], {}
        for package in self.plan.link:
            targets += [target for target in package.targets if target]
            targets += [path for path, _ in package.entry_points]
            for entry, target in package.pairs():
                if entry.path_type == SOFTLINK or entry.sha256 is None:
                    links[target] = (package, entry)
        folders = parents_of(targets)
        through = [folder for folder in folders if folder in links]
        behind = tuple(f"{folder}/" for folder in through)
        for folder in folders:
            if folder not in links and not folder.startswith(behind or "\0"):
                os.makedirs(f"{self.root}/{folder}", exist_ok=True)
        for folder in through:
            package, entry = links[folder]
            self._make_through(package, entry, folder)
        for folder in folders:
            if behind and folder.startswith(behind):
                os.makedirs(f"{self.root}/{folder}", exist_ok=True)

    def link_package(self, link: PackageLink) -> LinkOutcome:
        """Put files and entry points of one package in place; raises PrefixError naming package and path."""
        outcome = LinkOutcome(copied=self.always_copy)
        source_root = str(link.package.folder)
        copying = self.always_copy or source_root in self._copied_folders
        for entry, target in link.pairs():
            source, path = f"{source_root}/{entry.path}", f"{self.root}/{target}"
            try:
                if entry.path_type == SOFTLINK or (entry.sha256 is None and os.path.islink(source)):
                    self._symlink(source, path, target, outcome)
                elif entry.placeholder is not None:
                    self._patch(source, path, entry, target, outcome)
                elif entry.path_type == DIRECTORY:
                    os.makedirs(path, exist_ok=True)
                elif entry.no_link or copying:
                    _copy(source, path)
                else:
                    os.link(source, path)
            except OSError as error:
                copying = self._try_otherwise(link, entry, (source, path), error) or copying
            if entry.sha256 is None and target not in outcome.symlinks:
                self._sum_up(path, target, outcome)
        for path, script in link.entry_points:
            self._write_entry_point(path, entry_point_script(script, self._python, self.plan.subdir), outcome)
        outcome.copied |= copying
        return outcome

    @property
    def _python(self) -> str:
        layout = self.plan.python
        return f"{self.plan.prefix}/{layout.executable}" if layout is not None else ""

    def _make_through(self, link: PackageLink, entry: PathEntry, target: str) -> None:
        """Make the symlink *target*, where files of other packages go; it must lead into the prefix."""
        source = f"{link.package.folder}/{entry.path}"
        if not os.path.islink(source):
            raise PrefixError(f"{link.name} brings the file {target}, which is a folder in other packages.")
        text = os.readlink(source)
        inside = resolve_link(target, text)
        if inside is None:
            raise PrefixError(
                f"{link.name} leads files of other packages out of the environment by {target}."
            )
        os.makedirs(f"{self.root}/{inside}", exist_ok=True)
        Path(f"{self.root}/{target}").symlink_to(text)
        if not os.path.realpath(f"{self.root}/{target}").startswith(os.path.realpath(self.root) + os.sep):
            raise PrefixError(
                f"{link.name} leads files of other packages out of the environment by {target}."
            )

    def _symlink(self, source: str, path: str, target: str, outcome: LinkOutcome) -> None:
        text = os.readlink(source)
        if resolve_link(target, text) is None and not text.startswith(f"{self.plan.prefix}/"):
            if not text.startswith("/"):
                raise PrefixError(f"the symlink {target} points out of the environment, to {text}.")
            # Packages for drivers do that on purpose, and conda lets them.
            self.reporter.warned(f"the symlink {target} points out of the environment, to {text}.")
        outcome.symlinks[target] = text
        try:
            Path(path).symlink_to(text)
        except FileExistsError:
            # Made early by `make_folders`, or brought by a package that got there through a symlink.
            os.unlink(path)
            Path(path).symlink_to(text)

    def _patch(self, source: str, path: str, entry: PathEntry, target: str, outcome: LinkOutcome) -> None:
        data, mode = _read(source)
        data = replace_placeholder(
            data, entry.placeholder or "", self.plan.prefix, mode=entry.file_mode, subdir=self.plan.subdir
        )
        write_fresh(path, data, mode)
        outcome.changed[target] = (hashlib.sha256(data).hexdigest(), len(data))

    def _sum_up(self, path: str, target: str, outcome: LinkOutcome) -> None:
        """For packages without paths.json, which tell no sums."""
        if target not in outcome.changed and not os.path.isdir(path):
            data, _ = _read(path)
            outcome.changed[target] = (hashlib.sha256(data).hexdigest(), len(data))

    def _try_otherwise(
        self, link: PackageLink, entry: PathEntry, paths: tuple[str, str], error: OSError
    ) -> bool:
        """Copy where linking failed for a reason that copying solves; whether that holds for the package."""
        source, path = paths
        plain = entry.path_type not in (SOFTLINK, DIRECTORY) and entry.placeholder is None
        if error.errno == errno.EEXIST and plain:
            os.unlink(path)
            _copy(source, path)
            return False
        if error.errno in _NO_HARDLINK and plain and not entry.no_link and not self.always_copy:
            _copy(source, path)
            if error.errno == errno.EMLINK:
                return False
            self._report_copying(link)
            return True
        raise self._explained(link, entry, source, error) from error

    def _report_copying(self, link: PackageLink) -> None:
        if not self._copied_folders:
            cache, place = link.package.folder.parent, os.path.dirname(self.plan.prefix)
            self.reporter.warned(
                f"files are copied and not hardlinked, because {cache} and {place} "
                "cannot share files; that takes more time and disk."
            )
        self._copied_folders.add(str(link.package.folder))

    def _explained(self, link: PackageLink, entry: PathEntry, source: str, error: OSError) -> Exception:
        damaged = None
        if error.errno == errno.ENOENT and not os.path.lexists(source):
            damaged = "is missing from"
        elif error.errno == errno.EINVAL and entry.path_type == SOFTLINK:
            damaged = "should be a symlink but is a file in"
        elif error.errno == errno.ELOOP:
            damaged = "should be a file but is a symlink in"
        if damaged is None:
            return error
        return PrefixError(
            f"{link.name} is damaged: {entry.path} {damaged} its unpacked folder {link.package.folder}.",
            package=link.name,
            path=entry.path,
        )

    def _write_entry_point(self, target: str, script: bytes, outcome: LinkOutcome) -> None:
        write_fresh(f"{self.root}/{target}", script, 0o755)
        outcome.changed[target] = (hashlib.sha256(script).hexdigest(), len(script))


def write_fresh(path: str, data: bytes, mode: int) -> None:
    """Write a new file of *mode*, whatever the umask; a file that is there is unlinked, not written to."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        handle = os.open(path, flags, 0o600)
    except FileExistsError:
        os.unlink(path)
        handle = os.open(path, flags, 0o600)
    with open(handle, "wb") as file:
        file.write(data)
        os.fchmod(file.fileno(), mode)


def _read(source: str) -> tuple[bytes, int]:
    """The content and the permission bits of the regular file *source*, not followed when it is a symlink."""
    with open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        return file.read(), stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o777


def _copy(source: str, path: str) -> None:
    shutil.copy2(source, path, follow_symlinks=False)


def copy_or_link(pairs: Sequence[tuple[str, str]]) -> None:
    """Hardlink each (source, path), or copy it where that fails; for files that only save work."""
    for source, path in pairs:
        try:
            os.link(source, path)
        except FileExistsError:
            continue
        except OSError:
            _copy(source, path)
