"""doctor on an environment: every finding has a cause and says what to do, and doing that helps."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.builders import File, make_channel, pkg, script

if TYPE_CHECKING:
    from tests.command import Envmgr

ROOT = Path(__file__).resolve().parents[2]
INFO = "site-packages/six-1.0.dist-info/METADATA"
PACKAGES = [
    pkg("python", "3.11.0", files={"bin/python3.11": File(b"no real one", 0o755)}),
    pkg("python", "3.12.0", files={"bin/python3.12": File(b"no real one", 0o755)}),
    pkg("six", "1.0", noarch="python", depends=["python"], entry_points=("run = six:main",), files={
        "site-packages/six.py": "", INFO: "Name: six\nVersion: 1.0\n\n",
    }),
    pkg("lib", "1.0", files={"lib/lib.so": b"library", "etc/conf": File(b"at /old", placeholder="/old")}),
    pkg("slow", files={"bin/.slow-post-link.sh": script(
        'touch "$PREFIX/began"; for _ in $(seq 200); do [ -e "$PREFIX/go" ] && break; sleep 0.1; done'
    )}),
]  # fmt: skip


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ENVMGR_ADD_PIP_AS_PYTHON_DEPENDENCY", "false")
    channel = make_channel(tmp_path / "channel", PACKAGES)
    made = tmp_path / "env"
    done = envmgr(
        "create", "-y", "-p", made, "--override-channels", "-c", channel, "python=3.11", "six", "lib"
    )
    assert done.code == 0, done.err
    return made


def examine(envmgr: Envmgr, prefix: Path) -> dict[str, dict[str, Any]]:
    """The findings by kind; text and JSON agree about how it is."""
    done = envmgr("doctor", "-p", prefix, "--json")
    found = {finding["kind"]: finding for finding in done.json["findings"]}
    has_problem = any(finding["level"] == "problem" for finding in found.values())
    assert (done.code, done.json["success"]) == (int(has_problem), not has_problem)
    text = envmgr("doctor", "-p", prefix)
    assert text.code == done.code
    for finding in found.values():
        assert f"{finding['level']:<8} {finding['text']}\n" in text.out
        assert finding["remedy"] is None or f"to do: {finding['remedy']}\n" in text.out
    return found


def edit(document: Path, **changes: Any) -> None:
    document.write_text(json.dumps({**json.loads(document.read_text()), **changes}))


def test_an_environment_that_is_well_has_no_findings(envmgr: Envmgr, prefix: Path) -> None:
    assert examine(envmgr, prefix) == {}
    assert envmgr("doctor", "-p", prefix).err == f"{prefix}, 3 packages: no problem.\n"


def test_damage_is_explained_by_kind(envmgr: Envmgr, prefix: Path) -> None:
    (prefix / "lib/lib.so").unlink()
    (prefix / "etc/conf").unlink()
    (prefix / "etc/conf").write_text("mine")
    (prefix / "bin/run").unlink()
    (prefix / "bin/run").mkdir()
    (prefix / "conda-meta/python-3.11.0-0.json").write_text("")
    found = examine(envmgr, prefix)
    assert set(found) >= {"missing", "modified", "wrong-type", "record"}
    assert found["missing"]["text"] == "1 file of lib-1.0-0 is missing: lib/lib.so."
    assert found["missing"]["remedy"] == f"envmgr verify -p {prefix} --repair"
    assert envmgr(*found["missing"]["remedy"].split()[1:], "-y", "--offline").code == 0
    assert examine(envmgr, prefix) == {}


def test_a_change_under_way_and_one_that_was_killed(envmgr: Envmgr, prefix: Path) -> None:
    command = [sys.executable, "-m", "envmgr", "install", "-y", "-p", str(prefix), "slow"]
    process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stderr=subprocess.PIPE)
    end = time.monotonic() + 20
    while not (prefix / "began").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    found = examine(envmgr, prefix)
    assert found["lock"]["text"] == f"it is being changed by process {process.pid}: {' '.join(command[2:])}."
    assert "missing" not in found
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (prefix / "go").touch()
    journal = examine(envmgr, prefix)["journal"]
    assert journal["text"] == "a change was interrupted; files are between old and new."
    assert envmgr(*journal["remedy"].partition(": envmgr ")[2].split()).code == 0
    assert examine(envmgr, prefix) == {}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"work": "work-1-0", "leave": ["lib"]}',
        '{"work": "../../../work-1-0"}',
        '{"work": "work-1-0", "drop": ["lib/../../outside"]}',
        '{"work": "work-1-0", "place": ["/outside"]}',
    ],
)
def test_a_damaged_journal_is_told_and_touches_nothing(envmgr: Envmgr, prefix: Path, text: str) -> None:
    outside = prefix.parent / "outside"
    outside.write_text("mine")
    journal = prefix / "conda-meta/envmgr/journal.json"
    journal.write_text(text)
    told = examine(envmgr, prefix)["journal"]
    assert told["level"] == "problem"
    listed = envmgr("list", "-p", prefix)
    assert (listed.code, told["text"] in listed.err, told["remedy"] in listed.err) == (1, True, True)
    journal.unlink()
    assert envmgr(*told["remedy"].partition(": envmgr ")[2].split(), "-y", "--offline").code == 0
    assert outside.read_text() == "mine"


def test_frozen_environments_other_tools_and_bad_generations_are_told(envmgr: Envmgr, prefix: Path) -> None:
    (prefix / "conda-meta/frozen").write_text('{"message": "ask Ana"}')
    (prefix / "conda-meta/odd-tool.db").touch()
    (prefix / "conda-meta/envmgr/generations/2.json").write_text("{")
    (prefix / "conda-meta/lib-1.0-0.json").unlink()
    found = examine(envmgr, prefix)
    assert found["frozen"]["text"].endswith("ask Ana")
    assert found["generation"]["generation"] == 2
    assert "odd-tool.db" in found["unknown-records"]["text"]
    assert "others than those of generation 1" in found["generations"]["text"]


@pytest.mark.parametrize("by_scripts", [False, True])
def test_a_prefix_that_was_moved_by_hand_is_told(
    envmgr: Envmgr, prefix: Path, tmp_path: Path, by_scripts: bool
) -> None:
    """An environment of another tool tells its old place by its scripts only."""
    if by_scripts:
        shutil.rmtree(prefix / "conda-meta/envmgr/generations")
    prefix.rename(tmp_path / "moved")
    found = examine(envmgr, tmp_path / "moved")["moved"]
    assert found["recorded_prefix"] == str(prefix)
    assert f"it was made for {prefix}, and 2 of its files hold that path." in found["text"]
    words = found["remedy"].partition(": envmgr ")[2].split()
    assert envmgr(*words, "-y", "--offline").code == 0
    assert examine(envmgr, tmp_path / "moved") == {}
    (tmp_path / "alias").symlink_to("moved")
    assert examine(envmgr, tmp_path / "alias") == {}


def test_a_moved_prefix_is_told_until_no_file_holds_the_old_place(
    envmgr: Envmgr, prefix: Path, tmp_path: Path
) -> None:
    moved = prefix.with_name(f"{prefix.name}2")
    prefix.rename(moved)
    assert envmgr("install", "-y", "-p", moved, "--force-reinstall", "lib").code == 0
    assert examine(envmgr, moved)["moved"]["recorded_prefix"] == str(prefix)
    names = [each["name"] for each in envmgr("list", "-p", moved, "--json").json]
    assert envmgr("install", "-y", "-p", moved, "--force-reinstall", *names).code == 0
    assert examine(envmgr, moved) == {}


def test_noarch_packages_without_their_python_are_told(envmgr: Envmgr, prefix: Path) -> None:
    (prefix / "conda-meta/python-3.11.0-0.json").unlink()
    found = examine(envmgr, prefix)["python"]
    assert found["text"] == "1 noarch Python package (six) without a python."
    assert found["remedy"] == f"envmgr install -p {prefix} python"


def test_noarch_packages_for_another_python_are_told(envmgr: Envmgr, prefix: Path) -> None:
    document = prefix / "conda-meta/python-3.11.0-0.json"
    edit(document, version="3.12.0")
    document.rename(prefix / "conda-meta/python-3.12.0-0.json")
    assert examine(envmgr, prefix)["python"]["packages"] == ["six"]


def distribution(prefix: Path, name: str, version: str) -> None:
    info = prefix / f"lib/python3.11/site-packages/{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n\n")
    (info / "RECORD").write_text(f"{info.name}/METADATA,,\n{info.name}/RECORD,,\n")


def test_what_pip_did_is_told(envmgr: Envmgr, prefix: Path) -> None:
    distribution(prefix, "attrs", "1.0")
    assert examine(envmgr, prefix)["pip"]["distributions"] == ["attrs 1.0"]
    shutil.rmtree(prefix / "lib/python3.11/site-packages/attrs-1.0.dist-info")
    shutil.rmtree(prefix / "lib/python3.11/site-packages/six-1.0.dist-info")
    distribution(prefix, "six", "2.0")
    found = examine(envmgr, prefix)
    assert found["pip"]["text"] == "six 2.0 was installed by pip over the package six-1.0-0."
    assert found["missing"]["paths"] == ["lib/python3.11/site-packages/six-1.0.dist-info/METADATA"]


def test_files_that_made_room_and_records_without_sums_are_told(envmgr: Envmgr, prefix: Path) -> None:
    saved = prefix / "conda-meta/envmgr/saved/work-1-0"
    saved.mkdir(parents=True)
    (saved / "mine").write_text("mine")
    edit(prefix / "conda-meta/lib-1.0-0.json", paths_data={"paths": []})
    edit(prefix / "conda-meta/lib-1.0-0.json", files=["lib/lib.so"], paths_data={})
    found = examine(envmgr, prefix)
    assert found["saved"]["files"] == 1
    assert found["no-sums"]["text"].startswith("1 record without sums")


def test_a_cache_on_another_file_system_is_told_with_its_cost(
    envmgr: Envmgr, prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == prefix.stat().st_dev:
        pytest.skip("there is no second file system at /dev/shm")
    monkeypatch.setenv("ENVMGR_PKGS_DIRS", str(other / "no-such-cache"))
    found = examine(envmgr, prefix)["cache"]
    assert "files are copied and not linked: 6 files with 0 MB more" in found["text"]


def test_a_creation_that_was_interrupted_is_told(envmgr: Envmgr, prefix: Path) -> None:
    (prefix / "conda-meta/history").unlink()
    (prefix / "conda-meta/envmgr-unfinished").write_text("{}")
    assert examine(envmgr, prefix)["creation"]["level"] == "problem"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["network", "-n", "x"], "takes no environment"),
        (["environment", "conda-forge", "-n", "x"], "takes no channels"),
    ],
)
def test_topics_do_not_mix(envmgr: Envmgr, arguments: list[str], said: str) -> None:
    done = envmgr("doctor", *arguments)
    assert (done.code, said in done.err) == (2, True)


def test_where_no_environment_is_that_is_told(envmgr: Envmgr, tmp_path: Path) -> None:
    done = envmgr("doctor", "-p", tmp_path)
    assert (done.code, f"there is no environment at {tmp_path}" in done.err) == (1, True)
