"""pip of a prefix installs what a file asks for, from the places that the file means."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from envmgr.errors import PrefixError
from envmgr.host.system import SystemRunner
from envmgr.models.wheel_name import normalized_name
from envmgr.ports import Finished, Reporter
from envmgr.pypi.apply import PipRequest, install_with_pip, pip_environment
from envmgr.pypi.installed import read_distributions


class Recorder:
    """A Runner that keeps the requirements file it was called with and answers as told."""

    def __init__(self, finished: Finished) -> None:
        self.finished = finished
        self.lines: list[str] = []
        self.command: list[str] = []

    def run(self, command, *, env, cwd=None, timeout_seconds=None) -> Finished:
        self.command = list(command)
        path = Path(self.command[self.command.index("-r") + 1])
        assert path.stat().st_mode & 0o077 == 0, "index URLs may hold credentials"
        self.lines = path.read_text().splitlines()
        return self.finished


def make_wheel(folder: Path, name: str, version: str, *, requires: str = "") -> Path:
    """A wheel with one module, written by hand (PEP 427)."""
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        + (f"Requires-Dist: {requires}\n" if requires else ""),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = ""
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        record += f"{path},sha256={digest},{len(text)}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def fake_prefix(folder: Path) -> Path:
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").write_text("")
    return folder


def ask(folder: Path, *items: str, offline: bool = False) -> PipRequest:
    prefix = fake_prefix(folder / "prefix")
    return PipRequest(prefix, prefix / "bin" / "python", tuple((item, folder) for item in items), offline)


def test_wheel_lands_in_the_prefix_and_can_be_read_back(tmp_path: Path):
    prefix = tmp_path / "prefix"
    subprocess.run([sys.executable, "-m", "venv", str(prefix)], check=True, timeout=100)
    make_wheel(tmp_path, "tiny", "1.5")
    request = PipRequest(
        prefix, prefix / "bin" / "python", (("./tiny-1.5-py3-none-any.whl", tmp_path),), True
    )
    install_with_pip(request, os.environ, SystemRunner(), Reporter())
    site_packages = next((prefix / "lib").glob("python*/site-packages"))
    found = {each.name: each.version for each in read_distributions(site_packages)}
    assert found["tiny"] == "1.5"
    assert "pip" in found


def test_files_named_by_options_are_found_beside_the_environment_file(tmp_path: Path):
    recorder = Recorder(Finished(0, "", ""))
    request = ask(
        tmp_path, "-r more/extra.txt", "--constraint=limits.txt", "-r https://host/x.txt", "numpy >=2"
    )
    install_with_pip(request, {}, recorder, Reporter())
    assert recorder.lines == [
        f"-r {tmp_path}/more/extra.txt",
        f"--constraint {tmp_path}/limits.txt",
        "-r https://host/x.txt",
        "numpy >=2",
    ]
    assert "--no-index" not in recorder.command


def test_offline_keeps_pip_off_the_network(tmp_path: Path):
    recorder = Recorder(Finished(0, "", ""))
    install_with_pip(ask(tmp_path, "numpy", offline=True), {}, recorder, Reporter())
    assert "--no-index" in recorder.command


def test_failure_shows_the_end_of_pips_output(tmp_path: Path):
    told = "Collecting nothing\nERROR: No matching distribution found for nothing\n"
    with pytest.raises(PrefixError, match="could not install nothing") as caught:
        install_with_pip(ask(tmp_path, "nothing"), {}, Recorder(Finished(1, "", told)), Reporter())
    assert caught.value.facts["explanation"][-1] == "ERROR: No matching distribution found for nothing"


def test_missing_pip_is_named_with_what_to_do(tmp_path: Path):
    told = "/prefix/bin/python: No module named pip\n"
    with pytest.raises(PrefixError, match="has no pip") as caught:
        install_with_pip(ask(tmp_path, "nothing"), {}, Recorder(Finished(1, "", told)), Reporter())
    assert caught.value.hint == "Add pip to its dependencies."


def test_missing_python_is_named(tmp_path: Path):
    request = PipRequest(tmp_path, tmp_path / "bin" / "python", (("numpy", tmp_path),))
    with pytest.raises(PrefixError, match="no python"):
        install_with_pip(request, {}, SystemRunner(), Reporter())


def test_variables_that_lead_out_of_the_prefix_do_not_reach_pip():
    environ = {"PIP_TARGET": "/elsewhere", "PIP_USER": "1", "PIP_PREFIX": "/x", "PIP_CERT": "/cert"}
    kept = pip_environment(environ)
    assert not {"PIP_TARGET", "PIP_USER", "PIP_PREFIX"} & set(kept)
    assert kept["PIP_CERT"] == "/cert"
    assert kept["PYTHONNOUSERSITE"] == "1"


@pytest.mark.parametrize(
    ("written", "normal"), [("Ruamel.Yaml", "ruamel-yaml"), ("a__b--c", "a-b-c"), ("x", "x")]
)
def test_names_are_normalized_as_pep_503_says(written: str, normal: str):
    assert normalized_name(written) == normal
