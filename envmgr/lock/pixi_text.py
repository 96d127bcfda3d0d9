"""Writes pixi.lock in version 6, which every pixi since 0.40 reads: groups become environments.

`default` is what is always there; each other group is an environment of that and of its own packages. Facts of
conda's packages are those of their records, so that a reader need not guess them from names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.lock.conda_lock_text import scalar
from envmgr.lock.locked import MAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from envmgr.lock.locked import Lock, LockedPackage

_DEFAULT = "default"
_Text = str | int


def pixi_lock_text(lock: Lock, indexes: Sequence[str]) -> str:
    """The text of *lock*, whose conda packages have their records; *indexes* are those of PyPI."""
    return "".join(f"{line}\n" for line in _lines(lock, indexes))


def _lines(lock: Lock, indexes: Sequence[str]) -> Iterator[str]:
    yield "version: 6"
    yield "environments:"
    for group in sorted(lock.groups, key=lambda name: (name != MAIN, name)):
        yield f"  {scalar(_DEFAULT if group == MAIN else group)}:"
        yield "    channels:" if lock.channels else "    channels: []"
        for url in lock.channels:
            yield f"    - url: {scalar(f'{url}/')}"
        has_pypi = any(each.kind == "pypi" for packages in lock.platforms.values() for each in packages)
        yield from _block("    indexes", list(indexes) if has_pypi else [])
        yield "    packages:" if lock.platforms else "    packages: {}"
        for subdir in sorted(lock.platforms):
            names = [f"{each.kind}: {scalar(each.url)}" for each in _sorted(lock.select(subdir, (group,)))]
            yield f"      {subdir}:" if names else f"      {subdir}: []"
            yield from (f"      - {name}" for name in names)
    packages = {each.url: each for packages in lock.platforms.values() for each in packages}
    yield "packages:" if packages else "packages: []"
    for each in _sorted(packages.values()):
        yield from _conda(each) if each.kind == "conda" else _pypi(each)


def _sorted(packages: Iterable[LockedPackage]) -> list[LockedPackage]:
    return sorted(packages, key=lambda each: (each.kind, each.name, each.url))


def _conda(package: LockedPackage) -> Iterator[str]:
    record = package.record
    assert record is not None  # Who writes a lock in this form solves first.
    yield f"- conda: {scalar(package.url)}"
    yield from _facts(
        {
            "name": record.name,
            "version": record.version,
            "build": record.build,
            "build_number": record.build_number,
            "subdir": record.subdir or (record.origin.subdir if record.origin is not None else None),
            "noarch": record.noarch_kind,
            "sha256": package.sha256,
            "md5": package.md5,
        }
    )
    yield from _block("  depends", record.depends)
    yield from _block("  constrains", record.constrains)
    yield from _block("  track_features", list(record.features_tracked))
    yield from _facts(
        {
            "license": record.license,
            "license_family": record.license_family,
            "size": record.size,
            "timestamp": None if record.timestamp is None else int(record.timestamp),
            "python_site_packages_path": record.python_site_packages_path,
        }
    )


def _pypi(package: LockedPackage) -> Iterator[str]:
    yield f"- pypi: {scalar(package.url)}"
    yield from _facts({"name": package.name, "version": package.version, "sha256": package.sha256})
    yield from _block("  requires_dist", package.requires_dist)
    yield from _facts({"requires_python": package.requires_python})


def _facts(facts: Mapping[str, _Text | None]) -> Iterator[str]:
    for key, value in facts.items():
        if value is not None and value != "":
            yield f"  {key}: {value if isinstance(value, int) else scalar(value)}"


def _block(key: str, texts: Sequence[str]) -> Iterator[str]:
    if texts:
        indent = " " * (len(key) - len(key.lstrip()))
        yield f"{key}:"
        yield from (f"{indent}- {scalar(text)}" for text in texts)
