"""What linking did to a package's files, and the conda-meta entries that follow from it (CEP 32, paths_data).

Pure: the linker fills the value in, the record is computed from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from envmgr.models.package_files import DIRECTORY, HARDLINK, SOFTLINK
from envmgr.prefix import installed
from envmgr.prefix.installed import InstalledPackage, Listing
from envmgr.prefix.paths import resolve_link

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envmgr.models.package_files import PathEntry
    from envmgr.prefix.plan import PackageLink


class LinkOutcome(Struct):
    """What the linker found out about one package, by paths in the prefix; ``link_type`` is CEP 32's number.

    ``changed`` maps files whose bytes are not the package's (patched, generated) or whose sum the package
    does not tell to (sha256, size in bytes); ``symlinks`` maps symlinks to their text; ``bytecode`` lists the
    bytecode files that exist.
    """

    link_type: int = installed.HARDLINK
    changed: dict[str, tuple[str, int]] = field(default_factory=dict)
    symlinks: dict[str, str] = field(default_factory=dict)
    bytecode: tuple[str, ...] = ()


def sums_in_prefix(links: Sequence[PackageLink], outcomes: Mapping[str, LinkOutcome]) -> dict[str, str]:
    """The sha256 of every file after linking, for the symlinks to them; empty where there are none."""
    if not any(outcome.symlinks for outcome in outcomes.values()):
        return {}
    sums = {
        target: entry.sha256 for link in links for entry, target in link.pairs() if entry.sha256 is not None
    }
    for outcome in outcomes.values():
        sums |= {path: digest for path, (digest, _) in outcome.changed.items()}
    return sums


def installed_package(
    link: PackageLink, outcome: LinkOutcome, sums: Mapping[str, str], subdir: str
) -> InstalledPackage:
    """The record of a linked package; *sums* (`sums_in_prefix`) covers all packages."""
    paths = _entries(link, outcome, sums)
    for path, _ in link.entry_points:
        digest, size = outcome.changed[path]
        paths.append(
            {
                "_path": path,
                "path_type": _entry_point_type(path, subdir),
                "sha256_in_prefix": digest,
                "size_in_bytes": size,
            }
        )
    for path in link.recorded:
        digest, size = outcome.changed[path]
        known = {"_path": path, "path_type": HARDLINK, "sha256_in_prefix": digest, "size_in_bytes": size}
        paths.append(known)
    paths += [{"_path": path, "path_type": "pyc_file"} for path in outcome.bytecode]
    return InstalledPackage(
        link.package.record,
        Listing(sorted([entry["_path"] for entry in paths if entry["path_type"] != DIRECTORY]), paths),
        requested=link.package.requested,
        source=str(link.package.folder),
        archive=str(link.package.archive) if link.package.archive else "",
        link_type=outcome.link_type,
        metadata=link.metadata,
    )


def _entry_point_type(path: str, subdir: str) -> str:
    if not subdir.startswith("win-"):
        return "unix_python_entry_point"
    return f"windows_python_entry_point_{'exe' if path.endswith('.exe') else 'script'}"


def _entries(link: PackageLink, outcome: LinkOutcome, sums: Mapping[str, str]) -> list[dict[str, Any]]:
    """An entry for each file of the package that was linked: nearly all are in the prefix as they are in it."""
    paths, targets = link.package.files.paths, link.targets
    found: list[dict[str, Any]] = [
        {
            "_path": target,
            "path_type": HARDLINK,
            "sha256": entry.sha256,
            "sha256_in_prefix": entry.sha256,
            "size_in_bytes": entry.size,
        }
        for entry, target in zip(paths, targets, strict=True)
    ]
    for at in link.special:
        found[at] = _entry(paths[at], targets[at], outcome, sums)
    return [each for each in found if each["_path"]] if "" in targets else found


def _entry(entry: PathEntry, target: str, outcome: LinkOutcome, sums: Mapping[str, str]) -> dict[str, Any]:
    digest, size = entry.sha256, entry.size
    known: dict[str, Any] = {
        "_path": target,
        "path_type": SOFTLINK if target in outcome.symlinks else entry.path_type,
    }
    if entry.placeholder is not None and target not in outcome.symlinks:
        known |= {"prefix_placeholder": entry.placeholder, "file_mode": entry.file_mode}
    if entry.no_link:
        known["no_link"] = True
    if entry.path_type == DIRECTORY:
        return known
    in_prefix = digest
    if target in outcome.changed:
        in_prefix, new_size = outcome.changed[target]
        size = new_size if size is None else size
    elif target in outcome.symlinks:
        in_prefix = _sum_behind(target, outcome.symlinks, sums) or digest
    if digest is not None:
        known["sha256"] = digest
    if in_prefix is not None:
        known["sha256_in_prefix"] = in_prefix
    if size is not None:
        known["size_in_bytes"] = size
    return known


def _sum_behind(path: str, symlinks: Mapping[str, str], sums: Mapping[str, str]) -> str | None:
    """The sum of the file that the symlink *path* leads to; None for a folder or a file of nobody."""
    place: str | None = path
    for _ in range(40):
        if place is None or place not in symlinks:
            break
        place = resolve_link(place, symlinks[place])
    return sums.get(place) if place is not None and place not in symlinks else None
