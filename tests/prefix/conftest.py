"""What the tests that do harm to changes share."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.faults import Forks, World

if TYPE_CHECKING:
    from pathlib import Path

_PAGE = os.sysconf("SC_PAGESIZE")


@pytest.fixture(scope="session")
def forks(tmp_path_factory):
    made = Forks(tmp_path_factory.mktemp("forks"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory, forks):
    made = World(tmp_path_factory.mktemp("world"), forks)
    made.prepare()
    return made


class SmallDisk:
    """A tmpfs at *place* whose free room is chosen."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", "size=64m,nr_inodes=20000", "tmpfs", str(place)]
        if os.geteuid() != 0 or not shutil.which("mount"):
            pytest.skip("only root can mount a small file system")
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("no file system can be mounted here")

    def leave(self, *, pages: int | None = None, inodes: int | None = None) -> None:
        """Leave that much room; all of it again for None."""
        status = os.statvfs(self.place)
        used = status.f_blocks - status.f_bfree
        size = f"size={(used + pages) * _PAGE}" if pages is not None else "size=64m"
        files = status.f_files - status.f_ffree + inodes if inodes is not None else 20_000
        subprocess.run(
            ["mount", "-o", f"remount,{size},nr_inodes={files}", str(self.place)],
            check=True,
            capture_output=True,
        )

    def make_read_only(self, *, yes: bool) -> None:
        """Have the file system refuse all changes, or take them again."""
        subprocess.run(["mount", "-o", f"remount,{'ro' if yes else 'rw'}", str(self.place)], check=True)

    def unmount(self) -> None:
        subprocess.run(["umount", "-l", str(self.place)], check=False)


@pytest.fixture
def disk(tmp_path):
    made = SmallDisk(tmp_path / "disk")
    yield made
    made.unmount()
