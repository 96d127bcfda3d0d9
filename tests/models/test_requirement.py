"""Where a request was written."""

from __future__ import annotations

import pytest

from envmgr.models.match_spec import MatchSpec
from envmgr.models.requirement import Requirement, Source


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (Source("environment.yml", 7, "numpy"), "environment.yml:7"),
        (Source("environment.yml", None, "numpy"), "environment.yml"),
        (Source(None, None, "numpy"), "command line"),
    ],
)
def test_source_names_its_place(source: Source, text: str) -> None:
    assert str(source) == text


def test_requirement_is_a_value() -> None:
    first, second = (Requirement(MatchSpec.parse("a >=1"), Source("e.yml", 1, "a >=1")) for _ in range(2))
    assert first == second
    assert len({first, second}) == 1
