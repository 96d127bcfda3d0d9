"""Puts the files of unpacked packages into a prefix: links of the cache's files, copies, symlinks, patched files.

A hardlinked file is the cache's file: nothing here writes to or changes the mode of a path that may be
linked. Patched files are written fresh, with the mode of the original. Where no links work the linker copies, and
says so once, with what it costs.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.models.package_files import DIRECTORY, HARDLINK, SOFTLINK
from envmgr.prefix.entry_points import entry_point_script
from envmgr.prefix.outcome import LinkOutcome
from envmgr.prefix.paths import parents_of, resolve_link
from envmgr.prefix.placeholder import replace_placeholder
from envmgr.prefix.placing import NO_LINK, PLACE, LinkMode, Method, copy, working_method
from envmgr.prefix.wheel_notes import direct_url_json, record_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.models.package_files import PathEntry
    from envmgr.ports import Reporter
    from envmgr.prefix.plan import PackageLink, PackageToLink, PrefixPlan

# What a file takes at least on most disks, and a multiple of it.
_BLOCK = 4096
# CEP 32, "link": a reflink is a file of its own, as a copy is.
_LINK_TYPES: dict[Method, int] = {"reflink": 3, "hardlink": 1, "symlink": 2, "copy": 3}


class Linker(Struct):
    """Links the packages of *plan* into the folder *root*, whose files will know it as ``plan.prefix``.

    *root* ends without slash. *mode* says how files come from the cache.
    """

    plan: PrefixPlan
    root: str
    reporter: Reporter
    mode: LinkMode = "auto"
    _methods: dict[str, Method] = field(default_factory=dict)

    def make_folders(self) -> None:
        """Make every folder that the files need, and the symlinks that other packages' files go through."""
        targets, links = [], {}
        for package in self.plan.link:
            targets += [target for target in package.targets if target]
            targets += package.written
            for entry, target in package.pairs():
                if entry.path_type == SOFTLINK or entry.sha256 is None:
                    links[target] = (package, entry)
        folders = parents_of(targets)
        through = [folder for folder in folders if folder in links]
        behind = tuple(f"{folder}/" for folder in through)
        for folder in folders:
            if folder not in links and not folder.startswith(behind or "\0"):
                self._make_folder(folder)
        for folder in through:
            package, entry = links[folder]
            self._make_through(package, entry, folder)
        for folder in folders:
            if behind and folder.startswith(behind):
                os.makedirs(f"{self.root}/{folder}", exist_ok=True)

    def _make_folder(self, folder: str) -> None:
        try:
            os.mkdir(f"{self.root}/{folder}")  # noqa: PTH102 - there may be thousands.
        except FileExistsError:
            if not os.path.isdir(f"{self.root}/{folder}"):
                raise

    def link_package(self, link: PackageLink) -> LinkOutcome:
        """Put files and entry points of one package in place; raises PrefixError naming package and path."""
        outcome = LinkOutcome(link_type=_LINK_TYPES[method := self._method(link)])
        place = PLACE[method]
        source_root, root = str(link.package.folder), self.root
        for entry, target in link.pairs():
            source, path = f"{source_root}/{entry.path}", f"{root}/{target}"
            plain = entry.path_type == HARDLINK and entry.placeholder is None
            try:
                if plain and entry.sha256 is not None and not entry.no_link:
                    place(source, path)
                    continue
                if entry.path_type == SOFTLINK or (entry.sha256 is None and os.path.islink(source)):
                    self._symlink(source, path, target, outcome)
                elif entry.placeholder is not None:
                    self._patch(source, path, link, entry, target, outcome)
                elif entry.path_type == DIRECTORY:
                    os.makedirs(path, exist_ok=True)
                else:
                    (copy if entry.no_link else place)(source, path)
            except OSError as error:
                self._try_otherwise(link, entry, (source, path), error)
            if entry.sha256 is None and target not in outcome.symlinks:
                self._sum_up(path, target, outcome)
        self._write_entry_points(link, outcome)
        if link.recorded:
            self._write_notes(link, outcome)
        return outcome

    def _method(self, link: PackageLink) -> Method:
        """How files of the cache that *link* comes from get here; tried once for each cache."""
        cache = os.path.dirname(link.package.folder)
        if cache in self._methods:
            return self._methods[cache]
        sources = (
            f"{link.package.folder}/{each.path}" for each in link.package.files.paths if _is_linked(each)
        )
        source = next((each for each in sources if stat.S_ISREG(_mode_of(each))), None)
        if source is None:
            return "copy" if self.mode == "copy" else "hardlink"
        method = working_method(self.mode, source, self.root)
        self._methods[cache] = method
        if method == "copy" and self.mode != "copy":
            self._report_copying(cache)
        return method

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

    def _patch(
        self, source: str, path: str, link: PackageLink, entry: PathEntry, target: str, outcome: LinkOutcome
    ) -> None:
        data, mode = _read(source)
        if link.package.record.is_pypi and self.plan.subdir.startswith("win-"):
            data = data.replace(
                f"{entry.placeholder}/bin/python".encode(), f"{entry.placeholder}\\python.exe".encode(), 1
            )
        data = replace_placeholder(
            data,
            entry.placeholder or "",
            self.plan.prefix,
            mode=entry.file_mode,
            subdir=self.plan.subdir,
            offsets=link.package.files.offsets.get(entry.path),
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
    ) -> None:
        """Copy where linking failed for a reason of this file that copying solves."""
        source, path = paths
        plain = entry.path_type not in (SOFTLINK, DIRECTORY) and entry.placeholder is None
        if error.errno == errno.EEXIST and plain:
            os.unlink(path)
            copy(source, path)
        elif error.errno in NO_LINK and plain and not entry.no_link:
            copy(source, path)
        else:
            raise self._explained(link, entry, source, error) from error

    def _report_copying(self, cache: str) -> None:
        links = [each for each in self.plan.link if os.path.dirname(each.package.folder) == cache]
        sizes = [entry.size or 0 for link in links for entry in link.package.files.paths if _is_linked(entry)]
        size = sum(-(-each // _BLOCK) * _BLOCK for each in sizes)
        share = "share files" if self.mode == "auto" else f"share files by {self.mode}s"
        self.reporter.warned(
            f"files are copied and not linked, because {cache} and {os.path.dirname(self.plan.prefix)} "
            f"cannot {share}; that takes longer, and {size / 1e6:,.1f} MB of disk."
        )

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

    def _write_entry_points(self, link: PackageLink, outcome: LinkOutcome) -> None:
        windows = self.plan.subdir.startswith("win-")
        without_console = _gui_commands(link.package) if windows and link.entry_points else frozenset()
        for target, entry in link.entry_points:
            data = entry_point_script(entry, self._python, self.plan.subdir)
            if windows and target.endswith(".exe"):
                from envmgr.prefix.launchers import launcher

                gui = entry.command in without_console
                data = launcher(data, self.plan.prefix, self.plan.subdir, gui=gui)
            write_fresh(f"{self.root}/{target}", data, 0o755)
            outcome.changed[target] = (hashlib.sha256(data).hexdigest(), len(data))

    def _write_notes(self, link: PackageLink, outcome: LinkOutcome) -> None:
        """What an installer leaves beside a wheel's metadata; RECORD comes last, since it lists all else."""
        for target in reversed(link.recorded):
            name = target.rpartition("/")[2]
            if name == "RECORD":
                data = record_text(link, outcome, self.plan.python)
            else:
                data = direct_url_json(link.package.record) if name == "direct_url.json" else b""
            write_fresh(f"{self.root}/{target}", data, 0o644)
            outcome.changed[target] = (hashlib.sha256(data).hexdigest(), len(data))


def _gui_commands(package: PackageToLink) -> frozenset[str]:
    from envmgr.prefix.launchers import gui_commands

    return gui_commands(package.folder, (entry.path for entry in package.files.paths))


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


def _mode_of(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:  # Linking it will tell why.
        return 0


def _is_linked(entry: PathEntry) -> bool:
    return entry.path_type == HARDLINK and entry.placeholder is None and not entry.no_link


def copy_or_link(pairs: Sequence[tuple[str, str]], mode: LinkMode) -> None:
    """Hardlink each (source, path), or copy it where that fails or *mode* asks for copies; for files that only save
    work. A path that is there stays."""
    for source, path in pairs:
        try:
            if mode != "copy":
                os.link(source, path)
            elif not os.path.lexists(path):
                copy(source, path)
        except FileExistsError:
            continue
        except OSError:
            copy(source, path)
