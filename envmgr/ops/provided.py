"""Which Python distributions conda packages provide: as their own metadata says, or as their records let expect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, field

from envmgr.pypi.resolution import Provided

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.ops.wheel_needs import KnownNeeds
    from envmgr.prefix.installed import InstalledPackage
    from envmgr.pypi.index_options import FindLogin

_METADATA = re.compile(r"(?:^|/)site-packages/([^/]+)\.(?:dist-info/METADATA|egg-info/PKG-INFO|egg-info)$")
_FOLDER = re.compile(r"(.+?)-([^-]+)(?:-py[0-9.]+)?")


class Providers(Struct):
    """Knows what conda packages provide: those of *installed*, which lie in *prefix*, cached ones, and others.

    What lies unpacked tells by its metadata ("Recording installed projects"); of others, ``purls`` and names of
    their records tell.
    """

    context: Context
    prefix: Path | None = None
    installed: Mapping[PackageRecord, InstalledPackage] = field(default_factory=dict)
    _found: dict[PackageRecord, tuple[Provided, ...]] = field(default_factory=dict)
    _wheels: KnownNeeds | None = None
    _find_login: FindLogin | None = None

    @property
    def wheels(self) -> KnownNeeds:
        """What wheels need, as far as it was looked up."""
        from envmgr.ops.wheel_needs import KnownNeeds

        if self._wheels is None:
            self._wheels = KnownNeeds(self.context)
        return self._wheels

    @property
    def find_login(self) -> FindLogin:
        """Gives the logins that are kept for URLs of indexes."""
        from envmgr.ops.index_logins import login_finder

        if self._find_login is None:
            self._find_login = login_finder(self.context)
        return self._find_login

    def of(self, records: Iterable[PackageRecord]) -> tuple[Provided, ...]:
        """The distributions that *records* provide, by name.

        Of a name that several provide, the last one counts, which wins their files, too.
        """
        found: dict[str, Provided] = {}
        for record in records:
            if not record.is_pypi:
                found |= {each.name: each for each in self._of(record)}
        return tuple(found[name] for name in sorted(found))

    def of_archives(self, records: Iterable[PackageRecord]) -> tuple[Provided, ...]:
        """The same, once all are unpacked: what was only expected is looked at."""
        self._found.clear()
        return self.of(records)

    def _of(self, record: PackageRecord) -> tuple[Provided, ...]:
        found = self._found.get(record)
        if found is None:
            found = self._found[record] = self._look(record)
        return found

    def _look(self, record: PackageRecord) -> tuple[Provided, ...]:
        from envmgr.packages.store import PackageCache

        if record.name in self.context.settings.pypi_names:
            return self._expected(record)
        here = self.installed.get(record)
        if here is not None and self.prefix is not None:
            return _by_metadata(record, self.prefix, here.files)
        cached = PackageCache(self.context.settings.pkgs_dirs).find(record)
        if cached is not None:
            return _by_metadata(record, cached.folder, [entry.path for entry in cached.files.paths])
        return self._expected(record)

    def _expected(self, record: PackageRecord) -> tuple[Provided, ...]:
        from envmgr.pypi.names import distribution_names, pep440

        version = pep440(record.version)
        if version is None:
            return ()
        names = distribution_names(record, self.context.settings.pypi_names)
        return tuple(Provided(name, version, record.dist_name) for name in names)


def _by_metadata(record: PackageRecord, root: Path, paths: Iterable[str]) -> tuple[Provided, ...]:
    from envmgr.pypi.names import pep440

    found = []
    for path in paths:
        match = _METADATA.search(path)
        parts = _FOLDER.fullmatch(match[1]) if match is not None else None
        if parts is None:
            continue
        version = pep440(parts[2])
        if version is not None:
            needs = _optional_needs(root / path)
            found.append(Provided(_normalized(parts[1]), version, record.dist_name, needs))
    return tuple(found)


def _normalized(name: str) -> str:
    from envmgr.models.wheel_name import normalized_name

    return normalized_name(name)


def _optional_needs(metadata: Path) -> tuple[str, ...]:
    """What the distribution's extras ask for; the rest is conda's to bring."""
    from envmgr.pypi.installed import read_requirements

    return tuple(line for line in read_requirements(metadata) if "extra" in line.partition(";")[2])
