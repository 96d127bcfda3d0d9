"""Subdirs of CEP 26 and how a machine gets its own."""

from __future__ import annotations

import pytest

from envmgr.errors import DataError
from envmgr.models.platform import (
    KNOWN_SUBDIRS,
    check_subdir,
    is_unix,
    machine_type,
    operating_system,
    subdir_of,
)


@pytest.mark.parametrize(
    ("system", "machine", "subdir"),
    [
        ("Linux", "x86_64", "linux-64"),
        ("Linux", "i686", "linux-32"),
        ("Linux", "aarch64", "linux-aarch64"),
        ("Linux", "arm64", "linux-aarch64"),
        ("Linux", "ppc64le", "linux-ppc64le"),
        ("Linux", "riscv64", "linux-riscv64"),
        ("Linux", "armv7l", "linux-armv7l"),
        ("Darwin", "x86_64", "osx-64"),
        ("Darwin", "arm64", "osx-arm64"),
        ("Windows", "AMD64", "win-64"),
        ("Windows", "ARM64", "win-arm64"),
        ("Windows", "x86", "win-32"),
        ("FreeBSD", "amd64", "freebsd-64"),
    ],
)
def test_machine_has_a_subdir(system: str, machine: str, subdir: str) -> None:
    assert subdir_of(system, machine) == subdir
    assert subdir in KNOWN_SUBDIRS
    assert subdir == f"{operating_system(subdir)}-{machine_type(subdir)}"


def test_unknown_system_is_refused_by_name() -> None:
    with pytest.raises(DataError, match="'Plan9'"):
        subdir_of("Plan9", "x86_64")


@pytest.mark.parametrize("subdir", [*sorted(KNOWN_SUBDIRS), "plan9-64"])
def test_shape_decides_whether_a_subdir_is_possible(subdir: str) -> None:
    assert check_subdir(subdir) == subdir


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("linux64", "linux-64"),
        ("Linux-64", "linux-64"),
        ("linux_64", "linux-64"),
        ("", None),
        ("a-b-c", None),
        ("a" * 30 + "-64", None),
    ],
)
def test_other_text_is_refused_and_near_names_are_suggested(text: str, hint: str | None) -> None:
    with pytest.raises(DataError, match="is not a platform") as caught:
        check_subdir(text)
    assert hint is None or hint in str(caught.value.hint)


def test_unix_is_what_the_standard_lists() -> None:
    assert {subdir for subdir in KNOWN_SUBDIRS if not is_unix(subdir)} == {
        "noarch",
        "wasi-wasm32",
        "win-32",
        "win-64",
        "win-arm64",
        "zos-z",
    }
    assert operating_system("noarch") == machine_type("noarch") == ""
