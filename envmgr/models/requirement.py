"""What a user asked for, and where it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from envmgr.models.match_spec import MatchSpec


class Source(Struct, frozen=True):
    """The place of a request: *file* as the user named it (None: command line), *line* from 1."""

    file: str | None
    line: int | None
    text: str

    def __str__(self) -> str:
        if self.file is None:
            return "command line"
        return self.file if self.line is None else f"{self.file}:{self.line}"


class Requirement(Struct, frozen=True):
    """One spec that a solution must fulfil, with its place."""

    spec: MatchSpec
    source: Source
