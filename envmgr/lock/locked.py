"""What a lock file holds, whichever its format: exact packages for each platform, in groups. Pure values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from envmgr.errors import DataError, UsageError
from envmgr.models.requirement import Source

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from envmgr.models.record import PackageRecord

MAIN = "main"
"""The group of conda-lock.yml that is always there (CEP 37, ``category``)."""

LARGEST_LOCK_BYTES = 50_000_000


class LockedPackage(Struct, frozen=True, kw_only=True):
    """One exact file. ``kind`` is its ecosystem.

    ``url`` may hold what a lock was written with, logins too; it is shown nowhere. ``dependencies`` are a package's
    name and what is asked of it, of conda in MatchSpec's words, of PyPI in those of PEP 440. ``index`` is the URL
    of the index of PyPI where the lock names it. ``size`` is in bytes. ``record`` is all that a channel says of a
    package that was just solved for, None where a lock was read. ``requires_dist`` and ``requires_python`` are
    those of a distribution's metadata where it is written down, not read.
    """

    kind: Literal["conda", "pypi"]
    name: str
    version: str
    url: str
    build: str = ""
    md5: str | None = None
    sha256: str | None = None
    dependencies: tuple[tuple[str, str], ...] = ()
    groups: tuple[str, ...] = (MAIN,)
    index: str = ""
    size: int | None = None
    source: Source = Source(None, None, "")
    record: PackageRecord | None = None
    requires_dist: tuple[str, ...] = ()
    requires_python: str | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What there can be one of in an environment."""
        return self.kind, self.name


class Lock(Struct, frozen=True, kw_only=True):
    """The content of *file*, by platform.

    ``always`` are the groups that come with every other, ``usual`` those that are meant where none is named.
    ``told_groups`` are those that it names beside its packages.
    ``sources`` are the files that it was made of, relative to its folder. ``content_hash`` tells by platform what
    they asked for, and ``notes`` are free texts by name (CEP 37, ``custom_metadata``).
    """

    file: str
    format: str
    platforms: Mapping[str, tuple[LockedPackage, ...]]
    channels: tuple[str, ...] = ()
    always: tuple[str, ...] = ()
    usual: tuple[str, ...] = (MAIN,)
    told_groups: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    content_hash: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """All groups, by name."""
        found = {name for packages in self.platforms.values() for each in packages for name in each.groups}
        return tuple(sorted({*found, *self.always, *self.usual, *self.told_groups}))

    def select(self, subdir: str, groups: Collection[str] = ()) -> tuple[LockedPackage, ...]:
        """The packages for *subdir* that are in the *groups*, without any in the usual ones.

        Raises UsageError for a platform or a group that the lock does not have, and DataError where two groups hold
        different files of one package.
        """
        if subdir not in self.platforms:
            raise UsageError(
                f"{self.file} has no packages for {subdir}; it has them for {_listed(self.platforms)}.",
                hint="Name one of them with --platform, or make the lock for this one, too.",
            )
        for name in groups:
            if name not in self.groups:
                raise UsageError(
                    f"{self.file} has no group '{name}'.", hint=f"It has: {', '.join(self.groups)}."
                )
        wanted = {*self.always, *(groups or self.usual)}
        chosen: dict[tuple[str, str], LockedPackage] = {}
        for each in self.platforms[subdir]:
            if wanted.isdisjoint(each.groups):
                continue
            other = chosen.setdefault(each.key, each)
            if other.url != each.url:
                raise DataError(
                    f"{each.source}: {each.name} {each.version} for {subdir} is not the {other.version} of"
                    f" line {other.source.line}; an environment can hold one of them.",
                    hint="Name one group with --group.",
                )
        return tuple(chosen.values())


def _listed(names: Collection[str]) -> str:
    return ", ".join(names) or "no platform"
