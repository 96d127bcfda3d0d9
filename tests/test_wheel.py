"""The built wheel holds everything that the commands need, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from tests.builders import make_channel, pkg

PROJECT = Path(__file__).resolve().parents[1]


def test_installed_wheel_creates_an_environment(tmp_path: Path):
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), str(PROJECT)]
    subprocess.run(build, check=True, timeout=100, capture_output=True)
    wheel = next(tmp_path.glob("envmgr-*.whl"))
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
