"""Merges conda-lock.yml where two branches changed it: as git's merge driver, and where a conflict was left.

The packages are merged as values (`envmgr.lock.three_way`), and what comes out is the earlier lock of an ordinary
`lock` of the files as they are merged: so it is accepted where it is what they ask for and holds together, and
otherwise planned again with both sides' packages standing.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from envmgr.errors import DataError, EnvmgrError, UsageError
from envmgr.lock.conflict_markers import Sides
from envmgr.ops.git_sides import Git, find_commits, inside
from envmgr.ops.lock import lock
from envmgr.ops.lock_earlier import mend, merged_earlier, read_bytes
from envmgr.ops.lock_request import LockRequest
from envmgr.ops.request import Asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmgr.ops.context import Context
    from envmgr.ops.lock_earlier import Earlier
    from envmgr.ops.lock_request import Locked

DRIVER = "envmgr-lock"
COMMAND = "envmgr merge-lock %O %A %B %L %P %S %X %Y"
_ATTRIBUTE = f"conda-lock.yml merge={DRIVER}"
_SETTINGS = {"name": "merge locks of envmgr by their packages", "driver": COMMAND, "recursive": "binary"}
_MOST_FILES = 200


class Conflict(Struct, frozen=True):
    """What git hands to a merge driver (gitattributes, "Defining a custom merge driver").

    The files *base*, *ours* and *theirs* hold the versions of *path*, which starts at the top of the work tree; the
    result goes into *ours*. ``labels`` are git's names of base and theirs, from 2.44 on.
    """

    base: Path
    ours: Path
    theirs: Path
    path: str
    marker_size: int = 7
    labels: tuple[str, ...] = ()


def merge_lock(conflict: Conflict, context: Context) -> Locked:
    """Write the merged lock into the file of ours; where that cannot be, what git makes of it, and raise why."""
    texts = [_text(place) for place in (conflict.ours, conflict.theirs, conflict.base)]
    sides = Sides(*texts)
    git = Git(context.cwd, context)
    try:
        return _merge(sides, conflict, git, context)
    except EnvmgrError as error:
        merged, _ = git.merged_text(sides.base or "", sides.ours, sides.theirs, conflict.marker_size)
        conflict.ours.write_bytes(merged.encode())
        hint = error.hint or "Run envmgr lock when the other files are merged."
        raise type(error)(str(error), hint=hint, **error.facts) from None


def mend_lock(file: str, context: Context) -> Locked:
    """Make one lock of the two sides in a file that a merge left with a conflict, for the files beside it.

    Raises DataError where it has none, and otherwise as `lock`.
    """
    from envmgr.ops.environments import expanded

    place = expanded(file, context)
    content = read_bytes(place)
    if content is None:
        raise DataError(f"there is no lock {place}.", file=str(place))
    earlier = mend(content, place, context)
    return lock(_request(earlier, place), context, earlier)


def install_driver(context: Context) -> tuple[Path, bool]:
    """Have git merge locks with this command in the repository here; its .gitattributes, and whether that changed.

    Raises UsageError outside of a repository.
    """
    git = Git(context.cwd, context)
    top = git.line("rev-parse", "--show-toplevel")
    if top is None:
        raise UsageError(
            f"{context.cwd} is in no work tree of git.", hint="Go into the repository of the lock."
        )
    for name, value in _SETTINGS.items():
        done = git.run("config", f"merge.{DRIVER}.{name}", value)
        if done.returncode != 0:
            raise EnvmgrError(f"git does not take the setting merge.{DRIVER}.{name}: {done.stderr.strip()}")
    from envmgr.config.own_file import write_own_text

    place = Path(top) / ".gitattributes"
    text = _text(place) if place.exists() else ""
    if _ATTRIBUTE in text.splitlines():
        return place, False
    write_own_text(place, f"{text}{'' if not text or text.endswith(chr(10)) else chr(10)}{_ATTRIBUTE}\n")
    return place, True


def _request(earlier: Earlier, place: Path) -> LockRequest:
    assert earlier.lock is not None
    files = tuple(str(place.parent / each) for each in earlier.lock.sources)
    return LockRequest(asked=Asked(files=files), file=str(place))


def _merge(sides: Sides, conflict: Conflict, git: Git, context: Context) -> Locked:
    path = inside(conflict.path)
    if path is None:
        raise UsageError(
            f"{conflict.path} is not in the work tree.", hint="Git calls the path from its top on %P."
        )
    commits = find_commits(git, path, (sides.ours, sides.theirs), conflict.labels)
    text_of = commits.text if commits is not None else _reader(git)
    earlier = merged_earlier(sides, path, may_plan=commits is not None)
    with tempfile.TemporaryDirectory() as folder:
        tree = _Tree(Path(folder).resolve(), text_of)
        place = tree.folder / path
        try:
            request = _request(earlier, place)
            for file in request.asked.files:
                tree.fetch(file)
            made = tree.having_files(lambda: lock(request, context, earlier))
        except EnvmgrError as error:
            facts = tree.without_folder(error.facts)
            hint = tree.without_folder(error.hint)
            raise type(error)(tree.without_folder(str(error)), hint=hint, **facts) from None
        conflict.ours.write_bytes(place.read_bytes())
        return replace(made, file=Path(path))


def _reader(git: Git) -> Callable[[str], str | None]:
    """Reads files of the work tree, where the commits are not known."""

    def read(path: str) -> str | None:
        place = git.folder / path
        return _text(place) if place.is_file() else None

    return read


class _Tree:
    """A folder with those files of the merge that were asked for so far."""

    def __init__(self, folder: Path, text_of: Callable[[str], str | None]) -> None:
        self.folder, self._text_of = folder, text_of

    def fetch(self, file: str) -> bool:
        """Bring *file*, a path in the folder; False where the merge has none, or it is there already."""
        path = inside(Path(os.path.relpath(file, self.folder)).as_posix())
        place = self.folder / (path or "")
        if path is None or place.exists():
            return False
        text = self._text_of(path)
        if text is None:
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode())
        return True

    def having_files(self, work: Callable[[], Locked]) -> Locked:
        """*work*, again for each file that it misses and the merge has: those that files include."""
        for _ in range(_MOST_FILES):
            try:
                return work()
            except DataError as error:
                missing = error.facts.get("missing")
                if not isinstance(missing, str) or not self.fetch(missing):
                    raise
        raise DataError(f"the files lead to more than {_MOST_FILES} others.")

    def without_folder(self, value: Any) -> Any:
        """*value* with the paths that people know."""
        if isinstance(value, str):
            return value.replace(f"{self.folder}{os.sep}", "")
        if isinstance(value, (list, tuple)):
            return [self.without_folder(each) for each in value]
        if isinstance(value, dict):
            return {name: self.without_folder(each) for name, each in value.items()}
        return value


def _text(place: Path) -> str:
    try:
        return place.read_bytes().decode()
    except UnicodeDecodeError:
        raise DataError(f"{place.name} is no UTF-8 text.", file=str(place)) from None
