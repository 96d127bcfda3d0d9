"""Several environment files as one request: `-f base.yml -f dev.yml`.

Later files win where there can be one value (name, prefix, category, each variable); lists are joined in
order and hold nothing twice (channels, platforms, specs, the items of subsections). One `nodefaults` counts
for all. These are conda's rules. Whether the specs agree is the solver's question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from msgspec.structs import replace

from envmgr.envfile.environment_file import EnvironmentFile, Item

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.models.requirement import Requirement, Source

_T = TypeVar("_T")


def merge_environments(files: Sequence[EnvironmentFile]) -> EnvironmentFile:
    """The one environment that all *files* together ask for; an empty sequence asks for nothing."""
    return EnvironmentFile(
        name=_last(file.name for file in files),
        prefix=_last(file.prefix for file in files),
        channels=_unique(channel for file in files for channel in file.channels),
        channel_sources=_first_sources(file.channel_sources for file in files),
        nodefaults=any(file.nodefaults for file in files),
        requirements=_unique_requirements(files),
        subsections=_merged_subsections(files),
        subsection_sources=_first_sources(file.subsection_sources for file in files),
        variables={name: value for file in files for name, value in file.variables.items()},
        platforms=_unique(platform for file in files for platform in file.platforms),
        category=_last(file.category for file in files),
        python=_unique(item for file in files for item in file.python),
        requires_python=_unique(item for file in files for item in file.requires_python),
        mapped=_unique(each for file in files for each in file.mapped),
        extras=_unique(name for file in files for name in file.extras),
        groups=_unique(name for file in files for name in file.groups),
        pins=_unique(pin for file in files for pin in file.pins),
        warnings=tuple(warning for file in files for warning in file.warnings),
    )


def merge_included(file: EnvironmentFile, included: Sequence[EnvironmentFile]) -> EnvironmentFile:
    """*file* over what it includes: where there can be one value its own wins, and its channels come first."""
    merged = merge_environments([*included, file])
    return replace(merged, channels=_unique([*file.channels, *merged.channels]))


def _unique_requirements(files: Iterable[EnvironmentFile]) -> tuple[Requirement, ...]:
    """Each spec once, with the place where it was written first."""
    unique: dict[object, Requirement] = {}
    for file in files:
        for requirement in file.requirements:
            unique.setdefault(requirement.spec, requirement)
    return tuple(unique.values())


def _merged_subsections(files: Iterable[EnvironmentFile]) -> dict[str, tuple[Item, ...]]:
    merged: dict[str, dict[str, Item]] = {}
    for file in files:
        for name, items in file.subsections.items():
            section = merged.setdefault(name, {})
            for item in items:
                section.setdefault(item.text, item)
    return {name: tuple(section.values()) for name, section in merged.items()}


def _first_sources(places: Iterable[Mapping[str, Source]]) -> dict[str, Source]:
    sources: dict[str, Source] = {}
    for each in places:
        for name, source in each.items():
            sources.setdefault(name, source)
    return sources


def _unique(values: Iterable[_T]) -> tuple[_T, ...]:
    return tuple(dict.fromkeys(values))


def _last(values: Iterable[str | None]) -> str | None:
    found = [value for value in values if value is not None]
    return found[-1] if found else None
