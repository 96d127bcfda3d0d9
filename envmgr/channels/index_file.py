"""The file of one source's index: an SQLite database that is filled aside and never changed after (effects: files).

    state   one row, JSON: `State`
    block   of a channel that serves whole files (id, name, section, digest, records): zstd of {"file name": record}
    shard   of a channel that serves shards (CEP 16): which one holds a name; see shard_rows.py
    former  the shards that such a channel had before, of names whose new ones are not here (name, digest)

A filling may begin with a copy of the file before it; then blocks whose content did not change are left as they
are. The layout and its reasons are described in docs/internals/index-store.md.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from itertools import islice
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from envmgr.channels.shard_rows import rows_of
from envmgr.channels.urls import Form, package_base_url
from envmgr.errors import DataError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.channels.repodata import Batch, Groups, RepodataReader
    from envmgr.channels.shards import ShardIndex
    from envmgr.channels.urls import Source

    Fill = Callable[[sqlite3.Connection], "State"]
    Block = tuple[str, bytes, bytes]  # Name, digest, text.

LAYOUT_VERSION = 5
_LAYOUT = (0x656E766D, LAYOUT_VERSION)  # application_id and user_version of the SQLite header
_COMPRESSION_LEVEL = 1
_BLOCK_RECORDS = 32  # A chosen record is read with the others of its block.
_NEWEST = 1 << 63  # Beyond the number of any row.

_TABLES = (
    "CREATE TABLE state (document BLOB NOT NULL)",
    """CREATE TABLE block (id INTEGER PRIMARY KEY, name TEXT NOT NULL, section INTEGER NOT NULL,
    digest BLOB NOT NULL, records BLOB NOT NULL)""",
    "CREATE TABLE shard (first TEXT NOT NULL, names TEXT NOT NULL, digests BLOB NOT NULL)",
    "CREATE INDEX shard_by_first ON shard (first)",
    "CREATE TABLE former (name TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID",
)
# With all that a look at a name needs, so that the records themselves are not touched.
_BLOCK_INDEX = "CREATE INDEX block_by_name ON block (name, section, id, digest)"


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known about a stored source besides its records.

    ``form`` says which file was found ("none" for a subdir that the channel does not have); ``max_age_seconds`` is
    how long the server said the answer stays fresh; ``better_missing_since`` is when the better forms were last
    found missing, in seconds since the Unix epoch. ``base_url`` and ``shards_base_url`` are whole URLs, without
    credentials; ``relations`` are the channel's (CEP 42), as written. The counts are those of records, or
    of names where the source is sharded, and of entries that cannot be used.
    """

    url: str
    form: Form
    etag: str | None = None
    last_modified: str | None = None
    max_age_seconds: int | None = None
    better_missing_since: float | None = None
    base_url: str | None = None
    shards_base_url: str | None = None
    relations: dict[str, Any] | list[Any] | None = None
    records: int = 0
    skipped: int = 0


class DamagedCopyError(Exception):
    """The file that a filling began with turned out to be damaged."""


def open_whole(path: Path, url: str | None) -> tuple[sqlite3.Connection, State]:
    """A read-only connection and the state; `immutable` spares all locks, as finished files never change.

    Raises sqlite3.DatabaseError or msgspec.DecodeError when *path* is no whole index of this layout for *url*
    (None: for any).
    """
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
        if url is not None and state.url != url:
            raise sqlite3.DatabaseError(f"it belongs to {state.url}")
        for base in (state.base_url, state.shards_base_url):
            package_base_url(state.url, base)
    except (DataError, RecursionError) as error:
        connection.close()
        raise sqlite3.DatabaseError(str(error).rstrip(".")) from None
    except BaseException:
        connection.close()
        raise
    return connection, state


def fill_with_shards(
    path: Path, source: Source, state: State, index: ShardIndex, former: Mapping[str, bytes]
) -> None:
    """Write the index of a sharded source to the empty file *path*; OSError when the disk does not take it.

    *former* has the digests of shards that are on the disk, of names whose shards in *index* are not.
    """
    counted = msgspec.structs.replace(
        state,
        base_url=source.resolved(index.base_url),
        shards_base_url=source.resolved(index.shards_base_url),
        relations=relations_in(index.info),
        records=len(index.shards),
        skipped=index.skipped,
    )

    def fill(connection: sqlite3.Connection) -> State:
        connection.executemany("INSERT INTO shard VALUES (?, ?, ?)", rows_of(index.shards))
        connection.executemany("INSERT INTO former VALUES (?, ?)", former.items())
        return counted

    _fill(path, fill)


def fill_with_text(
    path: Path, source: Source, state: State, chunks: Iterable[bytes], before: Path | None
) -> None:
    """`fill_with_records` from the text of a repodata document, which arrives in *chunks*."""
    from envmgr.channels.repodata import RepodataReader

    fill_with_records(path, source, state, RepodataReader(chunks), before)


def fill_with_records(
    path: Path, source: Source, state: State, reader: RepodataReader, before: Path | None
) -> None:
    """Write the records of *reader* to the empty file *path*, which becomes a copy of the file *before* at first.

    Raises what *reader* raises, and OSError when the disk does not take it.
    """
    import shutil

    if before is not None:
        shutil.copyfile(before, path)

    def fill(connection: sqlite3.Connection) -> State:
        known = _KnownBlocks(connection, is_copy=before is not None)
        for batch in reader:
            _insert(connection, batch.section, known.unknown(batch))
        connection.executemany("DELETE FROM block WHERE id = ?", ((each,) for each in known.unseen))
        if before is None:
            connection.execute(_BLOCK_INDEX)
        _remove(connection, reader.removed, reader.strays)
        return msgspec.structs.replace(
            state,
            base_url=source.resolved(reader.base_url),
            relations=relations_in(reader.info),
            records=reader.records,
            skipped=reader.skipped,
        )

    _fill(path, fill, is_copy=before is not None)


def relations_in(info: Any) -> dict[str, Any] | list[Any] | None:
    """The relations of a channel (CEP 42), as its header states them; DataError for what cannot be stored.

    An empty list stands for what is no object, which is an error where relations are followed.
    """
    found = info.get("channel_relations")
    if not isinstance(found, dict):
        return None if found is None else []
    try:
        msgspec.json.encode(found)  # What MessagePack has besides, and the deepest nesting, cannot.
    except (TypeError, ValueError, OverflowError, RecursionError):
        raise DataError("its channel_relations are not valid.") from None
    return found


def _fill(path: Path, fill: Fill, *, is_copy: bool = False) -> None:
    """Run *fill* in one transaction; nothing is synced before the end, as nobody reads the file until then."""
    import sqlite3

    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _run(connection, fill, is_copy=is_copy)
    except sqlite3.DatabaseError as error:
        if is_copy and not isinstance(error, sqlite3.OperationalError):
            raise DamagedCopyError(str(error)) from None
        raise OSError(str(error)) from None
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _run(connection: sqlite3.Connection, fill: Fill, *, is_copy: bool) -> None:
    pragmas = ["journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"]
    if not is_copy:
        pragmas += [f"application_id = {_LAYOUT[0]}", f"user_version = {_LAYOUT[1]}"]
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    if not is_copy:
        for table in _TABLES:
            connection.execute(table)
    state = fill(connection)
    connection.execute("DELETE FROM state")
    connection.execute("INSERT INTO state VALUES (?)", (msgspec.json.encode(state),))
    connection.execute("COMMIT")
    if _pragma(connection, "freelist_count") * 2 > _pragma(connection, "page_count"):
        connection.execute("VACUUM")


class _KnownBlocks:
    """The blocks of the file before, each of which may stand for one of the same section and content.

    The content says the name, too. What the pages of SQLite say about each other is checked, since they have no
    checksums: a flipped bit must not outlive an update.
    """

    def __init__(self, connection: sqlite3.Connection, *, is_copy: bool) -> None:
        self._known: dict[bytes, int] = {}
        self.unseen: set[int] = set()
        self._last: tuple[dict[str, int], ...] = ({}, {}, {})
        if not is_copy:
            return
        if connection.execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise DamagedCopyError("what is stored contradicts itself")
        for digest, section, row in connection.execute("SELECT digest, section, id FROM block"):
            self._known[digest + bytes([section])] = row
            self.unseen.add(row)

    def unknown(self, batch: Batch) -> list[Block]:
        """The blocks of *batch* that must be written.

        Of a file name that a section holds in several batches, the last record counts. So a block stands for
        another only if it comes after all that stand for earlier batches, as those that are written do.
        """
        found: list[Block] = []
        last, section = self._last[batch.section], bytes([batch.section])
        ends: dict[str, int] = {}
        for block in _blocks(batch.groups):
            name = block[0]
            row = self._known.pop(block[1] + section, None)
            if row is None or row < last.get(name, 0):
                found.append(block)
                ends[name] = _NEWEST
            else:
                self.unseen.discard(row)
                ends[name] = max(row, ends.get(name, 0))
        last.update(ends)
        return found


def _blocks(groups: Groups) -> Iterator[Block]:
    """Name, digest and text of each block."""
    encode, sha256 = msgspec.json.Encoder().encode, hashlib.sha256
    for name, group in groups.items():
        if len(group) <= _BLOCK_RECORDS:
            text = encode(group)
            yield name, sha256(text).digest(), text
            continue
        records = iter(group.items())
        while part := dict(islice(records, _BLOCK_RECORDS)):
            text = encode(part)
            yield name, sha256(text).digest(), text


def _compressed(texts: Iterator[bytes]) -> Iterator[bytes]:
    import zstandard

    compress = zstandard.ZstdCompressor(level=_COMPRESSION_LEVEL, write_checksum=True).compress
    return map(compress, texts)


def _insert(connection: sqlite3.Connection, section: int, blocks: Sequence[Block]) -> None:
    rows = zip(blocks, _compressed(text for *_, text in blocks), strict=True)
    connection.executemany(
        "INSERT INTO block (name, section, digest, records) VALUES (?, ?, ?, ?)",
        ((name, section, digest, blob) for (name, digest, _), blob in rows),
    )


def _remove(connection: sqlite3.Connection, removed: list[str], strays: Iterable[str]) -> None:
    """Take the files that a channel calls removed out of their blocks, where they are still listed (CEP 36).

    They may be of the name that theirs begins with, or of one of the *strays*.
    """
    import zstandard

    decompress = zstandard.ZstdDecompressor().decompress
    by_name: dict[str, set[str]] = {}
    for fn in removed:
        by_name.setdefault(fn.rsplit("-", 2)[0].lower(), set()).add(fn)
    if removed:
        anything = set(removed)
        by_name |= dict.fromkeys(strays, anything)
    for name, file_names in by_name.items():
        rows = connection.execute("SELECT id, records FROM block WHERE name = ?", (name,)).fetchall()
        for row, blob in rows:
            group = msgspec.json.decode(decompress(blob), type=dict[str, msgspec.Raw])
            left = {fn: record for fn, record in group.items() if fn not in file_names}
            if not left:
                connection.execute("DELETE FROM block WHERE id = ?", (row,))
            elif len(left) < len(group):
                ((_, digest, text),) = _blocks({name: left})
                (fresh,) = _compressed(iter([text]))
                connection.execute(
                    "UPDATE block SET digest = ?, records = ? WHERE id = ?", (digest, fresh, row)
                )


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
