"""Writing archives: what is packed comes back, and the same folder always gives the same bytes."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from envmgr.errors import BuildError
from envmgr.packages.extract import Extraction, extract_archive, inspect_folder
from envmgr.packages.write import write_conda, write_tar_bz2

WRITERS = {".conda": write_conda, ".tar.bz2": write_tar_bz2}
FILES = {"bin/run": b"#!/bin/sh\n", "lib/python3.12/" + "deep/" * 60 + "mödule.py": b"x = 1\n", "empty": b""}


def package_folder(place: Path) -> Path:
    for path, data in FILES.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_bytes(data)
    (place / "bin/run").chmod(0o4775)
    (place / "bin/alias").symlink_to("run")
    (place / "var/empty").mkdir(parents=True)
    (place / "info").mkdir()
    (place / "info/index.json").write_text(json.dumps({"name": "a", "version": "1", "build": "0"}))
    (place / "info/repodata_record.json").write_text("{}")
    return place


@pytest.mark.parametrize("ending", WRITERS)
def test_what_was_packed_comes_back(ending: str, tmp_path: Path) -> None:
    folder = package_folder(tmp_path / "in")
    (tmp_path / "in/hard").hardlink_to(folder / "bin/run")
    WRITERS[ending](folder, tmp_path / f"a-1-0{ending}", level=1)
    extract_archive(tmp_path / f"a-1-0{ending}", tmp_path / "out", Extraction(hashed=True))
    before, after = inspect_folder(folder, hashed=True), inspect_folder(tmp_path / "out", hashed=True)
    del before.sizes["info/repodata_record.json"], before.hashes["info/repodata_record.json"]
    assert after == before
    assert (tmp_path / "out/bin/run").stat().st_mode & 0o7777 == 0o755
    assert not (tmp_path / "out/hard").samefile(tmp_path / "out/bin/run")
    assert sorted(os.listdir(tmp_path)) == [f"a-1-0{ending}", "in", "out"]


@pytest.mark.parametrize("ending", WRITERS)
def test_same_folder_gives_the_same_bytes(ending: str, tmp_path: Path) -> None:
    archives = []
    for number, umask in enumerate((0o022, 0o077)):
        before = os.umask(umask)
        try:
            folder = package_folder(tmp_path / f"in{number}")
        finally:
            os.umask(before)
        os.utime(folder / "bin/run", (number, number))
        target = tmp_path / str(number) / f"a-1-0{ending}"
        target.parent.mkdir()
        WRITERS[ending](folder, target, level=3, mtime=1_700_000_000)
        archives.append(target.read_bytes())
    assert archives[0] == archives[1]


def test_conda_archive_has_the_three_parts_of_the_standard(tmp_path: Path) -> None:
    write_conda(package_folder(tmp_path / "in"), tmp_path / "a-1-0.conda", level=1)
    with zipfile.ZipFile(tmp_path / "a-1-0.conda") as archive:
        assert {entry.compress_type for entry in archive.infolist()} == {zipfile.ZIP_STORED}
        assert sorted(archive.namelist()) == ["info-a-1-0.tar.zst", "metadata.json", "pkg-a-1-0.tar.zst"]
        assert json.loads(archive.read("metadata.json")) == {"conda_pkg_format_version": 2}


def test_old_archive_begins_with_the_metadata_and_belongs_to_root(tmp_path: Path) -> None:
    write_tar_bz2(package_folder(tmp_path / "in"), tmp_path / "a-1-0.tar.bz2", mtime=7)
    with tarfile.open(tmp_path / "a-1-0.tar.bz2") as tar:
        members = tar.getmembers()
    assert members[0].name == "info/index.json"
    assert {(each.uid, each.gid, each.uname, each.mtime) for each in members} == {(0, 0, "", 7)}


@pytest.mark.parametrize("ending", WRITERS)
def test_other_reader_unpacks_it(ending: str, tmp_path: Path) -> None:
    streaming = pytest.importorskip("rattler.package_streaming")
    archive = tmp_path / f"a-1-0{ending}"
    WRITERS[ending](package_folder(tmp_path / "in"), archive, level=1)
    streaming.extract(archive, tmp_path / "out")
    assert {path: (tmp_path / "out" / path).read_bytes() for path in FILES} == FILES
    assert (tmp_path / "out/bin/alias").readlink() == Path("run")


@pytest.mark.parametrize("ending", WRITERS)
def test_wrong_name_or_strange_file_is_refused_and_leaves_nothing(ending: str, tmp_path: Path) -> None:
    folder = package_folder(tmp_path / "in")
    with pytest.raises(BuildError, match=f"must be called a-1-0{ending}, not b-1-0{ending}"):
        WRITERS[ending](folder, tmp_path / f"b-1-0{ending}", level=1)
    os.mkfifo(folder / "pipe")
    with pytest.raises(BuildError, match="pipe is neither file, folder nor symlink"):
        WRITERS[ending](folder, tmp_path / f"a-1-0{ending}", level=1)
    assert os.listdir(tmp_path) == ["in"]


def test_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(BuildError, match=r"is no package: info/index\.json"):
        write_conda(tmp_path / "in", tmp_path / "a-1-0.conda")
