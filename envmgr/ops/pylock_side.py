"""The distributions of a pylock.toml (PEP 751) for one Python and platform, as `diff` compares them.

The Python is that of the other side where it has one; else the oldest that all locks in question are for, so that
two of them are read alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from packaging.specifiers import SpecifierSet

from envmgr.models.record import PackageRecord
from envmgr.ops.pylock_use import chosen_groups
from envmgr.pypi.index_options import IndexOptions
from envmgr.pypi.pylock import Locked, LockReading, read_document
from envmgr.pypi.target import PypiTarget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.lock.pylock_v1 import Pylock
    from envmgr.ops.context import Context

_MINORS: Final = range(8, 30)
_MICROS: Final = (0, 99)
_USUAL: Final = "3.12.0"


def python_for(pylocks: Sequence[Pylock]) -> PackageRecord:
    """The oldest Python that all of *pylocks* are for; a usual one where there is none."""
    wanted = SpecifierSet(",".join(filter(None, (each.requires_python for each in pylocks))))
    named = [each.version for each in wanted if not each.version.endswith("*")]
    version = next((each for each in (*_pythons(), *named) if wanted.contains(each)), _USUAL)
    return PackageRecord(name="python", version=version)


def _pythons() -> Iterator[str]:
    for minor in _MINORS:
        for micro in _MICROS:
            yield f"3.{minor}.{micro}"


def distributions_of(
    pylock: Pylock, named: Sequence[str], python: PackageRecord, subdir: str, context: Context
) -> Locked:
    """What *pylock* has for *python* on *subdir* in the groups *named*; raises UsageError for one it has not."""
    from envmgr.host.probe import virtual_packages
    from envmgr.ops.environments import expanded

    extras, groups = chosen_groups(pylock, named)
    virtual = virtual_packages(subdir, context.environ)
    machine = [record for name in ("__glibc", "__musl", "__osx") for record in virtual.records(name)]
    target = PypiTarget.of(python, machine, subdir)
    folder = str(expanded(pylock.file, context).parent)
    reading = LockReading(folder, frozenset(), target, IndexOptions(), {}, extras, groups)
    return read_document(pylock.document, reading)
