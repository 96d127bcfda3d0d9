"""Conditions of dependencies (CEP 43) as alternatives, each a list of specs that must all hold."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from envmgr.errors import DataError
from envmgr.models.condition import Or
from envmgr.models.match_spec import MatchSpec

if TYPE_CHECKING:
    from envmgr.models.match_spec import Condition

MAX_ALTERNATIVES = 4096


def alternatives(condition: Condition) -> list[tuple[MatchSpec, ...]]:
    """The condition holds when all specs of one of these tuples do.

    Raises DataError for a condition that needs more than `MAX_ALTERNATIVES` of them, or asks about any name.
    """
    if isinstance(condition, MatchSpec):
        if not condition.is_name_exact:
            raise DataError(f"the condition '{condition}' names no package.")
        return [(condition,)]
    parts = [alternatives(part) for part in condition.parts]
    if isinstance(condition, Or):
        found = [specs for part in parts for specs in part]
    else:
        size = 1
        for part in parts:
            size *= len(part)
            _check_size(size, condition)
        found = [tuple(spec for specs in choice for spec in specs) for choice in product(*parts)]
    _check_size(len(found), condition)
    return found


def _check_size(size: int, condition: Condition) -> None:
    if size > MAX_ALTERNATIVES:
        raise DataError(f"the condition '{condition}' has more than {MAX_ALTERNATIVES} alternatives.")
