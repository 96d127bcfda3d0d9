"""Builds the operation's `Context` from the process: its environment, folders and terminal."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmgr.ops.context import Context
from envmgr.ports import Reporter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from envmgr.cli.progress import TerminalReporter
    from envmgr.config.settings import Settings
    from envmgr.config.store import LoadedSettings
    from envmgr.ports import Response, Transport


def load(arguments: argparse.Namespace, **overrides: Any) -> LoadedSettings:
    """The settings for this command; options of the command line win over variables and files."""
    from envmgr.config.store import load_settings
    from envmgr.host.probe import native_subdir

    chosen = {name: value for name, value in overrides.items() if value is not None}
    if getattr(arguments, "offline", None):
        chosen["offline"] = True
    return load_settings(os.environ, home=Path.home(), subdir=native_subdir(), overrides=chosen)


def open_context(arguments: argparse.Namespace, **overrides: Any) -> tuple[Context, TerminalReporter]:
    """The context that operations get, and its reporter, which knows what was warned about and measured."""
    from envmgr.cli.progress import TerminalReporter

    loaded = load(arguments, **overrides)
    quiet = getattr(arguments, "quiet", False) or getattr(arguments, "json", False)
    reporter = TerminalReporter(quiet=quiet)
    environ, home = dict(os.environ), Path.home()
    transport = _LaterTransport(loaded.settings, environ, home, reporter)
    return _context(loaded, transport, reporter, environ), reporter


def open_local_context(arguments: argparse.Namespace) -> Context:
    """A context for commands that open no URL and do nothing long: it takes half the time to make."""
    loaded, reporter, environ = load(arguments), _PlainReporter(), dict(os.environ)
    return _context(
        loaded, _LaterTransport(loaded.settings, environ, Path.home(), reporter), reporter, environ
    )


class _PlainReporter(Reporter):
    """Tells warnings and nothing else."""

    def warned(self, message: str) -> None:
        """One line on standard error."""
        from envmgr.models.visible_text import visible_lines

        sys.stderr.write(f"envmgr: warning: {visible_lines(message)}\n")


def _context(
    loaded: LoadedSettings, transport: Transport, reporter: Reporter, environ: dict[str, str]
) -> Context:
    from envmgr.host.system import SystemClock, SystemRunner

    for warning in loaded.warnings:
        reporter.warned(warning)
    return Context(
        settings=loaded.settings,
        transport=transport,
        runner=SystemRunner(),
        clock=SystemClock(),
        reporter=reporter,
        environ=environ,
        home=Path.home(),
        cwd=_working_folder(os.environ),
        setting_sources=loaded.sources,
    )


class _LaterTransport:
    """The command's transport, which is imported and made at the first URL: most commands open none."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], home: Path, reporter: Reporter
    ) -> None:
        self._settings, self._environ, self._home, self._reporter = settings, environ, home, reporter
        self._made: Transport | None = None
        self._lock = threading.Lock()

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> Response:
        """GET *url*, as `envmgr.net.transport.make_transport` has it."""
        from envmgr.net.transport import make_transport

        with self._lock:
            if self._made is None:
                self._made = make_transport(
                    self._settings, environ=self._environ, home=self._home, warn=self._reporter.warned
                )
        return self._made.open(url, headers)


def _working_folder(environ: Mapping[str, str]) -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(environ.get("PWD", "/"))
