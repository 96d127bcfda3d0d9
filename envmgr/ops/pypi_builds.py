"""What PyPI's half needs of unpacked conda packages: a second look at what they provide, and a Python."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.errors import BuildError, SolveError
from envmgr.ops.joint import pypi_request, python_of, resolve_beside, swept_folder
from envmgr.ports import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart
    from envmgr.packages.unpacked import CachedPackage
    from envmgr.pypi.resolution import Provided

BUILT = ".built"
"""The folder beside cached wheels for those that were built from sources."""


def plan_again(part: PypiPart, records: Sequence[PackageRecord]) -> PypiPart:
    """*part* once it and conda's *records* are unpacked: another one where metadata says other than was expected.

    Raises SolveError where PyPI's half does not go with what they really provide.
    """
    if part.fixed:
        return part
    provided = part.question.providers.of_archives(records)
    python = python_of(records)
    # An index need not tell which Pythons a wheel is for; the wheel itself, which is here by now, does.
    late = python is not None and part.question.known.not_for(python.version, part.answer) is not None
    if _names(provided) == _names(part.provided) and not late:
        return part
    return resolve_beside(records, part.question)


def _names(provided: Sequence[Provided]) -> set[tuple[str, str]]:
    return {(each.name, each.version) for each in provided}


def build_sources(
    part: PypiPart, packages: Mapping[PackageRecord, CachedPackage]
) -> dict[PackageRecord, CachedPackage]:
    """The wheels of *part*'s sources, built with the Python of a throw-away environment of the conda *packages*.

    Raises BuildError, and SolveError for another platform's Python, which cannot run here.
    """
    from envmgr.ops.fetch import obtain
    from envmgr.pypi.build import build_wheels
    from envmgr.pypi.build_source import Outside

    question = part.question
    context = question.providers.context
    conda = {record: package for record, package in packages.items() if not record.is_pypi}
    with planned_python(conda, question.subdir, context) as python, contextlib.ExitStack() as stack:
        request = replace(
            pypi_request(list(conda), question), prefix_python=python, work_dir=swept_folder(stack, context)
        )
        records = build_wheels(
            part.sources,
            request,
            context.settings.pkgs_dirs[0] / BUILT,
            Outside(
                context.runner,
                context.environ,
                context.with_credentials(part.credential_urls).transport,
                context.reporter,
            ),
        )
    return obtain(records, context)


def planner(
    subdir: str, context: Context, *, dry_run: bool, here: tuple[Path, PackageRecord | None] | None = None
) -> Callable[[Sequence[PackageRecord]], contextlib.AbstractContextManager[Path]]:
    """What gives a Python that tells what source distributions need: that of the planned environment on *subdir*.

    *here* is the environment that is to change, with its package python: where that stays, nothing is made. A dry
    run makes nothing, and another platform's Python cannot run here: then it is the one that runs envmgr.
    """

    @contextlib.contextmanager
    def planned(records: Sequence[PackageRecord]) -> Iterator[Path]:
        from envmgr.ops.fetch import obtain

        if here is not None and here[1] is not None and here[1] == python_of(records):
            yield here[0] / "bin" / "python"
            return
        if dry_run or subdir != context.settings.subdir:
            version = ".".join(map(str, sys.version_info[:2]))
            why = "a dry run makes no environment" if dry_run else f"those of {subdir} cannot run here"
            context.reporter.warned(
                f"what source distributions need was asked of them with Python {version} of this machine: {why}."
            )
            yield Path(sys.executable)
            return
        packages = obtain([record for record in records if not record.is_pypi], context)
        with planned_python(packages, subdir, context) as python:
            yield python

    return planned


@contextlib.contextmanager
def planned_python(
    packages: Mapping[PackageRecord, CachedPackage], subdir: str, context: Context
) -> Iterator[Path]:
    """The interpreter of an environment of *packages*, which goes with the block."""
    from envmgr.ops.linking import LinkRequest, link_packages
    from envmgr.packages.work_area import work_area

    if subdir != context.settings.subdir:
        raise SolveError(
            f"source distributions cannot be built for {subdir} on {context.settings.subdir}.",
            hint="Ask for versions that have wheels.",
        )
    with work_area(context.settings.pkgs_dirs[0]) as area:
        prefix = area.make_place() / "planned"
        request = LinkRequest(prefix=prefix, subdir=subdir, compile_bytecode=False)
        link_packages(request, packages, replace(context, reporter=Reporter()))
        python = prefix / "bin" / "python"
        if not python.exists():
            raise BuildError("the conda packages bring no bin/python that could build source distributions.")
        yield python
