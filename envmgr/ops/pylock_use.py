"""The exact distributions of a pylock.toml (PEP 751) beside conda packages, which are chosen first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

from envmgr.errors import DataError, SolveError, UsageError
from envmgr.ops.joint import PypiPart, PypiQuestion, pypi_request, python_of
from envmgr.pypi.index_options import IndexOptions
from envmgr.pypi.items import exact_item
from envmgr.pypi.pylock import LockReading, read_document
from envmgr.pypi.resolution import PypiItem, PypiSolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.lock.pylock_v1 import Pylock
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.request import EnvironmentRequest
    from envmgr.prefix.generation import PypiIntent
    from envmgr.pypi.pylock import Locked
    from envmgr.pypi.target import PypiTarget


def chosen_groups(pylock: Pylock, named: Sequence[str]) -> tuple[frozenset[str], frozenset[str]]:
    """The extras and the groups of dependencies among the *named* ones; raises UsageError for one it has not."""
    for name in named:
        if name not in (*pylock.groups, *pylock.extras):
            known = ", ".join((*pylock.groups, *pylock.extras)) or "none"
            raise UsageError(f"{pylock.file} has no group '{name}'.", hint=f"It has: {known}.")
    groups = frozenset(named or pylock.usual)
    return groups & set(pylock.extras), groups & {*pylock.groups, *pylock.usual}


def pylock_part(
    pylock: Pylock,
    named: Sequence[str],
    records: Sequence[PackageRecord],
    wanted: EnvironmentRequest,
    context: Context,
) -> PypiPart:
    """What *pylock* has for an environment of conda's *records*, in the groups *named*.

    Raises DataError for what has no checksum, and SolveError where it is for another Python or platform, or has
    other versions than the conda packages.
    """
    from envmgr.models.requirement import Source
    from envmgr.ops.named_file import folder_of
    from envmgr.ops.provided import Providers

    folder = folder_of(pylock.file, context)
    item = PypiItem(pylock.file, folder, Source(pylock.file, None, pylock.file))
    question = PypiQuestion((item,), wanted.subdir, Providers(context))
    request = pypi_request(records, question)
    extras, groups = chosen_groups(pylock, named)
    _check_target(pylock, request.target)
    provided = {each.name: each for each in request.provided}
    reading = LockReading(
        str(folder),
        provided.keys(),
        request.target,
        IndexOptions(default=None),
        {},
        extras,
        groups,
        pylock.file,
    )
    locked = read_document(pylock.document, reading)
    for name, version in locked.stubs.items():
        if version != provided[name].version:
            raise SolveError(
                f"{pylock.file} has {name} {version}, and the conda package {provided[name].dist_name} is there.",
                hint=f"Ask conda for {name} {version}, or leave it out.",
            )
    _check_files(pylock, locked)
    answer = PypiSolution(
        tool=pylock.file, wheels=locked.wheels, sources=locked.sources, credential_urls=locked.written
    )
    python = python_of(records)
    assert python is not None  # `pypi_request` refused records without it.
    return PypiPart(question, answer, request.provided, fixed=True)


def intent_of_pylock(pylock: Pylock, part: PypiPart, context: Context) -> PypiIntent:
    """All that *part*, which *pylock* brought, holds, as lines that ask for just these."""
    from envmgr.ops.environments import expanded
    from envmgr.ops.pypi_intent import intent_of_records
    from envmgr.prefix.generation import AskedFor, PypiIntent

    file = str(expanded(pylock.file, context))
    lines = [
        AskedFor(
            exact_item(each.name, each.version or "", each.direct_url) or f"{each.name} @ {each.url}",
            file,
            None,
        )
        for each in part.sources
    ]
    return PypiIntent(requirements=(*intent_of_records(part.wheels, file).requirements, *lines))


def _check_target(pylock: Pylock, target: PypiTarget) -> None:
    if not SpecifierSet(pylock.requires_python or "").contains(target.python, prereleases=True):
        raise SolveError(
            f"{pylock.file} needs Python {pylock.requires_python}, and the environment has {target.python}.",
            hint="Ask for a Python that it is for.",
        )
    if pylock.environments and not any(map(target.marker_holds, pylock.environments)):
        raise SolveError(
            f"{pylock.file} is not for Python {target.python} on {target.subdir}; it is for"
            f" {' or '.join(pylock.environments)}."
        )


def _check_files(pylock: Pylock, locked: Locked) -> None:
    if locked.unfit:
        raise SolveError(
            f"{pylock.file} has no file of {locked.unfit[0]} that runs in the environment.",
            hint="Make the lock for this platform, too.",
        )
    names = [record.shown_name for record in locked.wheels] + [each.name for each in locked.sources]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{pylock.file} has {twice} twice for this environment.", file=pylock.file)
    unsummed = [f"{each.shown_name} {each.version}" for each in locked.wheels if not each.sha256]
    unsummed += [
        each.name for each in locked.sources if each.kind in ("sdist", "archive") and not each.sha256
    ]
    if unsummed:
        raise DataError(
            f"{pylock.file} has no SHA-256 of {unsummed[0]}, so that nobody could tell whether it is the same.",
            file=pylock.file,
        )
