"""Merging locks as values, and taking conflict markers apart."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmgr.errors import DataError
from envmgr.lock.conda_lock_text import conda_lock_text
from envmgr.lock.conflict_markers import split_sides
from envmgr.lock.locked import Lock, LockedPackage
from envmgr.lock.read import read_lock
from envmgr.lock.three_way import merge_locks

if TYPE_CHECKING:
    from pathlib import Path


def lock(versions: dict[str, str], content_hash: str = "", *, subdir: str = "linux-64", **notes: str) -> Lock:
    packages = tuple(
        LockedPackage(
            kind="conda", name=name, version=version, build="0", sha256="a" * 64,
            url=f"https://x.org/c/linux-64/{name}-{version}-0.conda",
        )
        for name, version in sorted(versions.items())
    )  # fmt: skip
    given_notes = {f"envmgr.{key.replace('__', '.')}": text for key, text in notes.items()}
    return Lock(
        file="conda-lock.yml", format="conda-lock", platforms={subdir: packages}, channels=("https://x.org/c",),
        sources=("environment.yml",), content_hash={subdir: content_hash}, notes=given_notes, always=("main",),
    )  # fmt: skip


VERSIONS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(("1", "2", "10")))


def held(of: Lock) -> dict[str, str]:
    return {each.name: each.version for each in of.platforms["linux-64"]}


@given(base=VERSIONS, ours=VERSIONS)
def test_where_one_side_alone_changed_the_lock_is_that_side(
    base: dict[str, str], ours: dict[str, str]
) -> None:
    for sides in ((lock(ours, "y"), lock(base, "x")), (lock(base, "x"), lock(ours, "y"))):
        merged = merge_locks(lock(base, "x"), *sides)
        assert (held(merged.lock), merged.lock.content_hash["linux-64"], merged.mixed) == (
            ours,
            "y",
            frozenset(),
        )


@given(base=VERSIONS, ours=VERSIONS, theirs=VERSIONS)
def test_each_package_is_that_of_the_side_that_changed_it_and_the_order_of_sides_does_not_count(
    base: dict[str, str], ours: dict[str, str], theirs: dict[str, str]
) -> None:
    made = merge_locks(lock(base, "x"), lock(ours, "x"), lock(theirs, "x"))
    other = merge_locks(lock(base, "x"), lock(theirs, "x"), lock(ours, "x"))
    assert (held(made.lock), made.lock.content_hash, made.mixed) == (
        held(other.lock), other.lock.content_hash, other.mixed,
    )  # fmt: skip
    contested = {
        name
        for name in {*ours, *theirs}
        if len({ours.get(name), theirs.get(name), base.get(name)}) == 3
        or (ours.get(name) != theirs.get(name) and base.get(name) not in (ours.get(name), theirs.get(name)))
    }
    assert (made.lock.content_hash["linux-64"] == "") == bool(contested)
    for name in {*base, *ours, *theirs} - contested:
        changed = ours.get(name) if theirs.get(name) == base.get(name) else theirs.get(name)
        assert held(made.lock).get(name) == changed
    for name in contested & ours.keys() & theirs.keys():
        assert int(held(made.lock)[name]) == max(int(ours[name]), int(theirs[name]))


def test_requests_of_both_sides_have_no_hash_and_machines_of_both_sides_are_refused() -> None:
    base = lock({"a": "1"}, "x", linux__64="", options="strategy=lowest")
    merged = merge_locks(base, lock({"a": "1"}, "y"), lock({"a": "1"}, "z"))
    assert (merged.lock.content_hash, merged.mixed) == ({"linux-64": ""}, {"linux-64"})
    ours = lock(
        {"a": "1"}, "y", linux_virtual="", **{"linux-64__virtual_packages": "__glibc=2.30\n__linux=5"}
    )
    theirs = lock({"a": "1"}, "z", **{"linux-64__virtual_packages": "__glibc=2.31"})
    with pytest.raises(DataError, match="both sides changed __glibc of linux-64 in the lock"):
        merge_locks(None, ours, theirs)
    alike = merge_locks(None, ours, lock({}, "z", **{"linux-64__virtual_packages": "__cuda=12"}))
    assert alike.lock.notes["envmgr.linux-64.virtual_packages"] == "__cuda=12\n__glibc=2.30\n__linux=5"


def test_platforms_come_and_go_with_the_side_that_changed_them() -> None:
    linux, mac = lock({"a": "1"}, "x"), lock({"a": "1"}, "x", subdir="osx-arm64")
    both = merge_locks(None, linux, mac).lock
    assert set(both.platforms) == {"linux-64", "osx-arm64"}
    assert set(merge_locks(both, linux, both).lock.platforms) == {"linux-64"}


@pytest.mark.parametrize("style", ["--diff3", "--no-diff3"])
def test_markers_of_git_give_back_what_each_side_has(style: str, tmp_path: Path) -> None:
    locks = [lock({"a": "1", "m": "1", "z": version}, version) for version in ("1", "2", "10")]
    for name, each in zip(("base", "ours", "theirs"), locks, strict=True):
        (tmp_path / name).write_text(conda_lock_text(each))
    words = [style] if style == "--diff3" else []
    done = subprocess.run(
        ["git", "merge-file", "-p", *words, "ours", "base", "theirs"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    sides = split_sides(done.stdout)
    assert sides is not None
    assert [held(read_lock(text, file="x"))["z"] for text in (sides.ours, sides.theirs)] == ["2", "10"]
    assert (sides.base is None) == (style != "--diff3")
    assert sides.base is None or held(read_lock(sides.base, file="x"))["z"] == "1"


@pytest.mark.parametrize("signs", ["", "<", "=", "<>", "<<=>", "<=|>", ">", "<=>="])
def test_markers_out_of_order_are_none(signs: str) -> None:
    assert split_sides("".join(f"{sign * 7} x\na: 1\n" for sign in signs) or "a: 1\n") is None
