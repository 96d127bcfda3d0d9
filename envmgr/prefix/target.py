"""Whether a prefix can be created at a place, told without writing: what a plan asks before anything else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envmgr.errors import PrefixError
from envmgr.prefix.marker import is_abandoned

if TYPE_CHECKING:
    from pathlib import Path


# Packages write the prefix into shell scripts as it is, mostly in double quotes, where these would run something.
_SHELL_WORDS = "`$\\"


def check_target(prefix: Path) -> None:
    """Whether a prefix can be created at *prefix*, as far as can be told without writing.

    What a dead process left there is no hindrance. Raises PrefixError saying what stands in the way.
    """
    check_path(prefix)
    if not is_abandoned(prefix):
        check_free(prefix)
    parent = next(parent for parent in prefix.parents if os.path.lexists(parent))
    if not parent.is_dir():
        raise PrefixError(f"{prefix} cannot be created: {parent} is not a folder.", prefix=str(prefix))
    if not os.access(parent, os.W_OK | os.X_OK):
        raise PrefixError(f"{prefix} cannot be created: {parent} is not writable.", prefix=str(prefix))


def check_free(prefix: Path) -> bool:
    """Whether an empty folder already stands at *prefix*; raises PrefixError when something else does."""
    if not os.path.lexists(prefix):
        return False
    if (prefix / "conda-meta" / "history").exists():
        raise PrefixError(
            f"{prefix} is already an environment.",
            hint="Remove it first, or choose another place.",
            prefix=str(prefix),
        )
    if prefix.is_symlink() or not prefix.is_dir():
        raise PrefixError(f"{prefix} exists and is not a folder.", prefix=str(prefix))
    if any(prefix.iterdir()):
        raise PrefixError(f"the folder {prefix} exists and is not empty.", prefix=str(prefix))
    if os.path.ismount(prefix):
        raise PrefixError(
            f"{prefix} is a mount point, which cannot be replaced.",
            hint=f"Choose a folder below it: {prefix}/env",
        )
    return True


def check_path(prefix: Path) -> None:
    """Refuses what PATH, a script or a record could not name; raises PrefixError."""
    text = str(prefix)
    kinds = _kinds_of(text)
    if os.pathsep in text:
        what = f"{os.pathsep!r}, which separates the folders of PATH"
    elif "Cc" in kinds:
        what = "a control character"
    elif "Cs" in kinds:
        what = "bytes that are not UTF-8"
    elif os.sep == "/" and (odd := next((each for each in text if each in _SHELL_WORDS), None)):
        what = f"{odd}, to which the scripts of packages give a meaning of their own"
    else:
        return
    raise PrefixError(f"no environment can be created at {text!r}: the path holds {what}.", prefix=text)


def _kinds_of(text: str) -> set[str]:
    """The categories of Unicode of the letters; none where all can be printed."""
    if text.isprintable():
        return set()
    import unicodedata

    return {unicodedata.category(character) for character in text}
