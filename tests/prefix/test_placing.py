"""Files come from the cache by the first method that works, or by the one that was asked for."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from envmgr.ports import RecordingReporter
from envmgr.prefix.check import verify_prefix
from tests.builders import File, pkg
from tests.prefixes import create, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envmgr.prefix.plan import PackageToLink

SCRIPT = File(b"#!/old/bin/sh\n", 0o755, placeholder="/old")


@pytest.fixture(params=["btrfs", "xfs"])
def sharing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system whose files can share blocks; the test is skipped where none can be mounted."""
    program = shutil.which(f"mkfs.{request.param}")
    if program is None or os.geteuid() != 0:
        pytest.skip(f"mkfs.{request.param} is not installed, or nothing can be mounted here")
    image, place = tmp_path / "image", tmp_path / "mount"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(320 << 20)
    for command in ([program, "-q", image], ["mount", "-o", "loop", image, place]):
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if done.returncode:
            pytest.skip(f"{request.param} cannot be mounted here: {done.stderr.decode()}")
    yield place
    subprocess.run(["umount", "-l", place], check=True, timeout=60)


def a_package(cache: Path) -> PackageToLink:
    return unpack(pkg("a", files={"lib/f": File(b"x" * 9000, 0o640), "bin/s": SCRIPT}), cache)


def link_type(prefix: Path) -> int:
    document = json.loads((prefix / "conda-meta/a-1.0-0.json").read_bytes())
    kind: int = document["link"]["type"]
    return kind


def test_blocks_are_shared_where_the_file_system_can_and_no_write_reaches_the_cache(sharing: Path) -> None:
    package, reporter = a_package(sharing / "pkgs"), RecordingReporter()
    source, file = package.folder / "lib/f", sharing / "env/lib/f"
    os.utime(source, ns=(1, 1_600_000_000_123_456_789))
    create(sharing / "env", [package], reporter)
    assert not reporter.warnings and link_type(sharing / "env") == 3
    assert file.stat().st_ino != source.stat().st_ino
    assert (file.stat().st_mode, file.stat().st_mtime_ns) == (
        source.stat().st_mode,
        source.stat().st_mtime_ns,
    )
    assert file.read_bytes() == source.read_bytes()
    with open(file, "r+b") as writing:
        writing.write(b"changed in place")
    assert source.read_bytes() == b"x" * 9000


def test_hardlinks_are_taken_where_blocks_cannot_be_shared(tmp_path: Path) -> None:
    package = a_package(tmp_path / "pkgs")
    create(tmp_path / "env", [package])
    if link_type(tmp_path / "env") != 1:
        pytest.skip("this file system shares blocks")
    assert (tmp_path / "env/lib/f").samefile(package.folder / "lib/f")


def test_hardlinks_that_were_asked_for_are_taken_where_blocks_could_be_shared(sharing: Path) -> None:
    package = a_package(sharing / "pkgs")
    create(sharing / "env", [package], link_mode="hardlink")
    assert link_type(sharing / "env") == 1 and (sharing / "env/lib/f").samefile(package.folder / "lib/f")


def test_symlinks_lead_into_the_cache(tmp_path: Path) -> None:
    package = a_package(tmp_path / "pkgs")
    create(tmp_path / "env", [package], link_mode="symlink")
    assert link_type(tmp_path / "env") == 2
    assert os.readlink(tmp_path / "env/lib/f") == str(package.folder / "lib/f")
    assert verify_prefix(tmp_path / "env") == ()
    assert (tmp_path / "env/bin/s").read_text() == f"#!{tmp_path}/env/bin/sh\n"


def test_method_that_does_not_work_here_gives_way_to_copies_with_a_warning(tmp_path: Path) -> None:
    package, reporter = a_package(tmp_path / "pkgs"), RecordingReporter()
    create(tmp_path / "env", [package], reporter, link_mode="reflink")
    if not reporter.warnings:
        pytest.skip("this file system shares blocks")
    (warning,) = reporter.warnings
    assert warning == (
        f"files are copied and not linked, because {tmp_path}/pkgs and {tmp_path} cannot share files by reflinks; "
        "that takes longer, and 0.0 MB of disk."
    )
    assert link_type(tmp_path / "env") == 3
    assert (tmp_path / "env/lib/f").stat().st_ino != (package.folder / "lib/f").stat().st_ino
    assert not [name for name in os.listdir(tmp_path / "env") if name.startswith(".")]
