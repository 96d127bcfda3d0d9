"""What a user names is read whole, to a limit, whatever it is; no wait is without an end."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from envmgr.host.given_file import is_given_file, read_given_file

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes"),
    pytest.mark.timeout(20),
]


def test_a_file_is_read_to_one_byte_more_than_the_limit(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_bytes(b"x" * 200_000)
    assert len(read_given_file(place, 1_000_000)) == 200_000
    assert len(read_given_file(place, 99_999)) == 100_000
    with pytest.raises(IsADirectoryError):
        read_given_file(tmp_path, 10)
    assert is_given_file(place)
    assert not is_given_file(tmp_path)


def test_a_pipe_is_read_from_its_first_writer_to_its_end(tmp_path: Path) -> None:
    place = tmp_path / "pipe"
    os.mkfifo(place)
    assert is_given_file(place)
    text = os.urandom(300_000)
    writer = threading.Thread(target=place.write_bytes, args=(text,))
    writer.start()
    assert read_given_file(place, 1_000_000) == text
    writer.join(10)
    assert not writer.is_alive()


def test_what_never_ends_is_read_to_the_limit(tmp_path: Path) -> None:
    from pathlib import Path

    assert len(read_given_file(Path("/dev/zero"), 70_000)) == 70_001
