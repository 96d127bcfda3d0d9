"""The conda packages of a lock as records, and whether they go together as they stand there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envmgr.lock.locked import Lock, LockedPackage
    from envmgr.models.record import PackageRecord
    from envmgr.ops.lock_inputs import Target


def records_of(standing: Iterable[LockedPackage]) -> tuple[PackageRecord, ...]:
    """The conda packages of a lock as records, as far as it tells; a channel that has them knows the rest."""
    from envmgr.envfile.explicit import ExplicitPackage
    from envmgr.models.channel import is_url
    from envmgr.ops.explicit import explicit_records

    conda = {each.url: each for each in standing if each.kind == "conda" and is_url(each.url)}
    bare = explicit_records(
        [ExplicitPackage(each.url, each.md5, each.sha256, each.source) for each in conda.values()]
    )
    return tuple(
        replace(record, depends=[f"{name} {rest}".strip() for name, rest in each.dependencies])
        for record, each in zip(bare, conda.values(), strict=True)
    )


def unfulfilled(lock: Lock, target: Target) -> Iterator[str]:
    """What packages of *lock* for *target*, or its files, ask for and the lock does not have, in a few words each.

    A lock that was edited or merged by hand can say that it is current, and not hold together.
    """
    from envmgr.models.match_spec import parse_match_spec

    held = {record.name: record for record in records_of(lock.platforms[target.subdir])}

    def missing(text: str, who: str) -> Iterator[str]:
        spec = parse_match_spec(text)
        found = held.get(spec.name)
        if found is None or not spec.matches(found):
            here = f"has {found.dist_name}" if found is not None else "has none"
            yield f"{who} {text}, and the lock {here}"

    for line in target.wanted.requirements:
        if line.spec.is_name_exact and line.spec.when is None and not line.spec.name.startswith("__"):
            yield from missing(str(replace(line.spec, channel=None, subdir=None)), "the files ask for")
    for record in held.values():
        for text in record.depends:
            # What is in brackets may ask for facts that a lock does not tell, and may have a condition.
            if not text.startswith("__") and "[" not in text:
                yield from missing(text, f"{record.dist_name} needs")
