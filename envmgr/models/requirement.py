"""What a user asked for, and where it was written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from envmgr.models.match_spec import MatchSpec


@dataclass(frozen=True, slots=True)
class Source:
    """The place of a request: *file* as the user named it (None: command line), *line* from 1."""

    file: str | None
    line: int | None
    text: str

    def __str__(self) -> str:
        if self.file is None:
            return "command line"
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One spec that a solution must fulfil, with its place."""

    spec: MatchSpec
    source: Source
