"""What the recipes learn of the interpreter that runs these tests."""

from __future__ import annotations

import json
import os
import runpy
import ssl
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "recipes" / "host_facts.py"

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the recipes are for Linux")


@pytest.fixture(scope="module")
def facts() -> dict[str, str]:
    done = subprocess.run(
        [sys.executable, "-I", SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def module() -> dict:
    return runpy.run_path(str(SCRIPT))


def packages(facts: dict[str, str]) -> set[str]:
    return {name.removeprefix("BASE_").removesuffix("_FILES") for name in facts if name.endswith("_FILES")}


def test_it_names_the_interpreter_below_a_virtual_environment(facts: dict[str, str]) -> None:
    assert facts["BASE_PREFIX"] == sys.base_prefix
    assert Path(facts["BASE_PYTHON"]).is_relative_to(Path(sys.base_prefix).resolve())
    assert facts["BASE_PYTHON_VERSION"].startswith(facts["BASE_PYTHON_MINOR"] + ".")
    answer = subprocess.run([facts["BASE_PYTHON"], "-V"], capture_output=True, text=True, check=True)
    assert answer.stdout.split()[1] == facts["BASE_PYTHON_VERSION"]


def test_every_package_that_something_needs_is_described(facts: dict[str, str]) -> None:
    needed = {name for key, value in facts.items() if key.endswith("_REQUIRES") for name in value.split()}
    assert {name.upper() for name in needed} <= packages(facts)
    for package in packages(facts):
        assert facts[f"BASE_{package}_VERSION"][0].isdigit()
        assert all(Path(file).exists() for file in facts[f"BASE_{package}_FILES"].split(os.pathsep))


def test_versions_are_those_that_python_sees(facts: dict[str, str]) -> None:
    if "BASE_OPENSSL_VERSION" in facts:
        assert f" {facts['BASE_OPENSSL_VERSION']} " in ssl.OPENSSL_VERSION
    if "BASE_LIBZLIB_VERSION" in facts and "libzlib" in facts["BASE_PYTHON_REQUIRES"]:
        assert facts["BASE_LIBZLIB_VERSION"] == zlib.ZLIB_RUNTIME_VERSION


def test_libc_is_never_a_package(module: dict) -> None:
    for soname in (
        "libc.so.6",
        "libm.so.6",
        "libpthread.so.0",
        "/lib64/ld-linux-x86-64.so.2",
        "libpython3.11.so.1.0",
    ):
        assert not module["is_foreign"](soname)
    for soname in ("libcrypt.so.1", "libcrypto.so.3", "libstdc++.so.6", "libnsl.so.2", "libmd.so.0"):
        assert module["is_foreign"](soname)


@pytest.mark.parametrize(
    ("soname", "package"),
    [
        ("libz.so.1", "libzlib"),
        ("libzstd.so.1", "zstd"),
        ("libcrypt.so.1", "libxcrypt"),
        ("libcrypto.so.3", "openssl"),
        ("libcrypto.so.1.1", "openssl"),
        ("libtinfo.so.6", "ncurses"),
        ("libpanelw.so.6", "ncurses"),
        ("libgcc_s.so.1", "libgcc"),
        ("libstdc++.so.6", "libstdcxx"),
    ],
)
def test_sonames_belong_to_packages(module: dict, soname: str, package: str) -> None:
    assert module["library_of"](soname).package == package


def test_an_unknown_library_belongs_to_no_package(module: dict) -> None:
    assert module["library_of"]("libtk8.6.so") is None


@pytest.mark.parametrize(
    ("sentence", "version"),
    [
        ("OpenSSL 1.1.1n  15 Mar 2022", "1.1.1n"),
        ("OpenSSL 3.0.17 1 Jul 2025", "3.0.17"),
        ("expat_2.5.0", "2.5.0"),
        ("1.0.8, 13-Jul-2019", "1.0.8"),
        ("4.4.33-2", "4.4.33"),
        ("no number", ""),
    ],
)
def test_the_version_is_the_first_number_of_a_sentence(module: dict, sentence: str, version: str) -> None:
    assert module["first_version"](sentence) == version


def test_the_name_of_the_file_is_the_last_resort(module: dict, tmp_path: Path) -> None:
    tmp_path.joinpath("libffi.so.8.1.2").touch()
    tmp_path.joinpath("libffi.so.8").symlink_to("libffi.so.8.1.2")
    assert module["file_version"](str(tmp_path / "libffi.so.8")) == "8.1.2"
