"""Records without a solve: from the URLs of an explicit file (CEP 23), or of an environment that is cloned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.errors import DataError, PrefixError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from envmgr.envfile.explicit import ExplicitPackage
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context


def explicit_records(packages: Sequence[ExplicitPackage]) -> tuple[PackageRecord, ...]:
    """Records of the archives as far as their URLs tell; the archives themselves know the rest.

    Raises DataError when two lines name different builds of one package.
    """
    known: dict[str, ExplicitPackage] = {}
    bare: list[PackageRecord] = []
    for package in packages:
        record = _bare_record(package)
        earlier = known.setdefault(record.name, package)
        if earlier.url != package.url:
            raise DataError(
                f"{package.source}: {record.name} is listed twice: {earlier.url} and {package.url}."
            )
        if earlier is package:
            bare.append(record)
    return tuple(bare)


def _bare_record(package: ExplicitPackage) -> PackageRecord:
    from envmgr.models.channel import split_distribution, split_url, without_credentials
    from envmgr.models.record import Origin, PackageRecord

    channel, subdir, file_name = split_url(package.url)
    name, version, build, _ = split_distribution(file_name)
    base = without_credentials(package.url).rpartition("/")[0] + "/"
    return PackageRecord(
        name=name,
        version=version,
        build=build,
        subdir=subdir or None,
        md5=package.md5,
        sha256=package.sha256,
        fn=file_name,
        origin=Origin(channel, subdir, base),
    )


def cloned_records(environment: str, context: Context) -> tuple[PackageRecord, ...]:
    """The records of an existing environment, given by name or path, dependencies first."""
    from envmgr.ops.environments import read_steadily
    from envmgr.prefix.store import PrefixStore

    prefix = locate_clone(environment, context)
    records = [each.record for each in read_steadily(prefix, context, PrefixStore(prefix).records)]
    _check_downloadable(records, prefix)
    return dependencies_first(records)


def locate_clone(environment: str, context: Context) -> Path:
    """The prefix of an existing environment that is given by name, or by a path with a slash or a dot."""
    from envmgr.ops.environments import locate_existing

    is_path = "/" in environment or environment.startswith(("~", "."))
    return locate_existing(None if is_path else environment, environment if is_path else None, context)


def _check_downloadable(records: Sequence[PackageRecord], prefix: Path) -> None:
    nowhere = [record.shown_name for record in records if not record.url]
    if nowhere:
        raise PrefixError(f"{prefix} cannot be cloned: no URL is recorded for {', '.join(nowhere)}.")


def dependencies_first(records: Sequence[PackageRecord]) -> tuple[PackageRecord, ...]:
    """*records* so that each comes after what it depends on, ties by name; cycles are cut at their first name."""
    by_name = {record.name: record for record in sorted(records, key=lambda record: record.name)}
    ordered: dict[str, PackageRecord] = {}
    stack = [(name, iter(_needed(by_name[name]))) for name in reversed(by_name)]
    entered: set[str] = set()
    while stack:
        name, needed = stack[-1]
        entered.add(name)
        following = next((other for other in needed if other in by_name and other not in entered), None)
        if following is not None:
            stack.append((following, iter(_needed(by_name[following]))))
            continue
        stack.pop()
        ordered.setdefault(name, by_name[name])
    return tuple(ordered.values())


def _needed(record: PackageRecord) -> list[str]:
    from envmgr.models.match_spec import parse_match_spec

    return sorted(parse_match_spec(text).name for text in record.depends)
