"""Compiled Python files: made once by the prefix's own interpreter, linked afterwards, never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from envmgr.ports import RecordingReporter
from envmgr.prefix.store import PrefixStore
from tests.builders import File, pkg, script
from tests.prefixes import create, unpack

if TYPE_CHECKING:
    from pathlib import Path

    from envmgr.prefix.plan import PackageToLink

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SITE = f"lib/python{VERSION}/site-packages"
TAG = f"cpython-{sys.version_info[0]}{sys.version_info[1]}"
PLACEHOLDER = "/opt/placeholder"


@pytest.fixture
def python(tmp_path: Path) -> PackageToLink:
    """A package python whose interpreter is the one that runs this test, and that counts its starts."""
    log = tmp_path / "starts"
    start = script(f'echo start >> "{log}"\nexec "{os.path.realpath(sys.executable)}" "$@"')
    return unpack(pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": start}), tmp_path / "pkgs")


def starts(tmp_path: Path) -> int:
    log = tmp_path / "starts"
    return len(log.read_text().splitlines()) if log.exists() else 0


def tool(tmp_path: Path, name: str = "tool", **files: str | File) -> PackageToLink:
    members = {f"site-packages/{name}/{path}.py": content for path, content in files.items()}
    return unpack(pkg(name, noarch="python", files=members), tmp_path / "pkgs")


def test_bytecode_is_current_and_recorded(tmp_path: Path, python: PackageToLink) -> None:
    prefix = tmp_path / "env"
    create(prefix, [python, tool(tmp_path, a="x = 1\n", b="y = 2\n")])
    record = PrefixStore(prefix).records()[1]
    compiled = [f"{SITE}/tool/__pycache__/{name}.{TAG}.pyc" for name in "ab"]
    assert [entry for entry in record.paths if entry["path_type"] == "pyc_file"] == [
        {"_path": path, "path_type": "pyc_file"} for path in compiled
    ]
    assert set(compiled) < set(record.files)
    code = "import sys; sys.path.insert(0, sys.argv[1]); import tool.a"
    done = subprocess.run(
        [sys.executable, "-v", "-c", code, prefix / SITE], capture_output=True, text=True, check=True
    )
    assert f"matches {prefix}/{SITE}/tool/a.py" in done.stderr


def test_the_second_prefix_links_what_the_first_compiled(tmp_path: Path, python: PackageToLink) -> None:
    packages = [python, tool(tmp_path, a="x = 1\n", b="y = 2\n")]
    for name in ("one", "two"):
        create(tmp_path / name, packages, bytecode_caches=[tmp_path / "pkgs/pyc"])
    path = f"{SITE}/tool/__pycache__/a.{TAG}.pyc"
    assert starts(tmp_path) == 1
    assert (tmp_path / "one" / path).stat().st_ino == (tmp_path / "two" / path).stat().st_ino
    assert (
        PrefixStore(tmp_path / "two").records()[1].files == PrefixStore(tmp_path / "one").records()[1].files
    )
    assert str(tmp_path / "one").encode() not in (tmp_path / "two" / path).read_bytes()


def test_bytecode_is_copied_where_copies_are_asked_for(tmp_path: Path, python: PackageToLink) -> None:
    packages = [python, tool(tmp_path, a="x = 1\n")]
    for name in ("one", "two"):
        create(tmp_path / name, packages, bytecode_caches=[tmp_path / "pkgs/pyc"], link_mode="copy")
        assert (tmp_path / name / SITE / "tool/__pycache__" / f"a.{TAG}.pyc").stat().st_nlink == 1
    assert starts(tmp_path) == 1


def test_all_missing_packages_are_compiled_in_one_start(tmp_path: Path, python: PackageToLink) -> None:
    cache = tmp_path / "pkgs/pyc"
    create(tmp_path / "one", [python, tool(tmp_path, "a", x="1\n")], bytecode_caches=[cache])
    packages = [python, *(tool(tmp_path, name, x="1\n") for name in "abcd")]
    create(tmp_path / "two", packages, bytecode_caches=[cache])
    assert starts(tmp_path) == 2
    assert all((tmp_path / "two" / SITE / name / "__pycache__" / f"x.{TAG}.pyc").is_file() for name in "abcd")


def test_files_that_do_not_compile_are_left_out_of_the_record(tmp_path: Path, python: PackageToLink) -> None:
    reporter = RecordingReporter()
    packages = [python, tool(tmp_path, good="x = 1\n", bad="print 'two'\n")]
    for name in ("one", "two"):
        create(tmp_path / name, packages, reporter, bytecode_caches=[tmp_path / "pkgs/pyc"])
        files = PrefixStore(tmp_path / name).records()[1].files
        assert [path for path in files if path.endswith(".pyc")] == [
            f"{SITE}/tool/__pycache__/good.{TAG}.pyc"
        ]
    assert reporter.warnings == []


def test_patched_sources_alone_are_compiled_for_each_prefix(tmp_path: Path, python: PackageToLink) -> None:
    source = File(f"place = '{PLACEHOLDER}'\n".encode(), placeholder=PLACEHOLDER)
    packages = [python, tool(tmp_path, a=source, b="x = 1\n")]
    compiled = [tmp_path / name / SITE / "tool/__pycache__" for name in ("one", "two")]
    for name, folder in zip(("one", "two"), compiled, strict=True):
        create(tmp_path / name, packages, bytecode_caches=[tmp_path / "pkgs/pyc"])
        assert str(tmp_path / name).encode() in (folder / f"a.{TAG}.pyc").read_bytes()
        assert len(PrefixStore(tmp_path / name).records()[1].files) == 4
    one, two = [(folder / f"b.{TAG}.pyc").stat().st_ino for folder in compiled]
    assert one == two
    assert len(list((tmp_path / "pkgs/pyc").glob("*/*/*.pyc"))) == 1


def test_a_python_that_fails_is_a_warning(tmp_path: Path) -> None:
    start = script("echo no library >&2; exit 1")
    python = unpack(pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": start}), tmp_path / "pkgs")
    reporter = RecordingReporter()
    create(
        tmp_path / "env",
        [python, tool(tmp_path, a="x = 1\n")],
        reporter,
        bytecode_caches=[tmp_path / "pkgs/pyc"],
    )
    assert reporter.warnings == [
        "Python files are not compiled ahead, because the environment's Python failed (no library)."
    ]
    assert PrefixStore(tmp_path / "env").records()[1].files == (f"{SITE}/tool/a.py",)
    assert not (tmp_path / "pkgs/pyc").exists()


def test_a_python_for_another_machine_is_a_warning(tmp_path: Path) -> None:
    start = File(b"\x7fELF not for us", 0o755)
    python = unpack(pkg("python", f"{VERSION}.0", files={f"bin/python{VERSION}": start}), tmp_path / "pkgs")
    reporter = RecordingReporter()
    create(tmp_path / "env", [python, tool(tmp_path, a="x = 1\n")], reporter)
    assert len(reporter.warnings) == 1
    assert "does not start" in reporter.warnings[0]


def test_a_cache_that_cannot_be_written_is_no_matter(tmp_path: Path, python: PackageToLink) -> None:
    (tmp_path / "file").write_text("")
    reporter = RecordingReporter()
    create(
        tmp_path / "env",
        [python, tool(tmp_path, a="x = 1\n")],
        reporter,
        bytecode_caches=[tmp_path / "file/pyc"],
    )
    assert (tmp_path / "env" / SITE / "tool/__pycache__" / f"a.{TAG}.pyc").is_file()
    assert reporter.warnings == []


def test_what_any_layer_keeps_is_used_and_the_first_writable_one_keeps_what_is_new(
    tmp_path: Path, python: PackageToLink
) -> None:
    (tmp_path / "file").write_text("")
    packages = [python, tool(tmp_path, a="x = 1\n")]
    create(tmp_path / "one", packages, bytecode_caches=[tmp_path / "file", tmp_path / "site"])
    create(tmp_path / "two", packages, bytecode_caches=[tmp_path / "mine", tmp_path / "site"])
    assert starts(tmp_path) == 1 and not (tmp_path / "mine").exists()
    (kept,) = (tmp_path / "site" / TAG).glob("*/*.pyc")
    path = tmp_path / "two" / SITE / "tool/__pycache__" / f"a.{TAG}.pyc"
    assert path.stat().st_ino == kept.stat().st_ino


def test_compiling_can_be_switched_off(tmp_path: Path, python: PackageToLink) -> None:
    create(tmp_path / "env", [python, tool(tmp_path, a="x = 1\n")], compile_bytecode=False)
    assert starts(tmp_path) == 0
    assert PrefixStore(tmp_path / "env").records()[1].files == (f"{SITE}/tool/a.py",)


def test_the_users_python_variables_do_not_reach_the_compiler(tmp_path: Path, python: PackageToLink) -> None:
    environ = {
        "PATH": os.defpath,
        "PYTHONHOME": "/nowhere",
        "SOURCE_DATE_EPOCH": "1",
        "PYTHONPYCACHEPREFIX": "/nowhere",
    }
    create(tmp_path / "env", [python, tool(tmp_path, a="x = 1\n")], environ=environ)
    compiled = (tmp_path / "env" / SITE / "tool/__pycache__" / f"a.{TAG}.pyc").read_bytes()
    assert compiled[4:8] == bytes(4), "bytecode is checked by the time stamp of its source"
