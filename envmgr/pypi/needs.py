"""Which distributions need which, as their metadata says for one environment (Requires-Dist). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.python_range import range_text
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from packaging.requirements import Requirement

    Environment = Mapping[str, str]


def needed_by(
    roots: Iterable[str], requires: Mapping[str, Collection[str]], environment: Environment
) -> dict[str, set[str]]:
    """Every distribution that *roots* (PEP 508) lead to, with the names of what it needs itself.

    As `ranges_needed`, which tells the versions, too.
    """
    return {name: set(needs) for name, needs in ranges_needed(roots, requires, environment).items()}


def ranges_needed(
    roots: Iterable[str], requires: Mapping[str, Collection[str]], environment: Environment
) -> dict[str, dict[str, list[str]]]:
    """Every distribution that *roots* (PEP 508) lead to, with what it needs itself: names, and ranges of each.

    *requires* has Requires-Dist lines by normalized name ("Core metadata specifications"); what it does not know
    needs nothing. Extras count where somebody asks for them. Lines that cannot be read are passed over.

    >>> ranges_needed(["a[x]"], {"a": ["b<2,>=1", "c; extra == 'x'", "d; extra == 'y'"]}, {})
    {'a': {'b': ['>=1,<2'], 'c': []}, 'c': {}, 'b': {}}
    """
    found: dict[str, dict[str, list[str]]] = {}
    known_extras: dict[str, set[str]] = {}
    waiting = [each for text in roots if (each := _parsed(text)) is not None]
    while waiting:
        asked = waiting.pop()
        name = normalized_name(asked.name)
        extras = known_extras.setdefault(name, set())
        new = {normalized_name(extra) for extra in asked.extras} - extras
        if name in found and not new:
            continue
        extras |= new
        needs = found.setdefault(name, {})
        for text in requires.get(name, ()):
            line = _parsed(text)
            if line is not None and _holds(line, extras, environment):
                ranges = needs.setdefault(normalized_name(line.name), [])
                if str(line.specifier) and (told := range_text(str(line.specifier))) not in ranges:
                    ranges.append(told)
                waiting.append(line)
    return found


def dependants(gone: Collection[str], needs: Mapping[str, Collection[str]]) -> set[str]:
    """*gone* with everything that needs any of it."""
    found = set(gone)
    while more := {name for name, others in needs.items() if name not in found and found & set(others)}:
        found |= more
    return found


def _parsed(text: str) -> Requirement | None:
    # Many commands come by here that have no line to read; the import takes longer than they do.
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _holds(line: Requirement, extras: Collection[str], environment: Environment) -> bool:
    if line.marker is None:
        return True
    from packaging.markers import UndefinedEnvironmentName

    try:
        return any(line.marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras))
    except UndefinedEnvironmentName:
        return True
