"""Locks of Python's tools, as `diff` compares them: what is in them depends on a Python.

That is the one of the other side where it has one; else the oldest that all locks in question are for, so that two
of them are read alike.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from envmgr.models.match_spec import MatchSpec, parse_match_spec
from envmgr.models.record import PackageRecord
from envmgr.pypi.target import PypiTarget

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envmgr.lock.pylock_v1 import Pylock
    from envmgr.ops.context import Context
    from envmgr.pypi.pylock import Locked
    from envmgr.pypi.requirement_lines import RequirementLine

_MINORS: Final = range(8, 30)
_MICROS: Final = (0, 99)
_USUAL: Final = "3.12.0"
_PINNED: Final = re.compile(r"([\w.-]+)(?:\[[^\]]*\])?===?([^\s;*]+)")
_LOCKS: Final = ("Pipfile.lock", "poetry.lock", "uv.lock")


class PythonLock(Struct, frozen=True):
    """The lock *file*, a *pylock* or *lines* for pip, which are for the Pythons of the spec *python*."""

    file: str
    python: MatchSpec
    pylock: Pylock | None = None
    lines: tuple[RequirementLine, ...] = ()


def lock_of_pylock(pylock: Pylock) -> PythonLock:
    """*pylock* to be compared."""
    from envmgr.models.python_range import conda_range

    spec = f"python {conda_range(pylock.requires_python or '')}".strip()
    return PythonLock(pylock.file, parse_match_spec(spec), pylock=pylock)


def is_python_lock(content: bytes, file: str) -> bool:
    """Whether the *content* of *file* is a lock whose lines pip would read."""
    from envmgr.envfile.other_formats import kind_of_file
    from envmgr.models.document import glanced_text
    from envmgr.ops.request import LOOKED_AT_BYTES

    return kind_of_file(glanced_text(content, LOOKED_AT_BYTES), file) in _LOCKS


def python_for(locks: Sequence[PythonLock]) -> PackageRecord:
    """The oldest Python that all of *locks* are for; a usual one where there is none."""
    fitting = (each for each in _pythons(locks) if all(lock.python.matches(each) for lock in locks))
    return next(fitting, PackageRecord(name="python", version=_USUAL))


def _pythons(locks: Sequence[PythonLock]) -> Iterator[PackageRecord]:
    for minor in _MINORS:
        for micro in _MICROS:
            yield PackageRecord(name="python", version=f"3.{minor}.{micro}")
    for lock in locks:
        for version in re.findall(r"\d+(?:\.\d+)+", str(lock.python)):
            yield PackageRecord(name="python", version=version)


def pinned_versions(lock: PythonLock, python: PackageRecord, subdir: str) -> Iterator[tuple[str, str]]:
    """The names and versions of the lines of *lock* that hold for *python*; "" for what a URL or path brings."""
    target = PypiTarget.of(python, (), subdir)
    for line in lock.lines:
        marker = marker_of(line.text)
        if marker and not target.marker_holds(marker):
            continue
        found = _PINNED.match(line.text)
        yield line.name or line.shown, found[2] if found else ""


def marker_of(text: str) -> str:
    """The marker of a line for pip (PEP 508), "" for none."""
    return text.partition(" ;" if " @ " in text else ";")[2].strip()


def distributions_of(
    pylock: Pylock, named: Sequence[str], python: PackageRecord, subdir: str, context: Context
) -> Locked:
    """What *pylock* has for *python* on *subdir* in the groups *named*; raises UsageError for one it has not."""
    from envmgr.host.probe import virtual_packages
    from envmgr.ops.environments import expanded
    from envmgr.ops.pylock_use import chosen_groups
    from envmgr.pypi.index_options import IndexOptions
    from envmgr.pypi.pylock import LockReading, read_document

    extras, groups = chosen_groups(pylock, named)
    virtual = virtual_packages(subdir, context.environ)
    machine = [record for name in ("__glibc", "__musl", "__osx") for record in virtual.records(name)]
    target = PypiTarget.of(python, machine, subdir)
    folder = str(expanded(pylock.file, context).parent)
    reading = LockReading(
        folder, frozenset(), target, IndexOptions(default=None), {}, extras, groups, pylock.file
    )
    return read_document(pylock.document, reading)
