"""Frees disk space: a plan of what can go, with its bytes, and the removal of what the plan names.

Kinds: the `index` (what is known of channels), `packages` that no environment is linked with, `tarballs` (archives
that were kept), `tempfiles` (what killed processes left). Nothing that is in use goes. A package counts as used
when a known environment links to it, or any other place on the disk shares its files; a cache that another process
is installing from is left alone, and so are the temporary folders of living processes.

Removal from a cache is a rename into a private folder first, so that others see whole packages or none.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from envmgr.errors import DataError, PrefixError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.prefix.store import InstalledPackage

Kind = Literal["index", "packages", "tarballs", "tempfiles"]
KINDS: tuple[Kind, ...] = ("index", "packages", "tarballs", "tempfiles")

_STALE_SECONDS = 3600.0

# The names that the index store gives its files: URLs with `+` for `/`, or the digest of a long one; the stamp that
# says when it was last tidied.
_INDEX_FILE = re.compile(r"([a-z0-9]+\+|[0-9a-f]{16}-).+\.sqlite|\.collected")
_INDEX_FOLDER = re.compile(
    r"notices|pypi-needs|shards|shards-.+|whole|tables|tables-.+|([a-z0-9]+\+|[0-9a-f]{16}-).+\.tables-.+"
)
_INDEX_ASIDE = re.compile(r"\.[0-9a-f]{12}\..+\.sqlite\.new")


class CleanRequest(Struct, frozen=True):
    """Which kinds to clean; *used* takes packages that environments use too (those keep their linked files)."""

    kinds: tuple[Kind, ...]
    used: bool = False


class Item(Struct, frozen=True):
    """Something that can go: ``place`` is the folder it is listed under, ``size`` the bytes that come free."""

    kind: Kind
    place: Path
    path: Path
    size: int

    @property
    def name(self) -> str:
        """The item as seen from its place."""
        return str(self.path.relative_to(self.place))


class CleanPlan(Struct, frozen=True):
    """What a cleaning removes, before it does anything."""

    request: CleanRequest
    items: tuple[Item, ...]
    warnings: tuple[str, ...] = ()
    is_partial: bool = False
    """Whether a folder could not be looked into, so that the plan is no answer to the request."""

    @property
    def size(self) -> int:
        """The bytes that come free."""
        return sum(item.size for item in self.items)


class Cleaned(Struct, frozen=True):
    """What went, and why the rest did not."""

    removed: tuple[Item, ...]
    warnings: tuple[str, ...]

    @property
    def size(self) -> int:
        """The bytes that came free."""
        return sum(item.size for item in self.removed)


def plan_clean(request: CleanRequest, context: Context) -> CleanPlan:
    """What *request* would remove now; looks at files and changes nothing."""
    warnings: list[str] = []
    items: list[Item] = []
    is_partial = False
    if "index" in request.kinds:
        folder = context.settings.index_dir
        reason = _unreadable(folder)
        if reason is not None:
            warnings.append(f"the index folder {folder} cannot be read: {reason}.")
            is_partial = True
        items += [Item("index", folder, path, _size(path)) for path in _index_entries(folder)]
    layers = [layer for layer in dict.fromkeys(context.settings.pkgs_dirs) if layer.is_dir()]
    uses = None
    if "packages" in request.kinds and not request.used:
        uses = Uses.of(context, warnings)
    for layer in layers if {"packages", "tarballs"} & set(request.kinds) else ():
        if not os.access(layer, os.W_OK | os.X_OK):
            warnings.append(f"{layer} cannot be written and is left as it is.")
            continue
        if "packages" in request.kinds:
            items += _unused(layer, uses)
        if "tarballs" in request.kinds:
            items += _tarballs(layer)
    if "tempfiles" in request.kinds:
        items += _tempfiles(layers, context)
    return CleanPlan(request, tuple(items), tuple(dict.fromkeys(warnings)), is_partial)


def clean(plan: CleanPlan, context: Context) -> Cleaned:
    """Remove what *plan* names, as far as it is still unused; what cannot go is told in the warnings."""
    removed: list[Item] = []
    warnings: list[str] = []
    if any(item.kind == "index" for item in plan.items):
        index = [item for item in plan.items if item.kind == "index"]
        remove_index(context.settings.index_dir)
        removed += _gone(index, warnings)
    in_caches = [item for item in plan.items if item.kind in ("packages", "tarballs")]
    for layer in dict.fromkeys(item.place for item in in_caches):
        chosen = [item for item in in_caches if item.place == layer]
        removed += remove_from_layer(layer, chosen, warnings, partial(_is_unused, plan.request))
    temporary = [item for item in plan.items if item.kind == "tempfiles"]
    for item in temporary:
        _remove_temporary(item, context.settings.pkgs_dirs)
    removed += _gone(temporary, warnings)
    return Cleaned(tuple(removed), tuple(warnings))


# The index


def remove_index(index_dir: Path) -> int:
    """Remove the index below *index_dir*, and nothing else that lies there; the number of bytes that came free.

    The next command fetches anew. A command that is reading keeps the files that it has open.
    """
    freed = 0
    for path in _index_entries(index_dir):
        size = _size(path)
        freed += size if _remove_tree(path) else 0
    return freed


def _index_entries(index_dir: Path) -> list[Path]:
    found = []
    for path in _listed(index_dir):
        is_folder = path.is_dir() and not path.is_symlink()
        pattern = _INDEX_FOLDER if is_folder else _INDEX_FILE
        if pattern.fullmatch(path.name):
            found.append(path)
    return found


# Package caches


class Uses(Struct, frozen=True):
    """The packages that known environments are linked with, by the names of unpacked folders, and these folders."""

    installed: dict[str, list[InstalledPackage]] = field(default_factory=dict)
    folders: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, context: Context, warnings: list[str]) -> Uses:
        """Read from all environments; one that cannot be read is warned of, its links still count."""
        from envmgr.ops.environments import list_environments
        from envmgr.prefix.installed import COPY
        from envmgr.prefix.store import PrefixStore

        uses = cls()
        for known in list_environments(context):
            try:
                packages = PrefixStore(known.prefix).records()
            except (DataError, PrefixError) as error:
                warnings.append(f"the packages of {known.prefix} cannot be told: {error}")
                continue
            for package in packages:
                if package.link_type != COPY:
                    uses.installed.setdefault(_folder_name(package.record), []).append(package)
                    if package.source:
                        uses.folders.add(os.path.realpath(package.source))
        return uses

    def names(self, folder: Path) -> bool:
        """Whether an environment was linked from the unpacked package in *folder*, or from its equal elsewhere."""
        import msgspec

        from envmgr.packages.identity import RECORD_JSON, describes_same_archive

        if os.path.realpath(folder) in self.folders:
            return True
        candidates = self.installed.get(folder.name, ())
        try:
            cached = msgspec.json.decode((folder / RECORD_JSON).read_bytes()) if candidates else None
        except (OSError, msgspec.DecodeError):
            return bool(candidates)
        if not isinstance(cached, dict):
            return bool(candidates)
        return any(describes_same_archive(cached, each.record) for each in candidates)


def _folder_name(record: PackageRecord) -> str:
    return record.file_name.removesuffix(".whl") if record.is_pypi else record.dist_name


def _unused(layer: Path, uses: Uses | None) -> Iterator[Item]:
    """Unpacked packages and compiled files that nobody uses; all of them without *uses*."""
    from envmgr.packages.unused import iter_bytecode, iter_packages, measure

    for folder in (*iter_packages(layer), *iter_bytecode(layer)):
        extent = measure(folder)
        if uses is None or not (extent.is_linked or uses.names(folder)):
            yield Item("packages", layer, folder, extent.size)


def _tarballs(layer: Path) -> list[Item]:
    from envmgr.packages.unused import iter_archives, measure

    return [Item("tarballs", layer, path, measure(path).size) for path in iter_archives(layer)]


def _is_unused(request: CleanRequest, item: Item) -> bool:
    return item.kind != "packages" or request.used or not is_linked(item.path)


def is_linked(path: Path) -> bool:
    """Whether other places on the disk share files of the package at *path*."""
    from envmgr.packages.unused import measure

    return measure(path).is_linked


def remove_from_layer(
    layer: Path, items: Sequence[Item], warnings: list[str], is_unused: Callable[[Item], bool]
) -> list[Item]:
    """Take those of *items* that *is_unused* out of *layer* while nobody installs from it, then remove them.

    What is left of them and why is added to *warnings*; the items that went are returned.
    """
    from envmgr.host.folder_lock import folder_alone
    from envmgr.packages.work_area import work_area

    try:
        with work_area(layer) as area:
            taken = []
            with folder_alone(layer) as alone:
                if not alone:
                    warnings.append(f"{layer} is in use by another process, so nothing of it was removed.")
                    return []
                for item in filter(is_unused, items):
                    if _move(item.path, area.make_place() / "removed", warnings):
                        taken.append(item)
                        _remove_empty_home(item.path.parent, layer)
            if not _remove_tree(area.folder, keep=True):
                warnings.append(f"not everything could be removed; the rest is in {area.folder}.")
            return taken
    except OSError as error:
        warnings.append(f"{layer} cannot be cleaned: {(error.strerror or str(error)).lower()}.")
        return []


def _move(path: Path, target: Path, warnings: list[str]) -> bool:
    try:
        path.rename(target)
    except FileNotFoundError:
        return False
    except OSError as error:
        warnings.append(f"{path} cannot be removed: {(error.strerror or str(error)).lower()}.")
        return False
    return True


def _remove_empty_home(home: Path, layer: Path) -> None:
    """The folder of a package whose usual place was taken goes with it."""
    if home != layer and not _listed(home):
        home.rmdir()


# What killed processes left


def _tempfiles(layers: Iterable[Path], context: Context) -> Iterator[Item]:
    from envmgr.ops.environments import registry_file
    from envmgr.packages.partial import iter_partials
    from envmgr.packages.unused import iter_bytecode_remains
    from envmgr.packages.work_area import abandoned_areas
    from envmgr.prefix.registry import read_registry
    from envmgr.prefix.staging import find_remains

    settings = context.settings
    for folder in (*layers, settings.root / "build"):
        yield from (_temporary(folder, path) for path in abandoned_areas(folder))
    for folder in layers:
        yield from (_temporary(folder, path) for path in iter_partials(folder))
        yield from (_temporary(folder, path) for path in iter_bytecode_remains(folder))
    known = [prefix.parent for prefix in read_registry(registry_file(context))]
    for folder in dict.fromkeys([*settings.envs_dirs, *known]):
        yield from (_temporary(folder, path) for path in find_remains(folder))
    newest = time.time() - _STALE_SECONDS
    for path in _listed(settings.index_dir):
        if _INDEX_ASIDE.fullmatch(path.name) and path.lstat().st_mtime < newest:
            yield _temporary(settings.index_dir, path)


def _remove_temporary(item: Item, layers: Sequence[Path]) -> None:
    from envmgr.packages.work_area import PREFIX
    from envmgr.prefix.staging import remove_folder

    path = item.path
    if item.place in layers or path.name.startswith(PREFIX) or not path.is_dir():
        _remove_tree(path)
    else:
        remove_folder(path)


def _temporary(place: Path, path: Path) -> Item:
    return Item("tempfiles", place, path, _size(path))


# Files


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _unreadable(folder: Path) -> str | None:
    """Why *folder* cannot be listed; None where it can, or is not there."""
    try:
        os.scandir(folder).close()
    except FileNotFoundError:
        return None
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None


def _size(path: Path) -> int:
    from envmgr.packages.unused import measure

    return measure(path).size


def _gone(items: Iterable[Item], warnings: list[str]) -> Iterator[Item]:
    """Those of *items* that are no longer there; the others are warned of."""
    for item in items:
        if os.path.lexists(item.path):
            warnings.append(f"{item.path} could not be removed.")
        else:
            yield item


def _remove_tree(path: Path, *, keep: bool = False) -> bool:
    """Remove a file, or a folder with all below it (with *keep*, only what is below); whether that succeeded."""
    if path.is_symlink() or not path.is_dir():
        try:
            path.unlink(missing_ok=True)
        except OSError:
            return False
        return True
    for folder in (
        (each for each in _listed(path) if each.is_dir() and not each.is_symlink()) if keep else [path]
    ):
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            _make_writable(folder)
            shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            return False
    return True


def _make_writable(folder: Path) -> None:
    """Packages may bring folders that not even their owner may change."""
    for parent, _, _ in os.walk(folder):
        try:
            Path(parent).chmod(0o700)
        except OSError:
            continue
