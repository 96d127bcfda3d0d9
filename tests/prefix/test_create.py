"""Creation of prefixes from unpacked packages: what lands where, with which content, mode and record."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from envmgr.errors import PrefixError
from envmgr.ports import Phase, RecordingReporter
from envmgr.prefix.check import verify_prefix
from envmgr.prefix.registry import read_registry
from envmgr.prefix.store import PrefixStore
from tests.builders import File, link, pkg, script
from tests.prefixes import create, python_package, unpack

PLACEHOLDER = "/opt/build/" + "placehold_" * 24


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "pkgs"


def test_plain_files_are_hardlinks_of_the_cache(tmp_path: Path, cache: Path) -> None:
    package = unpack(pkg("a", files={"bin/tool": script("echo hi"), "share/a/x.txt": "text"}), cache)
    create(tmp_path / "env", [package])
    for path in ("bin/tool", "share/a/x.txt"):
        assert (tmp_path / "env" / path).stat().st_ino == (package.folder / path).stat().st_ino
    assert mode_of(tmp_path / "env/bin/tool") == 0o755


def test_copies_are_asked_for_by_no_link_and_by_setting(tmp_path: Path, cache: Path) -> None:
    package = unpack(pkg("a", files={"etc/x": File(b"1", 0o640, no_link=True), "etc/y": "2"}), cache)
    create(tmp_path / "one", [package])
    create(tmp_path / "two", [package], link_mode="copy")
    shared = {
        (env, name): (tmp_path / env / "etc" / name).stat().st_ino
        == (package.folder / "etc" / name).stat().st_ino
        for env in ("one", "two")
        for name in ("x", "y")
    }
    assert [key for key, same in shared.items() if same] == [("one", "y")]
    assert mode_of(tmp_path / "one/etc/x") == 0o640
    assert (tmp_path / "one/etc/x").stat().st_mtime == (package.folder / "etc/x").stat().st_mtime
    assert PrefixStore(tmp_path / "two").records()[0].link_type == 3


def test_placeholders_know_the_final_path_and_keep_the_mode(tmp_path: Path, cache: Path) -> None:
    files = {
        "bin/tool": File(
            f"#!{PLACEHOLDER}/bin/sh\necho {PLACEHOLDER}\n".encode(), 0o755, placeholder=PLACEHOLDER
        ),
        "lib/x.so": File(
            f"\x7f\0{PLACEHOLDER}/lib\0end".encode(), 0o555, placeholder=PLACEHOLDER, file_mode="binary"
        ),
    }
    package = unpack(pkg("a", files=files), cache)
    prefix = tmp_path / "env"
    create(prefix, [package])
    assert (prefix / "bin/tool").read_text() == f"#!{prefix}/bin/sh\necho {prefix}\n"
    assert (prefix / "lib/x.so").read_bytes().startswith(f"\x7f\0{prefix}/lib\0".encode())
    assert (prefix / "lib/x.so").stat().st_size == (package.folder / "lib/x.so").stat().st_size
    assert (mode_of(prefix / "bin/tool"), mode_of(prefix / "lib/x.so")) == (0o755, 0o555)
    assert PLACEHOLDER in (package.folder / "bin/tool").read_text()


def test_two_prefixes_from_one_cache_do_not_disturb_each_other(tmp_path: Path, cache: Path) -> None:
    files = {"etc/conf": File(PLACEHOLDER.encode(), placeholder=PLACEHOLDER), "lib/x": "shared"}
    package = unpack(pkg("a", files=files), cache)
    before = {path: path.read_bytes() for path in package.folder.rglob("*") if path.is_file()}
    for name in ("one", "two"):
        create(tmp_path / name, [package])
    assert (tmp_path / "one/etc/conf").read_text() == str(tmp_path / "one")
    assert (tmp_path / "two/etc/conf").read_text() == str(tmp_path / "two")
    (tmp_path / "one/lib/x").unlink()
    (tmp_path / "one/etc/conf").write_text("changed")
    assert verify_prefix(tmp_path / "two") == ()
    assert {path: path.read_bytes() for path in before} == before


def test_symlinks_keep_their_text(tmp_path: Path, cache: Path) -> None:
    files = {"lib/libz.so.1.2": "code", "lib/libz.so": link("libz.so.1.2"), "share/z": link("../lib/libz.so")}
    create(tmp_path / "env", [unpack(pkg("z", files=files), cache)])
    assert os.readlink(tmp_path / "env/lib/libz.so") == "libz.so.1.2"
    assert os.readlink(tmp_path / "env/share/z") == "../lib/libz.so"
    assert verify_prefix(tmp_path / "env") == ()


def test_symlink_to_a_patched_file_is_recorded_with_the_patched_sum(tmp_path: Path, cache: Path) -> None:
    files = {"etc/conf": File(PLACEHOLDER.encode(), placeholder=PLACEHOLDER), "etc/also": link("conf")}
    create(tmp_path / "env", [unpack(pkg("a", files=files), cache)])
    (record,) = PrefixStore(tmp_path / "env").records()
    sums = {entry["_path"]: entry["sha256_in_prefix"] for entry in record.paths}
    expected = hashlib.sha256(str(tmp_path / "env").encode()).hexdigest()
    assert sums == {"etc/conf": expected, "etc/also": expected}


def test_symlink_out_of_the_prefix_is_refused_and_nothing_remains(tmp_path: Path, cache: Path) -> None:
    package = unpack(pkg("evil", files={"lib/x": link("../../outside")}), cache)
    with pytest.raises(PrefixError, match=r"lib/x points out of the environment"):
        create(tmp_path / "envs" / "env", [package])
    assert not (tmp_path / "envs").exists()


def test_an_absolute_symlink_out_of_the_prefix_is_a_warning(tmp_path: Path, cache: Path) -> None:
    reporter = RecordingReporter()
    create(tmp_path / "env", [unpack(pkg("driver", files={"lib/x": link("/usr/lib/x")}), cache)], reporter)
    assert reporter.warnings == ["the symlink lib/x points out of the environment, to /usr/lib/x."]
    assert os.readlink(tmp_path / "env/lib/x") == "/usr/lib/x"


def test_files_go_through_another_packages_symlink_to_a_folder(tmp_path: Path, cache: Path) -> None:
    one = unpack(pkg("one", files={"lib/a": "a", "lib64": link("lib")}), cache)
    two = unpack(pkg("two", files={"lib64/b": "b"}), cache)
    create(tmp_path / "env", [two, one])
    assert os.readlink(tmp_path / "env/lib64") == "lib"
    assert (tmp_path / "env/lib/b").read_text() == "b"


def test_no_file_goes_through_a_symlink_out_of_the_prefix(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "victim").mkdir()
    one = unpack(pkg("one", files={"out": link(str(tmp_path / "victim"))}), cache)
    two = unpack(pkg("two", files={"out/b": "b"}), cache)
    with pytest.raises(PrefixError, match=r"one-1.0-0 leads files of other packages out"):
        create(tmp_path / "env", [one, two])
    assert list((tmp_path / "victim").iterdir()) == []
    assert not (tmp_path / "env").exists()


def test_old_packages_without_paths_json(tmp_path: Path, cache: Path) -> None:
    old = "/opt/anaconda1anaconda2anaconda3"
    files = {"bin/x": File(f"#!{old}/bin/sh\n".encode(), 0o755), "bin/y": link("x"), "etc/c": "c"}
    info = {"info/has_prefix": b"bin/x\n", "info/no_link": b"etc/c\n"}
    package = unpack(pkg("old", files=files, paths_json=False, info=info), cache)
    create(tmp_path / "env", [package])
    assert (tmp_path / "env/bin/x").read_text() == f"#!{tmp_path}/env/bin/sh\n"
    assert os.readlink(tmp_path / "env/bin/y") == "x"
    assert (tmp_path / "env/etc/c").stat().st_ino != (package.folder / "etc/c").stat().st_ino
    (record,) = PrefixStore(tmp_path / "env").records()
    assert {entry["_path"]: entry["path_type"] for entry in record.paths}["bin/y"] == "softlink"
    assert verify_prefix(tmp_path / "env") == ()


def test_entry_points_run_with_the_prefix_python(tmp_path: Path, cache: Path) -> None:
    python = unpack(pkg("python", "3.11.0", files={"bin/python3.11": script('echo "args: $@"')}), cache)
    tool = unpack(
        pkg(
            "tool",
            noarch="python",
            files={"site-packages/tool.py": "x = 1\n"},
            entry_points=("tool = tool.cli:main",),
        ),
        cache,
    )
    prefix = tmp_path / "env"
    create(prefix, [python, tool])
    assert (prefix / "lib/python3.11/site-packages/tool.py").read_text() == "x = 1\n"
    lines = (prefix / "bin/tool").read_text().splitlines()
    assert lines[0] == f"#!{prefix}/bin/python3.11"
    assert "from tool.cli import main" in lines
    assert subprocess.run([prefix / "bin/tool"], capture_output=True, text=True, check=True).stdout
    entry = next(each for each in PrefixStore(prefix).records()[1].paths if each["_path"] == "bin/tool")
    assert entry["path_type"] == "unix_python_entry_point"
    assert entry["sha256_in_prefix"] == hashlib.sha256((prefix / "bin/tool").read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["with space", "d" * 150, "ünï çödé 环境"])
def test_entry_points_start_from_paths_that_no_shebang_can_hold(
    tmp_path: Path, cache: Path, name: str
) -> None:
    source = Path(os.path.realpath("/proc/self/exe"))
    python = unpack(pkg("python", "3.11.0", files={"bin/python3.11": link("real")}, depends=[]), cache)
    (python.folder / "bin/python3.11").unlink()
    (python.folder / "bin/python3.11").symlink_to(source)
    files = {"site-packages/tool.py": "def main():\n    print('hello')\n"}
    tool = unpack(pkg("tool", noarch="python", files=files, entry_points=("tool = tool:main",)), cache)
    prefix = tmp_path / name
    create(prefix, [python, tool], compile_bytecode=False)
    done = subprocess.run(
        [prefix / "bin/tool"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(prefix / "lib/python3.11/site-packages")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_noarch_python_files_go_where_python_says(tmp_path: Path, cache: Path) -> None:
    python = unpack(
        python_package("3.13.0", python_site_packages_path="lib/python3.13t/site-packages"), cache
    )
    files = {"site-packages/a/__init__.py": "", "python-scripts/run": script("true"), "share/doc": "d"}
    create(tmp_path / "env", [python, unpack(pkg("a", noarch="python", files=files), cache)])
    for path in ("lib/python3.13t/site-packages/a/__init__.py", "bin/run", "share/doc"):
        assert (tmp_path / "env" / path).is_file()


def test_records_follow_the_standard(tmp_path: Path, cache: Path) -> None:
    package = unpack(pkg("a", "1.2", "h_3", files={"x": "1"}, license="MIT", oddity=7), cache, ("a >=1",))
    create(tmp_path / "env", [package])
    document = json.loads((tmp_path / "env/conda-meta/a-1.2-h_3.json").read_text())
    expected = {
        "name": "a", "version": "1.2", "build": "h_3", "build_number": 3, "license": "MIT", "oddity": 7,
        "channel": "https://conda.anaconda.org/test", "subdir": "linux-64", "fn": "a-1.2-h_3.conda",
        "url": "https://conda.anaconda.org/test/linux-64/a-1.2-h_3.conda", "depends": [], "constrains": [],
        "extracted_package_dir": str(package.folder), "link": {"source": str(package.folder), "type": 1},
        "package_tarball_full_path": f"{package.folder}.conda",
        "files": ["x"], "requested_spec": "a >=1", "requested_specs": ["a >=1"], "timestamp": 1700000000000,
    }  # fmt: skip
    assert {key: document[key] for key in expected} == expected
    digest = hashlib.sha256(b"1").hexdigest()
    assert document["paths_data"] == {
        "paths_version": 1,
        "paths": [
            {
                "_path": "x",
                "path_type": "hardlink",
                "sha256": digest,
                "sha256_in_prefix": digest,
                "size_in_bytes": 1,
            }
        ],
    }


def test_record_of_what_nobody_asked_for_names_no_spec(tmp_path: Path, cache: Path) -> None:
    create(tmp_path / "env", [unpack(pkg("a"), cache)])
    document = json.loads((tmp_path / "env/conda-meta/a-1.0-0.json").read_text())
    assert "requested_spec" not in document and document["requested_specs"] == []
    assert PrefixStore(tmp_path / "env").records()[0].requested == ()


def test_history_state_and_registry_are_written(tmp_path: Path, cache: Path) -> None:
    registry = tmp_path / "home/.conda/environments.txt"
    (tmp_path / "home").mkdir()
    create(
        tmp_path / "env",
        [unpack(pkg("a"), cache)],
        variables={"MY_VAR": "ü"},
        registry=registry,
        specs=("a >=1", "b"),
        command_line=("envmgr", "create", "-c", "https://me:secret@example.org/t/tok-123/ch"),
    )
    lines = (tmp_path / "env/conda-meta/history").read_text().splitlines()
    assert lines[0].startswith("==> 2001-09-0")
    assert lines[1].startswith("# cmd: envmgr create -c https://")
    assert "secret" not in lines[1] and "tok-123" not in lines[1]
    assert lines[2:] == ["# envmgr version: 0.1", "+test/linux-64::a-1.0-0", "# update specs: ['a >=1', 'b']"]
    assert json.loads((tmp_path / "env/conda-meta/state").read_text()) == {"env_vars": {"MY_VAR": "ü"}}
    assert read_registry(registry) == [tmp_path / "env"]


def test_an_environment_without_packages_is_an_environment(tmp_path: Path) -> None:
    create(tmp_path / "env", [])
    assert PrefixStore(tmp_path / "env").is_environment()
    assert sorted(os.listdir(tmp_path / "env/conda-meta")) == ["envmgr", "history"]
    assert sorted(os.listdir(tmp_path)) == ["env"]


def test_progress_counts_the_planned_files(tmp_path: Path, cache: Path) -> None:
    reporter = RecordingReporter()
    create(tmp_path / "env", [unpack(pkg("a", files={"x": "1", "y": "2"}), cache)], reporter)
    assert reporter.advanced == {Phase.LINK: 2}
    assert reporter.warnings == []


def test_an_unpacked_folder_that_lost_a_file_is_named(tmp_path: Path, cache: Path) -> None:
    package = unpack(pkg("a", files={"x": "1", "y": "2"}), cache)
    (package.folder / "y").unlink()
    with pytest.raises(PrefixError, match=r"a-1.0-0 is damaged: y is missing"):
        create(tmp_path / "env", [package])
    assert sorted(os.listdir(tmp_path)) == ["pkgs"]


def test_a_symlink_that_was_unpacked_as_a_file_is_named(tmp_path: Path, cache: Path) -> None:
    package = unpack(pkg("a", files={"x": "1", "y": link("x")}), cache)
    (package.folder / "y").unlink()
    (package.folder / "y").write_text("")
    with pytest.raises(PrefixError, match=r"a-1.0-0 is damaged: y should be a symlink"):
        create(tmp_path / "env", [package])
    assert not (tmp_path / "env").exists()


def test_a_file_that_became_a_symlink_is_not_read_through(tmp_path: Path, cache: Path) -> None:
    (tmp_path / "secret").write_text(f"secret {PLACEHOLDER}")
    package = unpack(pkg("a", files={"x": File(PLACEHOLDER.encode(), placeholder=PLACEHOLDER)}), cache)
    (package.folder / "x").unlink()
    (package.folder / "x").symlink_to(tmp_path / "secret")
    with pytest.raises(PrefixError, match=r"x should be a file but is a symlink"):
        create(tmp_path / "env", [package])
