"""Opens the `Context` of a command: its options win over settings, and its reporter speaks to the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from envmgr.ports import Reporter
from envmgr.session import find_settings, make_context

if TYPE_CHECKING:
    import argparse

    from envmgr.cli.progress import TerminalReporter
    from envmgr.config.store import LoadedSettings
    from envmgr.ops.context import Context


def load(arguments: argparse.Namespace, **overrides: Any) -> LoadedSettings:
    """The settings for this command; options of the command line win over variables and files."""
    return find_settings({**overrides, "offline": getattr(arguments, "offline", None) or None})


def open_context(arguments: argparse.Namespace, **overrides: Any) -> tuple[Context, TerminalReporter]:
    """The context that operations get, and its reporter, which knows what was warned about and measured."""
    from envmgr.cli.progress import TerminalReporter

    loaded = load(arguments, **overrides)
    quiet = getattr(arguments, "quiet", False) or getattr(arguments, "json", False)
    reporter = TerminalReporter(quiet=quiet, verbose=getattr(arguments, "verbose", 0))
    for name, source in loaded.sources.items():
        reporter.requested(f"{name} is set by {source}.")
    return make_context(loaded, reporter), reporter


def open_local_context(arguments: argparse.Namespace) -> Context:
    """A context for commands that open no URL and do nothing long: it takes half the time to make."""
    if getattr(arguments, "verbose", 0):
        return open_context(arguments)[0]
    return make_context(load(arguments), _PlainReporter())


def open_quiet_context(arguments: argparse.Namespace) -> Context:
    """A local context that tells nothing, for a program that a shell asks in the middle of a line."""
    return make_context(load(arguments, offline=True), Reporter())


class _PlainReporter(Reporter):
    """Tells warnings and nothing else."""

    def warned(self, message: str) -> None:
        """One line on standard error."""
        from envmgr.cli.style import styled
        from envmgr.models.visible_text import visible_lines

        sys.stderr.write(f"{styled('warning:', 'warning')} {visible_lines(message)}\n")
