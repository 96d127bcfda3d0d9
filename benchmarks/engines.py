"""Both engines on the same records, for their answers: envmgr's `solve` and py-rattler's ``solve``.

The records are those of unpacked corpus channels; envmgr gets them from memory, py-rattler reads the same files as
``file://`` channels. Both with strict priority, without pip for Python, on the virtual packages of the request.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from msgspec import Struct

from benchmarks.records import records_by_name
from envmgr.errors import EnvmgrError
from envmgr.models.match_spec import MatchSpec
from envmgr.models.requirement import Requirement, Source
from envmgr.models.virtual_package import virtual_record
from envmgr.solver.problem import Problem
from envmgr.solver.solve import Solution, solve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import rattler

    from benchmarks.requests import Request
    from envmgr.models.record import PackageRecord

MOST_SECONDS = 120.0


class Answer(Struct, frozen=True):
    """What an engine said: the records, or None with its words; ``seconds`` is the time of the call."""

    records: tuple[PackageRecord, ...] | None
    seconds: float
    words: str = ""


class World:
    """The unpacked channels, in which both engines are asked."""

    def __init__(self, channels: Mapping[str, Path]) -> None:
        self.channels = channels
        self._gateway: rattler.Gateway | None = None

    def ranks(self, request: Request) -> dict[str, int]:
        """The channels' URLs, the best being 0."""
        return {self.channels[name].as_uri(): rank for rank, name in enumerate(request.channels)}

    def load(self, request: Request, name: str) -> list[PackageRecord]:
        """All records that *request* may choose from, of one name."""
        if name.startswith("__"):
            return [record for record in virtual_records(request) if record.name == name]
        found = (records_by_name(self.channels[channel]) for channel in request.channels)
        return [record for index in found for record in index.get(name, ())]

    def installed(self, request: Request) -> tuple[PackageRecord, ...]:
        """The environment that is there already: envmgr's answer of that month; SystemExit if there was none."""
        if not request.installed:
            return ()
        limit = _milliseconds(request.installed_before or "9999-12-31")

        def load(name: str) -> list[PackageRecord]:
            records = self.load(request, name)
            return (
                records if name.startswith("__") else [r for r in records if 0 < (r.timestamp or 0) < limit]
            )

        problem = Problem(
            requirements=requirements(request.installed), load=load, channel_rank=self.ranks(request)
        )
        outcome = solve(problem)
        if not isinstance(outcome, Solution):
            raise SystemExit(
                f"{request.title}: there was no environment with {', '.join(request.installed)}."
            )
        return outcome.records

    def own_problem(self, request: Request, installed: tuple[PackageRecord, ...]) -> Problem:
        """The request as envmgr's solver takes it: what is installed stays where it can, and goes where nothing
        needs it any more, since py-rattler keeps none of that either."""
        return Problem(
            requirements=requirements(request.lines),
            load=lambda name: self.load(request, name),
            channel_rank=self.ranks(request),
            installed=installed,
            prune=True,
            budget_seconds=MOST_SECONDS,
            monotonic=time.monotonic,
        )

    def ask_own(self, request: Request, installed: tuple[PackageRecord, ...]) -> Answer:
        """envmgr's answer."""
        begin = time.perf_counter()
        try:
            outcome = solve(self.own_problem(request, installed))
        except EnvmgrError as error:
            return Answer(None, time.perf_counter() - begin, str(error))
        seconds = time.perf_counter() - begin
        if isinstance(outcome, Solution):
            return Answer(outcome.records, seconds)
        return Answer(
            None, seconds, f"no solution for {', '.join(str(r.spec) for r in outcome.requirements)}"
        )

    async def ask_peer(self, request: Request, installed: tuple[PackageRecord, ...]) -> Answer:
        """py-rattler's answer, as envmgr's records of the same files."""
        import rattler
        from rattler.exceptions import GatewayError, SolverError

        if self._gateway is None:
            self._gateway = rattler.Gateway()
        urls = [self.channels[name].as_uri() for name in request.channels]
        locked = await self._locked(urls, installed)
        begin = time.perf_counter()
        try:
            found = await rattler.solve(
                urls,
                list(request.lines),
                gateway=self._gateway,
                platforms=["linux-64", "noarch"],
                locked_packages=locked,
                virtual_packages=[_generic(record) for record in virtual_records(request)],
                channel_priority=rattler.ChannelPriority.Strict,
            )
        except (SolverError, GatewayError) as error:
            return Answer(None, time.perf_counter() - begin, " ".join(str(error).split())[:300])
        seconds = time.perf_counter() - begin
        return Answer(tuple(self._same(request, record) for record in found), seconds)

    async def _locked(
        self, urls: Sequence[str], installed: Sequence[PackageRecord]
    ) -> list[rattler.RepoDataRecord]:

        if not installed:
            return []
        assert self._gateway is not None
        names = [record.name for record in installed]
        groups = await self._gateway.query(urls, ["linux-64", "noarch"], names, recursive=False)
        wanted = {record.url for record in installed}
        found = [record for group in groups for record in group if record.url in wanted]
        if len(found) != len(installed):
            raise SystemExit("py-rattler does not see all installed records in the channels.")
        return found

    def _same(self, request: Request, peers: rattler.RepoDataRecord) -> PackageRecord:
        records = self.load(request, peers.name.normalized)
        return next(record for record in records if record.url == peers.url)

    def ask_both(self, request: Request) -> tuple[tuple[PackageRecord, ...], Answer, Answer]:
        """The installed records, envmgr's answer and py-rattler's."""
        installed = self.installed(request)
        own = self.ask_own(request, installed)
        return installed, own, asyncio.run(self.ask_peer(request, installed))


def requirements(specs: Sequence[str]) -> tuple[Requirement, ...]:
    """Specs as lines of the command line."""
    return tuple(Requirement(MatchSpec.parse(spec), Source(None, None, spec)) for spec in specs)


def virtual_records(request: Request) -> list[PackageRecord]:
    """The machine that asks, as records."""
    return [
        virtual_record(name, *text.split("=", 1)) if "=" in text else virtual_record(name, text)
        for name, text in request.virtual.items()
    ]


def _generic(record: PackageRecord) -> rattler.GenericVirtualPackage:
    import rattler

    return rattler.GenericVirtualPackage(
        rattler.PackageName(record.name), rattler.Version(record.version), rattler.BuildString(record.build)
    )


def _milliseconds(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp() * 1000)
