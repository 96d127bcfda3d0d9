"""Builds source distributions, repositories and local projects into wheels (PEP 517, 660), isolated."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ports import Reporter, Runner, Transport
    from envmgr.pypi.resolution import PypiRequest, PypiSource


def build_wheels(
    sources: Sequence[PypiSource],
    request: PypiRequest,
    folder: Path,
    *,
    runner: Runner,
    environ: Mapping[str, str],
    transport: Transport,
    reporter: Reporter,
) -> tuple[PackageRecord, ...]:
    """Build each of *sources* with ``request.prefix_python``; the wheels' records, whose URLs are below *folder*.

    *folder* is where built wheels are kept between commands, as ``<key>/<file>.whl``: *key* is a sum over the
    source's own sum or commit, Python's minor version and the platform, so that what was built is not built again.
    Directories are built each time. Index options of the request's items hold for what builds need, too.
    Raises BuildError with the end of the backend's output; DataError for a wrong sum.
    """
    raise NotImplementedError
