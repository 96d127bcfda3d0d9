"""From the process to the `Context` that operations get: settings, transport, runner, clock, folders.

This is the one place where that is put together, for the command line and for the Python API alike. It reads the
process's environment and folders and changes nothing of them.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmgr.ops.context import Context

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.config.settings import Settings
    from envmgr.config.store import LoadedSettings
    from envmgr.ports import Reporter, Response, Transport


def user_home() -> Path:
    """The user's home, or a folder that does not exist, as Debian's users without one have it.

    Containers run as users that no list knows, and without HOME.
    """
    try:
        return Path.home()
    except RuntimeError:
        return Path("/nonexistent")


def find_settings(overrides: Mapping[str, Any]) -> LoadedSettings:
    """The settings of files and variables; *overrides* win over them, but for those that are None.

    Raises ConfigError.
    """
    from envmgr.config.store import load_settings
    from envmgr.host.probe import native_subdir

    chosen = {name: value for name, value in overrides.items() if value is not None}
    return load_settings(os.environ, home=user_home(), subdir=native_subdir(), overrides=chosen)


def make_context(loaded: LoadedSettings, reporter: Reporter) -> Context:
    """The context of operations that obey these settings; *reporter* is told what was odd in them."""
    from envmgr.config.store import working_folder
    from envmgr.host.system import SystemClock, SystemRunner

    for warning in loaded.warnings:
        reporter.warned(warning)
    environ, home = dict(os.environ), user_home()
    return Context(
        settings=loaded.settings,
        transport=_LaterTransport(loaded.settings, environ, home, reporter),
        runner=SystemRunner(),
        clock=SystemClock(),
        reporter=reporter,
        environ=environ,
        home=home,
        cwd=working_folder(environ),
        setting_sources=loaded.sources,
    )


class _LaterTransport:
    """The transport, which is imported and made at the first URL: most commands open none."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], home: Path, reporter: Reporter
    ) -> None:
        self._settings, self._environ, self._home, self._reporter = settings, environ, home, reporter
        self._made: Transport | None = None
        self._lock = threading.Lock()

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET *url*, as `envmgr.net.transport.make_transport` has it."""
        from envmgr.models.channel import without_credentials
        from envmgr.net.transport import make_transport

        with self._lock:
            if self._made is None:
                self._made = make_transport(
                    self._settings, environ=self._environ, home=self._home, warn=self._reporter.warned
                )
        started = time.monotonic()
        response = self._made.open(url, headers)
        asked = without_credentials(url)
        came = "" if response.url == asked else f" from {response.url}"
        self._reporter.requested(
            f"GET {asked} gave {response.status}{came} in {time.monotonic() - started:.2f} s."
        )
        return response
