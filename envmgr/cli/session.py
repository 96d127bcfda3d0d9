"""Builds the operation's `Context` from the process: its environment, folders and terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envmgr.cli.progress import TerminalReporter
from envmgr.ops.context import Context

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from envmgr.config.store import LoadedSettings


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
    from envmgr.host.system import SystemClock, SystemRunner
    from envmgr.net.transport import make_transport

    loaded = load(arguments, **overrides)
    settings = loaded.settings
    quiet = getattr(arguments, "quiet", False) or getattr(arguments, "json", False)
    reporter = TerminalReporter(quiet=quiet)
    for warning in loaded.warnings:
        reporter.warned(warning)
    environ, home = dict(os.environ), Path.home()
    context = Context(
        settings=settings,
        transport=make_transport(settings, environ=environ, home=home, warn=reporter.warned),
        runner=SystemRunner(),
        clock=SystemClock(),
        reporter=reporter,
        environ=environ,
        home=home,
        cwd=_working_folder(os.environ),
        setting_sources=loaded.sources,
    )
    return context, reporter


def _working_folder(environ: Mapping[str, str]) -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path(environ.get("PWD", "/"))
