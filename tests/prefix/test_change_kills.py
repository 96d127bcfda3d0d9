"""A change that is killed at any call is, after the next command, completely the old or completely the new."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.builders import link, make_channel, pkg, script

ROOT = Path(__file__).resolve().parents[2]
EVERY = int(os.environ.get("ENVMGR_TEST_KILL_EVERY", "29"))

PACKAGES = [
    pkg(
        "app",
        "1.0",
        depends=["lib"],
        files={"bin/app": script("echo 1\n"), "share/app/only-1.txt": b"1", "data": b"file"},
    ),
    pkg(
        "app",
        "2.0",
        depends=["lib >=2"],
        files={"bin/app": script("echo 2\n"), "data/is/folder": b"2", "etc/app": b"x"},
    ),
    pkg(
        "lib", "1.0", files={"lib/lib.so.1": b"one", "lib/lib.so": link("lib.so.1"), "lib/common.txt": b"lib"}
    ),
    pkg(
        "lib", "2.0", files={"lib/lib.so.2": b"two", "lib/lib.so": link("lib.so.2"), "lib/common.txt": b"lib"}
    ),
    pkg("other", "1.0", files={"lib/common.txt": b"other", "other/deep/down": b"o"}),
    pkg("links", "1.0", files={"lib64": link("lib"), "lib/base": b"base"}),
    pkg("moved", "1.0", files={"lib64/x": b"old"}),
    pkg("moved", "2.0", files={"lib/x": b"new"}),
    pkg("new", "1.0", depends=["lib >=2"], files={"new/file": b"n"}),
    pkg(
        "noisy",
        "1.0",
        depends=["new"],
        files={"bin/.noisy-post-link.sh": script("echo done > $PREFIX/.messages.txt\n"), "noisy/x": b"x"},
    ),
    pkg(
        "failing",
        "1.0",
        depends=["new", "lib >=2"],
        files={"bin/.failing-post-link.sh": script("exit 3\n"), "failing/x": b"x"},
    ),
]

CHANGES = {
    "install with an update of what it needs": (["install", "new"], True),
    "update": (["update", "--all"], True),
    "install with a link script": (["install", "noisy"], True),
    "remove": (["remove", "other"], True),
    "a file that moves behind a symlink": (["install", "moved=2"], True),
    "a symlink that goes": (["remove", "links"], True),
    "install whose link script fails": (["install", "failing"], False),
}


@pytest.fixture
def folder(tmp_path):
    make_channel(tmp_path / "channel", PACKAGES)
    environ = {**os.environ, "ENVMGR_ROOT": str(tmp_path / "root"), "HOME": str(tmp_path / "home")}
    (tmp_path / "home").mkdir()
    options = ["--override-channels", "-c", str(tmp_path / "channel"), "-y", "-p", str(tmp_path / "env")]
    command = [
        sys.executable,
        "-m",
        "envmgr",
        "create",
        *options,
        "app=1",
        "lib=1",
        "other",
        "links",
        "moved=1",
    ]
    subprocess.run(command, env=environ, cwd=ROOT, check=True, capture_output=True, timeout=60)
    (tmp_path / "env" / "mine.txt").write_text("the user's own")
    (tmp_path / "env" / "share" / "app" / "mine.txt").write_text("the user's own, among a package's")
    # The user wants newer ones from here on.
    for path in (tmp_path / "env" / "conda-meta").glob("*.json"):
        document = json.loads(path.read_bytes())
        if document.get("requested_specs"):
            document["requested_specs"] = [document["name"]]
            document["requested_spec"] = document["name"]
            path.write_text(json.dumps(document))
    (tmp_path / "env").rename(tmp_path / "old")
    return tmp_path


@pytest.mark.timeout(900)
@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_kill_at_any_call_leaves_the_old_or_the_new(folder, change):
    words, succeeds = CHANGES[change]
    command = [words[0], "-y", "--json", "-p", str(folder / "env"), *words[1:]]
    driver = [
        sys.executable,
        str(Path(__file__).with_name("kill_driver.py")),
        str(folder),
        json.dumps(command),
    ]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*steps: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [*driver, *steps],
            env=environ,
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=890,
            check=True,
        )
        return [json.loads(line) for line in done.stdout.splitlines()]

    (first,) = run()
    assert first["went_well"] == first["differs"] == succeeds
    steps = [str(step) for step in range(1 + len(change) % EVERY, int(first["calls"]) + 1, EVERY)]
    _, *results = run(*steps)
    assert [result for result in results if result["state"] == "broken"] == []
    assert all(result["went_well"] for result in results)
    assert {name for result in results for name in result["left"]} <= {"generations", "activate"}
    states = [result["state"] for result in results]
    assert "old" in states
    if succeeds:
        assert "new" in states
