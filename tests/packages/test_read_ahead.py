"""Reading ahead gives what reading gives, in a thread that ends with the reader, well or badly."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import DataError
from envmgr.packages.archive import CHUNK_BYTES, one_buffer
from envmgr.packages.extract import Extraction, extract_archive
from envmgr.packages.read_ahead import THREAD_NAME, read_ahead
from envmgr.packages.tar import Limits
from tests.builders import archive_bytes, pkg

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = threading.active_count()
    yield
    assert threading.active_count() == before


def filling(total: int, *, broken: bool = False) -> Callable[[bytearray], int]:
    """What fills buffers with *total* bytes that differ, and fails at the end where it is *broken*."""
    done = 0

    def fill(buffer: bytearray) -> int:
        nonlocal done
        count = min(len(buffer), total - done)
        buffer[:count] = bytes((done + at) % 251 for at in range(count))
        done += count
        if not count and broken:
            raise ValueError("damaged")
        return count

    return fill


@pytest.mark.parametrize("total", [0, 1, CHUNK_BYTES, 9 * CHUNK_BYTES + 5])
def test_the_same_bytes_come_as_from_one_buffer(total: int) -> None:
    assert b"".join(map(bytes, read_ahead(filling(total)))) == b"".join(
        map(bytes, one_buffer(filling(total)))
    )


def test_a_failure_comes_after_what_was_read_before_it() -> None:
    found = []
    with pytest.raises(ValueError, match="damaged"):
        found.extend(len(piece) for piece in read_ahead(filling(2 * CHUNK_BYTES, broken=True)))
    assert found == [CHUNK_BYTES, CHUNK_BYTES]


def test_the_thread_ends_with_a_reader_that_stops_early() -> None:
    pieces = read_ahead(filling(100 * CHUNK_BYTES))
    next(pieces)
    pieces.close()  # type: ignore[attr-defined]


def test_no_thread_outlives_an_archive_that_could_not_be_unpacked(tmp_path: Path) -> None:
    package = pkg("big", files={"f": bytes(range(256)) * 40_000, "g": "x"})
    (tmp_path / package.file_name).write_bytes(archive_bytes(package))
    request = Extraction(limits=Limits(content_bytes=1_000), alone=True)
    with pytest.raises(DataError) as caught:
        extract_archive(tmp_path / package.file_name, tmp_path / "target", request)
    # While the error, and with it every frame that it passed, is still held.
    assert caught.value and not [each for each in threading.enumerate() if each.name == THREAD_NAME]
