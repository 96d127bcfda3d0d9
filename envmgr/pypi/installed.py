"""Reads the Python distributions that lie in a site-packages folder (PyPA "Recording installed projects")."""

from __future__ import annotations

import csv
import re
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from pathlib import Path

_DIST_INFO = ".dist-info"


class Distribution(Struct, frozen=True):
    """An installed distribution; ``metadata`` is its ``.dist-info`` folder's name."""

    name: str
    version: str
    metadata: str


def read_distributions(site_packages: Path) -> list[Distribution]:
    """Every distribution with readable metadata in *site_packages*, by name; empty for a missing folder."""
    if not site_packages.is_dir():
        return []
    found = [_read(folder) for folder in site_packages.glob(f"*{_DIST_INFO}")]
    return sorted((each for each in found if each is not None), key=lambda each: each.name)


def recorded_files(site_packages: Path, distribution: Distribution) -> list[str]:
    """The files that *distribution* notes as its own, relative to *site_packages*; empty where it notes none.

    Those are the lines of its ``RECORD`` ("Recording installed projects", the RECORD file).
    """
    try:
        with (site_packages / distribution.metadata / "RECORD").open(
            encoding="utf-8", errors="replace", newline=""
        ) as file:
            return [row[0] for row in csv.reader(file) if row and row[0]]
    except (OSError, csv.Error):
        return []


def _read(folder: Path) -> Distribution | None:
    try:
        with (folder / "METADATA").open(encoding="utf-8", errors="replace") as file:
            headers = HeaderParser().parse(file, headersonly=True)
    except OSError:
        return None
    name, version = headers["Name"], headers["Version"]
    return Distribution(normalized_name(name), version, folder.name) if name and version else None


def normalized_name(name: str) -> str:
    """*name* as the index knows it (PEP 503, "Normalized Names").

    >>> normalized_name("Ruamel.Yaml__x")
    'ruamel-yaml-x'
    """
    return re.sub(r"[-_.]+", "-", name).lower()
