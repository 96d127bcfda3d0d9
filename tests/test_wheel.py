"""The built wheel holds everything that the commands need, and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import msgspec
import pytest

from tests.builders import make_channel, pkg

PROJECT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder), str(PROJECT)]
    subprocess.run(build, check=True, timeout=100, capture_output=True)
    return next(folder.glob("envmgr-*.whl"))


def test_installed_wheel_creates_an_environment(wheel: Path, tmp_path: Path):
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert all(top == "envmgr" or top.endswith(".dist-info") for top in tops)
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    channel = make_channel(tmp_path / "channel", [pkg("a", files={"share/a": "a"})])
    command = [sys.executable, "-c", "import sys; from envmgr.__main__ import main; sys.exit(main())"]
    options = ["create", "-p", str(tmp_path / "env"), "-c", str(channel), "--override-channels", "-y", "a"]
    environ = {**os.environ, "PYTHONPATH": str(site)}
    subprocess.run(
        [*command, *options], check=True, timeout=60, capture_output=True, env=environ, cwd=tmp_path
    )
    assert (tmp_path / "env" / "share" / "a").read_text() == "a"
    where = [sys.executable, "-c", "import envmgr; print(envmgr.__file__)"]
    shown = subprocess.run(
        where, check=True, timeout=60, capture_output=True, text=True, env=environ, cwd=tmp_path
    )
    assert shown.stdout.startswith(str(site))


def test_programs_outside_see_the_types_of_the_installed_wheel(wheel: Path, tmp_path: Path):
    """The same program is checked by `make check` from inside."""
    pytest.importorskip("mypy")
    venv.create(tmp_path / "venv", with_pip=False)
    site = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # What envmgr needs; the folder's own .pth files, which may lead to this checkout, do not count there.
    (site / "needs.pth").write_text(f"{Path(msgspec.__file__).parents[1]}\n")
    script = tmp_path / "script.py"
    shutil.copy(PROJECT / "tests/api/typed_use.py", script)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(script)]
    command += ["--python-executable", str(tmp_path / "venv/bin/python"), "--config-file", os.devnull]
    environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "MYPYPATH")}
    done = subprocess.run(
        command, timeout=100, capture_output=True, text=True, env=environ, cwd=tmp_path, check=False
    )
    assert (done.returncode, done.stdout) == (0, "Success: no issues found in 1 source file\n"), done.stderr
