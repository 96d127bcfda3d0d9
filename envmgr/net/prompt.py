"""Connections whose answers must begin in time: status line and headers together, not each byte of them.

A socket's time-out starts anew with every byte, so a server that sends one now and then would be waited for without
an end. What comes after the headers has the time-out of the socket alone; `envmgr.net.http` watches its speed.

This module imports http.client: import it only where a connection is about to be made.
"""

from __future__ import annotations

import functools
import http.client
import io
import time
from typing import Any


class PromptResponse(http.client.HTTPResponse):
    """An answer whose head is complete within the time-out of its socket; else TimeoutError."""

    def __init__(self, sock: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(sock, *arguments, **options)
        self._wire = _Wire(self.fp.detach(), sock)
        self.fp = io.BufferedReader(self._wire)

    def begin(self) -> None:
        """Read status line and headers."""
        super().begin()
        self._wire.has_all_time()


class _Wire(io.RawIOBase):
    """What comes from a socket, at first until a moment only."""

    def __init__(self, raw: Any, sock: Any) -> None:
        self._raw = raw
        self._sock = sock
        self._seconds: float | None = sock.gettimeout()
        self._end = None if self._seconds is None else time.monotonic() + self._seconds

    def has_all_time(self) -> None:
        """From now on only silence is limited."""
        self._end = None

    def readable(self) -> bool:
        """It is for reading."""
        return True

    def fileno(self) -> int:
        """That of the socket."""
        number: int = self._raw.fileno()
        return number

    def readinto(self, buffer: Any) -> int | None:
        """Whatever is there, or comes next."""
        if self._end is None:
            return self._read(buffer)
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the head of the answer is not complete in time")
        self._sock.settimeout(left)
        try:
            return self._read(buffer)
        finally:
            self._sock.settimeout(self._seconds)

    def _read(self, buffer: Any) -> int | None:
        size: int | None = self._raw.readinto(buffer)
        return size

    def close(self) -> None:
        """Let go of the socket, which its connection may keep open."""
        super().close()
        self._raw.close()


@functools.cache
def prompt_pool(pool: Any) -> Any:
    """The class *pool* of urllib3's connection pools, with connections whose answers are prompt."""
    connection = type(pool.ConnectionCls.__name__, (pool.ConnectionCls,), {"response_class": PromptResponse})
    return type(pool.__name__, (pool,), {"ConnectionCls": connection})
