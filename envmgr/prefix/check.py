"""Compares every file of a prefix with the records: contents, kinds, symlinks, who won, and what is of nobody.

The sums are those of the records (CEP 32, ``sha256_in_prefix``). A file whose package is in the cache can be
known without reading it: it is the cache's own file, or a copy with its size and time, and the cache's file was
not written to since it was unpacked. Permissions are not compared, because records do not tell them.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from envmgr.prefix.foreign import foreign_files
from envmgr.prefix.generation import shared_by
from envmgr.prefix.installed import WHEELS, names_in_package
from envmgr.prefix.store import PrefixStore
from envmgr.prefix.sums import sha256_of, sha256_of_each

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.prefix.installed import InstalledPackage
    from envmgr.prefix.store import ReadableRecords

# What may be a symlink that leads nowhere, or to a folder, or of which nothing is known.
_FOLLOWED = frozenset({"softlink", "directory", "pyc_file", None})
_UNSUMMED = ("pyc_file", "directory")


class Finding(Struct, frozen=True):
    """One thing that is not as its package left it.

    *kind* is "missing", "modified" (other bytes), "wrong-type" (a folder for a file, and so on), "redirected" (a
    symlink that leads elsewhere), "clobbered" (the file of another of the path's owners), "unreadable", or
    "record" (a record that cannot be read: *path* is its file). *package* is ``name-version-build``; *expected*
    and *found* are sums, kinds of files, texts of symlinks, or packages.
    """

    path: str
    package: str
    kind: str
    expected: str | None = None
    found: str | None = None

    def __str__(self) -> str:
        whose = f"{self.path} of {self.package}"
        match self.kind:
            case "wrong-type":
                return f"{whose} is {self.found}, where {self.expected} should be"
            case "redirected":
                known = f" and not to {self.expected}" if self.expected else ""
                return f"{whose} leads to {self.found}{known}"
            case "clobbered":
                return f"{whose} is the file of {self.found}"
            case "record":
                return f"the record {self.path} cannot be read: {self.found}"
        return f"{whose} is {self.kind}"


class Clobbered(Struct, frozen=True):
    """A path that several packages (``name-version-build``) bring with other bytes; *winner*'s file is there."""

    path: str
    winner: str
    losers: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.path} comes with {', '.join((*self.losers, self.winner))}; that of {self.winner} is there."


class CacheFolder(Struct, frozen=True):
    """The unpacked package that files came from: *folder*, and when it was complete (ns since the epoch)."""

    folder: str
    complete_ns: int


class Checked(Struct, frozen=True):
    """What a check found; *files* were compared, *read* of them by their bytes, which were *read_bytes* in all."""

    findings: tuple[Finding, ...] = ()
    clobbered: tuple[Clobbered, ...] = ()
    foreign: tuple[str, ...] = ()
    files: int = 0
    read: int = 0
    read_bytes: int = 0


def verify_prefix(prefix: Path) -> tuple[Finding, ...]:
    """What differs from the records, by path; empty for a prefix in order. Reads every file."""
    return check_prefix(prefix, PrefixStore(prefix).readable_records()).findings


def check_prefix(
    prefix: Path,
    records: ReadableRecords,
    *,
    trusted: Mapping[str, CacheFolder] | None = None,
    foreign: bool = False,
) -> Checked:
    """Compare *prefix* with its *records*; with *foreign*, look for files of nobody, too.

    Files of the packages named in *trusted* (``name-version-build``) are not read where they are their cache's
    files unchanged. A path that several packages claim may hold the content of any of them. Bytecode is not
    compared, since Python renews it. A record that cannot be read is a finding.
    """
    check = _Check(prefix, {each.record.name: each for each in records.packages}, trusted or {})
    findings = [
        Finding(f"conda-meta/{name}", _name_of_document(name), "record", None, str(error))
        for name, error in records.damaged.items()
    ]
    findings += check.run()
    last = PrefixStore(prefix).generations().last
    clobbered = tuple(check.clobbered(last.shared if last is not None else {}))
    strangers = foreign_files(prefix, check.owned()) if foreign else ()
    return Checked(
        tuple(sorted(findings, key=lambda finding: finding.path)),
        clobbered,
        strangers,
        len(check.claims),
        check.read,
        check.read_bytes,
    )


def _name_of_document(name: str) -> str:
    """What to call a package of which only the name of its document is known."""
    return name.removesuffix(".json").removeprefix(f"{WHEELS}/")


class _Claim(Struct, frozen=True):
    package: InstalledPackage
    entry: dict[str, Any]

    @property
    def kind(self) -> str | None:
        noted = self.entry.get("path_type")
        return noted if isinstance(noted, str) else None

    @property
    def sum_in_prefix(self) -> str | None:
        if self.kind in _UNSUMMED:
            return None
        digest = self.entry.get("sha256_in_prefix")
        digest = digest or (None if self.entry.get("prefix_placeholder") else self.entry.get("sha256"))
        return digest if isinstance(digest, str) else None


class _Check(Struct):
    """One run over *packages*, by name; *claims* are the entries of each path."""

    prefix: Path
    packages: dict[str, InstalledPackage]
    trusted: Mapping[str, CacheFolder]
    claims: dict[str, list[_Claim]] = field(default_factory=dict)
    read: int = 0
    read_bytes: int = 0

    def run(self) -> Iterator[Finding]:
        for package in self.packages.values():
            for entry in package.paths:
                self.claims.setdefault(entry["_path"], []).append(_Claim(package, entry))
        to_read: list[tuple[str, list[_Claim]]] = []
        for path, owners in self.claims.items():
            finding = self._look_at(path, owners)
            if isinstance(finding, Finding):
                yield finding
            elif finding:
                to_read.append((path, owners))
        self.read = len(to_read)
        sums = sha256_of_each([f"{self.prefix}/{path}" for path, _ in to_read])
        for (path, owners), found in zip(to_read, sums, strict=True):
            yield from self._compare(path, owners, found)

    def owned(self) -> set[str]:
        return set(self.claims).union(*(package.files for package in self.packages.values()))

    def clobbered(self, shared: Mapping[str, tuple[str, ...]]) -> Iterator[Clobbered]:
        """The paths that several packages bring, by records and by the *shared* paths of the last generation."""
        owners = shared_by(self.packages, shared)
        for path, claims in self.claims.items():
            if len(claims) > 1 and path not in owners:
                owners[path] = tuple(claim.package.record.name for claim in claims)
        for path, names in sorted(owners.items()):
            claims = self.claims.get(path, [])
            if path.endswith(".pyc") or not claims or self._is_equal(path, names):
                continue
            winner = claims[-1].package.record
            losers = tuple(self._name(name) for name in names if name != winner.name)
            yield Clobbered(path, winner.dist_name, losers)

    def _name(self, name: str) -> str:
        return self.packages[name].record.dist_name

    def _is_equal(self, path: str, names: Sequence[str]) -> bool:
        """Whether all packages *names* bring the same bytes at *path*, as far as records and the cache can tell."""
        noted = {claim.package.record.name: claim.entry.get("sha256") for claim in self.claims[path]}
        sums = set()
        for name in names:
            source = _in_cache(self.packages[name], path)
            sums.add(noted.get(name) or (sha256_of(source) if source else None))
        return len(sums) == 1 and None not in sums

    def _look_at(self, path: str, owners: list[_Claim]) -> Finding | bool:
        """What can be told without reading: a finding, or whether the bytes have to be read."""
        claim = owners[0]
        name = claim.package.record.dist_name
        place = f"{self.prefix}/{path}"
        kinds = {each.kind for each in owners}
        try:
            status = os.lstat(place)
        except (FileNotFoundError, NotADirectoryError):
            return claim.kind != "pyc_file" and Finding(path, name, "missing", claim.sum_in_prefix)
        except OSError:
            return Finding(path, name, "unreadable")
        wrong = _wrong_type(place, status, kinds)
        if wrong is not None:
            return Finding(path, name, "wrong-type", _wanted_type(kinds), wrong)
        if stat.S_ISLNK(status.st_mode):
            return self._look_at_link(path, owners, kinds)
        if stat.S_ISDIR(status.st_mode) or not any(each.sum_in_prefix for each in owners):
            return False
        if self._is_of_cache(path, claim, status):
            return False
        self.read_bytes += status.st_size
        return True

    def _look_at_link(self, path: str, owners: list[_Claim], kinds: set[str | None]) -> Finding | bool:
        place = f"{self.prefix}/{path}"
        is_file = os.path.isfile(place)
        if "softlink" in kinds and (not is_file or self._target(place) in self.claims):
            return self._led_elsewhere(path, owners) or False
        return is_file and any(each.sum_in_prefix for each in owners)

    def _compare(self, path: str, owners: list[_Claim], found: str | None) -> Iterator[Finding]:
        sums = [digest for each in owners if (digest := each.sum_in_prefix)]
        name = owners[0].package.record.dist_name
        if found is None:
            yield Finding(path, name, "unreadable", sums[0])
        elif found in sums:
            return
        elif os.path.islink(place := f"{self.prefix}/{path}"):
            yield Finding(path, name, "redirected", None, os.readlink(place))
        else:
            other = self._other_owner(path, owners, found)
            kind, expected, seen = (
                ("clobbered", name, other) if other is not None else ("modified", sums[0], found)
            )
            yield Finding(path, name, kind, expected, seen)

    def _other_owner(self, path: str, owners: list[_Claim], found: str) -> str | None:
        """The package among those that bring *path*, but do not own it, whose file it is."""
        last = PrefixStore(self.prefix).generations().last
        names = shared_by(self.packages, last.shared).get(path, ()) if last is not None else ()
        own = {each.package.record.name for each in owners}
        for name in names:
            source = _in_cache(self.packages[name], path) if name not in own else None
            if source and sha256_of(source) == found:
                return self._name(name)
        return None

    def _is_of_cache(self, path: str, claim: _Claim, status: os.stat_result) -> bool:
        """Whether the file is the unpacked package's file, unchanged since that was complete."""
        cache = self.trusted.get(claim.package.record.dist_name)
        size = claim.entry.get("size_in_bytes")
        if cache is None or size != status.st_size or claim.entry.get("prefix_placeholder"):
            return False
        known = _status_in(cache.folder, path)
        if known is None or known.st_mtime_ns > cache.complete_ns or known.st_size != size:
            return False
        is_same = (known.st_dev, known.st_ino) == (status.st_dev, status.st_ino)
        return is_same or (stat.S_ISREG(known.st_mode) and known.st_mtime_ns == status.st_mtime_ns)

    def _target(self, place: str) -> str:
        root = os.path.realpath(self.prefix)
        return os.path.relpath(os.path.realpath(place), root).replace(os.sep, "/")

    def _led_elsewhere(self, path: str, owners: list[_Claim]) -> Finding | None:
        """The finding where the symlink *path* is not the one that a package brought.

        Records do not say where symlinks lead, and the sums that tools note for them are of their targets, from
        before or after these were patched, or of another package's older file. So one that leads to what has a
        sum in common with it is right, and of the others only the text in the package cache decides.
        """
        own = {digest for each in owners for digest in _sums(each.entry)}
        target = self.claims.get(self._target(f"{self.prefix}/{path}"), ())
        if any(digest in own for each in target for digest in _sums(each.entry)):
            return None
        text = os.readlink(f"{self.prefix}/{path}")
        known = []
        for each in owners:
            with contextlib.suppress(OSError, ValueError):
                source = each.package.source
                known.append(os.readlink(os.path.join(source, path)) if source else text)
        if not known or text in known:
            return None
        return Finding(path, owners[0].package.record.dist_name, "redirected", known[0], text)


def _wrong_type(place: str, status: os.stat_result, kinds: set[str | None]) -> str | None:
    """What is there, in words, where the records tell of something else."""
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        return None if kinds & {"directory", "pyc_file", None} else "a folder"
    if stat.S_ISLNK(mode):
        if kinds & _FOLLOWED or os.path.isfile(place):
            return None
        return f"a symlink to {os.readlink(place)}"
    if not stat.S_ISREG(mode):
        return "no regular file"
    return "a file" if kinds == {"directory"} else None


def _wanted_type(kinds: set[str | None]) -> str:
    if "directory" in kinds:
        return "a folder"
    return "a symlink" if kinds == {"softlink"} else "a file"


def _in_cache(package: InstalledPackage, path: str) -> str | None:
    """The file of the unpacked *package* that came to *path*, if it is there."""
    places = [f"{package.source}/{each}" for each in names_in_package(path)] if package.source else []
    return next((place for place in places if os.path.isfile(place)), None)


def _status_in(folder: str, path: str) -> os.stat_result | None:
    for each in names_in_package(path):
        with contextlib.suppress(OSError):
            return os.lstat(f"{folder}/{each}")
    return None


def _sums(entry: dict[str, Any]) -> list[str]:
    return [entry[key] for key in ("sha256", "sha256_in_prefix") if isinstance(entry.get(key), str)]
