"""Reads a stored index without the tables and the repairs that `Index` adds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.channels.parts import make_columns, record_in, records_in
from envmgr.models.record_table import RecordTable

if TYPE_CHECKING:
    from envmgr.channels.store import StoredIndex
    from envmgr.models.record import PackageRecord


def table_of(stored: StoredIndex, name: str) -> RecordTable:
    """The table of *name* in one source."""
    parts = stored.parts(name)
    columns = make_columns(name, [parts], lambda _, part: records_in(stored.block(part), name))

    def read(place: int) -> PackageRecord:
        found = record_in(stored.block(parts[columns.parts[place]]), table.file_name(place), stored.origin)
        assert found is not None
        return found

    table = RecordTable(columns, read, stored.origin)
    return table


def records_of(stored: StoredIndex, name: str) -> list[PackageRecord]:
    """The whole records of *name* in one source."""
    return table_of(stored, name).records()
