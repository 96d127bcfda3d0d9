"""What a conflict asks of the machine, and which override of a virtual package (CEP 30) would give it that."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from envmgr.errors import DataError
from envmgr.models.virtual_package import override
from envmgr.solver.candidates import parse_match_spec
from envmgr.solver.clause import Asked, Needs, leaves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envmgr.models.match_spec import MatchSpec
    from envmgr.models.record import PackageRecord
    from envmgr.solver.solve import Conflict
    from envmgr.solver.universe import Universe

SYSTEMS: Final = {"__linux": "Linux", "__osx": "macOS", "__win": "Windows", "__unix": "Linux and macOS"}
_DEVICES: Final = ("__cuda", "__archspec")  # a machine of any system may have them
_DEFAULTS: Final = {"__cuda": "12.0"}
_LITERAL = r"[0-9][0-9A-Za-z_.]*"


def can_be_overridden(name: str, *, present: bool) -> bool:
    """Whether a variable can change what the machine has of *name*; another system cannot be pretended."""
    if name == "__unix":
        return False
    return present or name in _DEVICES


def override_values(conflict: Conflict) -> Iterator[tuple[str, str]]:
    """The names of virtual packages that stand in the way, each with a value that fulfils most of what is asked.

    It is the lowest such value: what is true for it is true for most machines.
    """
    wanted: dict[int, list[MatchSpec]] = {}
    universe = conflict.universe
    for leaf in leaves(conflict.proof):
        cause = leaf.cause
        if isinstance(cause, Needs) and universe.variables[cause.link.target].virtual:
            texts = [
                e.text for some in cause.link.entries if some.carriers & cause.carriers for e in some.entries
            ]
            wanted.setdefault(cause.link.target, []).extend(filter(None, map(_spec, texts)))
        elif isinstance(cause, Asked) and universe.variables[leaf.variables[0]].virtual:
            wanted.setdefault(leaf.variables[0], []).append(cause.requirement.spec)
    for variable, specs in wanted.items():
        known = universe.variables[variable]
        if can_be_overridden(known.name, present=known.full > 1):
            value = _best_value(known.name, specs, _all_specs(universe, variable))
            if value is not None:
                yield known.name, value


def _all_specs(universe: Universe, variable: int) -> list[MatchSpec]:
    links = universe.variables[variable].incoming
    texts = [entry.text for link in links for some in link.entries for entry in some.entries]
    return [spec for spec in map(_spec, dict.fromkeys(texts)) if spec is not None]


def _best_value(name: str, specs: list[MatchSpec], others: list[MatchSpec]) -> str | None:
    literals = {text for spec in (*specs, *others) for text in _literals(name, spec)}
    records = [record for record in (_record(name, text) for text in literals) if record is not None]
    records.sort(key=lambda record: (record.parsed_version.key, record.build))
    if not records and name in _DEFAULTS:
        return _DEFAULTS[name]

    def fulfilled(record: PackageRecord) -> int:
        return sum(spec.matches(record) for spec in specs)

    best = max(records, key=fulfilled, default=None)
    if best is None or not fulfilled(best):
        return None
    return best.build if name == "__archspec" else best.version


def _literals(name: str, spec: MatchSpec) -> list[str]:
    if name == "__archspec":
        return [spec.build.text] if spec.build is not None and spec.build.is_exact else []
    found = re.findall(_LITERAL, spec.version.text) if spec.version is not None else []
    return [text.strip(".") for text in found]


def _record(name: str, text: str) -> PackageRecord | None:
    try:
        return override(name, text)
    except DataError:
        return None


def _spec(text: str) -> MatchSpec | None:
    try:
        return parse_match_spec(text)
    except DataError:
        return None
