"""Changes that move conda packages and wheels together, killed at any call: all old or all new afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from envmgr.models.record import Origin, PackageRecord
from envmgr.prefix.generation import Generation, entry_of
from envmgr.prefix.store import PrefixStore
from envmgr.pypi.records import wheel_record
from tests.builders import (
    Pkg,
    Whl,
    make_channel,
    pkg,
    repodata_entry,
    script,
    wheel_bytes,
    whl,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
EVERY = int(os.environ.get("ENVMGR_TEST_KILL_EVERY", "79"))

PYTHON = pkg("python", "3.11.0", files={"bin/python3.11": script("exit 1")})
APPS = [
    pkg("app", "1.0", depends=["python"], files={"bin/app": script("1"), "share/one.txt": "1"}),
    pkg("app", "2.0", depends=["python"], files={"bin/app": script("2"), "share/two/deep/x.txt": "2"}),
]
OLD = [whl("a", "1.0", files={"a/__init__.py": "1", "a/old/x.py": "x"}), whl("gone")]
NEW = [
    whl("a", "2.0", files={"a/__init__.py": "2", "a/new/y.py": "y"}, console_scripts=("a = a:main",)),
    whl("b", data={"data/share/two/b.txt": "b", "scripts/b": "#!python\n"}),
]


def entries(folder: Path, packages: Sequence[Pkg | Whl]) -> list[dict[str, Any]]:
    """What a generation holds of *packages*; their archives are where it says."""
    (folder / "wheels").mkdir(exist_ok=True)
    base, found = (folder / "channel").as_uri(), []
    for each in packages:
        if isinstance(each, Whl):
            (folder / "wheels" / each.file_name).write_bytes(data := wheel_bytes(each))
            url, digest = (folder / "wheels" / each.file_name).as_uri(), hashlib.sha256(data).hexdigest()
            found.append(entry_of(wheel_record(url, index="https://pypi.org/simple", sha256=digest)))
        else:
            origin = Origin(base, each.subdir, f"{base}/{each.subdir}/")
            fields = repodata_entry(each, (folder / "channel" / each.subdir / each.file_name).read_bytes())
            found.append(entry_of(PackageRecord.parse(fields, fn=each.file_name, origin=origin), [each.name]))
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An environment that stands at generation 1 of python and app, and knows two more with wheels."""
    make_channel(tmp_path / "channel", [PYTHON, *APPS])
    (tmp_path / "home").mkdir()
    envmgr(tmp_path, "create", "--override-channels", "-c", str(tmp_path / "channel"), "python", "app=1")
    store = PrefixStore(tmp_path / "env")
    for number, packages in ((2, [PYTHON, APPS[0], *OLD]), (3, [PYTHON, APPS[1], *NEW])):
        store.add_generation(
            Generation(number, 1e9, ("envmgr",), subdir="linux-64", packages=entries(tmp_path, packages))
        )
    return tmp_path


def envmgr(folder: Path, command: str, *words: str) -> None:
    environ = {**os.environ, "ENVMGR_ROOT": str(folder / "root"), "HOME": str(folder / "home")}
    whole = [sys.executable, "-m", "envmgr", command, "-y", "-p", str(folder / "env"), *words]
    done = subprocess.run(
        whole, env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("before", "target"), [("1", "3"), ("2", "3"), ("3", "2")][: 3 if EVERY < 50 else 2])
def test_a_kill_leaves_all_old_or_all_new_packages_of_both_kinds(
    folder: Path, before: str, target: str
) -> None:
    if before != "1":
        envmgr(folder, "rollback", before)
    (folder / "env").rename(folder / "old")
    command = ["rollback", "-y", "--json", "-p", str(folder / "env"), target]
    driver = [sys.executable, str(Path(__file__).with_name("kill_driver.py")), str(folder)]

    def run(*steps: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*driver, json.dumps(command), *steps],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=890,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    (first,) = run()
    assert first["went_well"] and first["differs"]
    steps = [str(step) for step in range(1 + int(before) % EVERY, int(first["calls"]) + 1, EVERY)]
    _, *results = run(*steps)
    assert [result for result in results if result["state"] == "broken"] == []
    assert all(result["went_well"] for result in results)
    assert {result["state"] for result in results} == {"old", "new"}
    assert {name for result in results for name in result["left"]} <= {"generations", "activate", "pypi"}
