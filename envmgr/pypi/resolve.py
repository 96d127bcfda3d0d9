"""Resolves PyPI requirements for a planned prefix with uv, or with pip where uv is missing (PEP 751)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envmgr.ports import Reporter, Runner
    from envmgr.pypi.resolution import PypiRefusal, PypiRequest, PypiSolution


def resolve_pypi(
    request: PypiRequest, runner: Runner, environ: Mapping[str, str], reporter: Reporter
) -> PypiSolution | PypiRefusal:
    """Ask uv (or pip) what *request* needs from PyPI; wheels first, source distributions where none suffice.

    *environ* is the process's: pip's configuration and variables, uv's variables, and PATH are found through it.
    Raises DataError for an item that cannot be read (with its place), ChannelError where an index does not answer,
    and PrefixError where neither uv nor pip can be run.
    """
    raise NotImplementedError
