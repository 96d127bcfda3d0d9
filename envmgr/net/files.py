"""Files by their ``file://`` URL, answered as a web server would answer: 200, 304 or 404."""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from envmgr.errors import ChannelError
from envmgr.models.channel import without_credentials
from envmgr.ports import OnlyAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType


class FileTransport:
    """The Transport for file URLs. The ETag is made from size and time, to the nanosecond."""

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> FileResponse:
        """The file behind *url*; 404 where there is none, ChannelError where it may not be read."""
        path = local_path(url)
        asked = {key.lower(): value for key, value in (headers or {}).items()}
        try:
            file = open(path, "rb")  # noqa: SIM115 (the response closes it)
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return FileResponse(url, 404)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ChannelError(f"{url} cannot be read: {reason}.", url=url) from None
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            file.close()
            return FileResponse(url, 404)
        tag = f'"{found.st_size:x}-{found.st_mtime_ns:x}"'
        if asked.get("if-none-match") == tag:
            file.close()
            return FileResponse(url, 304, {"etag": tag})
        return FileResponse(url, 200, {"etag": tag, "content-length": str(found.st_size)}, file)


class FileResponse(OnlyAnswer):
    """An opened file as an answer."""

    def __init__(
        self, url: str, status: int, headers: Mapping[str, str] | None = None, file: BinaryIO | None = None
    ) -> None:
        self.url = url
        self.status = status
        self.headers: Mapping[str, str] = headers or {}
        self._file = file

    def iter_bytes(self, size: int = 1 << 16) -> Iterator[bytes]:
        """The content; raises ChannelError when the file cannot be read on or shrinks meanwhile."""
        if self._file is None:
            return
        missing = int(self.headers["content-length"])
        try:
            while chunk := self._file.read(size):
                missing -= len(chunk)
                yield chunk
        except OSError as error:
            raise ChannelError(f"{self.url} cannot be read: {error.strerror}.", url=self.url) from None
        if missing:
            raise ChannelError(f"{self.url} changed while it was read.", url=self.url)

    def __enter__(self) -> FileResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()


def local_path(url: str) -> str:
    """The path that a file URL names on this machine; ChannelError for another machine's.

    >>> local_path("file:///srv/my%20channel/noarch")
    '/srv/my channel/noarch'
    """
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        shown = without_credentials(url)
        host = parts.netloc.rpartition("@")[2]
        raise ChannelError(f"{shown} names a file of another machine, '{host}'.", url=shown)
    path = unquote(parts.path)
    has_drive = os.name == "nt" and len(path) > 2 and path[0] == "/" and path[2] == ":"
    return path[1:] if has_drive else path
