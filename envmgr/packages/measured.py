"""What files really are that differ from their package's manifest, in an archive that its channel vouches for.

Such a package is used as it was published, with a warning (see `envmgr.packages.verify`). The sums and sizes that
were measured are kept beside the package's own description, so that whoever links it later records what is there
and not what was promised. A package without differences has no such file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from envmgr.errors import DataError
from envmgr.models.package_files import PackageFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envmgr.packages.verify import Contents, Finding

MEASURED_JSON = "info/envmgr-measured.json"


class Measured(msgspec.Struct, frozen=True):
    """A file as it is: its SHA-256 (lower-case hex), its size in bytes, and how it differs, for a reader."""

    sha256: str
    size: int
    what: str


def measured_files(findings: Iterable[Finding], contents: Contents) -> dict[str, Measured]:
    """The files that *findings* tell of, by path; *contents* has the sums of all files."""
    return {
        finding.path: Measured(contents.hashes[finding.path], contents.sizes[finding.path], finding.what)
        for finding in findings
    }


def render_measured(measured: Mapping[str, Measured]) -> bytes:
    """The content of ``info/envmgr-measured.json``."""
    return msgspec.json.format(msgspec.json.encode(measured), indent=2)


def parse_measured(text: bytes | None) -> dict[str, Measured]:
    """Reads what `render_measured` wrote; empty where there is none. Raises DataError for anything else."""
    if text is None:
        return {}
    try:
        return msgspec.json.decode(text, type=dict[str, Measured])
    except msgspec.DecodeError as error:
        raise DataError(f"{MEASURED_JSON} is not valid: {error}.") from None


def with_measured(files: PackageFiles, measured: Mapping[str, Measured]) -> PackageFiles:
    """*files* with the sums and sizes that were measured in the place of those that were promised."""
    if not measured:
        return files
    paths = tuple(
        msgspec.structs.replace(entry, sha256=found.sha256, size=found.size)
        if (found := measured.get(entry.path)) is not None
        else entry
        for entry in files.paths
    )
    return PackageFiles(paths, files.noarch, files.entry_points)


def difference_warning(name: str, measured: Mapping[str, Measured]) -> str:
    """One sentence about the package file *name*: how many files differ, and the first of them."""
    path, first = next(iter(measured.items()))
    count = "1 file that differs" if len(measured) == 1 else f"{len(measured)} files that differ"
    more = f" (and {len(measured) - 1} more)" if len(measured) > 1 else ""
    return f"{name} was published with {count} from its own manifest: {path!r} {first.what}{more}."
