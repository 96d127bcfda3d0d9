"""The lock that is there before one is made: as it was written, or with what both sides of a merge have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError, EnvmgrError
from envmgr.lock.conflict_markers import Sides, split_sides
from envmgr.lock.locked import LARGEST_LOCK_BYTES, Lock
from envmgr.lock.read import read_lock
from envmgr.lock.three_way import merge_locks
from envmgr.models.document import decode_document

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.ops.context import Context


class Earlier(Struct, frozen=True):
    """The *content* of the file and the *lock* in it, None where there is none that can be read.

    Platforms in ``mixed`` have packages of two sides. Without ``may_plan`` nothing is planned again, since
    the files are not yet those that the lock is to be made of.
    """

    content: bytes = b""
    lock: Lock | None = None
    mixed: frozenset[str] = frozenset()
    may_plan: bool = True


def read_earlier(place: Path, context: Context, *, must_exist: bool = False) -> Earlier:
    """The lock at *place*; where a merge left a conflict in it, what both sides have.

    With *must_exist* raises DataError for one that is not there or cannot be read, which otherwise is warned of.
    """
    content = read_bytes(place)
    if content is None:
        if must_exist:
            raise DataError(f"there is no lock {place}.", hint="envmgr lock makes it.", file=str(place))
        return Earlier()
    try:
        if not must_exist and has_conflict(content, place):
            return mend(content, place, context)
        return Earlier(content, read_lock(content, file=str(place)))
    except DataError as error:
        if must_exist:
            raise
        context.reporter.warned(f"the lock is made anew, since it cannot be read: {error}")
    return Earlier()


def read_bytes(place: Path) -> bytes | None:
    """The content of the lock at *place*; None where there is none."""
    from envmgr.host.given_file import read_given_file

    try:
        return read_given_file(place, LARGEST_LOCK_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"{place} cannot be read: {(error.strerror or str(error)).lower()}.") from None


def has_conflict(content: bytes, place: Path) -> bool:
    """Whether *content* has the conflict markers of git."""
    if b"<<<<<<<" not in content:
        return False
    text = decode_document(content, file=str(place), largest=LARGEST_LOCK_BYTES)
    return split_sides(text) is not None


def mend(content: bytes, place: Path, context: Context) -> Earlier:
    """What both sides of a conflict have: from git where it knows, else by the markers in *content*.

    Raises DataError where there is no conflict, and where a side is no lock of envmgr.
    """
    from envmgr.ops.git_sides import Git, stages

    try:
        known = stages(Git(place.parent, context), place)
    except EnvmgrError:
        known = None
    if known is not None:
        sides: Sides | None = Sides(known[1], known[2], known[0])
    else:
        sides = split_sides(decode_document(content, file=str(place), largest=LARGEST_LOCK_BYTES))
    if sides is None:
        raise DataError(
            f"{place} has no conflict of a merge.", hint="envmgr lock --check tells whether it is current."
        )
    return merged_earlier(sides, str(place), content=content)


def merged_earlier(sides: Sides, file: str, *, content: bytes = b"", may_plan: bool = True) -> Earlier:
    """What *sides* make of the lock *file*; raises DataError for a side that is no lock of envmgr."""
    ours, theirs = (_read(text, file) for text in (sides.ours, sides.theirs))
    try:
        base = _read(sides.base, file) if sides.base else None
    except DataError:
        base = None  # Where git merged several bases, it may have conflicts itself.
    merged = merge_locks(base, ours, theirs)
    return Earlier(content, merged.lock, merged.mixed, may_plan)


def _read(text: str, file: str) -> Lock:
    lock = read_lock(text, file=file)
    if not lock.sources or not lock.notes:
        raise DataError(
            f"{file} is not from envmgr, so that nobody can tell what it is to be made of.",
            hint="Let the tool make it anew that made it, or envmgr lock -f FILE.",
            file=file,
        )
    return lock
