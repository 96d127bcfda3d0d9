"""The conda packages of a lock as records, and whether they go together as they stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from envmgr.errors import DataError
from envmgr.models.record import PYPI_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmgr.lock.locked import Lock, LockedPackage
    from envmgr.models.record import PackageRecord
    from envmgr.ops.lock_inputs import Target


def records_of(standing: Iterable[LockedPackage]) -> tuple[PackageRecord, ...]:
    """The conda packages of a lock as records, as far as it tells; a channel that has them knows the rest.

    Raises DataError with the place of a package whose URL is none of an archive.
    """
    from envmgr.envfile.explicit import ExplicitPackage
    from envmgr.models.channel import is_url
    from envmgr.ops.explicit import explicit_records
    from envmgr.ops.locked import told_of

    found: dict[str, PackageRecord] = {}
    for each in standing:
        # Other tools leave variables and paths in URLs, which no channel's record has.
        if each.kind != "conda" or not is_url(each.url) or "$" in each.url:
            continue
        with told_of(each):
            package = ExplicitPackage(each.url, each.md5, each.sha256, each.source)
            (record,) = explicit_records([package])
            if record.name != each.name.lower():
                raise DataError(f"{each.name} has the URL of {record.dist_name}.")
        depends = [f"{name} {rest}".strip() for name, rest in each.dependencies]
        found.setdefault(record.name, replace(record, depends=depends))
    return tuple(found.values())


def locked_archive(record: PackageRecord) -> LockedPackage:
    """A conda package as a lock has it, in the group ``main``."""
    from envmgr.lock.locked import LockedPackage
    from envmgr.ops.locked import joined_depends

    return LockedPackage(
        kind="conda",
        name=record.name,
        version=record.version,
        build=record.build,
        url=record.url,
        md5=record.md5,
        sha256=record.sha256,
        dependencies=joined_depends(record.depends),
        record=record,
    )


def distributions_of(standing: Iterable[LockedPackage]) -> tuple[PackageRecord, ...]:
    """The distributions of PyPI in a lock as records, with what the lock says that they need.

    What it does not have itself is taken for the conda package of that name.
    """
    from envmgr.ops.distributions import distribution_record

    pypi = {each.name: each for each in standing if each.kind == "pypi"}

    def needed(name: str, ranges: str) -> str:
        return f"{PYPI_PREFIX if name in pypi else ''}{name} {ranges}".strip()

    return tuple(
        replace(
            distribution_record(each.name, each.version),
            depends=["python", *(needed(name, ranges) for name, ranges in each.dependencies)],
        )
        for each in pypi.values()
    )


def lacking_sums(records: Iterable[PackageRecord]) -> Iterator[str]:
    """What is to be told of records that have one of the two checksums only."""
    for record in records:
        if not record.sha256:
            yield f"{record.dist_name} has only an MD5 in its record, and so in the lock."
        elif not record.md5:
            yield f"{record.dist_name} has no MD5 in its record, without which conda-lock refuses the lock."


def unfulfilled(lock: Lock, target: Target) -> Iterator[str]:
    """What packages of *lock* for *target*, or its files, ask for and the lock does not have, in a few words each.

    A lock that was edited or merged by hand can say that it is current, and not hold together.
    """
    from envmgr.models.match_spec import parse_match_spec
    from envmgr.ops.locked import told_of

    held = {record.name: record for record in records_of(lock.platforms[target.subdir])}
    placed = {each.name.lower(): each for each in lock.platforms[target.subdir] if each.kind == "conda"}

    def missing(text: str, who: str) -> Iterator[str]:
        spec = parse_match_spec(text)
        found = held.get(spec.name)
        if found is None or not spec.matches(found):
            here = f"has {found.dist_name}" if found is not None else "has none"
            yield f"{who} {text}, and the lock {here}"

    for line in target.wanted.requirements:
        if line.spec.is_name_exact and line.spec.when is None and not line.spec.name.startswith("__"):
            yield from missing(str(replace(line.spec, channel=None, subdir=None)), "the files ask for")
    for record in held.values():
        for text in record.depends:
            # What is in brackets may ask for facts that a lock does not tell, and may have a condition.
            if not text.startswith("__") and "[" not in text:
                with told_of(placed[record.name]):
                    yield from missing(text, f"{record.dist_name} needs")


def settled(lock: Lock, target: Target) -> tuple[LockedPackage, ...] | None:
    """The packages of *lock* for *target* without those that nobody needs any more, in the groups that need them.

    None where they do not go together as they stand: then it is planned again.
    """
    from envmgr.ops.lock_groups import groups_reached, ordered

    packages = lock.platforms[target.subdir]
    if any(unfulfilled(lock, target)):
        return None
    groups = groups_reached(target, (*records_of(packages), *distributions_of(packages)))
    return tuple(
        replace(each, groups=ordered(groups[each.name.lower()])) if each.kind == "conda" else each
        for each in packages
        if each.kind == "pypi" or groups.get(each.name.lower())
    )
