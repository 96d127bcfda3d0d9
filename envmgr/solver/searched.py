"""What was searched, in words: the channels as the user calls them, and the package names that they list.

A missing name is told apart from one that a channel lists without a record that can be read, and gets its near
names. This module knows names only; which of them are missing is decided in solve.py, and told in explain.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.solver.near_names import near_names
from envmgr.solver.ranges import join_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from envmgr.models.record import PackageRecord


class Searched:
    """The channels of a problem, best first, as the user calls them; *ranks* is by canonical URL.

    *names* are read once, and only when a question is about a name.
    """

    def __init__(self, channels: Sequence[str], ranks: Mapping[str, int], names: Iterable[str]) -> None:
        self.channels = tuple(channels)
        self.text = join_words(self.channels) if channels else "this set of channels"
        self.verb = "have" if len(channels) > 1 else "has"
        self._ranks = ranks
        self._names = names
        self._listed: frozenset[str] | None = None

    def place_of(self, record: PackageRecord) -> str:
        """The channel of *record*, as the user calls it where the user named it."""
        if record.origin is None:
            return "another channel"
        rank = self._ranks.get(record.origin.channel, len(self.channels))
        if rank < len(self.channels):
            return self.channels[rank]
        return record.origin.channel.rpartition("/")[2]

    def lists(self, name: str) -> bool:
        """Whether a channel names *name*, with records or without."""
        return name in self._all_names()

    def near(self, name: str) -> list[str]:
        """What a user who wrote *name* may have meant, nearest first."""
        return near_names(name, self._all_names())

    def _all_names(self) -> frozenset[str]:
        if self._listed is None:
            self._listed = frozenset(self._names)
        return self._listed
