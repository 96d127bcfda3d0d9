"""doctor --fix: a prefix that was moved by hand works at its new place, and damage is mended from the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_rename import BUILT, names, old, registered, root
from tests.cli.test_shared_files import SITE, pip, put_python, wheel

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

__all__ = ["old", "root"]  # Fixtures.


@pytest.fixture
def moved(old: Path, tmp_path: Path) -> Path:
    place = tmp_path / "elsewhere" / "new"
    place.parent.mkdir()
    old.rename(place)
    return place


def test_packages_are_fitted_from_the_cache_after_the_plan_was_shown(envmgr: Envmgr, moved: Path, old: Path):
    before = names(moved)
    plan = envmgr("doctor", "-p", moved, "--fix", "--dry-run")
    assert (plan.code, "~ lib" in plan.err, f"What names {old} will name {moved}." in plan.err) == (
        1,
        True,
        True,
    )
    assert (moved / "bin/libtool").read_text() == f"#!{old}/bin/sh\n"
    done = envmgr("doctor", "-p", moved, "--fix", "-y", "--offline")
    assert (done.code, "0 problems" in done.err or "no problem" in done.err) == (0, True), done.err
    assert (moved / "bin/libtool").read_text() == f"#!{moved}/bin/sh\n"
    assert (moved / "lib/lib.so").read_bytes().startswith(f"{moved}/lib\0".encode())
    assert (moved / "lib/lib.so").stat().st_size == len(f"{BUILT}/lib\0code")
    assert (moved / "var/at").read_text() == f"at {moved}\n", "link scripts ran at the new place"
    assert names(moved) == before
    assert registered() == f"{moved}\n"
    assert envmgr("verify", "-p", moved).code == 0
    assert "There is nothing that --fix mends." in envmgr("doctor", "-p", moved, "--fix", "-y").err


def test_pip_variables_and_scripts_are_fitted_and_other_files_told(envmgr: Envmgr, old: Path, tmp_path: Path):
    pytest.importorskip("pip")
    pip(put_python(old), "install", "--no-index", "--no-deps", wheel(tmp_path, "1.0"))
    envmgr("env", "config", "vars", "set", "-p", old, f"DATA={old}/share:{old}2")
    (old / "mine").write_text(f"at {old}\n")
    (old / "lead").symlink_to(old / "mine")
    place = tmp_path / "new"
    old.rename(place)
    done = envmgr("doctor", "-p", place, "--fix", "-y", "--json")
    assert (done.code, done.json["fixed"]) == (0, True), done.err
    assert f"mine still name {old}" in done.err
    assert (place / "mine").read_text() == f"at {old}\n"
    assert os.readlink(place / "lead") == str(place / "mine")
    variables = envmgr("env", "config", "vars", "list", "-p", place, "--json").json
    assert variables == {"DATA": f"{place}/share:{old}2"}
    ran = subprocess.run([place / "bin/tool"], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "1.0\n"
    pip(place / "bin/python", "uninstall", "-y", "tool")
    assert not (place / SITE / "tool").exists() and not (place / "bin/tool").exists()


def test_a_copy_is_mended_and_the_original_left_alone(envmgr: Envmgr, old: Path, tmp_path: Path):
    copy = tmp_path / "copy"
    shutil.copytree(old, copy, symlinks=True)
    assert envmgr("doctor", "-p", copy, "--fix", "-y").code == 0
    assert registered() == f"{old}\n{copy}\n"
    for place in (old, copy):
        assert envmgr("doctor", "-p", place).code == 0
        assert (place / "bin/libtool").read_text() == f"#!{place}/bin/sh\n"


def test_damage_is_mended_as_verify_repair_does(envmgr: Envmgr, old: Path):
    (old / "etc/lib.conf").unlink()
    (old / "conda-meta/scripted-1.0-0.json").write_text("{")
    done = envmgr("doctor", "-p", old, "--fix", "-y", "--json")
    assert (done.code, done.json["fixed"]) == (0, True), done.err
    assert {each["name"] for each in done.json["relinked"]} == {"lib", "scripted"}
    assert done.json["findings"] == []


def test_what_cannot_be_mended_stays_a_problem(envmgr: Envmgr, moved: Path):
    (moved / "conda-meta/envmgr/generations/7.json").write_text("{")
    done = envmgr("doctor", "-p", moved, "--fix", "-y", "--json")
    assert (done.code, done.json["fixed"]) == (1, True)
    assert [each["kind"] for each in done.json["findings"]] == ["generation"]


def test_frozen_environments_and_other_questions_are_left_alone(envmgr: Envmgr, moved: Path, old: Path):
    (moved / "conda-meta/frozen").write_text("{}")
    assert "is frozen" in envmgr("doctor", "-p", moved, "--fix", "-y").err
    assert (moved / "bin/libtool").read_text() == f"#!{old}/bin/sh\n"
    assert envmgr("doctor", "--fix").code == 2
