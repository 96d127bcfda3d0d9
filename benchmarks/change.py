"""Changing an environment: nothing to do, an update of three packages, their removal, a rollback, and a clone.

Timed on each side: the whole process, with everything cached, over a channel that is a folder. Before each run the
environment is brought back from a copy, untimed.

- envmgr: ``envmgr install`` (nothing to do, and update), ``remove``, ``rollback``, ``create --clone``. Changes go
  through the journal, and keep a generation to go back to.
- py-rattler: peer.py: Gateway, ``solve`` and ``rattler.install`` into the environment, for nothing to do and the
  update; it has neither a journal nor generations, no rollback and no clone. A removal that breaks dependencies, as
  this one does, is nothing that its solver can be asked for.
- cp -al: hard links of the whole environment: the raw limit of a clone.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benchmarks.measure import ENVMGR, PEER, Bench, Side, Sizes, Trial, has_peer, has_programs, open_bench
from benchmarks.wheels import write_wheels_channel

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.wheels import MadeChannel

QUICK = Sizes((5, 50), 3)
FULL = Sizes((5, 50, 250), 7)


def run(sizes: Sizes) -> list[Trial]:
    """All kinds of change at all sizes."""
    peer, copying = has_peer(), has_programs("cp")
    trials: list[Trial] = []
    for packages in sizes.values:
        with open_bench() as bench:
            channel = write_wheels_channel(bench.folder / "channel", packages)
            for title, sides in _Changes(bench, channel, peer=peer, copying=copying).all().items():
                runs = bench.in_turns(sides, sizes.rounds)
                trials.append(Trial(title, packages, "packages", runs, notes=(channel.note,)))
    return sorted(trials, key=lambda trial: (trial.title, trial.size))


class _Changes:
    """The sides of each kind of change, with their environments ready to be brought back."""

    def __init__(self, bench: Bench, channel: MadeChannel, *, peer: bool, copying: bool) -> None:
        self.bench, self.channel, self.peer, self.copying = bench, channel, peer, copying
        self.url = channel.folder.as_uri()
        self.prefix = str(bench.folder / "prefix")
        self.where = ("-q", "-y", "-p", self.prefix)
        self.channels = ("--override-channels", "-c", self.url)

    def all(self) -> dict[str, list[Side]]:
        """The sides by title."""
        first, second = self.channel.specs(1), self.channel.specs(2)
        target = ("--platform", "linux-64")
        self._run("create", *self.where, *target, *self.channels, *first)
        self._save("old")
        self._run("install", *self.where, *self.channels, *second)
        self._save("new")
        names = tuple(each[0] for each in self.channel.updated)
        own = {
            "change: nothing to do": ("old", "install", *self.where, *self.channels, *first),
            "change: update of 3 packages": ("old", "install", *self.where, *self.channels, *second),
            "change: removal of 3 packages": ("old", "remove", *self.where, "--force", *names),
            "change: rollback of that update": ("new", "rollback", *self.where),
        }
        sides = {title: [self._own(*words)] for title, words in own.items()}
        other = str(self.bench.folder / "clone")
        clone = (*ENVMGR, "create", "-q", "-y", "-p", other, "--clone", self.prefix)
        sides["change: clone"] = [Side("envmgr", clone, prepare=self._restoring("old", "clone"))]
        if self.peer:
            self._add_peer(sides, first, second)
        if self.copying:
            command = ("cp", "-al", self.prefix, other)
            sides["change: clone"].append(Side("cp -al", command, prepare=self._restoring("old", "clone")))
        return sides

    def _add_peer(self, sides: dict[str, list[Side]], first: list[str], second: list[str]) -> None:
        cache = str(self.bench.folder / "peer")
        self.bench.run(Side("py-rattler", (*PEER, "create", self.url, cache, self.prefix, *second)))
        self.bench.removing("prefix")()
        self.bench.run(Side("py-rattler", (*PEER, "create", self.url, cache, self.prefix, *first)))
        self._save("peer-old")
        restore = self._restoring("peer-old")
        for title, specs in (("change: nothing to do", first), ("change: update of 3 packages", second)):
            command = (*PEER, "create", self.url, cache, self.prefix, *specs)
            sides[title].append(Side("py-rattler", command, prepare=restore))

    def _run(self, *words: str) -> None:
        self.bench.run(Side("envmgr", (*ENVMGR, *words)))

    def _own(self, saved: str, *words: str) -> Side:
        return Side("envmgr", (*ENVMGR, *words), prepare=self._restoring(saved))

    def _save(self, name: str) -> None:
        (self.bench.folder / "prefix").rename(self.bench.folder / name)
        self._restoring(name)()

    def _restoring(self, name: str, *gone: str) -> Callable[[], None]:
        """Bring the environment back as it was saved: hard links, but for what is written in place."""
        saved, prefix = self.bench.folder / name, self.bench.folder / "prefix"
        remove = self.bench.removing("prefix", *gone)

        def restore() -> None:
            remove()
            self.bench.run(Side("cp", ("cp", "-al", str(saved), str(prefix))))
            shutil.rmtree(prefix / "conda-meta")
            shutil.copytree(saved / "conda-meta", prefix / "conda-meta")

        return restore
