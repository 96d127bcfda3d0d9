"""Virtual packages of the machine that runs the tests: CEP 30 and CEP 46."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from envmgr.errors import DataError
from envmgr.host.probe import VirtualPackages, native_subdir, virtual_packages
from envmgr.ports import Finished

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = native_subdir()
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads what only Linux has")


class ScriptedRunner:
    """Answers every program with one text, and remembers what was run."""

    def __init__(self, stdout: str = "", error: OSError | None = None) -> None:
        self.stdout = stdout
        self.error = error
        self.commands: list[list[str]] = []

    def run(self, command, *, env, cwd=None, timeout_seconds=None):
        self.commands.append(list(command))
        if self.error is not None:
            raise self.error
        return Finished(0, self.stdout, "")


def found(subdir: str = NATIVE, **environ: str) -> dict[str, tuple[str, str]]:
    packages = virtual_packages(subdir, environ, runner=ScriptedRunner(error=FileNotFoundError()))
    return {record.name: (record.version, record.build) for record in packages.all()}


def test_native_platform_is_the_interpreters() -> None:
    system = {"linux": "linux", "darwin": "osx", "win32": "win"}[sys.platform]
    assert NATIVE.startswith(f"{system}-")
    if platform.machine() == "x86_64" and sys.maxsize > 2**32:
        assert NATIVE == f"{system}-64"


@on_linux
def test_linux_machine_has_its_kernel_and_c_library() -> None:
    here = found()
    assert platform.release().startswith(here["__linux"][0])
    assert re.fullmatch(r"\d+\.\d+(\.\d+){0,2}", here["__linux"][0])
    assert here["__unix"] == ("0", "0")
    library, version = platform.libc_ver()
    if library == "glibc":
        assert here["__glibc"] == (".".join(version.split(".")[:2]), "0")
    assert here["__archspec"][0] == "1"
    assert "__osx" not in here
    assert "__win" not in here


def test_microarchitecture_is_in_archspecs_database() -> None:
    import archspec.cpu

    (record,) = virtual_packages(NATIVE, {}).records("__archspec")
    assert record.build in archspec.cpu.TARGETS


@pytest.mark.parametrize(
    ("subdir", "expected"),
    [
        ("linux-ppc64le", "__archspec=1=ppc64le __glibc=2.17=0 __linux=KERNEL=0 __unix=0=0"),
        ("linux-s390x", "__archspec=0=s390x __glibc=2.17=0 __linux=KERNEL=0 __unix=0=0"),
        ("osx-arm64", "__archspec=1=aarch64 __osx=0=0 __unix=0=0"),
        ("win-32", "__archspec=1=x86 __win=0=0"),
        ("emscripten-wasm32", "__archspec=0=wasm32 __unix=0=0"),
    ],
)
@on_linux
def test_other_platforms_get_the_standards_defaults(subdir: str, expected: str) -> None:
    there = [f"{name}={version}={build}" for name, (version, build) in found(subdir).items()]
    assert " ".join(there) == expected.replace("KERNEL", found()["__linux"][0])


@on_linux
def test_variables_override_what_was_found() -> None:
    here = found(
        CONDA_OVERRIDE_GLIBC="2.99",
        CONDA_OVERRIDE_LINUX="9.8.7",
        CONDA_OVERRIDE_ARCHSPEC="zen4",
        CONDA_OVERRIDE_CUDA="12.4",
        CONDA_OVERRIDE_CUDA_ARCH="8.6",
        CONDA_OVERRIDE_UNIX="7",
        CONDA_OVERRIDE_OSX="14.0",
        CONDA_OVERRIDE_WIN="10.0.1",
    )
    assert here == {
        "__archspec": ("1", "zen4"),
        "__cuda": ("12.4", "0"),
        "__cuda_arch": ("8.6", "0"),
        "__glibc": ("2.99", "0"),
        "__linux": ("9.8.7", "0"),
        "__unix": ("0", "0"),
    }


def test_overrides_of_another_platform_count_there() -> None:
    assert found("osx-arm64", CONDA_OVERRIDE_OSX="14.5")["__osx"] == ("14.5", "0")
    assert found("win-64", CONDA_OVERRIDE_WIN="10.0.19045")["__win"] == ("10.0.19045", "0")


def test_compute_capability_needs_the_driver() -> None:
    assert "__cuda_arch" not in found(CONDA_OVERRIDE_CUDA_ARCH="8.6", CONDA_OVERRIDE_CUDA="")


def test_empty_override_hides_the_gpu() -> None:
    here = found(CONDA_OVERRIDE_CUDA="12.4", CONDA_OVERRIDE_CUDA_ARCH="")
    assert here["__cuda"] == ("12.4", "0")
    assert "__cuda_arch" not in here
    assert "__cuda" not in found(CONDA_OVERRIDE_CUDA="")


@on_linux
def test_empty_override_of_what_must_be_there_changes_nothing() -> None:
    assert found(CONDA_OVERRIDE_GLIBC="", CONDA_OVERRIDE_LINUX="") == found()


def test_unreadable_override_is_an_error_that_names_it() -> None:
    packages = virtual_packages("linux-64", {"CONDA_OVERRIDE_GLIBC": "new!"})
    with pytest.raises(DataError, match="CONDA_OVERRIDE_GLIBC"):
        packages.records("__glibc")


def test_nothing_is_probed_before_it_is_asked_for() -> None:
    runner = ScriptedRunner("12040")
    packages = VirtualPackages("linux-64", {"CONDA_OVERRIDE_CUDA_ARCH": "new"}, runner)
    assert "__cuda" in packages.names()
    assert packages.records("__unix")
    assert packages.records("no-virtual-package") == packages.records("__future") == []
    assert runner.commands == []


def test_answers_are_remembered() -> None:
    packages = virtual_packages(NATIVE, {})
    assert packages.records("__archspec")[0] is packages.records("__archspec")[0]


FAKE_DRIVER = """
#include <stdlib.h>
int cuDriverGetVersion(int *version) { *version = 12040; return 0; }
int cuInit(unsigned flags) { if (CRASH) abort(); return NO_DEVICE ? 100 : 0; }
int cuDeviceGetCount(int *count) { *count = getenv("CUDA_VISIBLE_DEVICES") ? 0 : 2; return 0; }
int cuDeviceGet(int *device, int place) { *device = place; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    *value = attribute == 75 ? (device ? 8 : 9) : (device ? 6 : 0);
    return 0;
}
"""


def fake_driver(folder: Path, *, crash: int = 0, no_device: int = 0) -> str:
    """A driver library with two devices, compiled into *folder*; skips without a compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler to make a driver with")
    source = folder / "driver.c"
    source.write_text(FAKE_DRIVER)
    options = [f"-DCRASH={crash}", f"-DNO_DEVICE={no_device}", "-shared", "-fPIC"]
    subprocess.run(
        [compiler, *options, "-o", str(folder / "libcuda.so.1"), str(source)], check=True, timeout=60
    )
    return str(folder)


@on_linux
@pytest.mark.parametrize(
    ("faults", "arch"),
    [({}, ["8.6"]), ({"no_device": 1}, []), ({"crash": 1}, [])],
    ids=["gpu", "no gpu", "crash"],
)
def test_driver_is_asked_in_a_child_of_its_own(
    tmp_path: Path, faults: dict[str, int], arch: list[str]
) -> None:
    library_path = fake_driver(tmp_path, **faults)
    environ = {**os.environ, "LD_LIBRARY_PATH": library_path, "CUDA_VISIBLE_DEVICES": ""}
    packages = virtual_packages(NATIVE, environ)
    assert [record.version for record in packages.records("__cuda")] == ["12.4"]
    assert [record.version for record in packages.records("__cuda_arch")] == arch


@on_linux
def test_machine_without_a_driver_starts_no_child() -> None:
    if any(
        os.path.exists(sign)
        for sign in ("/dev/nvidiactl", "/dev/dxg", "/usr/lib/x86_64-linux-gnu/libcuda.so.1")
    ):
        pytest.skip("this machine has a driver")
    runner = ScriptedRunner("12040")
    assert VirtualPackages(NATIVE, {}, runner).records("__cuda") == []
    assert runner.commands == []


@on_linux
def test_child_that_hangs_or_chatters_means_no_gpu(tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").touch()
    environ = {"LD_LIBRARY_PATH": str(tmp_path)}
    for runner in (
        ScriptedRunner(error=TimeoutError()),
        ScriptedRunner("warning: nothing here\n"),
        ScriptedRunner(),
    ):
        assert VirtualPackages(NATIVE, environ, runner).records("__cuda") == []
        assert len(runner.commands) == 1
