"""A request to the solver as one value.

Everything that can change an answer is a field here; the solver reads no settings, no clock and no files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct, field

from envmgr.solver.target_machine import HERE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from envmgr.models.record import PackageRecord
    from envmgr.models.record_table import RecordTable
    from envmgr.models.requirement import Requirement
    from envmgr.solver.target_machine import TargetMachine

ChannelPriority = Literal["strict", "flexible", "disabled"]
Strategy = Literal["highest", "lowest", "lowest-direct"]

PINNED: Final = "pinned_packages"
"""The source of lines that the configuration sets for all environments; one option lifts them together."""

PIN_FILE: Final = "conda-meta/pinned"
"""The end of the path of a file with lines for one environment; the same option lifts them."""

FROZEN: Final = "--freeze-installed"
"""The source of lines that hold installed records where they are; one option lifts them together."""


def is_pin(line: Requirement) -> bool:
    """Whether *line* limits packages without asking for them, by the configuration or a file of the environment."""
    file = line.source.file or ""
    return file == PINNED or file.replace("\\", "/").endswith(f"/{PIN_FILE}")


def is_lock(line: Requirement) -> bool:
    """Whether *line* holds an installed record where it is."""
    return line.source.file == FROZEN


def no_clock() -> float:
    """A clock that stands still, for problems without a budget."""
    return 0.0


class Problem(Struct, frozen=True, kw_only=True):
    """What is asked, of which records, under which rules.

    ``load(name)`` answers with all records of a name, from every channel and for every subdir in question, and
    with the machine's record for a virtual package name, as records or as tables of them (one for each channel and
    subdir); it is called at most once for a name. ``channel_rank``
    maps a channel's canonical URL to its rank, 0 being the best; channels that it does not name come last.

    ``requirements`` are ordered: the versions of the packages asked for first are best. ``constraints`` limit
    packages without asking for them. ``installed`` records are what a prefix holds; they are candidates even where
    no channel has them. Each stays where it can: a line is content with an installed record that fulfils it, and
    what nothing needs is kept too. Names in ``free`` take their best record instead, wherever they were; with
    ``prune``, packages that nothing needs go. (update.py makes these fields from the modes that users know.)

    ``exclude_newer`` is in milliseconds since the Unix epoch, compared with ``indexed_timestamp`` or else
    ``timestamp`` (CEP 47); records that have neither are kept. ``budget_seconds`` of ``monotonic`` end the search
    with a SolveError, and so do ``max_steps`` (decisions and conflicts together), the same on every machine; None
    means no limit. ``machine`` is how texts name the machine whose records ``load`` gives.
    """

    requirements: tuple[Requirement, ...]
    load: Callable[[str], Sequence[PackageRecord | RecordTable]]
    channel_rank: Mapping[str, int] = field(default_factory=dict)
    channel_priority: ChannelPriority = "strict"
    installed: tuple[PackageRecord, ...] = ()
    free: frozenset[str] = frozenset()
    prune: bool = False
    constraints: tuple[Requirement, ...] = ()
    exclude_newer: int | None = None
    strategy: Strategy = "highest"
    budget_seconds: float | None = None
    max_steps: int | None = None
    machine: TargetMachine = HERE
    monotonic: Callable[[], float] = no_clock
