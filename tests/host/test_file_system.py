"""What is found out about the file system of a prefix."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from envmgr.host.file_system import file_system_at
from envmgr.models.file_system import WINDOWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def folding(tmp_path: Path) -> Iterator[Path]:
    """A folder of an ext4 file system in which capitals do not count."""
    image, mount = tmp_path / "image", tmp_path / "mount"
    made = shutil.which("mkfs.ext4") is not None and os.geteuid() == 0
    with image.open("wb") as file:
        file.truncate(16 << 20)
    mount.mkdir()
    steps = (
        ["mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8", image],
        ["mount", "-o", "loop", image, mount],
    )
    done = made and all(
        subprocess.run(step, capture_output=True, check=False).returncode == 0 for step in steps
    )
    if not done:
        pytest.skip("this machine mounts no file system in which capitals do not count")
    (mount / "folder").mkdir()
    subprocess.run(["chattr", "+F", mount / "folder"], check=True)
    yield mount / "folder"
    subprocess.run(["umount", mount], check=True)


def test_capitals_count_here_with_and_without_entries_and_nothing_is_left(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "digits/1").mkdir(parents=True)
    for folder in (tmp_path, tmp_path / "empty", tmp_path / "digits", tmp_path / "empty/not/there"):
        found = file_system_at(folder, "linux-64")
        assert found.folds_case is (tmp_path / "EMPTY").exists()
        assert (found.name_most, found.path_most) == (
            os.pathconf(tmp_path, "PC_NAME_MAX"),
            os.pathconf(tmp_path, "PC_PATH_MAX"),
        )
    assert os.listdir(tmp_path / "empty") == []
    assert os.listdir(tmp_path / "digits") == ["1"]


def test_folders_in_which_capitals_do_not_count_are_known(folding: Path) -> None:
    assert file_system_at(folding / "env", "linux-64").folds_case
    (folding / "entry").touch()
    assert file_system_at(folding, "linux-64").folds_case


def test_packages_for_windows_meet_its_rules_wherever_they_are_linked(tmp_path: Path) -> None:
    assert file_system_at(tmp_path, "win-arm64") == WINDOWS
