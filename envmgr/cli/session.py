"""Builds the operation's `Context` from the process: its environment, folders and terminal."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from envmgr.errors import ChannelError
from envmgr.ops.context import Context
from envmgr.ports import Reporter

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from envmgr.cli.progress import TerminalReporter
    from envmgr.config.store import LoadedSettings
    from envmgr.ports import Transport


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
    from envmgr.net.transport import make_transport

    loaded = load(arguments, **overrides)
    quiet = getattr(arguments, "quiet", False) or getattr(arguments, "json", False)
    reporter = TerminalReporter(quiet=quiet)
    environ, home = dict(os.environ), Path.home()
    transport = make_transport(loaded.settings, environ=environ, home=home, warn=reporter.warned)
    return _context(loaded, transport, reporter, environ), reporter


def open_local_context(arguments: argparse.Namespace) -> Context:
    """A context for commands that open no URL and do nothing long: it takes half the time to make."""
    return _context(load(arguments), _NoNetwork(), _PlainReporter(), dict(os.environ))


class _NoNetwork:
    """Stands where commands need no transport."""

    def open(self, url: str, headers: Mapping[str, str] | None = None) -> NoReturn:  # noqa: ARG002 - a Transport's
        """Refuses."""
        raise ChannelError(f"{url} is not asked: this command uses no network.")


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


def _working_folder(environ: Mapping[str, str]) -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(environ.get("PWD", "/"))
