"""The index on disk: the records of each source (channel and subdir), keyed by package name.

One SQLite file holds one source, and nothing writes into a finished file. An update fills a new file aside and
renames it over the old one: a reader keeps the file that it opened, a killed update leaves the old one, and of
two updates at once the later wins whole. So there are no locks, and it works on network file systems and from
read-only folders. When the source was last asked about is the file's modification time; everything else that
describes the content (ETag and so on) lies inside the file and can never belong to another content.

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
import threading
import time
import weakref
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import msgspec

from envmgr.channels.tables import TableFolder, remove_tables
from envmgr.errors import ChannelError, DataError
from envmgr.models.record import PackageRecord
from envmgr.models.record_table import RecordTable, columns_of, in_order
from envmgr.ports import Reporter

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from envmgr.channels.repodata import Groups, RepodataReader
    from envmgr.channels.urls import Source
    from envmgr.models.record_table import Columns

LAYOUT_VERSION = 2
_LAYOUT = (0x656E766D, LAYOUT_VERSION)  # application_id and user_version of the SQLite header
_COMPRESSION_LEVEL = 1
_ROW_RECORDS = 32  # A chosen record is read with the others of its row.
_STALE_SECONDS = 3600.0
_LONGEST_NAME = 180
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_NO_RECORDS = columns_of(())
_Read = TypeVar("_Read")
_decode_records = msgspec.json.Decoder(dict[str, PackageRecord]).decode
_decode_slices = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class DamagedIndexError(ChannelError):
    """A stored index turned out to be damaged while it was read and must be made anew."""


class UnwritableIndexError(ChannelError):
    """The store's folder or disk does not take a new index; the channel is not to blame."""


class UnreadableIndexError(ChannelError):
    """There is a stored index, and the system does not let this user read it."""


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known about a stored source besides its records.

    ``form`` says which file was found ("zst", "json", or "none" for a subdir that the channel does not have);
    ``max_age_seconds`` is how long the server said the answer stays fresh; ``compressed_missing_since`` is when
    the compressed file was last found missing, in seconds since the Unix epoch. ``token`` is new for each filling.
    """

    url: str
    form: str
    etag: str | None = None
    last_modified: str | None = None
    max_age_seconds: int | None = None
    compressed_missing_since: float | None = None
    base_url: str | None = None
    token: str = ""
    records: int = 0
    skipped: int = 0


class StoredIndex:
    """One source as it was when the file was opened, whatever others do to the store meanwhile."""

    def __init__(self, path: Path, source: Source) -> None:
        """Open *path*; raises DamagedIndexError when it is not a whole index of this layout for *source*."""
        import zstandard

        self.path = path
        self.source = source
        self._decompress = zstandard.ZstdDecompressor().decompress
        self._damage = _kinds_of_damage()
        self.checked = path.stat().st_mtime
        try:
            self._connection, self.state = _open_whole(path, source.url)
        except self._damage as error:
            raise self._damaged(error) from None
        self.origin = source.origin(self.state.base_url)
        self._tables = TableFolder(path, self.state.token)

    def load(self, name: str) -> RecordTable:
        """The table of the records called *name*, made on the first call and kept beside the index from then on.

        Of a ``.tar.bz2`` and a ``.conda`` of the same build only the latter counts. Records that do not follow
        the standard are left out and noted in the columns' ``unusable``. Raises DamagedIndexError.
        """
        name = name.lower()
        columns = self._tables.read(name)
        if columns is None:
            columns = self._make_columns(name)
            if columns.version_of or columns.unusable:
                self._tables.write(name, columns)
        table = RecordTable(columns, lambda place: self.record(table, place), self.origin)
        return table

    def record(self, table: RecordTable, place: int) -> PackageRecord:
        """Record number *place* of a table of this source, with every key that its channel published.

        Raises DamagedIndexError where it is gone.
        """
        name, fn, row = table.columns.name, table.file_name(place), table.columns.rows[place]
        for condition, value in (("id = ?", row), ("name = ? ORDER BY id DESC", name.lower())):
            for text in self._texts(condition, value):
                raw = self._guarded(_decode_slices, text).get(fn)
                if raw is not None:
                    return PackageRecord.parse(bytes(raw), fn=fn, origin=self.origin)
        raise self._damaged(ValueError(f"{fn} is not in it"))

    def _make_columns(self, name: str) -> Columns:
        from envmgr.channels.repodata import superseded

        found: dict[str, tuple[int, PackageRecord]] = {}
        unusable: dict[str, str] = {}
        rows = self._query("SELECT id, records FROM block WHERE name = ? ORDER BY id", name)
        if not rows:
            return _NO_RECORDS
        for row, blob in rows:
            text = self._guarded(self._decompress, blob)
            try:
                records = _decode_records(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                records = self._decode_singly(text, unusable)
            for fn, record in records.items():
                found[fn] = row, record.placed(fn, self.origin)
        for fn in superseded(found):
            del found[fn]
        row_of = {fn: row for fn, (row, _) in found.items()}
        ordered = in_order(record for _, record in found.values())
        return columns_of(ordered, [row_of[record.fn] for record in ordered], unusable)

    def names(self) -> list[str]:
        """All package names, sorted."""
        return [row[0] for row in self._query("SELECT DISTINCT name FROM block ORDER BY name")]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _texts(self, condition: str, value: str | int) -> list[bytes]:
        rows = self._query(f"SELECT records FROM block WHERE {condition}", value)
        return [self._guarded(self._decompress, row[0]) for row in rows]

    def _guarded(self, read: Callable[[bytes], _Read], value: bytes) -> _Read:
        try:
            return read(value)
        except self._damage as error:
            raise self._damaged(error) from None

    def _query(self, sql: str, *values: str | int) -> list[Any]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except self._damage as error:
            raise self._damaged(error) from None

    def _damaged(self, error: BaseException) -> DamagedIndexError:
        return DamagedIndexError(f"the stored index {self.path} is damaged: {error}.")

    def _decode_singly(self, text: bytes, unusable: dict[str, str]) -> dict[str, PackageRecord]:
        found: dict[str, PackageRecord] = {}
        for fn, raw in self._guarded(_decode_slices, text).items():
            try:
                found[fn] = PackageRecord.parse(bytes(raw), fn=fn)
            except (DataError, UnicodeDecodeError) as error:
                unusable[fn] = str(error)
        return found


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
        self, source: Source, state: State, chunks: Iterable[bytes], reporter: Reporter | None = None
    ) -> StoredIndex:
        """Store the repodata whose text arrives in *chunks* (uncompressed JSON) and open it.

        ``base_url`` and the counts of *state* are filled in. *reporter* is warned, once, when the folder cannot be
        written. Whatever *chunks* raises passes through, and DataError is raised for text that is not repodata,
        UnwritableIndexError where there is no room; in each case the stored index stays what it was.
        """
        from envmgr.channels.repodata import RepodataReader

        reporter = reporter or Reporter()
        name = self.path_of(source).name
        aside = self._aside(name, reporter)
        path = aside.parent / name
        try:
            _fill(aside, source, state, RepodataReader(chunks))
            path = self._publish(aside, path, reporter)
        except OSError as error:
            raise _unwritable(path, error) from None
        finally:
            aside.unlink(missing_ok=True)
        remove_tables(path)
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
            remove_tables(path)

    def close(self) -> None:
        """Remove the temporary folder, if there is one; indexes that are open stay readable where systems allow."""
        if self._remove_temporary is not None:
            self._remove_temporary()
        self._temporary = self._remove_temporary = None

    def _places(self, source: Source) -> list[Path]:
        """Where *source* may be, the newest first."""
        path = self.path_of(source)
        return [path] if self._temporary is None else [self._temporary / path.name, path]

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
        reporter.warned(
            f"the index folder {self.folder} cannot be written ({_reason(error)}); "
            "what is fetched is kept for this command only."
        )
        return self._temporary

    def _remove_leftovers(self) -> None:
        """Remove the files of updates that were killed: those that nobody has written to for an hour."""
        newest = time.time() - _STALE_SECONDS
        with contextlib.suppress(OSError):
            for path in self.folder.glob(".*.sqlite.new"):
                with contextlib.suppress(OSError):
                    if path.stat().st_mtime < newest:
                        path.unlink()


def _new_file(folder: Path, name: str) -> Path:
    """An empty file that the umask alone keeps from others, since a shared folder serves several users."""
    path = folder / f".{os.urandom(6).hex()}.{name}.new"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return path


def _open_whole(path: Path, url: str) -> tuple[sqlite3.Connection, State]:
    """A read-only connection and the state; `immutable` spares all locks, as finished files never change."""
    import sqlite3

    connection = sqlite3.connect(
        f"file:{quote(str(path))}?mode=ro&immutable=1",
        uri=True,
        check_same_thread=False,
        isolation_level=None,
    )
    try:
        if (_pragma(connection, "application_id"), _pragma(connection, "user_version")) != _LAYOUT:
            raise sqlite3.DatabaseError("it was not written by this version")
        if _pragma(connection, "page_count") * _pragma(connection, "page_size") != path.stat().st_size:
            raise sqlite3.DatabaseError("it is cut off")
        row = connection.execute("SELECT document FROM state").fetchone()
        state = msgspec.json.decode(row[0] if row else b"", type=State)
        if state.url != url:
            raise sqlite3.DatabaseError(f"it belongs to {state.url}")
    except BaseException:
        connection.close()
        raise
    return connection, state


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _fill(path: Path, source: Source, state: State, reader: RepodataReader) -> None:
    """Write the whole database at *path*; nothing is synced before the end, as nobody reads it until then."""
    import sqlite3

    connection = sqlite3.connect(path, isolation_level=None)
    try:
        for pragma in (
            "journal_mode = OFF",
            "synchronous = OFF",
            "locking_mode = EXCLUSIVE",
            f"application_id = {_LAYOUT[0]}",
            f"user_version = {_LAYOUT[1]}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE state (document BLOB NOT NULL)")
        connection.execute(
            "CREATE TABLE block (id INTEGER PRIMARY KEY, name TEXT NOT NULL, records BLOB NOT NULL)"
        )
        for groups in reader:
            connection.executemany("INSERT INTO block (name, records) VALUES (?, ?)", _rows(groups))
        origin = source.origin(reader.base_url)  # Refuses a base_url that must not be followed.
        connection.execute("CREATE INDEX block_by_name ON block (name)")
        counted = msgspec.structs.replace(
            state,
            base_url=origin.base_url if reader.base_url else None,
            token=os.urandom(8).hex(),
            records=reader.records,
            skipped=reader.skipped,
        )
        connection.execute("INSERT INTO state VALUES (?)", (msgspec.json.encode(counted),))
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise OSError(str(error)) from None
    finally:
        connection.close()
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _rows(groups: Groups) -> Iterator[tuple[str, bytes]]:
    import zstandard

    compressor = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True)
    encode = msgspec.json.Encoder().encode
    for name, group in groups.items():
        if len(group) <= _ROW_RECORDS:
            yield name, compressor.compress(encode(group))
            continue
        records = iter(group.items())
        while part := dict(islice(records, _ROW_RECORDS)):
            yield name, compressor.compress(encode(part))


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
        path.open("rb").close()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _unreadable(path, error) from None


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
