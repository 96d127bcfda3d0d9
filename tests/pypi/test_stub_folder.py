"""Stub indexes are kept by their content, and go when nobody has used them for days."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from envmgr.pypi.resolution import Candidate
from envmgr.pypi.stub_folder import stub_folder

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_stubs_are_the_same_folder_and_old_ones_go(tmp_path: Path) -> None:
    first = stub_folder({"numb": (Candidate("1.0"),)}, tmp_path)
    assert sorted(path.name for path in (first / "numb").iterdir()) == [
        "index.html",
        "numb-1.0-py3-none-any.whl",
    ]
    assert stub_folder({"numb": (Candidate("1.0"),)}, tmp_path) == first
    old = time.time() - 30 * 86_400
    os.utime(first, (old, old))
    second = stub_folder({"numb": (Candidate("2.0"),)}, tmp_path)
    assert list(tmp_path.iterdir()) == [second]
