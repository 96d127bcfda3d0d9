"""How the file of a source names its shards: rows of neighbouring names with their digests. Pure.

A channel may have a million names, and a row for each would cost more to write than all the rest. So a row holds
the names of a stretch, in order, and their digests one after the other; its first name is what it is found by.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DIGEST_BYTES = 32
_ROW_NAMES = 64  # A row fills about one page of the file.


def rows_of(shards: Mapping[str, bytes]) -> Iterator[tuple[str, str, bytes]]:
    """First name, names and digests of each row; no name of *shards* has a line break.

    >>> [*rows_of({"b": bytes(32), "a": bytes(32)})]  # doctest: +ELLIPSIS
    [('a', 'a\\nb', b'...')]
    """
    names = iter(sorted(shards))
    while row := [*islice(names, _ROW_NAMES)]:
        yield row[0], "\n".join(row), b"".join(map(shards.__getitem__, row))


def names_in(names: str, digests: bytes) -> list[str]:
    """The names of a row, sorted; raises DataError when there are not as many digests."""
    found = names.split("\n")
    if len(digests) != len(found) * DIGEST_BYTES:
        raise DataError("a row of shards is not what it was.")
    return found


def pairs_in(names: str, digests: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and digest of the shards of a row; raises DataError when they do not belong together."""
    for number, name in enumerate(names_in(names, digests)):
        yield name, digests[number * DIGEST_BYTES : (number + 1) * DIGEST_BYTES]
