"""Random small universes, the same ones for the same seed."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from tests.solver.cases import Case, rec

if TYPE_CHECKING:
    from envmgr.models.record import PackageRecord

NAMES = ["a", "b", "c", "d", "e", "f"]
VERSIONS = ["", ">=2", "<3", "==2", "1|3", "2.*", "!=2", ">1,<3", ">=1"]
BUILDS = ["", "", "", "x*", "x_0"]
CONDITIONS = [
    "a",
    "b>=2",
    "c<3",
    "__unix",
    "__win",
    "d",
    "e==2",
    "(a and b)",
    "(c or __win)",
    "(a<2 or (d and e))",
]
ODD_ENTRIES = ["missing", "__glibc >=2.17", "__glibc >=2.30", "__cuda", "__unix"]
EXTRAS = ["[x]", "[x,y]", "[z]"]
VIRTUAL = {"__glibc": "2.17", "__unix": "0"}


class Maker:
    """Makes universes from one seed; *rich* ones use conditions, extras and flags."""

    def __init__(self, seed: int, *, rich: bool = False, channels: int = 1) -> None:
        self.random = Random(seed)
        self.names = NAMES[: self.random.randint(2, len(NAMES))]
        self.rich = rich
        self.channels = channels

    def entry(self, *, extras: bool = True) -> str:
        """One entry of depends or constrains, or one line of the user."""
        choice = self.random.choice
        if self.random.random() < 0.08:
            return choice(ODD_ENTRIES)
        name, version, build = choice(self.names), choice(VERSIONS), choice(BUILDS)
        keys = []
        kind = self.random.random() if self.rich else 1
        if kind < 0.2:
            keys.append(f'when="{choice(CONDITIONS)}"')
        if kind < 0.3 and extras and self.random.random() < 0.5:
            keys.append(f"extras={choice(EXTRAS)}")
        if 0.3 < kind < 0.4:
            keys.append("flags=[cuda]")
        if keys:
            return f"{name}[{','.join([*keys, *([f'version={version!r}'] if version else [])])}]"
        return f"{name} {version or '*'} {build}" if build else f"{name} {version}".strip()

    def some(self, most: int, **options: bool) -> list[str]:
        return [self.entry(**options) for _ in range(self.random.randint(0, most))]

    def record(self, name: str) -> PackageRecord:
        fields: dict[str, Any] = {"depends": self.some(3), "constrains": self.some(1, extras=False)}
        if self.random.random() < 0.15:
            fields["track_features"] = self.random.choice(["slow", "slow slower"])
        if self.rich:
            fields["extra_depends"] = {extra: self.some(2) for extra in "xy" if self.random.random() < 0.4}
            fields["flags"] = self.random.choice([[], ["cuda"]])
        version, build = (
            self.random.choice(["1", "2", "2.0", "2.1", "3"]),
            self.random.choice(["x_0", "x_1", "y_0"]),
        )
        return rec(name, version, build, channel=f"c{self.random.randrange(self.channels)}", **fields)

    def case(self) -> Case:
        records = {
            record.key: record
            for name in self.names
            for record in map(self.record, [name] * self.random.randint(1, 5))
        }
        specs = [self.entry() for _ in range(self.random.randint(1, 3))]
        return Case(
            list(records.values()), specs, dict(VIRTUAL), [f"c{number}" for number in range(self.channels)]
        )
