"""An answer without a body, for transports that found out by another way what the status is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.ports import OnlyAnswer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType


class BodilessResponse(OnlyAnswer):
    """A Response whose body is empty; *url* is what was asked for, without credentials."""

    def __init__(self, url: str, status: int, headers: Mapping[str, str] | None = None) -> None:
        self.url = url
        self.status = status
        self.headers: Mapping[str, str] = headers or {}

    def iter_bytes(self, size: int = 1 << 16) -> Iterator[bytes]:  # noqa: ARG002 - the port has it.
        """Nothing."""
        return iter(())

    def __enter__(self) -> BodilessResponse:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass
