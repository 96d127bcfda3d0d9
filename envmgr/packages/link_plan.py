"""What linking needs to know of an unpacked package, kept in its folder, so that nobody reads or scans it twice.

It holds the files as the package's own description gives them, checked; the offsets of placeholders; and what files
really are that differ from the package's manifest, in an archive that its channel vouches for. Such a package is
used as it was published, with a warning (see `envmgr.packages.verify`); whoever links it records what is there and
not what was promised. Pure: bytes in and out. A plan of another layout, or one that cannot be read, counts as none.
"""

from __future__ import annotations

from operator import lt
from typing import TYPE_CHECKING

import msgspec

from envmgr.errors import DataError
from envmgr.models.package_files import EntryPoint, PackageFiles, check_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.packages.verify import Contents, Finding

PLAN_JSON = "info/envmgr-link.json"
_LAYOUT = 1


class Measured(msgspec.Struct, frozen=True):
    """A file as it is: its SHA-256 (lower-case hex), its size in bytes, and how it differs, for a reader."""

    sha256: str
    size: int
    what: str


class LinkPlan(msgspec.Struct, frozen=True, omit_defaults=True):
    """The *files* of a package as they are, and by path those that differ from what the package promises."""

    files: PackageFiles
    differing: dict[str, Measured] = {}
    layout: int = 0


class _Sized(msgspec.Struct):
    """Of a path only its size: reading thousands of them takes a moment."""

    size_in_bytes: int | None = None


class _SizedFiles(msgspec.Struct):
    paths: list[_Sized] = []


class _SizedPlan(msgspec.Struct):
    files: _SizedFiles


_DECODER = msgspec.json.Decoder(LinkPlan)


def render_plan(plan: LinkPlan) -> bytes:
    """The content of ``info/envmgr-link.json``."""
    return msgspec.json.encode(msgspec.structs.replace(plan, layout=_LAYOUT))


def parse_plan(text: bytes | None) -> LinkPlan | None:
    """Reads what `render_plan` wrote; None where there is none that can be used."""
    if text is None:
        return None
    try:
        plan = _DECODER.decode(text)
        if plan.layout != _LAYOUT or not all(map(_are_ordered, plan.files.offsets.values())):
            return None
        return msgspec.structs.replace(plan, files=_checked(plan.files))
    except (msgspec.DecodeError, UnicodeDecodeError, DataError):
        return None


def size_of_files(text: bytes | None) -> int | None:
    """The bytes of all files, as what `render_plan` wrote tells; None where there is no plan that tells."""
    if text is None:
        return None
    try:
        plan = msgspec.json.decode(text, type=_SizedPlan)
    except msgspec.DecodeError:
        return None
    return sum(each.size_in_bytes or 0 for each in plan.files.paths)


def _checked(files: PackageFiles) -> PackageFiles:
    """*files* with all that leads to a path held against the rules again; raises DataError."""
    paths = check_entries(files.paths)
    entry_points = tuple(EntryPoint.parse(str(each)) for each in files.entry_points)
    return msgspec.structs.replace(files, paths=paths, entry_points=entry_points)


def _are_ordered(offsets: Sequence[int]) -> bool:
    """Whether places in a file go from its beginning to its end, as those who replace there take them."""
    return not offsets or (offsets[0] >= 0 and all(map(lt, offsets, offsets[1:])))


def measured_files(findings: Iterable[Finding], contents: Contents) -> dict[str, Measured]:
    """The files that *findings* tell of, by path; *contents* has the sums of all files."""
    return {
        finding.path: Measured(contents.hashes[finding.path], contents.sizes[finding.path], finding.what)
        for finding in findings
    }


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
    return msgspec.structs.replace(files, paths=paths)


def difference_warning(name: str, measured: Mapping[str, Measured]) -> str:
    """One sentence about the package file *name*: how many files differ, and the first of them."""
    path, first = next(iter(measured.items()))
    count = "1 file that differs" if len(measured) == 1 else f"{len(measured)} files that differ"
    more = f" (and {len(measured) - 1} more)" if len(measured) > 1 else ""
    return f"{name} was published with {count} from its own manifest: {path!r} {first.what}{more}."
