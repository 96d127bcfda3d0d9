"""Plans: noarch paths, contested paths, refusals; all before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from envmgr.errors import PrefixError
from envmgr.models.file_system import WINDOWS, FileSystem
from envmgr.models.package_files import PackageFiles, PathEntry
from envmgr.ports import RecordingReporter
from envmgr.prefix.check import verify_prefix
from envmgr.prefix.installed import InstalledPackage, Listing
from envmgr.prefix.plan import PrefixPlan, contested_names, plan_prefix
from envmgr.prefix.store import PrefixStore
from tests.builders import File, Pkg, link, pkg
from tests.prefixes import create, python_package, unpack

if TYPE_CHECKING:
    from pathlib import Path


def plan(tmp_path: Path, *packages: Pkg, subdir: str = "linux-64") -> PrefixPlan:
    unpacked = [unpack(package, tmp_path / "pkgs") for package in packages]
    return plan_prefix([], unpacked, prefix=str(tmp_path / "env"), subdir=subdir)


def noarch(**options: Any) -> Pkg:
    return pkg("tool", noarch="python", files={"site-packages/t.py": "", "python-scripts/t": ""}, **options)


def test_a_plan_prints_what_it_will_do(tmp_path: Path) -> None:
    text = str(plan(tmp_path, pkg("a", files={"x": "1", "y": "2"}), pkg("b", files={"x": "other"})))
    assert text.splitlines() == [
        "+ a-1.0-0 (2 files)",
        "+ b-1.0-0 (1 files)",
        "! x comes with a-1.0-0 and b-1.0-0; that of b-1.0-0 is kept.",
    ]


def test_the_later_package_wins_a_contested_path(tmp_path: Path) -> None:
    packages = [
        unpack(pkg(name, files={"bin/x": name, f"lib/{name}": name}), tmp_path / "pkgs") for name in "cab"
    ]
    reporter = RecordingReporter()
    create(tmp_path / "env", packages, reporter)
    assert (tmp_path / "env/bin/x").read_text() == "b"
    assert reporter.warnings == ["bin/x comes with c-1.0-0, a-1.0-0 and b-1.0-0; that of b-1.0-0 is kept."]
    owned = {each.record.name: each.files for each in PrefixStore(tmp_path / "env").records()}
    assert owned == {"a": ("lib/a",), "b": ("bin/x", "lib/b"), "c": ("lib/c",)}
    assert verify_prefix(tmp_path / "env") == ()


def test_many_paths_that_the_same_packages_contest_are_told_at_once(tmp_path: Path) -> None:
    packages = [
        *(pkg(name, files={f"share/{number:02}": name for number in range(40)}) for name in "ab"),
        pkg("c", files={"share/07": "c"}),
    ]
    shown = str(plan(tmp_path, *packages)).splitlines()
    assert [line for line in shown if line.startswith("!")] == [
        "! share/00 and 38 other paths come with a-1.0-0 and b-1.0-0; those of b-1.0-0 are kept.",
        "! share/07 comes with a-1.0-0, b-1.0-0 and c-1.0-0; that of c-1.0-0 is kept.",
    ]


def test_equal_files_are_no_conflict(tmp_path: Path) -> None:
    planned = plan(tmp_path, pkg("a", files={"ns/__init__.py": ""}), pkg("b", files={"ns/__init__.py": ""}))
    assert planned.clobbers == ()


def test_an_entry_point_and_a_file_contest_a_path(tmp_path: Path) -> None:
    tool = pkg("tool", noarch="python", entry_points=("run = t:main",))
    planned = plan(tmp_path, python_package(), tool, pkg("z", files={"bin/run": "z"}))
    assert [str(clobber.path) for clobber in planned.clobbers] == ["bin/run"]
    assert planned.link[1].entry_points == ()


def test_a_path_twice_in_one_package_is_linked_once(tmp_path: Path) -> None:
    files = {"site-packages/t.py": "first", "lib/python3.11/site-packages/t.py": "second"}
    packages = [python_package(), pkg("tool", noarch="python", files=files)]
    create(tmp_path / "env", [unpack(package, tmp_path / "pkgs") for package in packages])
    assert (tmp_path / "env/lib/python3.11/site-packages/t.py").read_text() == "second"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_file_against_a_folder_is_refused_with_both_owners(tmp_path: Path, order: tuple[int, int]) -> None:
    packages = [pkg("a", files={"share/x": "file"}), pkg("b", files={"share/x/y/z": "below"})]
    with pytest.raises(PrefixError, match=r"a-1.0-0 brings the file share/x, which is a folder in b-1.0-0"):
        plan(tmp_path, *[packages[index] for index in order])


def test_noarch_python_needs_a_python(tmp_path: Path) -> None:
    with pytest.raises(PrefixError, match=r"tool-1.0-0 is a noarch Python package") as caught:
        plan(tmp_path, noarch())
    assert caught.value.hint == "Add python to the packages."


def test_what_the_archive_says_counts_where_the_record_is_silent(tmp_path: Path) -> None:
    package = unpack(noarch(), tmp_path / "pkgs")
    silent = type(package)(
        type(package.record).parse({"name": "tool", "version": "1.0", "build": "0"}),
        package.folder,
        None,
        package.files,
    )
    planned = plan_prefix(
        [], [unpack(python_package(), tmp_path / "pkgs"), silent], prefix="/e", subdir="linux-64"
    )
    assert planned.link[1].targets == ("lib/python3.11/site-packages/t.py", "bin/t")


@pytest.mark.parametrize(
    ("version", "subdir", "targets", "bytecode"),
    [
        ("3.9.18", "linux-64", ("lib/python3.9/site-packages/t.py", "bin/t"), "t.cpython-39.pyc"),
        ("3.14.0rc1", "osx-arm64", ("lib/python3.14/site-packages/t.py", "bin/t"), "t.cpython-314.pyc"),
        ("3.12.1", "win-64", ("Lib/site-packages/t.py", "Scripts/t"), "t.cpython-312.pyc"),
    ],
)
def test_noarch_python_paths_follow_version_and_platform(
    tmp_path: Path, version: str, subdir: str, targets: tuple[str, str], bytecode: str
) -> None:
    planned = plan(tmp_path, python_package(version), noarch(), subdir=subdir)
    assert planned.link[1].targets == targets
    assert planned.link[1].bytecode == ((0, targets[0].replace("t.py", f"__pycache__/{bytecode}")),)


@pytest.mark.parametrize(
    "path", ["../outside", "/abs", "a/../../b", "C:\\x", "..", "", ".", "conda-meta", "a\0b"]
)
def test_a_site_packages_path_out_of_the_prefix_is_refused(tmp_path: Path, path: str) -> None:
    """CEP 17: if a package violates this requirement the package must not be installed."""
    with pytest.raises(
        PrefixError, match=r"python-3.11.0-0 cannot be installed: its python_site_packages_path"
    ):
        plan(tmp_path, python_package(python_site_packages_path=path))


def test_only_python_decides_the_site_packages_path(tmp_path: Path) -> None:
    """CEP 17: tools must not fail if packages with other names include this field."""
    planned = plan(tmp_path, python_package(), pkg("x", python_site_packages_path="../../x"), noarch())
    assert planned.link[2].targets[0] == "lib/python3.11/site-packages/t.py"


def test_bytecode_is_not_made_for_shipped_bytecode_or_other_folders(tmp_path: Path) -> None:
    files = {
        "site-packages/a.py": "",
        "site-packages/__pycache__/a.cpython-311.pyc": "",
        "python-scripts/s.py": "",
        "share/x.py": "",
    }
    planned = plan(tmp_path, python_package(), pkg("t", noarch="python", files=files))
    assert planned.link[1].bytecode == ()


def test_a_plan_against_installed_packages_links_and_unlinks_the_difference(tmp_path: Path) -> None:
    unpacked = {name: unpack(pkg(name), tmp_path / "pkgs") for name in "abc"}
    current = [InstalledPackage(unpacked[name].record, Listing()) for name in "ab"]
    planned = plan_prefix(current, [unpacked["b"], unpacked["c"]], prefix="/e", subdir="linux-64")
    assert [package.record.name for package in planned.unlink] == ["a"]
    assert [each.package.record.name for each in planned.link] == ["c"]


def test_long_prefix_counts_bytes_not_characters(tmp_path: Path) -> None:
    file = File(b"/abcdefgh\0", placeholder="/abcdefgh", file_mode="binary")
    package = unpack(pkg("a", files={"x": file, "y": link("x")}), tmp_path / "pkgs")
    plan_prefix([], [package], prefix="/1234567", subdir="linux-64")
    with pytest.raises(PrefixError, match="has 10 bytes"):
        plan_prefix([], [package], prefix="/123üüü", subdir="linux-64")


FOLDED = FileSystem(folds_case=True)


def folded(tmp_path: Path, *packages: Pkg, subdir: str = "linux-64") -> PrefixPlan:
    unpacked = [unpack(package, tmp_path / "pkgs") for package in packages]
    return plan_prefix([], unpacked, prefix=str(tmp_path / "env"), subdir=subdir, file_system=FOLDED)


def test_paths_that_differ_in_case_are_contested_where_capitals_do_not_count(tmp_path: Path) -> None:
    packages = (pkg("a", files={"share/Readme": "a"}), pkg("b", files={"Share/README": "b"}))
    assert plan(tmp_path, *packages).clobbers == ()
    planned = folded(tmp_path, *packages)
    assert [link.targets for link in planned.link] == [("",), ("Share/README",)]
    assert planned.shared == {"Share/README": ("a", "b")}
    assert [str(clobber) for clobber in planned.clobbers] == [
        (
            "share/Readme of a-1.0-0 and Share/README of b-1.0-0 are one path here, where capitals do not count; "
            "that of b-1.0-0 is kept."
        )
    ]


def test_equal_files_whose_paths_differ_in_case_are_no_conflict(tmp_path: Path) -> None:
    planned = folded(tmp_path, pkg("a", files={"LICENSE": "x"}), pkg("b", files={"license": "x"}))
    assert (planned.clobbers, planned.link[0].targets) == ((), ("",))


def test_of_two_such_paths_of_one_package_the_last_is_kept(tmp_path: Path) -> None:
    """As ncurses has them: terminal types that differ in case."""
    planned = folded(tmp_path, pkg("ncurses", files={"terminfo/E/Eterm": "E", "terminfo/e/eterm": "e"}))
    assert planned.link[0].targets == ("", "terminfo/e/eterm")
    assert planned.clobbers == ()


def test_a_file_against_a_folder_that_differs_in_case_is_refused_with_both_owners(tmp_path: Path) -> None:
    packages = (pkg("a", files={"Share/X": "file"}), pkg("b", files={"share/x/y": "below"}))
    plan(tmp_path, *packages)
    with pytest.raises(PrefixError, match=r"a-1.0-0 brings the file Share/X, which is a folder in b-1.0-0"):
        folded(tmp_path, *packages)


def test_packages_that_stay_are_linked_anew_with_what_contests_their_paths_in_another_case(
    tmp_path: Path,
) -> None:
    stays = InstalledPackage(unpack(pkg("a"), tmp_path / "pkgs").record, Listing(("share/Readme",)))
    comes = unpack(pkg("b", files={"share/README": "b"}), tmp_path / "pkgs")
    for file_system, expected in ((FileSystem(), {}), (FOLDED, {"a": "share/Readme"})):
        planned = plan_prefix(
            [stays],
            [unpack(pkg("a"), tmp_path / "pkgs"), comes],
            prefix="/e",
            subdir="linux-64",
            file_system=file_system,
        )
        assert contested_names(planned, [stays]) == expected


@pytest.mark.parametrize(
    ("prefix", "path", "file_system", "said"),
    [
        ("/e", "n" * 255, FileSystem(), None),
        ("/e", "lib/" + "n" * 256, FileSystem(), "is too long: the file system takes 255 bytes"),
        ("/e", "ü" * 128, FileSystem(), "the file system takes 255 bytes"),
        ("/e", "ü" * 128, WINDOWS, None),
        ("/" + "p" * 100, "/".join(["d" * 100] * 9), FileSystem(path_most=1024), "too long for d"),
        ("C:/" + "e" * 100, "d" * 155, WINDOWS, None),
        ("C:/" + "e" * 100, "d" * 156, WINDOWS, "both together may have 259 characters"),
    ],
)
def test_paths_that_the_file_system_cannot_hold_are_refused(
    tmp_path: Path, prefix: str, path: str, file_system: FileSystem, said: str | None
) -> None:
    package = unpack(pkg("a"), tmp_path / "pkgs")
    files = PackageFiles((PathEntry(path, sha256="0" * 64),))
    long = type(package)(package.record, package.folder, None, files)
    if said is None:
        plan_prefix([], [long], prefix=prefix, subdir="linux-64", file_system=file_system)
        return
    with pytest.raises(PrefixError, match=said):
        plan_prefix([], [long], prefix=prefix, subdir="linux-64", file_system=file_system)
