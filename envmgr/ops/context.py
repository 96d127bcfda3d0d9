"""Everything that an operation is given besides its request: settings and the ports to the outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from envmgr.config.settings import Settings
    from envmgr.ports import Clock, Reporter, Runner, Transport


class Context(Struct, frozen=True):
    """Settings and ports; ``environ``, ``home`` and ``cwd`` are the process's, passed on as values.

    ``setting_sources`` says where each setting that is not the default was written: `~/.condarc:3`, a variable.
    ``fetched`` are the environment files that servers gave so far, by their URLs as the user wrote them.
    """

    settings: Settings
    transport: Transport
    runner: Runner
    clock: Clock
    reporter: Reporter
    environ: Mapping[str, str]
    home: Path
    cwd: Path
    setting_sources: Mapping[str, str] = field(default_factory=dict)
    fetched: dict[str, bytes] = field(default_factory=dict)

    def with_credentials(self, written: Iterable[str]) -> Context:
        """The same, with a transport that knows the credentials in the URLs that the user wrote."""
        from envmgr.net.credentials import CredentialTransport

        return replace(self, transport=CredentialTransport(self.transport, written))
