"""Keeps others from changing an environment at the same time (effects: a lock on a folder of the prefix)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from envmgr.errors import PrefixError
from envmgr.prefix.journal import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envmgr.ports import Reporter

LONGEST_WAIT_SECONDS = 600.0
_PAUSE_SECONDS = 0.2


@contextmanager
def prefix_alone(prefix: Path, reporter: Reporter) -> Iterator[None]:
    """Inside the block nobody else changes *prefix*; what an interrupted change left is for `recover`.

    Waits for another process that is at work, up to ten minutes; PrefixError then.
    """
    from envmgr.host.folder_lock import folder_alone

    folder = prefix / FOLDER
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise PrefixError(
            f"{prefix} cannot be changed: {folder}: {error.strerror}.", prefix=str(prefix)
        ) from error
    end = time.monotonic() + LONGEST_WAIT_SECONDS
    told = False
    while True:
        with folder_alone(folder) as is_alone:
            if is_alone:
                yield
                return
        if not told:
            reporter.warned(f"another process is changing {prefix}; waiting for it.")
            told = True
        if time.monotonic() > end:
            raise PrefixError(f"another process has been changing {prefix} for too long.", prefix=str(prefix))
        time.sleep(_PAUSE_SECONDS)
