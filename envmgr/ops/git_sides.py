"""What git knows of a merge: the two commits, the files as it merges them, versions in conflict.

A merge driver runs before git has written any merged file: what lies in the work tree are the files of our side,
whichever comes first by name. So the other commit is looked for where git tells of it, and the files are merged the
way git does.
"""

from __future__ import annotations

import posixpath
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from envmgr.errors import DataError, EnvmgrError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envmgr.ops.context import Context
    from envmgr.ports import Finished

_MOST_SECONDS = 60.0
_HEAD_OF = "GITHEAD_"
_PICKED = re.compile(r"(?:pick|p|reword|r|edit|e|squash|s|fixup|f)(?: -[cC])? ([0-9a-f]{7,64})\b")
_LABEL = re.compile(r"(parent of )?([^\s-]\S*)(?: \(.*\))?", re.DOTALL)
_CONFLICTS = 128


class Git(Struct, frozen=True):
    """Asks git in *folder*."""

    folder: Path
    context: Context

    def run(self, *words: str) -> Finished:
        """Git's answer; raises EnvmgrError where git cannot be started or does not come to an end."""
        environ = {**self.context.environ, "LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0"}
        try:
            return self.context.runner.run(
                ["git", *words], env=environ, cwd=self.folder, timeout_seconds=_MOST_SECONDS
            )
        except OSError as error:
            raise EnvmgrError(f"git cannot be used: {error.strerror or error}.") from None

    def line(self, *words: str) -> str | None:
        """The one line that git says; None where it fails."""
        done = self.run(*words)
        return done.stdout.strip() or None if done.returncode == 0 else None

    def text(self, name: str) -> str | None:
        """The text of a blob such as ``HEAD:environment.yml``; None where there is none."""
        done = self.run("cat-file", "blob", name)
        return done.stdout if done.returncode == 0 else None

    def commit(self, name: str) -> str | None:
        """The digits of the commit that *name* means."""
        return self.line("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")

    def merged_text(self, base: str, ours: str, theirs: str, marker_size: int = 7) -> tuple[str, bool]:
        """What git makes of three texts, and whether that has conflicts."""
        with tempfile.TemporaryDirectory() as folder:
            places = [Path(folder) / name for name in ("ours", "base", "theirs")]
            for place, text in zip(places, (ours, base, theirs), strict=True):
                place.write_bytes(text.encode())
            labels = [word for place in places for word in ("-L", place.name)]
            words = ["merge-file", "-p", "--marker-size", str(marker_size), *labels, *map(str, places)]
            done = self.run(*words)
            if not 0 <= done.returncode < _CONFLICTS:
                raise EnvmgrError(f"git could not merge a file: {done.stderr.strip() or done.returncode}.")
            return done.stdout, done.returncode != 0


class Commits(Struct, frozen=True):
    """The commits that are merged; ``base`` is empty where they have none in common."""

    git: Git
    base: str
    ours: str
    theirs: str

    def text(self, path: str) -> str | None:
        """The file at *path* as it is merged; None where it is in no commit. Raises DataError for a conflict."""
        was, our, their = (
            self.git.text(f"{commit}:{path}") if commit else None
            for commit in (self.base, self.ours, self.theirs)
        )
        if our == their or their == was:
            return our
        if our == was:
            return their
        found, is_conflict = ("", True)
        if our is not None and their is not None:
            found, is_conflict = self.git.merged_text(was or "", our, their)
        if is_conflict:
            raise DataError(
                f"both sides have changed {path} in the same place, so that the lock cannot be merged yet.",
                hint=f"Mend {path}, and run envmgr lock.",
                file=path,
            )
        return found


def find_commits(git: Git, path: str, sides: Sequence[str], labels: Sequence[str]) -> Commits | None:
    """The commits of the merge that is going on, in which the file *path* is what *sides* (ours, theirs) have.

    *labels* are git's names of base and theirs, from 2.44 on. Without them a merge tells its commit in a variable,
    and a rebase in a file; a cherry-pick tells nothing, and the answer is None.
    """
    ours = git.commit("HEAD")
    theirs, base = _told(git, labels)
    if ours is None or theirs is None:
        return None
    if base is None:
        bases = (git.line("merge-base", "--all", ours, theirs) or "").split()
        if len(bases) > 1:
            return None  # Git merges the bases first, which is in no commit.
        base = bases[0] if bases else ""
    if [_lines(git.text(f"{commit}:{path}") or "") for commit in (ours, theirs)] != list(map(_lines, sides)):
        return None
    return Commits(git, base, ours, theirs)


def _lines(text: str) -> list[str]:
    return text.splitlines()


def _told(git: Git, labels: Sequence[str]) -> tuple[str | None, str | None]:
    """The commits of theirs and of the base, as far as something tells them."""
    environ = git.context.environ
    heads = [name.removeprefix(_HEAD_OF) for name in environ if name.startswith(_HEAD_OF)]
    if len(heads) == 1:
        return git.commit(heads[0]), None
    found = [_labelled(git, label) for label in labels]
    if len(found) == len(("base", "theirs")) and found[1] is not None:
        return found[1], found[0]
    done = git.line("rev-parse", "--git-path", "rebase-merge/done")
    try:
        lines = (git.folder / (done or "")).read_text(errors="replace").splitlines()
    except OSError:
        return None, None
    picked = _PICKED.match(lines[-1]) if lines else None
    if picked is None:
        return None, None
    return git.commit(picked[1]), git.commit(f"{picked[1]}^")


def _labelled(git: Git, label: str) -> str | None:
    """The commit that a label such as ``parent of 1a2b3c4 (Add numpy)`` is about."""
    found = _LABEL.fullmatch(label)
    return git.commit(f"{found[2]}{'^' if found[1] else ''}") if found is not None else None


def stages(git: Git, path: Path) -> tuple[str | None, str, str] | None:
    """The base, ours and theirs of a file in conflict, from git's index; None where there is no such conflict."""
    listed = git.run("ls-files", "--unmerged", "-z", "--", path.name)
    found = {}
    for entry in listed.stdout.split("\0") if listed.returncode == 0 else ():
        facts, _, name = entry.partition("\t")
        words = facts.split()
        if name == path.name and len(words) == len(("mode", "object", "stage")):
            found[words[2]] = git.text(words[1])
    ours, theirs = found.get("2"), found.get("3")
    return None if ours is None or theirs is None else (found.get("1"), ours, theirs)


def inside(path: str) -> str | None:
    """*path* from the top of the work tree without detours; None where it leads out of it."""
    plain = posixpath.normpath(path)
    return None if plain.startswith(("../", "/")) or plain in (".", "..") else plain
