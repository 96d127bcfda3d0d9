"""Reads the Python distributions that lie in a site-packages folder (PyPA "Recording installed projects")."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from envmgr.models.wheel_name import normalized_name
from envmgr.pypi.records import needs_in

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping
    from pathlib import Path

    from envmgr.pypi.records import WheelNeeds

_DIST_INFO = ".dist-info"


class Distribution(Struct, frozen=True):
    """An installed distribution; ``metadata`` is its ``.dist-info`` folder's name."""

    name: str
    version: str
    metadata: str


def metadata_folders(site_packages: Path) -> list[str]:
    """The names of all ``.dist-info`` folders in *site_packages*; empty for a missing folder."""
    try:
        return [name for name in os.listdir(site_packages) if name.endswith(_DIST_INFO)]
    except OSError:
        return []


def read_distributions(site_packages: Path, *, but: Container[str] = ()) -> list[Distribution]:
    """Every distribution with readable metadata in *site_packages*, by name; empty for a missing folder.

    Those whose metadata folder is among *but* are not read.
    """
    found = [_read(site_packages / name) for name in metadata_folders(site_packages) if name not in but]
    return sorted((each for each in found if each is not None), key=lambda each: each.name)


def recorded_files(site_packages: Path, distribution: Distribution) -> list[str]:
    """The files that *distribution* notes as its own, relative to *site_packages*; empty where it notes none.

    Those are the lines of its ``RECORD`` ("Recording installed projects", the RECORD file).
    """
    import csv

    try:
        with (site_packages / distribution.metadata / "RECORD").open(
            encoding="utf-8", errors="replace", newline=""
        ) as file:
            return [row[0] for row in csv.reader(file) if row and row[0]]
    except (OSError, csv.Error):
        return []


def is_requested(site_packages: Path, distribution: Distribution) -> bool:
    """Whether *distribution* was asked for, not only needed ("Recording installed projects", REQUESTED)."""
    return (site_packages / distribution.metadata / "REQUESTED").exists()


def installer_of(site_packages: Path, distribution: Distribution) -> str:
    """The name of the tool that installed *distribution* (the same, INSTALLER); "" where none is noted."""
    try:
        with (site_packages / distribution.metadata / "INSTALLER").open(encoding="utf-8") as file:
            return file.read(100).strip()
    except (OSError, UnicodeDecodeError):
        return ""


def direct_url(site_packages: Path, distribution: Distribution) -> Mapping[str, Any] | None:
    """Where *distribution* came from, if that was no index (PyPA "Direct URL Data Structure"); None otherwise."""
    import msgspec

    try:
        data = (site_packages / distribution.metadata / "direct_url.json").read_bytes()
        found = msgspec.json.decode(data)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) and isinstance(found.get("url"), str) else None


def modules_of(site_packages: Path, distribution: Distribution) -> set[str]:
    """The first names of the modules that *distribution* brings, by its ``RECORD``."""
    found = set()
    for path in recorded_files(site_packages, distribution):
        first, slash, _ = path.replace(os.sep, "/").partition("/")
        if slash and path.endswith((".py", ".so", ".pyd")) and first.isidentifier():
            found.add(first)
        elif not slash and first.endswith((".py", ".so", ".pyd")):
            found.add(first.partition(".")[0])
    return found


def renew_record(
    prefix: Path, site_packages: Path, distribution: Distribution, changed: Container[str]
) -> None:
    """Note in the ``RECORD`` of *distribution* the sums and sizes that its *changed* files have now.

    *changed* are paths relative to *prefix*. The file is written aside and renamed. Raises OSError.
    """
    import base64
    import csv
    import hashlib
    import io

    path = site_packages / distribution.metadata / "RECORD"
    try:
        text = path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return
    rows = list(csv.reader(io.StringIO(text, newline="")))
    stale = [
        row for row in rows if len(row) == 3 and row[1] and _inside(prefix, site_packages, row[0]) in changed
    ]
    for row in stale:
        data = (site_packages / row[0]).read_bytes()
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        row[1:] = [f"sha256={digest}", str(len(data))]
    if not stale:
        return
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n" if "\r\n" in text else "\n").writerows(rows)
    aside = path.with_name(f".RECORD.{os.getpid()}")
    aside.write_bytes(out.getvalue().encode("utf-8", "surrogateescape"))
    aside.replace(path)


def _inside(prefix: Path, site_packages: Path, path: str) -> str:
    return os.path.relpath(os.path.normpath(site_packages / path), prefix).replace(os.sep, "/")


def _read(folder: Path) -> Distribution | None:
    try:
        with (folder / "METADATA").open(encoding="utf-8", errors="replace") as file:
            headers = _headers(file, ("name", "version"))
    except OSError:
        return None
    name, version = headers.get("name"), headers.get("version")
    return Distribution(normalized_name(name), version, folder.name) if name and version else None


def read_requirements(metadata: Path) -> list[str]:
    """The Requires-Dist lines of a METADATA file, empty for one that cannot be read."""
    found = read_needs(metadata)
    return list(found.requires_dist) if found is not None else []


def read_needs(metadata: Path) -> WheelNeeds | None:
    """What a METADATA file says that its distribution needs; None for one that cannot be read."""
    try:
        with metadata.open(encoding="utf-8", errors="replace") as file:
            return needs_in(file)
    except OSError:
        return None


def read_fields(metadata: Path, names: Iterable[str]) -> dict[str, list[str]]:
    """The first lines of the fields *names*, in small letters, of a METADATA file; none where it cannot be read."""
    found: dict[str, list[str]] = {name: [] for name in names}
    try:
        with metadata.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                if not line.strip():
                    break
                field, mark, value = line.partition(":")
                if mark and field.lower() in found:
                    found[field.lower()].append(value.strip())
    except OSError:
        pass
    return found


def _headers(lines: Iterable[str], wanted: tuple[str, ...]) -> dict[str, str]:
    """The *wanted* fields of a METADATA file, none of which may be folded ("Core metadata specifications").

    The `email` package would read the rest as well, and takes longer to import than all of this.
    """
    found: dict[str, str] = {}
    for line in lines:
        field, mark, value = line.partition(":")
        if not line.strip() or len(found) == len(wanted):
            break
        if mark and field.lower() in wanted:
            found.setdefault(field.lower(), value.strip())
    return found
