"""Puts the files of unpacked packages into a prefix: links of the cache's files, copies, symlinks, patched files.

A hardlinked file is the cache's file: nothing here writes to or changes the mode of a path that may be
linked. Patched files are written fresh, with the mode of the original. Where no links work the linker copies, and
says so once, with what it costs.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.models.package_files import DIRECTORY, HARDLINK, SOFTLINK
from envmgr.ports import Phase
from envmgr.prefix.entry_points import entry_point_script
from envmgr.prefix.outcome import LinkOutcome
from envmgr.prefix.paths import parents_of, resolve_link
from envmgr.prefix.placeholder import replace_placeholder
from envmgr.prefix.placing import NO_LINK, PLACE, LinkMode, Method, copy, placer, working_method
from envmgr.prefix.threads import processors, share_out
from envmgr.prefix.wheel_notes import direct_url_json, record_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from envmgr.models.package_files import PathEntry
    from envmgr.ports import Reporter
    from envmgr.prefix.plan import PackageLink, PackageToLink, PrefixPlan

_T = TypeVar("_T")

# What a file takes at least on most disks, and a multiple of it.
_BLOCK = 4096
# For fewer paths the start of a thread costs what it saves.
_WORTH_THREADS = 500
# So many paths are taken at a time: a millisecond of work, which an interrupt waits for.
_PIECE = 128
# CEP 32, "link": a reflink is a file of its own, as a copy is.
_LINK_TYPES: dict[Method, int] = {"reflink": 3, "hardlink": 1, "symlink": 2, "copy": 3}


class Linker(Struct):
    """Links the packages of *plan* into the folder *root*, whose files will know it as ``plan.prefix``.

    *root* ends without slash. *mode* says how files come from the cache. From *threads_from* paths on, threads
    share the work.
    """

    plan: PrefixPlan
    root: str
    reporter: Reporter
    mode: LinkMode = "auto"
    threads_from: int = _WORTH_THREADS
    _methods: dict[str, Method] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)
    # Whether packages may bring a path by two ways, so that the last one has to come last.
    _in_order: bool = False

    def make_folders(self) -> None:
        """Make every folder that the files need, and the symlinks that other packages' files go through."""
        targets: list[str] = []
        links: dict[str, tuple[PackageLink, PathEntry]] = {}
        for package in self.plan.link:
            targets += filter(None, package.targets)
            targets += package.written
            for entry, target in package.special_pairs():
                if entry.path_type == SOFTLINK or entry.sha256 is None:
                    links[target] = (package, entry)
        folders = parents_of(targets)
        through = [folder for folder in folders if folder in links]
        behind = tuple(f"{folder}/" for folder in through)
        plain = [folder for folder in folders if folder not in links] if links else folders
        if behind:
            plain = [folder for folder in plain if not folder.startswith(behind)]
            self._in_order = True
        self._make_plain_folders(plain)
        for folder in through:
            package, entry = links[folder]
            self._make_through(package, entry, folder)
        for folder in folders:
            if behind and folder.startswith(behind):
                os.makedirs(f"{self.root}/{folder}", exist_ok=True)

    def _make_plain_folders(self, folders: Sequence[str]) -> None:
        """Make *folders*, parents first; those of one depth need nothing of each other."""
        threads = self._threads(len(folders))
        depths: dict[int, list[str]] = {}
        for folder in folders:
            depths.setdefault(folder.count("/") if threads > 1 else 0, []).append(folder)
        for depth in sorted(depths):
            share_out(self._make_some_folders, [*_split(depths[depth])], threads)

    def _make_some_folders(self, folders: Sequence[str]) -> None:
        root, make = self.root, os.mkdir
        for folder in folders:
            try:
                make(f"{root}/{folder}")
            except FileExistsError:
                if not os.path.isdir(f"{root}/{folder}"):
                    raise

    def link_packages(self, before: Callable[[PackageLink], object]) -> dict[str, LinkOutcome]:
        """Put files and entry points of all packages in place, after `make_folders`; the outcomes, by their names.

        *before* is called with each package in order; where a pre-link script is to run, it finds all packages
        before its own and nothing of its own. Raises PrefixError naming package and path, for the first in order.
        """
        links = self.plan.link
        failed: dict[str, dict[int, OSError]] = {}
        in_order = self._in_order or any("pre-link" in link.scripts for link in links)
        if not in_order and self._threads(self.plan.file_count) > 1:
            failed = self._link_at_once()
        outcomes = {}
        for link in links:
            before(link)
            outcomes[link.name] = self._link_package(link, failed.get(link.name))
            placed = link.file_count if link.name not in failed else link.file_count - len(_plain(link))
            self.reporter.phase_advanced(Phase.LINK, placed)
        return outcomes

    def _threads(self, paths: int) -> int:
        """How many threads are worth it for so many *paths*."""
        return processors() if paths >= self.threads_from and not self.plan.file_system.folds_case else 1

    def _link_at_once(self) -> dict[str, dict[int, OSError]]:
        """Link what needs nothing but a link, of all packages that are not copied, with all processors.

        What failed is returned by package and place in it, for its turn. After what copying does not solve, no more
        is begun. Here no two packages bring one path, so the order in which files come makes no difference.
        """
        pieces = []
        failed: dict[str, dict[int, OSError]] = {}
        for link in self.plan.link:
            if self._method(link) != "copy":
                failed[link.name] = {}
                pieces += [(link, piece) for piece in _split(_plain(link))]

        def place(piece: tuple[PackageLink, Sequence[int]]) -> None:
            link, places = piece
            paths, targets, source, root = (
                link.package.files.paths,
                link.targets,
                link.package.folder,
                self.root,
            )
            with placer(self._method(link), str(source), root) as put:
                for at in places:
                    try:
                        put(paths[at].path, targets[at])
                    except OSError as error:
                        failed[link.name][at] = error
                        if error.errno != errno.EEXIST and error.errno not in NO_LINK:
                            raise
            self.reporter.phase_advanced(Phase.LINK, len(places))

        with contextlib.suppress(OSError):  # It is among those that failed.
            share_out(place, pieces, processors())
        return failed

    def _link_package(self, link: PackageLink, failed: Mapping[int, OSError] | None) -> LinkOutcome:
        """One package; where its plain files are linked already, *failed* has those that could not be."""
        outcome = LinkOutcome(link_type=_LINK_TYPES[method := self._method(link)])
        if method == "copy" and self.mode != "copy":
            self._tell_of_copying(link)
        with placer(method, str(link.package.folder), self.root) as place:
            self._place_files(link, failed, place, outcome)
        self._write_entry_points(link, outcome)
        if link.recorded:
            self._write_notes(link, outcome)
        return outcome

    def _place_files(
        self,
        link: PackageLink,
        failed: Mapping[int, OSError] | None,
        place: Callable[[str, str], None],
        outcome: LinkOutcome,
    ) -> None:
        source_root, root, paths = str(link.package.folder), self.root, link.package.files.paths
        special = frozenset(link.special)
        for at in range(len(paths)) if failed is None else sorted({*link.special, *failed}):
            entry, target = paths[at], link.targets[at]
            if not target:
                continue
            source, path = f"{source_root}/{entry.path}", f"{root}/{target}"
            try:
                if at not in special:
                    if failed is not None:
                        raise failed[at]
                    place(entry.path, target)
                    continue
                self._place_special(link, entry, (source, path, target), outcome)
            except OSError as error:
                if at not in special:
                    error.filename, error.filename2 = source, path
                self._try_otherwise(link, entry, (source, path), error)
            if entry.sha256 is None and target not in outcome.symlinks:
                self._sum_up(path, target, outcome)

    def _place_special(
        self, link: PackageLink, entry: PathEntry, where: tuple[str, str, str], outcome: LinkOutcome
    ) -> None:
        source, path, target = where
        if entry.path_type == SOFTLINK or (entry.sha256 is None and os.path.islink(source)):
            self._symlink(source, path, target, outcome)
        elif entry.placeholder is not None:
            self._patch(source, path, link, entry, target, outcome)
        elif entry.path_type == DIRECTORY:
            os.makedirs(path, exist_ok=True)
        else:
            (copy if entry.no_link else PLACE[self._method(link)])(source, path)

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
        self._methods[cache] = method = working_method(self.mode, source, self.root)
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

    def _tell_of_copying(self, link: PackageLink) -> None:
        cache = os.path.dirname(link.package.folder)
        if cache in self._told:
            return
        self._told.add(cache)
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


def _plain(link: PackageLink) -> Sequence[int]:
    """Where in *link* the files are that are linked as they are."""
    count = len(link.targets)
    if not link.special and "" not in link.targets:
        return range(count)
    special = frozenset(link.special)
    return [at for at in range(count) if at not in special and link.targets[at]]


def _split(items: Sequence[_T]) -> Iterator[Sequence[_T]]:
    return (items[start : start + _PIECE] for start in range(0, len(items), _PIECE))


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
