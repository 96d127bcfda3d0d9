"""Asks for PyPI packages as the operations do, with the processes, files and servers of a test alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from envmgr.host.system import SystemRunner
from envmgr.models.requirement import Source
from envmgr.ports import RecordingReporter
from envmgr.pypi.resolution import Provided, PypiItem, PypiRefusal, PypiRequest, PypiSolution
from envmgr.pypi.resolve import resolve_pypi
from envmgr.pypi.target import PypiTarget

LINUX = PypiTarget(python="3.12.4", subdir="linux-64", glibc="2.28")
HERE = PypiTarget(python=".".join(map(str, sys.version_info[:3])), subdir="linux-64", glibc="2.28")


def variables(folder: Path, **more: str) -> dict[str, str]:
    """The variables of a process that nobody configured pip or uv for; *folder* is its home."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "SSL_CERT_FILE") if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "PIP_CONFIG_FILE": os.devnull,
        "UV_CACHE_DIR": str(folder / "uv-cache"),
        "UV_HTTP_RETRIES": "0",
        **more,
    }


def request(
    *items: str, folder: Path = Path("/"), conda: dict[str, str] | None = None, **more: Any
) -> PypiRequest:
    """A request for *items* as lines of one environment.yml; *conda* maps what conda provides to its version."""
    lines = tuple(
        PypiItem(text, folder, Source("environment.yml", line, text)) for line, text in enumerate(items, 1)
    )
    provided = tuple(
        Provided(name, version, f"{name}-{version}-0") for name, version in (conda or {}).items()
    )
    return PypiRequest(items=lines, provided=provided, **{"target": LINUX, **more})


def resolve(asked: PypiRequest, environ: dict[str, str]) -> PypiSolution | PypiRefusal:
    """What the tools of this machine say to it."""
    return resolve_pypi(asked, SystemRunner(), environ, RecordingReporter())


def solution(asked: PypiRequest, environ: dict[str, str]) -> PypiSolution:
    """The solution; the test fails with the reasons where there is none."""
    found = resolve(asked, environ)
    assert isinstance(found, PypiSolution), found
    return found


def refusal(asked: PypiRequest, environ: dict[str, str]) -> PypiRefusal:
    """The refusal; the test fails where there is a solution."""
    found = resolve(asked, environ)
    assert isinstance(found, PypiRefusal), found
    return found


def files(found: PypiSolution) -> list[str]:
    """The file names of the wheels, sorted."""
    return sorted(record.fn for record in found.wheels)
