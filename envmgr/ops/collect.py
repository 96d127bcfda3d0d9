"""Keeps the package cache within `pkgs_size_limit`: what was not used for longest and nobody needs goes first.

It runs after commands that linked packages, once a day, over the layer that new packages go into. What counts are
the bytes that no environment shares, since only these come free. A package is needed when an environment is linked
with it (see ops/clean.py), or when one of the last generations of an environment holds it, so that a rollback needs
no network. A package goes with its archive and its compiled Python files; when that is not enough, so do the
archives of needed packages that are unpacked. Compiled files whose package is gone go with the first. What was
used within the last day stays, whatever the limit.

A look at every file takes its time, so the stamp remembers how large each package is, shared bytes included; while
the sum of these is within the limit, only what is new is looked at.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.ops.clean import Item, Uses, is_linked, remove_from_layer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from envmgr.ops.context import Context

STAMP = ".envmgr-collected"
GENERATIONS = 10
"""How many generations of each environment keep their packages in the cache."""
_DAY = 86_400.0
_ENDINGS = (".conda", ".tar.bz2", ".whl")


class Collected(Struct, frozen=True):
    """What went: how many packages and archives, and the bytes that came free."""

    items: int = 0
    bytes: int = 0


class _Unit(Struct):
    """What is only useful together: an unpacked package, its archive and its compiled files, or some of these.

    ``used`` is in seconds since the Unix epoch.
    """

    folder: Path | None = None
    archives: list[Item] = []
    items: list[Item] = []
    used: float = 0.0
    is_linked: bool = False

    @property
    def size(self) -> int:
        return sum(item.size for item in (*self.items, *self.archives))


def collect_packages(context: Context, *, now: float | None = None) -> Collected:
    """Bring the cache down to its limit, where it was not looked at for a day; errors are of no account here."""
    limit, now = context.settings.pkgs_size_limit, time.time() if now is None else now
    layer = next((each for each in context.settings.pkgs_dirs if os.access(each, os.W_OK | os.X_OK)), None)
    if limit is None or layer is None or not _is_due(layer / STAMP, now):
        return Collected()
    try:
        return _collect(layer, limit, context, now)
    except OSError:
        return Collected()


def _is_due(stamp: Path, now: float) -> bool:
    try:
        return not 0 <= now - os.stat(stamp).st_mtime < _DAY
    except FileNotFoundError:
        return True


def _collect(layer: Path, limit: int, context: Context, now: float) -> Collected:
    from envmgr.host.folder_lock import folder_alone

    with folder_alone(layer) as alone:
        if not alone:  # The next command tries again.
            return Collected()
    within = _upper_bound(layer, now) <= limit
    units, orphans = ([], []) if within else _units(layer)
    excess = sum(unit.size for unit in units) - limit
    going = [*orphans, *_choose(units, excess, context, now)] if excess > 0 else orphans
    moments = {item.path: _used(item.path) for item in going}

    def is_unused(item: Item) -> bool:
        return _used(item.path) == moments[item.path] and not is_linked(item.path)

    removed = remove_from_layer(layer, going, [], is_unused) if going else []
    return Collected(len(removed), sum(item.size for item in removed))


def _upper_bound(layer: Path, now: float) -> int:
    """The bytes of all files of *layer*; writes the stamp."""
    import msgspec

    from envmgr.packages.unused import iter_archives, iter_bytecode, iter_packages, measure

    stamp = layer / STAMP
    known: dict[str, tuple[int, int]] = {}
    with contextlib.suppress(OSError, msgspec.DecodeError):
        known = msgspec.json.decode(stamp.read_bytes(), type=dict[str, tuple[int, int]])
    sizes: dict[str, tuple[int, int]] = {}
    for path in (*iter_packages(layer), *iter_archives(layer), *iter_bytecode(layer)):
        name, inode = str(path.relative_to(layer)), path.stat().st_ino
        found = known.get(name)
        sizes[name] = found if found is not None and found[0] == inode else (inode, measure(path).total)
    aside = stamp.with_name(f"{STAMP}-{os.getpid()}")
    aside.write_bytes(msgspec.json.encode(sizes))
    os.utime(aside, (now, now))
    aside.replace(stamp)
    return sum(size for _, size in sizes.values())


def _units(layer: Path) -> tuple[list[_Unit], list[Item]]:
    """All that *layer* holds, and the compiled files whose package it does not hold any more."""
    from envmgr.packages.unused import iter_archives, iter_bytecode, iter_packages, measure

    units: dict[Path, _Unit] = {}
    names: dict[str, _Unit] = {}
    for folder in iter_packages(layer):
        extent = measure(folder)
        unit = _Unit(folder, used=_used(folder), is_linked=extent.is_linked)
        unit.items = [Item("packages", layer, folder, extent.size)]
        units[folder] = names[folder.name] = unit
    for archive in iter_archives(layer):
        folder = archive.parent / _without_ending(archive.name)
        unit = units.setdefault(folder, _Unit())
        unit.archives = [*unit.archives, Item("tarballs", layer, archive, measure(archive).size)]
        unit.used = unit.used or _used(archive)
    orphans = []
    for compiled in iter_bytecode(layer):
        extent = measure(compiled)
        item = Item("packages", layer, compiled, extent.size)
        owner = names.get(compiled.name[:-25])
        if owner is not None:
            owner.items.append(item)
            owner.is_linked |= extent.is_linked
        elif not extent.is_linked:
            orphans.append(item)
    return list(units.values()), orphans


def _choose(units: Sequence[_Unit], excess: int, context: Context, now: float) -> list[Item]:
    """What goes to free *excess* bytes, as far as there is something that nobody needs."""
    warnings: list[str] = []
    uses = Uses.of(context, warnings)
    if warnings:
        context.reporter.warned(f"the package cache may outgrow pkgs_size_limit: {warnings[0]}")
        return []
    named = _named_by_generations(context)
    old = sorted((unit for unit in units if now - unit.used > _DAY), key=lambda unit: unit.used)
    going: list[Item] = []
    kept = []
    for unit in old:
        if unit.is_linked or _is_needed(unit, uses, named):
            kept.append(unit)
        elif excess > 0:
            going += [*unit.items, *unit.archives]
            excess -= unit.size
    for unit in kept:
        if excess > 0 and unit.folder is not None:
            going += unit.archives
            excess -= sum(item.size for item in unit.archives)
    return going


def _is_needed(unit: _Unit, uses: Uses, named: frozenset[str]) -> bool:
    if unit.folder is None:
        return any(item.path.name in named for item in unit.archives)
    return uses.names(unit.folder) or not named.isdisjoint(_identity(unit.folder))


def _identity(folder: Path) -> Iterable[str]:
    """By what a generation may name the unpacked package in *folder*."""
    import msgspec

    from envmgr.packages.identity import RECORD_JSON

    try:
        record = msgspec.json.decode((folder / RECORD_JSON).read_bytes())
    except (OSError, msgspec.DecodeError):
        return ()
    known = (record.get(key) for key in ("sha256", "md5", "url")) if isinstance(record, dict) else ()
    return [each for each in known if isinstance(each, str) and each]


def _named_by_generations(context: Context) -> frozenset[str]:
    """Checksums, URLs and file names of all packages that a rollback may need."""
    from envmgr.ops.environments import list_environments
    from envmgr.prefix.store import PrefixStore

    named: set[str] = set()
    for known in list_environments(context):
        for generation in PrefixStore(known.prefix).generations(newest=GENERATIONS).known:
            for entry in generation.packages:
                fn = str(entry.get("fn", ""))
                named.update((fn, f"{entry.get('base_url', '')}{fn}"))
                named.update(str(entry[key]) for key in ("sha256", "md5") if entry.get(key))
    return frozenset(named)


def _used(path: Path) -> float:
    """When the package or archive at *path* was used last (see `envmgr.ops.fetch`); 0 where it is gone."""
    with contextlib.suppress(OSError):
        return os.stat(path).st_mtime
    return 0.0


def _without_ending(name: str) -> str:
    return next((name.removesuffix(ending) for ending in _ENDINGS if name.endswith(ending)), name)
