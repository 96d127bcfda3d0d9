"""Changes the files of an existing prefix, completely or not at all: a redo journal (effects).

A change first makes every new file in a folder of its own inside the prefix (``WORK/new``), on the same file
system. Then it writes the journal, which names the paths that go and those that come. From that moment on the
change is decided: each step is a link, a rename or the removal of an empty folder, can be done twice, and whoever
finds the journal after a kill goes on with it. What goes is kept in ``WORK/old`` until the end, so that a change
whose last steps fail (a link script) can be taken back: the journal is renamed, and from then on everybody goes
backwards.

    conda-meta/envmgr/journal.json    decided: go on          conda-meta/envmgr/undo.json    taken back: go
    backwards conda-meta/envmgr/WORK/new, old   files that come, and those that went; without a journal, nobody
    needs them

Paths are relative to the prefix, with forward slashes. Files of nobody that stand where a package puts one are
not lost: they are moved to ``conda-meta/envmgr/saved/WORK``.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from envmgr.errors import PrefixError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FOLDER = "conda-meta/envmgr"
_JOURNAL, _UNDO = "journal.json", "undo.json"
_LAYOUT = 1


class Journal(Struct, frozen=True):
    """A change that is decided.

    ``drop`` are paths that go, ``place`` those that come from ``work``/new, of which ``replaced`` have a file
    now. ``saved`` are files of nobody that must make room. ``leave`` are folders that go when they are empty, the
    deepest first, with their permission bits in ``modes``; ``folders`` are those that come, parents first.
    ``history`` is appended where the history ends at ``history_size`` bytes. ``scripts`` are the packages
    (``name-version-build``) whose post-link scripts run before the end.
    """

    work: str
    drop: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    modes: tuple[int, ...] = ()
    folders: tuple[str, ...] = ()
    history: str = ""
    history_size: int = 0
    scripts: tuple[str, ...] = ()
    layout: int = field(default=_LAYOUT)


class Pending(Struct, frozen=True):
    """A journal that was found: to be gone on with, or backwards."""

    journal: Journal
    backwards: bool


def new_work(prefix: Path) -> str:
    """Make the folders of a new change; its name."""
    work = f"work-{os.getpid()}-{os.urandom(4).hex()}"
    for part in ("new", "old"):
        (prefix / FOLDER / work / part).mkdir(parents=True)
    return work


def staged(prefix: Path, work: str) -> Path:
    """Where the new files of a change are made."""
    return prefix / FOLDER / work / "new"


def decide(prefix: Path, journal: Journal, *, strict: bool) -> None:
    """Write the journal: the change will be made, whatever happens.

    With *strict* all new files are on the disk before, so that a loss of power is like a kill.
    """
    if strict:
        os.sync()
    folder = prefix / FOLDER
    aside = folder / f".{_JOURNAL}.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(msgspec.json.encode(journal))
        file.flush()
        os.fsync(file.fileno())
    aside.rename(folder / _JOURNAL)
    _sync_folder(folder)


def is_pending(prefix: Path) -> bool:
    """Whether there is a change that is not over."""
    return any(os.path.lexists(prefix / FOLDER / name) for name in (_UNDO, _JOURNAL))


def pending(prefix: Path) -> Pending | None:
    """The journal of a change that is not over, if there is one. PrefixError for one that cannot be read."""
    folder = prefix / FOLDER
    for name, backwards in ((_UNDO, True), (_JOURNAL, False)):
        try:
            text = (folder / name).read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise PrefixError(f"{folder / name} cannot be read: {error.strerror}.") from error
        try:
            journal = msgspec.json.decode(text, type=Journal)
        except msgspec.DecodeError:
            raise PrefixError(
                f"{folder / name}, the journal of a change that was interrupted, cannot be read.",
                prefix=str(prefix),
            ) from None
        if journal.layout != _LAYOUT:
            raise PrefixError(
                f"{prefix} is in the middle of a change by another version of envmgr.",
                hint="Run that version once more on it.",
                prefix=str(prefix),
            )
        return Pending(journal, backwards)
    return None


def carry_out(prefix: Path, journal: Journal) -> None:
    """Make the change; what was done before is left as it is. Raises OSError where a step is not possible."""
    work = prefix / FOLDER / journal.work
    for path in journal.saved:
        _move(prefix / path, prefix / FOLDER / "saved" / journal.work / path)
    for path in journal.drop:
        _move(prefix / path, work / "old" / path)
    _remove_folders(prefix, journal.leave)
    for folder in journal.folders:
        os.makedirs(prefix / folder, exist_ok=True)
    _bring_back_modes(prefix, journal, journal.folders)
    replaced = frozenset(journal.replaced)
    for path in journal.place:
        source = work / "new" / path
        if not os.path.lexists(source):
            continue
        if path in replaced:
            _keep(prefix / path, work / "old" / path)
        os.replace(source, prefix / path)


def take_back(prefix: Path, journal: Journal) -> None:
    """Undo the change: from now on everybody who finds it goes backwards."""
    folder = prefix / FOLDER
    with contextlib.suppress(FileNotFoundError):
        (folder / _JOURNAL).rename(folder / _UNDO)
    _sync_folder(folder)
    work = folder / journal.work
    replaced = frozenset(journal.replaced)
    for path in reversed(journal.place):
        target, old = prefix / path, work / "old" / path
        if path not in replaced:
            _move(target, work / "new" / path)
        elif os.path.lexists(old):
            os.replace(old, target)
    _remove_folders(prefix, reversed(journal.folders))
    for path in reversed(journal.leave):
        (prefix / path).mkdir(parents=True, exist_ok=True)
    for path in reversed(journal.drop):
        _move(work / "old" / path, prefix / path)
    for path in reversed(journal.saved):
        _move(folder / "saved" / journal.work / path, prefix / path)
    _bring_back_modes(prefix, journal, journal.leave)
    _clear(prefix, _UNDO)


def finish(prefix: Path, journal: Journal, *, strict: bool) -> None:
    """The change is made: tell so in the history, and let go of what went."""
    _append(prefix / "conda-meta" / "history", journal.history.encode(), journal.history_size)
    if strict:
        os.sync()
    _clear(prefix, _JOURNAL)


def _append(history: Path, block: bytes, size: int) -> None:
    """Append *block* where the history ended at *size*, also where that was begun before."""
    with open(history, "r+b" if history.exists() else "w+b") as file:
        file.seek(min(size, file.seek(0, os.SEEK_END)))
        begun = file.read()
        if block.startswith(begun):
            file.seek(-len(begun), os.SEEK_END)
            file.write(block)
        elif not begun.startswith(block):
            file.write(block)


def clear_works(prefix: Path) -> None:
    """Remove what changes left that were never decided, or whose end was interrupted."""
    folder = prefix / FOLDER
    try:
        entries = [entry for entry in os.scandir(folder) if entry.name.startswith(("work-", f".{_JOURNAL}."))]
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            with contextlib.suppress(OSError):
                os.unlink(entry.path)


def _clear(prefix: Path, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        (prefix / FOLDER / name).unlink()
    _sync_folder(prefix / FOLDER)
    clear_works(prefix)


def _move(source: Path, target: Path) -> None:
    """Move a file, unless that was done before, or it is not there."""
    if not os.path.lexists(source) or os.path.lexists(target):
        return
    try:
        source.rename(target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            source.rename(target)


def _keep(source: Path, target: Path) -> None:
    """Keep a second name of the file, so that the path is never without one; move it where that is impossible."""
    if os.path.lexists(target) or not os.path.lexists(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EXDEV):
            raise
        source.rename(target)


def _remove_folders(prefix: Path, folders: Iterable[str]) -> None:
    for folder in folders:
        try:
            (prefix / folder).rmdir()
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOENT, errno.ENOTDIR, errno.EBUSY):
                raise


def _bring_back_modes(prefix: Path, journal: Journal, folders: Iterable[str]) -> None:
    """Give those of *folders* that went, and are there again, the permissions that they had."""
    modes = dict(zip(journal.leave, journal.modes, strict=True))
    for folder in folders:
        if folder in modes and (prefix / folder).is_dir():
            (prefix / folder).chmod(modes[folder])


def _sync_folder(folder: Path) -> None:
    """Have the names in *folder* on the disk, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def iter_work_files(prefix: Path, work: str) -> Iterator[str]:
    """The paths of all new files of a change, as they will be in the prefix."""
    root = staged(prefix, work)
    for parent, folders, names in os.walk(root):
        inside = os.path.relpath(parent, root).replace(os.sep, "/")
        links = [name for name in folders if os.path.islink(os.path.join(parent, name))]
        for name in [*names, *links]:
            yield name if inside == "." else f"{inside}/{name}"
