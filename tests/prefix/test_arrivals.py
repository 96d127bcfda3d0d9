"""How new files come into an environment: folders where nothing is as a whole, also behind symlinks that stay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from envmgr.ports import FixedClock, RecordingReporter
from envmgr.prefix.change import PrefixChange, change_prefix
from envmgr.prefix.check import verify_prefix
from envmgr.prefix.generation import Generation
from envmgr.prefix.plan import plan_prefix
from envmgr.prefix.store import PrefixStore
from tests.builders import link, pkg
from tests.prefixes import ProcessRunner, create, unpack

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from envmgr.prefix.plan import PackageToLink


def change(prefix: Path, desired: Sequence[PackageToLink]) -> None:
    current = tuple(PrefixStore(prefix).records())
    plan = plan_prefix(current, desired, prefix=str(prefix), subdir="linux-64")
    request = PrefixChange(prefix, plan, current, (Generation(2, 1e9),), {"PATH": os.defpath}, {})
    change_prefix(request, ProcessRunner(), RecordingReporter(), FixedClock(1e9))


def test_a_folder_that_comes_by_a_symlink_and_by_its_own_path_is_one(tmp_path: Path) -> None:
    prefix, cache = tmp_path / "env", tmp_path / "pkgs"
    base = unpack(pkg("base", files={"lib64": link("lib"), "lib/base": "b"}), cache)
    more = [
        unpack(pkg("one", files={"lib64/new/deep/x": "x", "lib64/only/x": "x"}), cache),
        unpack(pkg("two", files={"lib/new/deep/y": "y", "lib/new/z": "z"}), cache),
    ]
    create(prefix, [base])
    change(prefix, [base, *more])
    found = {str(path.relative_to(prefix / "lib")) for path in (prefix / "lib").rglob("*") if path.is_file()}
    assert found == {"base", "new/deep/x", "only/x", "new/deep/y", "new/z"}
    assert (prefix / "lib64").is_symlink()
    assert verify_prefix(prefix) == ()
    change(prefix, [base])
    assert [path.name for path in (prefix / "lib").iterdir()] == ["base"]


def test_files_of_the_user_beside_a_folder_that_comes_stay(tmp_path: Path) -> None:
    prefix, cache = tmp_path / "env", tmp_path / "pkgs"
    base = unpack(pkg("base", files={"base": "b"}), cache)
    create(prefix, [base])
    (prefix / "share").mkdir()
    (prefix / "share" / "mine").write_text("mine")
    more = unpack(pkg("more", files={"share/new/a/x": "x", "share/y": "y"}), cache)
    change(prefix, [base, more])
    assert (prefix / "share/new/a/x").read_text() == "x"
    change(prefix, [base])
    assert [path.name for path in (prefix / "share").iterdir()] == ["mine"]
