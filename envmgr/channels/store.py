"""The index on disk: the records of each source (channel and subdir), keyed by package name.

One file holds one source (index_file.py), and nothing writes into a finished file. An update fills a new file
aside and renames it over the old one: a reader keeps the file that it opened, a killed update leaves the old one,
and of two updates at once the later wins whole. So there are no locks, and it works on network file systems and
from read-only folders. When the source was last asked about is the file's modification time; everything else that
describes the content (ETag and so on) lies inside the file and can never belong to another content. Shards and
tables lie beside, each named by what it is made of.

Several users may share the folder: files have the mode that the umask leaves. Where the folder takes no new file,
a temporary one does until the process ends, so that a command that only plans needs no place to write to.

A file that is no index, is cut off or was written by another version counts as missing. Damage that shows later
(every block of records carries a checksum) raises `DamagedIndexError`, upon which the caller fetches anew.
The layout is described in docs/internals/index-store.md. This module knows nothing of the network.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import threading
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from envmgr.channels.index_file import DamagedCopyError, State, open_whole
from envmgr.channels.kept_files import WHOLE, open_regular
from envmgr.channels.parts import Content, Part
from envmgr.channels.shard_folder import ShardFolder
from envmgr.channels.shard_rows import names_in, pairs_in
from envmgr.channels.tables import TableFolder
from envmgr.errors import ChannelError, DataError
from envmgr.ports import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    from envmgr.channels.shards import ShardIndex
    from envmgr.channels.urls import Source

    Filler = Callable[[Path, Source, State, Iterable[bytes], "Path | None"], None]

_STALE_SECONDS = 3600.0
_LONGEST_NAME = 180
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_Read = TypeVar("_Read")


class DamagedIndexError(ChannelError):
    """A stored index turned out to be damaged while it was read and must be made anew."""


class UnwritableIndexError(ChannelError):
    """The store's folder or disk does not take a new index; the channel is not to blame."""


class UnreadableIndexError(ChannelError):
    """There is a stored index, and the system does not let this user read it."""


class StoredIndex:
    """One source as it was when the file was opened, whatever others do to the store meanwhile."""

    def __init__(self, path: Path, source: Source) -> None:
        """Open *path*; raises DamagedIndexError when it is not a whole index of this layout for *source*."""
        self.path = path
        self.source = source
        self._damage = _kinds_of_damage()
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise self.damaged(ValueError("it is no regular file"))
        self.checked = status.st_mtime
        try:
            self._connection, self.state = open_whole(path, source.url)
        except self._damage as error:
            raise self.damaged(error) from None
        self.origin = source.origin(self.state.base_url)

    @property
    def is_sharded(self) -> bool:
        """Whether the records are in shards, which this file only names."""
        return self.state.form == "shards"

    def parts(self, name: str) -> list[Part]:
        """The parts that hold the records called *name* (lower case); none where there are no such records."""
        if self.is_sharded:
            rows = self._query(
                "SELECT names, digests FROM shard WHERE first <= ? ORDER BY first DESC LIMIT 1", name
            )
            return [Part(digest, digest) for found, digest in self._shards(rows) if found == name]
        rows = self._query("SELECT id, digest FROM block WHERE name = ? ORDER BY section, id", name)
        return [Part(*row) for row in rows]

    def block(self, part: Part) -> Content:
        """What a part of a source that is not sharded holds."""
        import zstandard

        rows = self._query("SELECT records FROM block WHERE id = ?", part.key)
        if not rows:
            raise self.damaged(ValueError("a block is gone"))
        return Content(self._guarded(zstandard.ZstdDecompressor().decompress, rows[0][0]), is_shard=False)

    def names(self) -> list[str]:
        """All package names, sorted."""
        if not self.is_sharded:
            return [row[0] for row in self._query("SELECT DISTINCT name FROM block ORDER BY name")]
        rows = self._query("SELECT names, digests FROM shard ORDER BY first")
        try:
            return [name for row in rows for name in names_in(*row)]
        except DataError as error:
            raise self.damaged(error) from None

    def names_with(self, start: str) -> list[str]:
        """The package names that begin with *start* (lower case), sorted; the others are not read."""
        end = f"{start}{chr(0x10FFFF)}"
        if not self.is_sharded:
            sql = "SELECT DISTINCT name FROM block WHERE name >= ? AND name <= ? ORDER BY name"
            return [row[0] for row in self._query(sql, start, end)]
        # The row before the first one that begins beyond *start* may hold such names, too.
        first = "coalesce((SELECT max(first) FROM shard WHERE first <= ?), '')"
        rows = self._query(
            f"SELECT names, digests FROM shard WHERE first >= {first} AND first <= ? ORDER BY first",
            start,
            end,
        )
        try:
            return [name for row in rows for name in names_in(*row) if name.startswith(start)]
        except DataError as error:
            raise self.damaged(error) from None

    def former_parts(self, name: str) -> list[Part]:
        """What held the records called *name* before its shard was replaced, if that was on the disk then."""
        return [Part(*row) for row in self._query("SELECT digest, digest FROM former WHERE name = ?", name)]

    def newest_of(self, here: Collection[bytes]) -> dict[str, bytes]:
        """The newest shard of each name that is among those that are *here*."""
        former = self._query("SELECT name, digest FROM former")
        found = {name: digest for name, digest in former if digest in here}
        rows = self._query("SELECT names, digests FROM shard")
        found.update((name, digest) for name, digest in self._shards(rows) if digest in here)
        return found

    def _shards(self, rows: Sequence[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
        try:
            for row in rows:
                yield from pairs_in(*row)
        except DataError as error:
            raise self.damaged(error) from None

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def damaged(self, error: BaseException) -> DamagedIndexError:
        """What to raise when something that was read from the file turns out to be wrong."""
        return DamagedIndexError(f"the stored index {self.path} is damaged: {str(error).rstrip('.')}.")

    def _guarded(self, read: Callable[[bytes], _Read], value: bytes) -> _Read:
        try:
            return read(value)
        except self._damage as error:
            raise self.damaged(error) from None

    def _query(self, sql: str, *values: str | int | bytes) -> list[Any]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except self._damage as error:
            raise self.damaged(error) from None


def stored_sources(folder: Path, most: int) -> Iterator[StoredIndex]:
    """Up to *most* of the indexes that lie in *folder*, whole ones, too, of whatever channel, the newest first.

    What cannot be read is passed over. Whoever takes one closes it.
    """
    from envmgr.channels.urls import Source
    from envmgr.models.channel import Channel

    found = []
    for path in (*folder.glob("*.sqlite"), *(folder / WHOLE).glob("*.sqlite")) if folder.is_dir() else ():
        with contextlib.suppress(OSError):
            found.append((path.stat().st_mtime, path))
    damage: tuple[type[BaseException], ...] = (*_kinds_of_damage(), OSError)
    for _, path in sorted(found, reverse=True)[:most]:
        try:
            connection, state = open_whole(path, None)
        except damage:
            continue
        connection.close()
        channel, _, subdir = state.url.rpartition("/")
        with contextlib.suppress(DataError, DamagedIndexError, OSError):
            yield StoredIndex(path, Source(Channel.parse(channel), subdir))


class IndexStore:
    """The stored indexes below one folder, which is made when it is first needed.

    Where it cannot be written, new indexes go to a temporary folder, which is removed by `close`, or else when the
    process ends. May be used by several threads at once.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._temporary: Path | None = None
        self._lock = threading.Lock()
        self._remove_temporary: Callable[[], object] | None = None

    @property
    def root(self) -> Path:
        """The folder that is collected as one: that of whole indexes lies in the one of all."""
        return self.folder.parent if self.folder.name == WHOLE else self.folder

    @property
    def shards(self) -> ShardFolder:
        """The shards of all channels (CEP 16)."""
        return ShardFolder(*(folder / "shards" for folder in self._folders()))

    @property
    def tables(self) -> TableFolder:
        """The tables that were made for solves."""
        return TableFolder(*(folder / "tables" for folder in self._folders()))

    def path_of(self, source: Source) -> Path:
        """The file of *source*, named by its URL; a long one is cut, and a digest tells it apart."""
        name = quote(source.url, safe="").replace("%3A%2F%2F", "+").replace("%2F", "+")
        if len(name) > _LONGEST_NAME:
            import hashlib

            name = (
                f"{hashlib.sha256(name.encode()).hexdigest()[:16]}-{name[-_LONGEST_NAME:].partition('+')[2]}"
            )
        return self.folder / f"{name}.sqlite"

    def open(self, source: Source) -> StoredIndex | None:
        """What is stored of *source*; None where that is nothing or not to be trusted.

        Raises UnreadableIndexError where there is something that this user may not read.
        """
        for path in self._places(source):
            try:
                return StoredIndex(path, source)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except DamagedIndexError:
                _check_readable(path)
            except OSError as error:
                raise _unreadable(path, error) from None
        return None

    def replace(
        self,
        source: Source,
        state: State,
        chunks: Iterable[bytes],
        reporter: Reporter | None = None,
        *,
        before: StoredIndex | None = None,
        fill: Filler | None = None,
    ) -> StoredIndex:
        """Store the repodata whose text arrives in *chunks* (uncompressed JSON) and open it.

        *fill* does the work instead, and gets *chunks* as they are.

        Base URL, relations and counts of *state* are filled in. Of *before*, the index until now, what did not
        change is not written again. *reporter* is warned, once, when the folder cannot be written. Whatever
        *chunks* raises passes through, and DataError is raised for text that is not repodata,
        UnwritableIndexError where there is no room; in each case the stored index stays what it was.
        """
        from envmgr.channels.index_file import fill_with_text

        fill = fill or fill_with_text
        usable = before is not None and not before.is_sharded and before.state.form != "none"
        old = before.path if usable and before is not None and before.path.exists() else None
        try:
            return self._replace(source, lambda path: fill(path, source, state, chunks, old), reporter)
        except DamagedCopyError as error:
            assert before is not None
            raise before.damaged(error) from None

    def replace_shards(
        self,
        source: Source,
        state: State,
        index: ShardIndex,
        reporter: Reporter | None = None,
        *,
        before: StoredIndex | None = None,
    ) -> StoredIndex:
        """Store the index of a sharded source and open it; for the rest see `replace`.

        Shards of *before* that are here stay known as the former ones of names whose new shards are not.
        """
        from envmgr.channels.index_file import fill_with_shards

        former: dict[str, bytes] = {}
        if before is not None and before.is_sharded:
            here = self.shards.digests()
            former = {
                name: digest
                for name, digest in before.newest_of(here).items()
                if index.shards.get(name) not in here
            }
        return self._replace(
            source, lambda path: fill_with_shards(path, source, state, index, former), reporter
        )

    def _replace(
        self, source: Source, fill: Callable[[Path], None], reporter: Reporter | None
    ) -> StoredIndex:
        reporter = reporter or Reporter()
        name = self.path_of(source).name
        aside = self._aside(name, reporter)
        path = aside.parent / name
        try:
            fill(aside)
            path = self._publish(aside, path, reporter)
        except OSError as error:
            raise _unwritable(path, error) from None
        finally:
            aside.unlink(missing_ok=True)
        return StoredIndex(path, source)

    def mark_checked(self, stored: StoredIndex, now: float) -> None:
        """Note that the source was asked at *now* (seconds since the Unix epoch) and had nothing newer."""
        stored.checked = now
        with contextlib.suppress(OSError):  # A read-only store is merely asked about again next time.
            os.utime(stored.path, (now, now))

    def forget(self, source: Source) -> None:
        """Remove what is stored of *source*."""
        for path in self._places(source):
            with contextlib.suppress(OSError):
                path.unlink()

    def close(self) -> None:
        """Remove the temporary folder, if there is one; indexes that are open stay readable where systems allow."""
        if self._remove_temporary is not None:
            self._remove_temporary()
        self._temporary = self._remove_temporary = None

    def _places(self, source: Source) -> list[Path]:
        """Where *source* may be, the newest first."""
        name = self.path_of(source).name
        return [folder / name for folder in self._folders()]

    def _folders(self) -> list[Path]:
        """The folders that are read, first the one that takes what is new."""
        return [self.folder] if self._temporary is None else [self._temporary, self.folder]

    def _aside(self, name: str, reporter: Reporter) -> Path:
        """A new empty file, in the folder where the index called *name* will be published."""
        folder = self._temporary or self._lasting_folder(reporter)
        try:
            return _new_file(folder, name)
        except OSError as error:
            if folder == self._temporary or error.errno in _FULL:
                raise _unwritable(folder, error) from None
            self._turn_to_temporary(error, reporter)
            return self._aside(name, reporter)

    def _lasting_folder(self, reporter: Reporter) -> Path:
        """The store's folder, made where it is missing; the temporary one where that is impossible."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in _FULL:
                raise _unwritable(self.folder, error) from None
            return self._turn_to_temporary(error, reporter)
        self._remove_leftovers()
        return self.folder

    def _publish(self, aside: Path, path: Path, reporter: Reporter) -> Path:
        """Rename *aside* to *path*; a file that this user may not replace gets a successor elsewhere."""
        try:
            return aside.replace(path)
        except PermissionError as error:
            import shutil

            folder = self._turn_to_temporary(error, reporter)
            copy = _new_file(folder, path.name)
            shutil.copyfile(aside, copy)
            return copy.replace(folder / path.name)

    def _turn_to_temporary(self, error: OSError, reporter: Reporter) -> Path:
        """The folder that serves from now on, as *error* keeps this user from writing to the lasting one."""
        import shutil
        import tempfile

        with self._lock:
            if self._temporary is not None:
                return self._temporary
            try:
                folder = tempfile.mkdtemp(prefix="envmgr-index-")
            except OSError:
                raise _unwritable(self.folder, error) from None
            self._remove_temporary = weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._temporary = Path(folder)
        reporter.warned(unwritable_text(self.folder, _reason(error)))
        return self._temporary

    def _remove_leftovers(self) -> None:
        """Remove the files of updates that were killed: those that nobody has written to for an hour."""
        with contextlib.suppress(OSError):
            # By the clock that dates the files: our own may have jumped since they were written.
            newest = self.folder.stat().st_mtime - _STALE_SECONDS
            for path in self.folder.glob(".*.sqlite.new"):
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < newest:
                        path.unlink()


def unwritable_text(folder: Path, reason: str) -> str:
    """The warning that what is fetched will not be there for the next command."""
    return f"the index folder {folder} cannot be written ({reason}); what is fetched is kept for this command only."


def _new_file(folder: Path, name: str) -> Path:
    """An empty file that the umask alone keeps from others, since a shared folder serves several users."""
    path = folder / f".{os.urandom(6).hex()}.{name}.new"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return path


def _kinds_of_damage() -> tuple[type[BaseException], ...]:
    """The ways in which reading a damaged file can fail; a broken length may ask for more memory than there is."""
    import sqlite3

    import zstandard

    return sqlite3.DatabaseError, zstandard.ZstdError, msgspec.DecodeError, MemoryError, UnicodeDecodeError


def _unwritable(path: Path, error: OSError) -> UnwritableIndexError:
    return UnwritableIndexError(f"the index {path} cannot be written: {_reason(error)}.", path=str(path))


def _unreadable(path: Path, error: OSError) -> UnreadableIndexError:
    return UnreadableIndexError(
        f"the stored index {path} cannot be read: {_reason(error)}.",
        hint="Ask its owner for access, or set index_dir to a folder of your own.",
        path=str(path),
    )


def _check_readable(path: Path) -> None:
    """SQLite calls a file that it may not read damaged; raises UnreadableIndexError for such a one."""
    try:
        open_regular(str(path)).close()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(path, error) from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
