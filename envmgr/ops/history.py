"""The generations of an environment: what each change did, and who asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.models.record import PackageRecord
    from envmgr.prefix.generation import Generation


class Step(Struct, frozen=True):
    """One generation and what came and went with it; packages of the same name in both changed."""

    generation: Generation
    added: tuple[PackageRecord, ...]
    removed: tuple[PackageRecord, ...]


def read_history(prefix: Path) -> tuple[Step, ...]:
    """All changes of the environment at *prefix* that are known, the oldest first.

    What other tools did since the last of them comes as a last generation with the number 0.
    """
    from envmgr.prefix.generation import Generation, entries_of
    from envmgr.prefix.store import PrefixStore

    store = PrefixStore(prefix)
    known = store.generations()
    current = store.records()
    if known and set(known[-1].records()) != {package.record for package in current}:
        known = [*known, Generation(0, 0.0, packages=entries_of(current))]
    steps = []
    before: frozenset[PackageRecord] = frozenset()
    for generation in known:
        records = frozenset(generation.records())
        steps.append(Step(generation, _sorted(records - before), _sorted(before - records)))
        before = records
    return tuple(steps)


def _sorted(records: frozenset[PackageRecord]) -> tuple[PackageRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.dist_name))
