"""The size limit of the package cache: what goes, what stays, and when anybody looks."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.host.folder_lock import using_folders
from envmgr.ops.collect import STAMP
from envmgr.packages.partial import FOLDER
from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from tests.command import Envmgr

SIZE = 100_000
DAY = 86_400


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    packages = [
        pkg(name, version, files={f"share/{name}": os.urandom(SIZE)})
        for name, version in (("a", "1"), ("b", "1"), ("c", "1"), ("c", "2"), ("d", "1"))
    ]
    return make_channel(tmp_path / "channel", [*packages, pkg("small", files={"share/small": b"x"})])


@pytest.fixture
def layer() -> Path:
    return Path(os.environ["ENVMGR_ROOT"]) / "pkgs"


def change(envmgr: Envmgr, channel: Path, command: str, prefix: Path, *names: str) -> str:
    options = ["--override-channels", "-c", channel, "-q", "-y"]
    done = envmgr(command, "-p", prefix, *options, *names)
    assert done.code == 0, done.err
    return done.err


def set_age(layer: Path, **days: float) -> None:
    """Let packages and their archives look as if they were used *days* ago; the last look at all was long ago."""
    for name, age in days.items():
        moment = time.time() - age * DAY
        for path in layer.glob(f"{name.replace('_', '-')}-*"):
            os.utime(path, (moment, moment))
    if (layer / STAMP).exists():
        os.utime(layer / STAMP, (1, 1))


def names(layer: Path, pattern: str = "*") -> set[str]:
    return {path.name for path in layer.glob(pattern) if path.is_dir() and not path.name.startswith(".")}


@pytest.fixture
def filled(envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path) -> Path:
    """A cache of a to d, of which an environment uses c 2 now and used c 1 before."""
    change(envmgr, channel, "create", tmp_path / "gone", "a", "b", "d")
    shutil.rmtree(tmp_path / "gone")
    change(envmgr, channel, "create", tmp_path / "env", "c=1")
    change(envmgr, channel, "install", tmp_path / "env", "c=2")
    compiled = layer / "cpython-311" / f"a-1-0-{'0' * 24}"
    compiled.mkdir(parents=True)
    (compiled / "0.pyc").write_bytes(b"x" * 100)
    set_age(layer, a=5, b=9, c=30, d=2)
    return layer


def test_what_was_not_used_for_longest_goes_first(
    envmgr: Envmgr, channel: Path, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMGR_PKGS_SIZE_LIMIT", "800 kB")
    change(envmgr, channel, "create", tmp_path / "other", "small")
    assert names(filled) == {"a-1-0", "c-1-0", "c-2-0", "d-1-0", "small-1.0-0", "cpython-311"}
    assert not (filled / "b-1-0.conda").exists() and (filled / "a-1-0.conda").exists()
    set_age(filled)
    monkeypatch.setenv("ENVMGR_PKGS_SIZE_LIMIT", "500kB")
    change(envmgr, channel, "install", tmp_path / "other", "a")  # So a is in use, and d is not.
    assert names(filled) == {"a-1-0", "c-1-0", "c-2-0", "small-1.0-0", "cpython-311"}


def test_a_rollback_needs_no_network_whatever_the_limit(
    envmgr: Envmgr, channel: Path, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMGR_PKGS_SIZE_LIMIT", "1")
    change(envmgr, channel, "create", tmp_path / "other", "small")
    assert names(filled) == {"c-1-0", "c-2-0", "small-1.0-0"}
    # Archives of what is unpacked are the last to go; that of `small` was used today.
    assert [path.name for path in filled.glob("*.conda")] == ["small-1.0-0.conda"]
    shutil.rmtree(channel)
    back = envmgr("rollback", "-p", tmp_path / "env", "1", "--offline", "-y")
    assert back.code == 0, back.err
    assert (tmp_path / "env/conda-meta/c-1-0.json").exists()


def test_there_is_a_look_once_a_day(
    envmgr: Envmgr, channel: Path, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = names(filled)
    change(envmgr, channel, "create", tmp_path / "one", "small")
    assert not (filled / STAMP).exists()  # Without a limit there is none.
    monkeypatch.setenv("ENVMGR_PKGS_SIZE_LIMIT", "1GiB")
    change(envmgr, channel, "create", tmp_path / "two", "small")
    assert abs(time.time() - (filled / STAMP).stat().st_mtime) < 60
    monkeypatch.setenv("ENVMGR_PKGS_SIZE_LIMIT", "1")
    change(envmgr, channel, "create", tmp_path / "three", "small")
    assert names(filled) == before | {"small-1.0-0"}
    set_age(filled)
    change(envmgr, channel, "create", tmp_path / "four", "small")
    assert names(filled, "[abd]-*") == set()


def test_nothing_goes_while_the_cache_is_in_use(
    envmgr: Envmgr, channel: Path, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMGR_PKGS_SIZE_LIMIT", "1")
    before = names(filled)
    with using_folders([filled]):
        change(envmgr, channel, "create", tmp_path / "other", "small")
    assert names(filled) == before | {"small-1.0-0"} and not (filled / STAMP).exists()


def test_nothing_goes_while_an_environment_cannot_be_read(
    envmgr: Envmgr, channel: Path, filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMGR_PKGS_SIZE_LIMIT", "1")
    before = names(filled)
    (tmp_path / "env/conda-meta/c-2-0.json").write_text("{")
    told = change(envmgr, channel, "create", tmp_path / "other", "small")
    assert "the package cache may outgrow pkgs_size_limit: the packages of" in told
    assert names(filled) == before | {"small-1.0-0"}


def test_what_is_kept_of_downloads_and_compilers_goes_with_the_temporary_files(
    envmgr: Envmgr, layer: Path
) -> None:
    kept = layer / FOLDER / "0123"
    kept.mkdir(parents=True)
    (kept / "archive").write_bytes(b"x" * 1000)
    aside, fresh = (layer / "cpython-311" / f".a-1-0-{'0' * 24}.77-0123456{digit}" for digit in "78")
    for folder in (aside, fresh):
        folder.mkdir(parents=True)
    os.utime(aside, (1, 1))
    cleaned = envmgr("clean", "--tempfiles", "--json").json
    assert set(cleaned["tempfiles"]) == {str(kept), str(aside)}
    assert not kept.exists() and not aside.exists() and fresh.exists()


def test_what_mamba_keeps_by_url_is_cleaned_like_all_else(
    envmgr: Envmgr, channel: Path, layer: Path, tmp_path: Path
) -> None:
    change(envmgr, channel, "create", tmp_path / "env", "a", "b")
    home = layer / "https" / "conda.anaconda.org" / "conda-forge" / "linux-64"
    home.mkdir(parents=True)
    for path in layer.glob("[ab]-1-0*"):
        path.rename(home / path.name)
    shutil.rmtree(tmp_path / "env")
    (home / "notes").mkdir()
    assert envmgr("clean", "-p", "-t", "-y").code == 0
    assert [path.name for path in home.iterdir()] == ["notes"]
