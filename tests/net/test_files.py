"""Files behind file URLs answer as a web server would."""

from __future__ import annotations

import os

import pytest

from envmgr.errors import ChannelError
from envmgr.net.files import FileTransport


def test_a_file_is_answered_with_200_length_and_tag(tmp_path):
    file = tmp_path / "a file %20 ü#?.txt"
    file.write_bytes(b"x" * 100_000)
    with FileTransport().open(file.as_uri()) as response:
        assert (response.status, response.headers["content-length"]) == (200, "100000")
        assert b"".join(response.iter_bytes(1000)) == b"x" * 100_000


def test_an_unchanged_file_is_answered_with_304_and_a_changed_one_is_not(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"one")
    transport = FileTransport()
    with transport.open(file.as_uri()) as response:
        tag = response.headers["etag"]
    with transport.open(file.as_uri(), {"If-None-Match": tag}) as response:
        assert (response.status, list(response.iter_bytes())) == (304, [])
    before = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with transport.open(file.as_uri(), {"If-None-Match": tag}) as response:
        assert (response.status, b"".join(response.iter_bytes())) == (200, b"two")


def test_what_is_no_file_is_answered_with_404(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "missing", tmp_path / "file" / "below"):
        with FileTransport().open(path.as_uri()) as response:
            assert response.status == 404


def test_a_name_that_no_file_can_have_is_an_error(tmp_path):
    with pytest.raises(ChannelError, match="cannot be read"):
        FileTransport().open(f"{tmp_path.as_uri()}/a%00b")
    with pytest.raises(ChannelError, match="cannot be read: File name too long"):
        FileTransport().open(f"{tmp_path.as_uri()}/{'x' * 300}")


def test_a_file_of_another_machine_is_refused():
    with pytest.raises(ChannelError, match="names a file of another machine, 'server'"):
        FileTransport().open("file://server/share/repodata.json")
    with pytest.raises(ChannelError, match="'server'") as caught:
        FileTransport().open("file://user:secret@server/share/repodata.json")
    assert "secret" not in f"{caught.value} {caught.value.facts}"


def test_a_file_that_shrinks_while_it_is_read_is_an_error(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"x" * 100_000)
    with FileTransport().open(file.as_uri()) as response:
        chunks = response.iter_bytes(1000)
        next(chunks)
        os.truncate(file, 2000)
        with pytest.raises(ChannelError, match="changed while it was read"):
            list(chunks)
