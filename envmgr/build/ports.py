"""What building asks of the parts that it does not know: solving, linking and writing archives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from envmgr.ports import Clock, Reporter, Runner, Transport


class PlacedSpec(Struct, frozen=True):
    """A match spec as text and the place of the recipe that asks for it; *line* is counted from 1."""

    text: str
    file: str
    line: int


class EnvironmentMaker(Protocol):
    """Creates environments for building and testing."""

    def __call__(self, prefix: Path, requirements: Sequence[PlacedSpec], fresh_channel: Path) -> None:
        """Create an environment that fulfils *requirements* at *prefix*, whose parent exists.

        *fresh_channel* holds the archives of this build (``<subdir>/*.conda``, not indexed); they come before
        every other channel. Raises SolveError, with *prefix* untouched, where no packages fulfil them, and other
        EnvmgrErrors where the environment cannot be made.
        """
        ...


class ArchiveWriter(Protocol):
    """Writes package archives."""

    def __call__(self, folder: Path, target: Path, *, level: int, mtime: int) -> None:
        """Write the package in *folder* to *target*; every member gets *mtime*, seconds since the Unix epoch."""
        ...


class BuildPorts(Struct, frozen=True):
    """The outside world of a build.

    *known_facts* keeps what each ``host_facts.py`` said, by path, for as long as the ports live: several recipes
    of one folder share it.
    """

    runner: Runner
    transport: Transport
    clock: Clock
    reporter: Reporter
    write_archive: ArchiveWriter
    make_environment: EnvironmentMaker
    known_facts: dict[Path, Mapping[str, str]] = field(default_factory=dict)
