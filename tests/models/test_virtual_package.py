"""The rules of virtual packages that need no machine: CEP 30 and CEP 46."""

from __future__ import annotations

import pytest

from envmgr.errors import DataError
from envmgr.models.virtual_package import (
    VIRTUAL_NAMES,
    assumed_archspec,
    cuda_version,
    is_possible,
    lowest_capability,
    override,
    override_variable,
    virtual_record,
)


def test_virtual_record_belongs_to_no_channel() -> None:
    record = virtual_record("__glibc", "2.36")
    assert (record.name, record.version, record.build, record.origin) == ("__glibc", "2.36", "0", None)
    assert record.is_virtual


def test_variable_is_the_upper_case_name() -> None:
    assert override_variable("__glibc") == "CONDA_OVERRIDE_GLIBC"
    assert override_variable("__cuda_arch") == "CONDA_OVERRIDE_CUDA_ARCH"


@pytest.mark.parametrize(
    ("subdir", "names"),
    [
        ("linux-64", "__archspec __cuda __cuda_arch __glibc __linux __unix"),
        ("osx-arm64", "__archspec __cuda __cuda_arch __osx __unix"),
        ("win-64", "__archspec __cuda __cuda_arch __win"),
        ("emscripten-wasm32", "__archspec __cuda __cuda_arch __unix"),
        ("freebsd-64", "__archspec __cuda __cuda_arch __unix"),
        ("zos-z", "__archspec __cuda __cuda_arch"),
    ],
)
def test_target_platform_decides_what_can_be_there(subdir: str, names: str) -> None:
    assert [name for name in VIRTUAL_NAMES if is_possible(name, subdir)] == names.split()


@pytest.mark.parametrize(
    ("name", "value", "version", "build"),
    [
        ("__archspec", "zen4", "1", "zen4"),
        ("__cuda", "12.4", "12.4", "0"),
        ("__cuda_arch", "8.6", "8.6", "0"),
        ("__cuda_arch", "9.0a", "9.0", "0"),
        ("__glibc", "2.28", "2.28", "0"),
        ("__linux", "6.1.2.3", "6.1.2.3", "0"),
        ("__osx", " 14.5 ", "14.5", "0"),
        ("__win", "10.0.19045", "10.0.19045", "0"),
    ],
)
def test_variable_overrides_version_or_build(name: str, value: str, version: str, build: str) -> None:
    record = override(name, value)
    assert record is not None
    assert (record.version, record.build) == (version, build)


def test_unix_cannot_be_overridden() -> None:
    assert override("__unix", "7") is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("__archspec", "a-b"),
        ("__linux", "6"),
        ("__linux", "6.1-rc"),
        ("__cuda", "new?"),
        ("__cuda_arch", "sm_90"),
        ("__glibc", "2..3"),
    ],
)
def test_value_that_cannot_be_read_is_an_error_naming_the_variable(name: str, value: str) -> None:
    with pytest.raises(DataError, match=f"{override_variable(name)} is '"):
        override(name, value)


def test_driver_number_becomes_a_version() -> None:
    assert cuda_version(12040) == "12.4"
    assert cuda_version(9020) == "9.2"
    assert cuda_version(13000) == "13.0"
    assert cuda_version(0) is None


def test_least_capable_device_counts() -> None:
    assert lowest_capability([(9, 0), (8, 6), (10, 0)]) == "8.6"
    assert lowest_capability([]) is None


@pytest.mark.parametrize(
    ("subdir", "name"),
    [
        ("linux-64", "x86_64"),
        ("linux-32", "x86"),
        ("osx-arm64", "aarch64"),
        ("linux-aarch64", "aarch64"),
        ("linux-ppc64le", "ppc64le"),
        ("linux-riscv64", "riscv64"),
        ("linux-s390x", None),
        ("emscripten-wasm32", None),
    ],
)
def test_platform_stands_for_a_microarchitecture(subdir: str, name: str | None) -> None:
    assert assumed_archspec(subdir) == name
