"""The generations of an environment: what each change did, and who asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envmgr.errors import EnvmgrError
    from envmgr.models.record import PackageRecord
    from envmgr.ops.context import Context
    from envmgr.prefix.generation import Generation


class Step(Struct, frozen=True):
    """One generation and what came and went with it; packages of the same name in both changed."""

    generation: Generation
    added: tuple[PackageRecord, ...]
    removed: tuple[PackageRecord, ...]


def read_history(prefix: Path, context: Context) -> tuple[Step, ...]:
    """All changes of the environment at *prefix* that are known, the oldest first.

    What other tools did since the last of them comes as a last generation with the number 0. What cannot be read
    is left out with a warning.
    """
    from envmgr.ops.environments import read_steadily

    warnings: list[str] = []

    def read() -> tuple[Step, ...]:
        warnings.clear()
        return _read(prefix, warnings.append)

    steps = read_steadily(prefix, context, read)
    for warning in warnings:
        context.reporter.warned(warning)
    return steps


def _read(prefix: Path, warn: Callable[[str], None]) -> tuple[Step, ...]:
    from envmgr.prefix.generation import Generation, entries_of
    from envmgr.prefix.store import PrefixStore

    store = PrefixStore(prefix)
    generations = store.generations()
    for error in generations.damaged.values():
        warn(left_out(error))
    known = generations.known
    current = store.records()
    if not known or not known[-1].holds(package.record for package in current):
        entries = entries_of([package.record for package in current], store.asked(current))
        known = (*known, Generation(0, 0.0, packages=entries))
    steps = []
    before: frozenset[PackageRecord] = frozenset()
    for generation in known:
        try:
            records = frozenset(generation.records())
        except DataError as error:
            warn(left_out(error, generation.number))
            continue
        steps.append(Step(generation, _sorted(records - before), _sorted(before - records)))
        before = records
    return tuple(steps)


def left_out(error: EnvmgrError, number: int | None = None) -> str:
    """The warning of a generation that cannot be read."""
    place = f"generation {number}: " if number is not None else ""
    return f"{place}{error} It is left out."


def _sorted(records: frozenset[PackageRecord]) -> tuple[PackageRecord, ...]:
    return tuple(sorted(records, key=lambda record: record.dist_name))
