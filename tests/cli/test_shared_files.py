"""Environments share files with the package cache: who can write through such a link, and what comes of it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import File, Pkg, make_channel, pkg

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.command import Envmgr

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{VERSION}/site-packages"
ENTRY_POINT = b"#!/usr/bin/env python\nfrom tool import main\nmain()\n"


def tool_files(version: str) -> dict[str, bytes]:
    """What site-packages holds of the tool, without its RECORD."""
    return {
        "tool/__init__.py": f"def main():\n    print('{version}')\n".encode() + b"# a comment\n" * 50,
        "tool/table.txt": b"a table\n" * 500,
        f"tool-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: tool\nVersion: {version}\n".encode(),
        f"tool-{version}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"tool-{version}.dist-info/entry_points.txt": b"[console_scripts]\ntool = tool:main\n",
    }


def record_lines(files: dict[str, bytes]) -> bytes:
    lines = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={digest},{len(content)}\n")
    return "".join(lines).encode()


def wheel(folder: Path, version: str) -> Path:
    files = tool_files(version)
    path = folder / f"tool-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        own = f"tool-{version}.dist-info/RECORD"
        archive.writestr(own, record_lines(files) + f"{own},,\n".encode())
    return path


def tool_package() -> Pkg:
    """The tool as a channel has it: a distribution that pip can uninstall, and its script."""
    files = tool_files("1.0")
    inside = {f"{SITE}/{path}": content for path, content in files.items()}
    script = {"../../../bin/tool": ENTRY_POINT}
    installer = {"tool-1.0.dist-info/INSTALLER": b"conda\n", "tool-1.0.dist-info/REQUESTED": b""}
    own = f"{SITE}/tool-1.0.dist-info/RECORD"
    record = record_lines({**files, **script, **installer}) + b"tool-1.0.dist-info/RECORD,,\n"
    return pkg(
        "tool",
        files={
            **inside,
            **{f"{SITE}/{path}": content for path, content in installer.items()},
            own: record,
            "bin/tool": File(ENTRY_POINT, 0o755),
        },
    )


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return make_channel(tmp_path / "channel", [tool_package()])


@pytest.fixture
def cached() -> Path:
    return Path(os.environ["ENVMGR_ROOT"]) / "pkgs" / "tool-1.0-0"


def create(envmgr: Envmgr, channel: Path, prefix: Path) -> str:
    made = envmgr("create", "-p", prefix, "-c", channel, "--override-channels", "-y", "tool")
    assert made.code == 0, made.err
    return made.err


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put_python(prefix: Path) -> Path:
    """Make *prefix* the home of an interpreter, as a virtual environment is one; where it is."""
    home = Path(os.path.realpath(sys.executable))
    (prefix / "pyvenv.cfg").write_text(f"home = {home.parent}\n")
    (prefix / "bin" / "python").symlink_to(home)
    return prefix / "bin" / "python"


def pip(python: Path, *words: object) -> None:
    """Run the real pip of the tests' own environment as one of *python*'s."""
    import pip as real

    environ = {**os.environ, "PYTHONPATH": str(Path(real.__file__).parents[1])}
    command = [python, "-m", "pip", "--isolated", "--disable-pip-version-check", "--no-cache-dir", *words]
    subprocess.run([str(word) for word in command], env=environ, check=True, capture_output=True, timeout=100)


def test_pip_and_compileall_never_write_through_a_link(
    envmgr: Envmgr, channel: Path, cached: Path, tmp_path: Path
):
    pytest.importorskip("pip")
    prefix, other = tmp_path / "env", tmp_path / "other"
    for each in (prefix, other):
        create(envmgr, channel, each)
    shared = [path for path in contents(prefix) if (prefix / path).stat().st_nlink > 1]
    assert {"bin/tool", f"{SITE}/tool/table.txt", f"{SITE}/tool-1.0.dist-info/RECORD"} <= set(shared)
    before = contents(cached)
    python = put_python(prefix)
    install = ["install", "--no-index", "--no-deps"]
    # Nothing is uninstalled first, so every file is written over one that is shared.
    pip(python, *install, "--ignore-installed", wheel(tmp_path, "1.0"))
    assert (prefix / "bin/tool").read_bytes() != ENTRY_POINT
    assert contents(cached) == before
    compiling = [python, "-m", "compileall", "-q", "-f", prefix / SITE / "tool"]
    subprocess.run(compiling, check=True, timeout=60)
    pip(python, *install, "--no-compile", "--upgrade", wheel(tmp_path, "2.0"))
    assert "'2.0'" in (prefix / SITE / "tool/__init__.py").read_text()
    assert contents(cached) == before
    pip(put_python(other), "uninstall", "-y", "tool")
    assert not (other / SITE / "tool").exists() and not (other / "bin/tool").exists()
    assert contents(cached) == before
    again = create(envmgr, channel, tmp_path / "again")
    assert "damaged" not in again


def write_anew(path: Path) -> None:
    path.write_bytes(b"mine\n")


def append(path: Path) -> None:
    with open(path, "ab") as file:
        file.write(b"a certificate\n")


def copy_over(path: Path) -> None:
    subprocess.run(["cp", "/etc/hostname", path], check=True)


def change_a_byte(path: Path) -> None:
    with open(path, "r+b") as file:
        file.seek(10)
        file.write(b"!")


@pytest.mark.parametrize(
    "write", [write_anew, append, copy_over, change_a_byte], ids=lambda each: each.__name__
)
def test_a_file_that_was_written_through_is_not_linked_again(
    write: Callable[[Path], None], envmgr: Envmgr, channel: Path, cached: Path, tmp_path: Path
):
    prefix, inside = tmp_path / "env", f"{SITE}/tool/table.txt"
    create(envmgr, channel, prefix)
    before = contents(cached)
    write(prefix / inside)
    own = (prefix / inside).read_bytes()
    assert contents(cached)[inside] == own != before[inside]
    shutil.rmtree(channel / "linux-64" / "tool-1.0-0.conda", ignore_errors=True)
    told = create(envmgr, channel, tmp_path / "again")
    assert (
        f"warning: {cached} is damaged in the package cache: {inside} has another sha256 than the manifest states; "
        "it is unpacked anew." in told
    )
    assert contents(cached) == before
    assert (tmp_path / "again" / inside).read_bytes() == before[inside]
    assert (prefix / inside).read_bytes() == own
    assert envmgr("verify", "-p", tmp_path / "again").code == 0
    assert "damaged" not in create(envmgr, channel, tmp_path / "third")


def test_programs_that_replace_files_are_no_matter(
    envmgr: Envmgr, channel: Path, cached: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "env")
    before = contents(cached)
    subprocess.run(["sed", "-i", "s/table/chair/", tmp_path / "env" / SITE / "tool/table.txt"], check=True)
    assert "chair" in (tmp_path / "env" / SITE / "tool/table.txt").read_text()
    assert contents(cached) == before
    assert "damaged" not in create(envmgr, channel, tmp_path / "again")


def test_a_touched_file_and_what_power_loss_emptied_or_cut_are_told_apart(
    envmgr: Envmgr, channel: Path, cached: Path, tmp_path: Path
):
    create(envmgr, channel, tmp_path / "env")
    table = cached / SITE / "tool/table.txt"
    table.touch()
    assert "damaged" not in create(envmgr, channel, tmp_path / "touched")
    moment = (cached / "info/index.json").stat().st_mtime
    table.write_bytes(b"")
    os.utime(table, (moment, moment))
    assert f"{SITE}/tool/table.txt is empty; it is unpacked anew" in create(envmgr, channel, tmp_path / "new")
    os.truncate(table, 100)
    os.utime(table, (moment, moment))
    assert f"{SITE}/tool/table.txt has another sha256" in create(envmgr, channel, tmp_path / "cut")
    table.unlink()
    assert f"{SITE}/tool/table.txt is missing; it is unpacked anew" in create(
        envmgr, channel, tmp_path / "newer"
    )
