"""Which distributions need which, as their metadata says for one environment (Requires-Dist). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.models.python_range import range_text
from envmgr.models.wheel_name import normalized_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from packaging.requirements import Requirement

    from envmgr.pypi.records import WheelNeeds

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


def public_needs(needs: WheelNeeds | None) -> WheelNeeds:
    """*needs* as locks write them, without what leads to this machine, and without logins."""
    from envmgr.models.credentials import without_secret_query
    from envmgr.pypi.items import names_place_here, without_login
    from envmgr.pypi.records import WheelNeeds

    if needs is None:
        return WheelNeeds()
    lines = [each for each in map(plain_requirement, needs.requires_dist) if not names_place_here(each)]
    public = tuple(without_secret_query(without_login(each)) for each in lines)
    return WheelNeeds(public, needs.requires_python)


def plain_requirement(text: str) -> str:
    """A requirement (PEP 508) as locks write it, without parentheses; what cannot be read comes back as it is.

    >>> plain_requirement("b[y,x] (<3,>=1);extra=='z'"), plain_requirement("c@https://h/c.whl")
    ('b[x,y]>=1,<3 ; extra == "z"', 'c @ https://h/c.whl')
    """
    line = _parsed(text)
    if line is None:
        return text
    extras = f"[{','.join(sorted(line.extras))}]" if line.extras else ""
    place = f" @ {line.url}" if line.url else range_text(str(line.specifier))
    return f"{line.name}{extras}{place}" + (f" ; {line.marker}" if line.marker is not None else "")


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
