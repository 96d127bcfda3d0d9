"""Launchers for Windows, read as bytes: the right program, the right interpreter, the right script."""

from __future__ import annotations

import io
import struct
import zipfile
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import PrefixError
from envmgr.prefix.launchers import gui_commands, launcher
from envmgr.prefix.store import PrefixStore
from tests.builders import pkg
from tests.prefixes import create, python_package, unpack

if TYPE_CHECKING:
    from pathlib import Path

# PE/COFF: the machine and the subsystem (2 has windows, 3 a console).
MACHINES = {"win-64": 0x8664, "win-arm64": 0xAA64, "win-32": 0x14C}


def parse(data: bytes) -> tuple[int, int, str, str]:
    """Machine, subsystem, interpreter line and script of a launcher, as its own program and Python find them."""
    (header,) = struct.unpack_from("<I", data, 0x3C)
    assert data[:2] == b"MZ"
    assert data[header : header + 4] == b"PE\0\0"
    (machine,) = struct.unpack_from("<H", data, header + 4)
    (subsystem,) = struct.unpack_from("<H", data, header + 24 + 68)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["__main__.py"]
        script = archive.read("__main__.py").decode()
        start = archive.getinfo("__main__.py").header_offset
    line = data[:start].rpartition(b"#!")[2].decode()
    assert line.endswith("\r\n")
    return machine, subsystem, line[:-2], script


@pytest.mark.parametrize("subdir", MACHINES)
@pytest.mark.parametrize("gui", [False, True])
def test_a_launcher_has_the_program_of_its_platform(subdir: str, gui: bool) -> None:
    data = launcher(b"print()", "C:\\envs\\x", subdir, gui=gui)
    python = "C:\\envs\\x\\pythonw.exe" if gui else "C:\\envs\\x\\python.exe"
    assert parse(data) == (MACHINES[subdir], 2 if gui else 3, python, "print()")
    assert data == launcher(b"print()", "C:\\envs\\x", subdir, gui=gui)


@pytest.mark.parametrize(
    ("folder", "line"),
    [
        ("C:/my envs/ü", '"C:\\my envs\\ü\\python.exe"'),
        ("C:\\", "C:\\python.exe"),
        ("C:\\" + "e" * 200, "C:\\" + "e" * 200 + "\\python.exe"),
    ],
)
def test_spaces_are_quoted_and_slashes_turned(folder: str, line: str) -> None:
    assert parse(launcher(b"", folder, "win-64", gui=False))[2] == line


def test_a_platform_without_launcher_is_told() -> None:
    with pytest.raises(PrefixError, match="no launcher for entry points on win-riscv"):
        launcher(b"", "C:\\x", "win-riscv", gui=False)


def test_a_prefix_for_windows_has_scripts_and_launchers(tmp_path: Path) -> None:
    metadata = "[console_scripts]\nrun = tool:main\n[gui_scripts]\nShow = tool:show\n"
    tool = pkg(
        "tool",
        noarch="python",
        entry_points=("run = tool:main", "Show = tool.window:Window.show"),
        files={"site-packages/tool-1.0.dist-info/entry_points.txt": metadata},
    )
    packages = [unpack(each, tmp_path / "pkgs") for each in (python_package(subdir="win-64"), tool)]
    prefix = tmp_path / "env"
    create(prefix, packages, subdir="win-64")
    root = str(prefix).replace("/", "\\")
    run = parse((prefix / "Scripts/run.exe").read_bytes())
    show = parse((prefix / "Scripts/Show.exe").read_bytes())
    assert run[1:3] == (3, f"{root}\\python.exe")
    assert show[1:3] == (2, f"{root}\\pythonw.exe")
    assert show[3] == (prefix / "Scripts/Show-script.py").read_text()
    assert "from tool.window import Window" in show[3]
    types = {
        entry["_path"]: entry["path_type"]
        for package in PrefixStore(prefix).records()
        for entry in package.paths
        if entry["_path"].startswith("Scripts/")
    }
    assert types == {
        "Scripts/run-script.py": "windows_python_entry_point_script",
        "Scripts/run.exe": "windows_python_entry_point_exe",
        "Scripts/Show-script.py": "windows_python_entry_point_script",
        "Scripts/Show.exe": "windows_python_entry_point_exe",
    }


def test_metadata_that_cannot_be_read_names_no_command(tmp_path: Path) -> None:
    path = "site-packages/x-1.dist-info/entry_points.txt"
    assert gui_commands(tmp_path, [path]) == frozenset()
    (tmp_path / path).parent.mkdir(parents=True)
    for content in (b"\xff", b"no section", b"[gui_scripts]\n=x"):
        (tmp_path / path).write_bytes(content)
        assert gui_commands(tmp_path, [path]) == frozenset()
