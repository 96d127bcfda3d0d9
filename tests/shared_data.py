"""Finds the real data that may stand beside the project; tests that need it skip, with a reason, without it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("ENVMGR_SHARED_DATA", Path(__file__).resolve().parents[2] / "shared"))


def shared_path(relative: str) -> Path:
    """The path *relative* of the shared data; skips the calling test where it is missing."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"the shared data folder has no {relative} here")
    return path
