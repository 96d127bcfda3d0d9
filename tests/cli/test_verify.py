"""verify and its repair, on real environments with every kind of damage."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.builders import File, link, make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr, Outcome

SOURCES = {"site-packages/tool/__init__.py": "x = 1\n", "site-packages/tool/part.py": "y = 2\n"}
PACKAGES = [
    pkg("python", "3.11.0", files={"bin/python3.11": File(b"no real one", 0o755)}),
    pkg("tool", "1.0", noarch="python", depends=["python"], files=SOURCES, entry_points=("run = tool:main",)),
    pkg("base", "1.0", files={
        "lib/lib.so": b"library", "to": link("lib/lib.so"), "etc/conf": File(b"at /old", placeholder="/old"),
        "share/d/f": b"f", "common": b"base", "same": b"same",
    }),
    pkg("over", "1.0", depends=["base"], files={"common": b"over", "same": b"same"}),
]  # fmt: skip


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")
    channel = make_channel(tmp_path / "channel", PACKAGES)
    made = tmp_path / "env"
    done = envmgr("create", "-y", "-p", made, "--override-channels", "-c", channel, "tool", "over")
    assert done.code == 0, done.err
    return made


def kinds(outcome: Outcome) -> dict[str, str]:
    return {each["path"]: each["kind"] for each in outcome.json["findings"]}


def put(place: Path, data: bytes) -> None:
    """Write a new file, so that the cache's is left alone."""
    place.unlink()
    place.write_bytes(data)


def folder_for_file(prefix: Path) -> None:
    (prefix / "lib/lib.so").unlink()
    (prefix / "lib/lib.so/below").mkdir(parents=True)
    (prefix / "lib/lib.so/below/mine").write_text("mine")


def file_for_folder(prefix: Path) -> None:
    shutil.rmtree(prefix / "share")
    (prefix / "share").write_text("mine")


def pipe_for_file(prefix: Path) -> None:
    (prefix / "common").unlink()
    os.mkfifo(prefix / "common")


def other_link(prefix: Path) -> None:
    (prefix / "to").unlink()
    (prefix / "to").symlink_to("common")


def file_for_link(prefix: Path) -> None:
    put(prefix / "to", b"mine")


def broken_record(prefix: Path) -> None:
    (document,) = (prefix / "conda-meta").glob("base-*.json")
    document.write_bytes(document.read_bytes()[:-9])


def cut_record(prefix: Path) -> None:
    (document,) = (prefix / "conda-meta").glob("over-*.json")
    document.write_bytes(b"")


def losers_file(prefix: Path) -> None:
    put(prefix / "common", b"base")


DAMAGE = {
    "missing": (lambda prefix: (prefix / "lib/lib.so").unlink(), {"lib/lib.so": "missing"}),
    "patched": (lambda prefix: put(prefix / "etc/conf", b"at /elsewhere"), {"etc/conf": "modified"}),
    "grown": (lambda prefix: put(prefix / "share/d/f", b"ff"), {"share/d/f": "modified"}),
    "command": (lambda prefix: (prefix / "bin/run").unlink(), {"bin/run": "missing"}),
    "folder": (folder_for_file, {"lib/lib.so": "wrong-type"}),
    "file": (file_for_folder, {"share/d/f": "missing"}),
    "pipe": (pipe_for_file, {"common": "wrong-type"}),
    "link": (other_link, {"to": "redirected"}),
    "no link": (file_for_link, {"to": "modified"}),
    "record": (broken_record, {"conda-meta/base-1.0-0.json": "record"}),
    "empty record": (cut_record, {"conda-meta/over-1.0-0.json": "record"}),
    "loser": (losers_file, {"common": "clobbered"}),
    "folder gone": (lambda prefix: shutil.rmtree(prefix / "share"), {"share/d/f": "missing"}),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("options", [[], ["--fast"]])
def test_damage_is_told_and_mended(envmgr: Envmgr, prefix: Path, name: str, options: list[str]) -> None:
    damage, expected = DAMAGE[name]
    before = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if "conda-meta" not in path.parts}
    damage(prefix)
    told = envmgr("verify", "-p", prefix, "--json", *options)
    assert told.code == 1
    assert kinds(told) == expected
    mended = envmgr("verify", "-p", prefix, "--repair", "-y", "--offline", *options)
    assert mended.code == 0, mended.err
    whole = envmgr("verify", "-p", prefix, "--json")
    assert (whole.code, whole.json["findings"], whole.json["foreign"]) == (0, [], [])
    after = {str(path.relative_to(prefix)) for path in prefix.rglob("*") if "conda-meta" not in path.parts}
    assert after == before


@pytest.mark.parametrize(
    ("damage", "kept"), [(folder_for_file, "lib/lib.so/below/mine"), (file_for_folder, "share")]
)
def test_what_a_repair_moves_out_of_the_way_is_kept(envmgr: Envmgr, prefix: Path, damage, kept: str) -> None:
    damage(prefix)
    mended = envmgr("verify", "-p", prefix, "--repair", "-y", "--offline")
    assert f"{kept} belongs to no package and makes room" in mended.err
    (saved,) = (prefix / "conda-meta/envmgr/saved").glob(f"*/{kept}")
    assert saved.read_text() == "mine"


def test_a_repair_that_is_declined_or_only_tried_leaves_the_differences(envmgr: Envmgr, prefix: Path) -> None:
    (prefix / "common").unlink()
    done = envmgr("verify", "-p", prefix, "--repair", "--dry-run", "--json")
    assert (done.code, kinds(done)) == (1, {"common": "missing"})
    assert not (prefix / "common").exists()


def test_a_repair_fetches_what_the_cache_does_not_have_unless_offline(
    envmgr: Envmgr, prefix: Path, isolated_home: Path
) -> None:
    put(prefix / "common", b"other")
    shutil.rmtree(isolated_home / "root/pkgs")
    channel = prefix.parent / "channel"
    channel.rename(channel.with_name("away"))
    refused = envmgr("verify", "-p", prefix, "--repair", "-y", "--offline")
    assert (refused.code, (prefix / "common").read_bytes()) == (1, b"other")
    channel.with_name("away").rename(channel)
    assert envmgr("verify", "-p", prefix, "--repair", "-y").code == 0
    assert (prefix / "common").read_bytes() == b"over"


def test_a_record_that_no_generation_knows_is_told(envmgr: Envmgr, prefix: Path) -> None:
    (prefix / "conda-meta/stray-1-0.json").write_text("{")
    assert kinds(envmgr("verify", "-p", prefix, "--json")) == {"conda-meta/stray-1-0.json": "record"}
    done = envmgr("verify", "-p", prefix, "--repair", "-y")
    assert done.code == 1
    assert "No generation knows the package" in done.err


def test_files_of_nobody_of_pip_and_bytecode_are_told_apart(envmgr: Envmgr, prefix: Path) -> None:
    packages = prefix / "lib/python3.11/site-packages"
    info = packages / "six-1.16.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: six\nVersion: 1.16.0\n\n")
    (info / "RECORD").write_text(
        "six.py,,\nsix-1.16.0.dist-info/METADATA,,\n../../../bin/six,,\nsix-1.16.0.dist-info/RECORD,,\n"
    )
    (packages / "six.py").write_text("")
    (prefix / "bin/six").write_text("")
    for cache, name in (("tool", "part"), (".", "six"), ("tool", "gone")):
        (packages / cache / "__pycache__").mkdir(exist_ok=True)
        (packages / cache / f"__pycache__/{name}.cpython-311.pyc").write_bytes(b"")
    (prefix / "mine").symlink_to("share")
    done = envmgr("verify", "-p", prefix, "--json")
    assert done.code == 0
    assert done.json["foreign"] == [
        "lib/python3.11/site-packages/tool/__pycache__/gone.cpython-311.pyc",
        "mine",
    ]
    assert sorted(done.json["pip"]) == ["six 1.16.0"]
    assert len(done.json["pip"]["six 1.16.0"]) == 4
    text = envmgr("verify", "-p", prefix)
    assert "2 files, 4 files of six 1.16.0 by pip in no package" in text.err
    assert "mine belongs to no package\n" in envmgr("verify", "-p", prefix, "--foreign").out


def test_paths_of_several_packages_are_told_where_their_bytes_differ(envmgr: Envmgr, prefix: Path) -> None:
    done = envmgr("verify", "-p", prefix, "--json")
    assert done.json["clobbered"] == [{"path": "common", "winner": "over-1.0-0", "losers": ["base-1.0-0"]}]


def test_fast_reads_only_what_the_file_system_does_not_vouch_for(envmgr: Envmgr, prefix: Path) -> None:
    def read(*options: str) -> int:
        done = envmgr("verify", "-p", prefix, "--json", *options)
        assert done.code == 0, done.out
        return int(done.json["files_read"])

    assert (read(), read("--fast")) == (9, 2), "etc/conf is patched, bin/run is generated"
    shutil.copy2(prefix / "lib/lib.so", prefix / "copy")
    (prefix / "copy").replace(prefix / "lib/lib.so")
    assert read("--fast") == 2, "a copy has the size and time of the cache's file"


def test_fast_sees_that_a_shared_file_was_written_to(envmgr: Envmgr, prefix: Path) -> None:
    with open(prefix / "lib/lib.so", "r+b") as file:
        file.write(b"LIBRARY")
    assert kinds(envmgr("verify", "-p", prefix, "--json", "--fast")) == {"lib/lib.so": "modified"}


def test_fast_misses_what_was_made_to_look_old(envmgr: Envmgr, prefix: Path) -> None:
    place = prefix / "lib/lib.so"
    times = place.stat()
    with open(place, "r+b") as file:
        file.write(b"LIBRARY")
    os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert envmgr("verify", "-p", prefix, "--fast").code == 0
    assert kinds(envmgr("verify", "-p", prefix, "--json")) == {"lib/lib.so": "modified"}


def test_the_cache_is_not_believed_about_another_archive(
    envmgr: Envmgr, prefix: Path, isolated_home: Path
) -> None:
    (noted,) = (isolated_home / "root/pkgs").glob("base-*/info/repodata_record.json")
    noted.write_text(json.dumps({**json.loads(noted.read_text()), "sha256": "0" * 64, "md5": None}))
    done = envmgr("verify", "-p", prefix, "--json", "--fast")
    assert (done.code, done.json["files_read"]) == (0, 4)


def test_what_differs_from_a_missing_file_in_case_is_foreign_where_capitals_count(
    envmgr: Envmgr, prefix: Path
) -> None:
    (prefix / "common").rename(prefix / "Common")
    done = envmgr("verify", "-p", prefix, "--json")
    if os.path.lexists(prefix / "COMMON"):
        assert (kinds(done), done.json["foreign"]) == ({}, [])
    else:
        assert (kinds(done), done.json["foreign"]) == ({"common": "missing"}, ["Common"])


def test_names_that_are_no_text_are_shown(envmgr: Envmgr, prefix: Path) -> None:
    with open(os.path.join(os.fsencode(prefix), b"odd\xff\x1b[31m"), "wb"):
        pass
    assert envmgr("verify", "-p", prefix, "--json").json["foreign"] == ["odd\\udcff\\x1b[31m"]
    assert "odd\\udcff\\x1b[31m belongs to no package" in envmgr("verify", "-p", prefix, "--foreign").out


def test_a_repair_settles_a_package_whose_own_manifest_is_wrong(
    envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = pkg("a", files={"f": b"as published"})
    entry = {"_path": "f", "path_type": "hardlink", "sha256": "0" * 64, "size_in_bytes": 12}
    manifest = json.dumps({"paths_version": 1, "paths": [entry]}).encode()
    wrong = pkg("a", files=right.files, info={"info/paths.json": manifest})
    channel, made = make_channel(tmp_path / "channel", [wrong]), tmp_path / "env"
    create = ("create", "-y", "--override-channels", "-c", channel, "a", "-p")
    assert envmgr(*create, made).code == 0
    assert kinds(envmgr("verify", "-p", made, "--json")) == {"f": "modified"}
    repaired = envmgr("verify", "-p", made, "--repair", "-y")
    assert repaired.code == 0, repaired.err
    assert "published with 1 file that differs from its own manifest" in repaired.err
    assert envmgr("verify", "-p", made).code == 0
    monkeypatch.setenv("ENVMGR_ROOT", str(tmp_path / "another"))
    monkeypatch.setenv("ENVMGR_EXTRA_SAFETY_CHECKS", "true")
    assert "published with 1 file that differs" in envmgr(*create, tmp_path / "checked").err
    assert envmgr("verify", "-p", tmp_path / "checked").code == 0
