"""Packages whose paths change in capitals only, on a real file system where these do not count."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg, script

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command import Envmgr

PACKAGES = [
    pkg("case", "1.0", files={"Share/ReadMe": b"1", "Lib/x": b"x"}),
    pkg("case", "2.0", files={"share/README": b"2", "lib/x/y": b"y"}),
    pkg("beside", files={"lib/z": b"z"}),
    pkg("broken", files={"bin/.broken-post-link.sh": script("exit 3")}),
]


@pytest.fixture
def folding(tmp_path: Path) -> Iterator[Path]:
    """A folder where capitals do not count; the test is skipped where none can be mounted."""
    programs = [shutil.which(name) for name in ("mkntfs", "lowntfs-3g")]
    if None in programs or os.geteuid() != 0:
        pytest.skip("ntfs-3g is not installed, or nothing can be mounted here")
    image, place = tmp_path / "image", tmp_path / "mount"
    place.mkdir()
    with open(image, "wb") as file:
        file.truncate(32 << 20)
    options = ["-o", "ignore_case"]
    for command in ([programs[0], "-F", "-Q", "-q", image], [programs[1], image, place, *options]):
        done = subprocess.run(command, capture_output=True, check=False, timeout=60)
        if done.returncode:
            pytest.skip(f"NTFS cannot be mounted here: {done.stderr.decode()}")
    (place / "Probe").touch()
    assert (place / "pROBE").exists()
    yield place
    subprocess.run(["umount", "-l", place], check=True, timeout=60)


@pytest.mark.parametrize("beside", [(), ("beside",)], ids=["folders go", "a folder stays"])
def test_paths_can_change_in_capitals_only(envmgr: Envmgr, tmp_path: Path, folding: Path, beside) -> None:
    channel, prefix = make_channel(tmp_path / "channel", PACKAGES), folding / "env"

    def holds(version: bytes) -> None:
        assert (prefix / "share/readme").read_bytes() == version
        assert envmgr("verify", "-p", prefix, "--json").json["foreign"] == []
        assert envmgr("verify", "-p", prefix).code == 0
        assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]

    made = envmgr("create", "-y", "-p", prefix, "--override-channels", "-c", channel, "case=1", *beside)
    assert made.code == 0, made.err
    for command, code, version in (
        (("install", "case=2", "broken"), 1, b"1"),
        (("install", "case=2"), 0, b"2"),
        (("rollback", "1"), 0, b"1"),
        (("remove", "case"), 0, None),
    ):
        done = envmgr(*command, "-y", "-p", prefix)
        assert (done.code, "belongs to no package" in done.err) == (code, False), done.err
        if version is not None:
            holds(version)
    assert not (prefix / "share").exists()
