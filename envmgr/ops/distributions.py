"""Distributions from PyPI as records with what they need, so that who needs whom is told of both kinds alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct, field
from msgspec.structs import replace

from envmgr.models.record import PYPI_PREFIX, PackageRecord
from envmgr.pypi.records import BUILD

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from envmgr.ops.context import Context
    from envmgr.ops.joint import PypiPart
    from envmgr.prefix.installed import InstalledPackage
    from envmgr.pypi.records import WheelNeeds


class Needing(Struct, frozen=True):
    """What is known of needs: *needs* by normalized name, the *asked* lines (PEP 508), which may want extras.

    *providers* maps each distribution that conda provides to its conda package.
    """

    needs: Mapping[str, WheelNeeds]
    asked: Sequence[str] = ()
    providers: Mapping[str, str] = field(default_factory=dict)


def with_depends(
    records: Iterable[PackageRecord], python: PackageRecord | None, subdir: str, needing: Needing
) -> tuple[PackageRecord, ...]:
    """*records*, where those of PyPI depend on what they need there; conda's are as they are.

    What they need of others is left out: nobody knows who could have brought it.
    """
    from envmgr.models.python_range import range_text

    records = tuple(records)
    names = {record.shown_name for record in records if record.is_pypi}
    if python is None or not names or not needing.needs:
        return records
    ranges = ranges_among(names, python, subdir, needing)
    targets = {**needing.providers, **{name: f"{PYPI_PREFIX}{name}" for name in names}}

    def depends(record: PackageRecord) -> list[str]:
        known = needing.needs.get(record.shown_name)
        wanted = range_text(known.requires_python) if known is not None and known.requires_python else ""
        needed = ranges.get(record.shown_name, {})
        return [f"{name} {text}".rstrip() for name, text in (("python", wanted), *_named(needed, targets))]

    return tuple(replace(record, depends=depends(record)) if record.is_pypi else record for record in records)


def _named(needed: Mapping[str, str], targets: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    return ((targets[name], text) for name, text in needed.items())


def ranges_among(
    names: Collection[str], python: PackageRecord, subdir: str, needing: Needing
) -> dict[str, dict[str, str]]:
    """What each distribution in *names* needs of the others and of what conda provides: ranges by name."""
    from envmgr.pypi.needs import ranges_needed
    from envmgr.pypi.target import PypiTarget

    requires = {name: needs.requires_dist for name, needs in needing.needs.items()}
    markers = PypiTarget.of(python, (), subdir).markers
    found = ranges_needed([*needing.asked, *sorted(names)], requires, markers)
    there = {*names, *needing.providers}
    return {
        user: {
            name: ",".join(ranges)
            for name, ranges in sorted(needed.items())
            if name in there and name != user
        }
        for user, needed in found.items()
        if user in names
    }


def planned_records(
    part: PypiPart, records: Iterable[PackageRecord], earlier: Mapping[str, WheelNeeds] | None = None
) -> tuple[PackageRecord, ...]:
    """*records* of a plan of both kinds, and what is built into wheels first; those of PyPI with what they need.

    *earlier* tells it of distributions that are there already.
    """
    records = tuple(records)
    names = {record.shown_name for record in records if record.is_pypi}
    built = [
        distribution_record(each.name, each.version or "0") for each in part.sources if each.name not in names
    ]
    python = next((record for record in records if record.name == "python"), None)
    needing = _needing(part, records, earlier or {})
    return with_depends((*records, *built), python, part.question.subdir, needing)


def planned_ranges(part: PypiPart, records: Sequence[PackageRecord]) -> dict[str, dict[str, str]]:
    """`ranges_among` of the distributions of a plan, beside *records* of conda packages."""
    python = next((record for record in records if record.name == "python"), None)
    names = {record.shown_name for record in part.wheels} | {each.name for each in part.sources}
    if python is None:
        return {}
    return ranges_among(names, python, part.question.subdir, _needing(part, records, {}))


def _needing(part: PypiPart, records: Sequence[PackageRecord], earlier: Mapping[str, WheelNeeds]) -> Needing:
    by_dist_name = {record.dist_name: record.name for record in records if not record.is_pypi}
    providers = {
        each.name: by_dist_name[each.dist_name] for each in part.provided if each.dist_name in by_dist_name
    }
    asked = [item.text for item in part.question.items]
    return Needing({**earlier, **part.answer.needs}, asked, providers)


def installed_distributions(
    prefix: Path,
    packages: Sequence[InstalledPackage],
    asked: Mapping[str, Sequence[str]],
    subdir: str,
    context: Context,
) -> tuple[PackageRecord, ...]:
    """What is in *prefix* from PyPI, by envmgr and by pip; *asked* are the lines that asked for it, by record."""
    from envmgr.models.wheel_name import normalized_name
    from envmgr.ops.list import foreign_distributions, python_folder
    from envmgr.ops.provided import Providers
    from envmgr.pypi.installed import read_distributions, read_needs

    wheels = [package.record for package in packages if package.record.is_pypi]
    strangers = foreign_distributions(prefix, packages)
    folder = python_folder(packages)
    if folder is None or not (wheels or strangers):
        return tuple(wheels)
    names = {record.shown_name for record in wheels} | {each.name for each in strangers}
    needs = {}
    for each in read_distributions(prefix / folder):
        known = read_needs(prefix / folder / each.metadata / "METADATA") if each.name in names else None
        if known is not None:
            needs[normalized_name(each.name)] = known
    conda = {package.record: package for package in packages if not package.record.is_pypi}
    by_dist_name = {record.dist_name: record.name for record in conda}
    providers = {
        each.name: by_dist_name[each.dist_name] for each in Providers(context, prefix, conda).of(conda)
    }
    python = next((record for record in conda if record.name == "python"), None)
    lines = [text.partition(" --hash=")[0] for texts in asked.values() for text in texts]
    records = [*wheels, *(distribution_record(each.name, each.version) for each in strangers)]
    ordered = sorted({record.name: record for record in records}.values(), key=lambda record: record.name)
    return with_depends(ordered, python, subdir, Needing(needs, lines, providers))


def distribution_record(name: str, version: str) -> PackageRecord:
    """A record of a distribution of which there is no wheel to be named."""
    return PackageRecord(
        name=f"{PYPI_PREFIX}{name}", version=version, build=BUILD, depends=["python"], noarch="python"
    )
