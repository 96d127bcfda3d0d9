"""Runs programs as ordinary users, where root runs the tests.

They may read everything, since root's interpreter often lies where nobody else can look, and write to nothing that
is not theirs. pytest's own folders are only root's; `reachable_folder` is for all.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def as_user(uid: int, gid: int | None = None) -> list[str]:
    """What stands before a command that user *uid* is to run."""
    ids = [f"--reuid={uid}", f"--regid={uid if gid is None else gid}", "--clear-groups"]
    return ["setpriv", *ids, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]


def _is_possible() -> bool:
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return False
    try:
        return subprocess.run([*as_user(65_534), "true"], check=False, capture_output=True).returncode == 0
    except OSError:
        return False


CAN_BE_OTHERS = _is_possible()
needs_other_users = pytest.mark.skipif(not CAN_BE_OTHERS, reason="only root can be several users, by setpriv")


@contextlib.contextmanager
def reachable_folder() -> Iterator[Path]:
    """A new folder that every user can reach; it goes with the block."""
    place = Path(tempfile.mkdtemp(prefix="envmgr-test-"))
    place.chmod(0o755)
    try:
        yield place
    finally:
        shutil.rmtree(place)
