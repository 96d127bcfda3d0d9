"""Small universes for solver tests, written like the problem: `universe(rec("a", "1", depends=["b >=2"]))`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from envmgr.models.match_spec import MatchSpec
from envmgr.models.record import Origin, PackageRecord
from envmgr.models.requirement import Requirement, Source
from envmgr.models.virtual_package import virtual_record
from envmgr.solver.problem import Problem


def channel_url(name: str) -> str:
    return f"https://conda.anaconda.org/{name}"


def rec(
    name: str, version: str = "1", build: str = "0", *, channel: str = "main", **fields: Any
) -> PackageRecord:
    """A record of *channel*; its build number is the number at the build's end unless it is given."""
    number = build.rsplit("_", 1)[-1]
    fields.setdefault("build_number", int(number) if number.isdigit() else 0)
    subdir = "noarch" if fields.get("noarch") else "linux-64"
    origin = Origin(channel_url(channel), subdir, f"{channel_url(channel)}/{subdir}/")
    record = PackageRecord(name=name, version=version, build=build, subdir=subdir, **fields)
    return record.placed(f"{name}-{version}-{build}.conda", origin)


def lines(*specs: str, file: str | None = None) -> tuple[Requirement, ...]:
    """The specs as lines of the command line, or of *file* from line 5 on."""
    return tuple(
        Requirement(MatchSpec.parse(spec), Source(file, None if file is None else 5 + number, spec))
        for number, spec in enumerate(specs)
    )


@dataclass
class Case:
    """Records, what the machine has, the channels in order of rank, and what is asked."""

    records: list[PackageRecord]
    specs: list[str]
    virtual: dict[str, str] = field(default_factory=dict)
    channels: list[str] = field(default_factory=lambda: ["main"])
    options: dict[str, Any] = field(default_factory=dict)

    def load(self, name: str) -> list[PackageRecord]:
        if name.startswith("__"):
            return [virtual_record(name, self.virtual[name])] if name in self.virtual else []
        return [record for record in self.records if record.name == name]

    def virtual_records(self) -> list[PackageRecord]:
        return [virtual_record(name, version) for name, version in self.virtual.items()]

    def problem(self, **options: Any) -> Problem:
        file = options.pop("file", None)
        ranks = {channel_url(channel): rank for rank, channel in enumerate(self.channels)}
        settings = {"requirements": lines(*self.specs, file=file), **self.options, **options}
        return Problem(load=self.load, channel_rank=ranks, **settings)


def case(
    records: list[PackageRecord], *specs: str, virtual: dict[str, str] | None = None, **options: Any
) -> Case:
    """A case whose channels are those of the records, in order of appearance, unless `channels` is given."""
    seen = dict.fromkeys(record.origin.channel.rpartition("/")[2] for record in records if record.origin)
    channels = options.pop("channels", list(seen) or ["main"])
    return Case(records, list(specs), virtual or {}, channels, options)
