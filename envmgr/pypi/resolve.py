"""Resolves PyPI requirements for a planned prefix with uv, or with pip where uv is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.errors import PrefixError
from envmgr.models.record import PYPI_PREFIX
from envmgr.models.requirement import Source
from envmgr.ports import Phase
from envmgr.pypi.configuration import configured_options
from envmgr.pypi.index_options import index_options
from envmgr.pypi.requirement_files import gather
from envmgr.pypi.resolution import PypiItem, PypiSolution
from envmgr.pypi.tools import find_pip, find_uv

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from envmgr.ports import Reporter, Runner, Transport
    from envmgr.pypi.index_options import IndexOptions
    from envmgr.pypi.requirement_files import Gathered
    from envmgr.pypi.resolution import Provided, PypiRefusal, PypiRequest


def resolve_pypi(
    request: PypiRequest,
    runner: Runner,
    environ: Mapping[str, str],
    reporter: Reporter,
    transport: Transport | None = None,
) -> PypiSolution | PypiRefusal:
    """Ask uv (or pip) what *request* needs from PyPI; wheels first, source distributions where none suffice.

    *environ* is the process's: pip's configuration and variables, uv's variables, and PATH are found through it.
    Where extras of what conda provides are asked for, *transport* reads from the index what they need; without
    one they are only told (``missing_extras``).
    Raises DataError for an item that cannot be read (with its place), ChannelError where an index does not answer,
    and PrefixError where neither uv nor pip can be run.
    """
    outcome = _resolved(request, runner, environ, reporter)
    if transport is not None and isinstance(outcome, PypiSolution) and outcome.missing_extras:
        known = _with_extras(request, outcome, environ, transport)
        if known != request.provided:
            return _resolved(replace(request, provided=known), runner, environ, reporter)
    return outcome


def _with_extras(
    request: PypiRequest, outcome: PypiSolution, environ: Mapping[str, str], transport: Transport
) -> tuple[Provided, ...]:
    """What conda provides, with what the extras of the names in question need."""
    from envmgr.pypi.index_metadata import extra_requirements

    _, options = read_items(request, environ)
    names = {name for name, _ in outcome.missing_extras}
    return tuple(
        replace(
            each,
            requires_dist=extra_requirements(each.name, each.version, options.all_indexes, transport) or (),
        )
        if each.name in names and not each.requires_dist
        else each
        for each in request.provided
    )


def _resolved(
    request: PypiRequest, runner: Runner, environ: Mapping[str, str], reporter: Reporter
) -> PypiSolution | PypiRefusal:
    gathered, options = read_items(request, environ)
    if not gathered.requirements:
        return PypiSolution(tool="")
    gathered, told = _without_editable_repositories(gathered)
    reporter.phase_started(Phase.PYPI, None)
    try:
        found = find_uv(environ, runner)
        if found.tool is not None:
            from envmgr.pypi.uv import resolve_with_uv

            outcome = resolve_with_uv(request, gathered, options, found.tool, runner, environ)
        else:
            outcome = _with_pip(request, gathered, options, runner, environ)
    finally:
        reporter.phase_finished(Phase.PYPI)
    warnings = (*found.refused, *told, *index_warnings(outcome, options), *outcome.warnings)
    return replace(outcome, warnings=warnings)


def _without_editable_repositories(gathered: Gathered) -> tuple[Gathered, tuple[str, ...]]:
    """Repositories as ordinary packages, with a sentence for each that should be editable: no clone is kept."""
    lines, told = [], []
    for line in gathered.requirements:
        is_repository = line.editable and re.search(r"(^|@\s*)(git|hg|svn|bzr)\+", line.text) is not None
        if is_repository:
            told.append(
                f"{line.shown.removeprefix('-e ')} is installed as it is and not editable: no clone is kept."
            )
        lines.append(replace(line, editable=False) if is_repository else line)
    return replace(gathered, requirements=lines), tuple(told)


def read_items(request: PypiRequest, environ: Mapping[str, str]) -> tuple[Gathered, IndexOptions]:
    """What the items and the files behind them ask for, and the options of all places together.

    Raises DataError with the place for what cannot be read.
    """
    prefix = request.prefix_python.parent.parent if request.prefix_python is not None else None
    configured = configured_options(environ, prefix)
    first = index_options(configured, ())
    constraints = [_constraint_item(path) for path in first.constraint_files]
    gathered = gather([*constraints, *request.items], environ, request.fetch)
    options = _with_sums(index_options(configured, gathered.options), gathered)
    return gathered, options if request.find_login is None else options.with_logins(request.find_login)


def _with_sums(options: IndexOptions, gathered: Gathered) -> IndexOptions:
    """Where each line tells its files' sums, as locks do, it does not matter which index has them."""
    lines = gathered.requirements
    if not options.indexes or not lines or not all(each.hashes for each in lines):
        return options
    return replace(options, strategy="unsafe-best-match", require_hashes=True)


def _constraint_item(path: str) -> PypiItem:
    from pathlib import Path

    return PypiItem(f"-c {path}", Path.cwd(), Source("PIP_CONSTRAINT", None, path))


def _with_pip(
    request: PypiRequest,
    gathered: Gathered,
    options: IndexOptions,
    runner: Runner,
    environ: Mapping[str, str],
) -> PypiSolution | PypiRefusal:
    from envmgr.pypi.pip_resolve import resolve_with_pip

    python: Path | None = request.prefix_python
    pip = find_pip(python, environ, runner) if python is not None else None
    if pip is None:
        raise PrefixError(
            "PyPI packages cannot be resolved: there is no uv, and no pip that runs with the environment's Python.",
            hint="Install uv, for instance with `pip install envmgr[pypi]`.",
            needs_python=python is None,
        )
    return resolve_with_pip(request, gathered, options, pip, runner, environ)


def index_warnings(outcome: PypiSolution | PypiRefusal, options: IndexOptions) -> tuple[str, ...]:
    """What should be known of the places that packages came from (dependency confusion)."""
    if not isinstance(outcome, PypiSolution) or len(options.all_indexes) < 2 or options.require_hashes:
        return ()
    if options.strategy != "first-index" or outcome.tool.startswith("pip"):
        shown = ", ".join(index.shown for index in options.all_indexes)
        return (
            f"packages may come from any of {shown}: whoever can publish a name on one of them can take it over.",
        )
    last = options.all_indexes[-1].shown
    beside: dict[str, list[str]] = {}
    of_wheels = [(record.name.removeprefix(PYPI_PREFIX), record.key[0]) for record in outcome.wheels]
    others = {index.shown for index in options.indexes} - {last}
    for name, place in (*of_wheels, *((source.name, source.index) for source in outcome.sources)):
        if place in others:
            beside.setdefault(place, []).append(name)
    return tuple(
        f"{', '.join(sorted(names))}: taken from {index}, which has the name first; {last} was not asked for it."
        for index, names in beside.items()
    )
