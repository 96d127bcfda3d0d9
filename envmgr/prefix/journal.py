"""Changes the files of an existing prefix, completely or not at all: a redo journal (effects).

A change first makes every new file in a folder of its own inside the prefix (``WORK/new``), on the same file
system. Then it writes the journal, which names the paths that go and those that come. From that moment on the
change is decided: each step is a link, a rename or the removal of an empty folder, can be done twice, and whoever
finds the journal after a kill goes on with it. What goes is kept in ``WORK/old`` until the end, so that a change
whose last steps fail (a link script) can be taken back: the journal is renamed, and from then on everybody goes
backwards.

    conda-meta/envmgr/journal.json     decided: go on
    conda-meta/envmgr/undo.json        taken back: go backwards
    conda-meta/envmgr/WORK/new, old    files that come, and those that went; without a journal, nobody needs them

Paths are relative to the prefix, with forward slashes. Files of nobody that stand where a package puts one are
not lost: they are moved to ``conda-meta/envmgr/saved/WORK``.

A change with ``strict`` survives a loss of power as it does a kill, on file systems that make changes of names in
their order: all that it made is on the disk before the journal, and all renames before the journal goes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct, field

from envmgr.errors import PrefixError
from envmgr.models.lazy_pattern import lazy_pattern
from envmgr.prefix.lookup import exists, leads_to_folder
from envmgr.prefix.paths import parents_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FOLDER = "conda-meta/envmgr"
_JOURNAL, _UNDO = "journal.json", "undo.json"
_LAYOUT = 2
_WORK = lazy_pattern(r"work-[0-9a-f-]+")
# What a file system answers that cannot sync a folder.
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS, errno.EBADF)


class Journal(Struct, frozen=True):
    """A change that is decided.

    ``drop`` are paths that go, ``place`` those that come from ``work``/new: files, and folders as a whole where
    there is nothing. ``replaced`` are those that have a file now, ``saved`` files of nobody that must make room.
    ``leave`` are folders that go when they are empty, the deepest first, with their permission bits in ``modes``;
    ``folders`` are those that come, parents first. ``scripts`` are the packages (``name-version-build``) whose
    post-link scripts run before the end. ``strict`` says what it survives, for whoever goes on with it.
    """

    work: str
    drop: tuple[str, ...] = ()
    place: tuple[str, ...] = ()
    replaced: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    leave: tuple[str, ...] = ()
    modes: tuple[int, ...] = ()
    folders: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    strict: bool = False
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


def decide(prefix: Path, journal: Journal) -> None:
    """Write the journal: the change will be made, whatever happens. Raises OSError."""
    if journal.strict:
        os.sync()
    folder = prefix / FOLDER
    aside = folder / f".{_JOURNAL}.{os.getpid()}"
    with open(aside, "wb") as file:
        file.write(msgspec.json.encode(journal))
        file.flush()
        os.fsync(file.fileno())
    aside.rename(folder / _JOURNAL)
    sync_folder(folder, strict=journal.strict)


def is_pending(prefix: Path) -> bool:
    """Whether there is a change that is not over; raises OSError where that cannot be told."""
    return any(exists(prefix / FOLDER / name) for name in (_UNDO, _JOURNAL))


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
        journal = _read_journal(text)
        if journal is None:
            raise PrefixError(
                f"{folder / name}, the journal of a change that was interrupted, is damaged.",
                hint=f"Remove it, and bring back what is missing: envmgr verify -p {prefix} --repair",
                prefix=str(prefix),
            )
        if journal.layout != _LAYOUT:
            raise PrefixError(
                f"{prefix} is in the middle of a change by another version of envmgr.",
                hint="Run that version once more on it.",
                prefix=str(prefix),
            )
        return Pending(journal, backwards)
    return None


def _read_journal(text: bytes) -> Journal | None:
    """The journal; None for one that is none, or that leads out of its prefix."""
    try:
        journal = msgspec.json.decode(text, type=Journal)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if journal.layout != _LAYOUT:
        return journal
    paths = (*journal.drop, *journal.place, *journal.saved, *journal.leave, *journal.folders)
    is_sound = (
        _WORK.fullmatch(journal.work) is not None
        and len(journal.modes) == len(journal.leave)
        and all(path and {"", ".", ".."}.isdisjoint(path.split("/")) for path in paths)
    )
    return journal if is_sound else None


def begin_scripts(prefix: Path, journal: Journal) -> bool:
    """Note that the post-link scripts are run; False where that was begun twice before and never came to an end.

    Scripts that end whoever runs them would otherwise end every command that comes to go on.
    """
    for note in ("scripts-1", "scripts-2"):
        try:
            (prefix / FOLDER / journal.work / note).touch(exist_ok=False)
        except FileExistsError:
            continue
        return True
    return False


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
        if not exists(source):
            continue
        if path in replaced:
            _keep(prefix / path, work / "old" / path)
        os.replace(source, prefix / path)


def take_back(prefix: Path, journal: Journal) -> None:
    """Undo the change: from now on everybody who finds it goes backwards."""
    folder = prefix / FOLDER
    with contextlib.suppress(FileNotFoundError):
        (folder / _JOURNAL).rename(folder / _UNDO)
    sync_folder(folder, strict=journal.strict)
    work = folder / journal.work
    replaced = frozenset(journal.replaced)
    for path in reversed(journal.place):
        target, old = prefix / path, work / "old" / path
        if path not in replaced:
            _move(target, work / "new" / path)
        elif exists(old):
            os.replace(old, target)
    _remove_folders(prefix, reversed(journal.folders))
    for path in reversed(journal.leave):
        (prefix / path).mkdir(parents=True, exist_ok=True)
    for path in reversed(journal.drop):
        _move(work / "old" / path, prefix / path)
    for path in reversed(journal.saved):
        _move(folder / "saved" / journal.work / path, prefix / path)
    _remove_folders(prefix, _folders_of_saved(journal))
    _bring_back_modes(prefix, journal, journal.leave)
    _clear(prefix, _UNDO, strict=journal.strict)


def _folders_of_saved(journal: Journal) -> list[str]:
    """The folders that were made for files of nobody, the deepest first."""
    top = f"{FOLDER}/saved"
    below = [f"{top}/{journal.work}/{folder}" for folder in reversed(parents_of(list(journal.saved)))]
    return [*below, f"{top}/{journal.work}", top]


def finish(prefix: Path, journal: Journal) -> None:
    """The change is made: let go of the journal, and of what went."""
    _clear(prefix, _JOURNAL, strict=journal.strict)


def clear_works(prefix: Path) -> None:
    """Remove what changes left that were never decided, or were not cleared up, as far as that is possible."""
    folder = prefix / FOLDER
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if not entry.name.startswith(("work-", f".{_JOURNAL}.")):
                continue
            if entry.is_dir(follow_symlinks=False):
                import shutil

                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)


def _clear(prefix: Path, name: str, *, strict: bool) -> None:
    if strict:
        os.sync()
    with contextlib.suppress(FileNotFoundError):
        (prefix / FOLDER / name).unlink()
    sync_folder(prefix / FOLDER)
    clear_works(prefix)


def _move(source: Path, target: Path) -> None:
    """Move a file, unless that was done before, or it is not there."""
    if not exists(source) or exists(target):
        return
    try:
        source.rename(target)
    except FileNotFoundError:
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            source.rename(target)


def _keep(source: Path, target: Path) -> None:
    """Keep a second name of the file, so that the path is never without one; move it where that is impossible."""
    if exists(target) or not exists(source):
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
    """Give those of *folders* that went, and are there again, the permissions that they had.

    One that never went may be another user's, of which only the look is allowed.
    """
    modes = dict(zip(journal.leave, journal.modes, strict=True))
    for folder in folders:
        place = prefix / folder
        if folder not in modes or not leads_to_folder(place):
            continue
        if stat.S_IMODE(place.stat().st_mode) != modes[folder]:
            place.chmod(modes[folder])


def sync_folder(folder: Path, *, strict: bool = False) -> None:
    """Have the names in *folder* on the disk, where the system can do that; raises OSError only if *strict*."""
    if os.name == "nt":
        return
    try:
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        if strict and error.errno not in _NO_SYNC:
            raise
