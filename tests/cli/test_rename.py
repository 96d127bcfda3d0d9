"""Environments get another name or place with everything in them, or stay what they were."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import File, make_channel, pkg, script
from tests.cli.test_shared_files import SITE, VERSION, pip, put_python, wheel

if TYPE_CHECKING:
    from tests.command import Envmgr

KILLS = int(os.environ.get("ENVMGR_TEST_RENAME_KILLS", "2"))
BUILT = "/build/" + "placeholder_" * 20
LIBRARY = f"{BUILT}/lib\0code".encode()

PACKAGES = [
    pkg("python", f"{VERSION}.0", files={f"lib/python{VERSION}/os.py": ""}),
    pkg(
        "lib",
        files={
            "bin/libtool": File(f"#!{BUILT}/bin/sh\n".encode(), 0o755, placeholder=BUILT),
            "lib/lib.so": File(LIBRARY, placeholder=BUILT, file_mode="binary"),
            "etc/lib.conf": "colour = red\n",
            "share/lib/unused": "x",
        },
    ),
    pkg("scripted", files={"bin/.scripted-post-link.sh": script(
        'test ! -e "$HOME/fail" && mkdir -p "$PREFIX/var" && echo "at $PREFIX" > "$PREFIX/var/at"'
    )}),
]  # fmt: skip


@pytest.fixture
def root() -> Path:
    return Path(os.environ["ENVMGR_ROOT"])


@pytest.fixture
def old(envmgr: Envmgr, tmp_path: Path, root: Path) -> Path:
    channel = make_channel(tmp_path / "channel", PACKAGES)
    done = envmgr(
        "create", "-y", "-n", "old", "--override-channels", "-c", channel, "lib", "scripted", "python"
    )
    assert done.code == 0, done.err
    return root / "envs" / "old"


def names(prefix: Path) -> list[str]:
    paths = (str(path.relative_to(prefix)) for path in prefix.rglob("*"))
    return sorted(path for path in paths if not path.endswith(".pyc") and "/envmgr/generations/" not in path)


def registered() -> str:
    return (Path(os.environ["HOME"]) / ".conda/environments.txt").read_text()


def test_the_packages_are_fitted_to_the_new_place(envmgr: Envmgr, old: Path):
    new = old.with_name("new")
    before = names(old)
    done = envmgr("rename", "-y", "-n", "old", "new")
    assert done.code == 0, done.err
    assert not old.exists()
    assert sorted(os.listdir(old.parent)) == ["new"]
    assert names(new) == before
    assert (new / "bin/libtool").read_text() == f"#!{new}/bin/sh\n"
    assert (new / "lib/lib.so").read_bytes() == f"{new}/lib".encode().ljust(len(BUILT) + 4, b"\0") + b"\0code"
    assert (new / "var/at").read_text() == f"at {new}\n"
    assert envmgr("verify", "-n", "new").code == 0
    assert envmgr("doctor", "-n", "new").code == 0
    assert registered() == f"{new}\n"


def test_what_was_asked_for_the_history_variables_and_pins_stay(envmgr: Envmgr, old: Path):
    new = old.with_name("new")
    envmgr("env", "config", "vars", "set", "-n", "old", f"DATA={old}/share", "COLOUR=red")
    (old / "conda-meta/pinned").write_text("lib <2\n")
    assert envmgr("remove", "-y", "-n", "old", "scripted").code == 0
    assert envmgr("env", "rename", "-y", "old", "new").code == 0
    steps = envmgr("history", "-n", "new", "--json").json
    assert [(step["generation"], step["command"][1]) for step in steps] == [
        (1, "create"),
        (2, "remove"),
        (3, "rename"),
    ]
    assert (new / "conda-meta/history").read_text().count("==>") == 3
    variables = envmgr("env", "config", "vars", "list", "-n", "new", "--json").json
    assert variables == {"DATA": f"{new}/share", "COLOUR": "red"}
    assert (new / "conda-meta/pinned").read_text() == "lib <2\n"
    ready = (new / "conda-meta/envmgr/activate/activate.sh").read_text()
    assert f"{new}/share" in ready and str(old) not in ready
    ready = (new / "conda-meta/envmgr/activate/activate.sh").read_text()
    assert f"{new}/share" in ready and str(old) not in ready
    assert envmgr("rollback", "-y", "-n", "new", "1").code == 0
    assert (new / "bin/.scripted-post-link.sh").exists()
    # The request is known: what nobody asked for would go with --prune.
    assert "Nothing to do" in envmgr("update", "-y", "-n", "new", "--all", "--prune").err


def test_what_pip_installed_works_in_the_new_place_and_can_be_uninstalled(
    envmgr: Envmgr, old: Path, tmp_path: Path
):
    pytest.importorskip("pip")
    new = tmp_path / "with space" / "new"
    pip(put_python(old), "install", "--no-index", "--no-deps", wheel(tmp_path, "1.0"))
    assert str(old) in (old / "bin/tool").read_text()
    done = envmgr("rename", "-y", "--json", "-n", "old", str(new))
    assert done.code == 0, done.err
    assert done.json["pip"] == ["tool 1.0"]
    ran = subprocess.run([new / "bin/tool"], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout == "1.0\n"
    with (new / SITE / "tool-1.0.dist-info/RECORD").open(newline="") as file:
        for path, digest, size in csv.reader(file):
            if digest:
                data = (new / SITE / path).read_bytes()
                sha256 = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                assert (digest, size) == (f"sha256={sha256}", str(len(data))), path
    pip(new / "bin/python", "uninstall", "-y", "tool")
    assert not (new / "bin/tool").exists()
    assert not (new / SITE / "tool").exists()


def test_files_of_the_user_and_changed_files_of_packages_come_along(envmgr: Envmgr, old: Path):
    new = old.with_name("new")
    (old / "empty").mkdir(mode=0o750)
    (old / "mine").write_text(f"my data lies in {old}\n")
    (old / "run").write_text(f"#!{old}/bin/sh\n{old}/bin/x {old}-other/x\n")
    (old / "run").chmod(0o755)
    (old / "lead").symlink_to(old / "mine")
    (old / "etc/lib.conf").unlink()
    (old / "etc/lib.conf").write_text("colour = blue\n")
    (old / "share/lib/unused").unlink()
    (old / "var/at").write_text(f"mine {old}\n")
    os.mkfifo(old / "pipe")
    done = envmgr("rename", "-y", "old", "new")
    assert done.code == 0, done.err
    assert (new / "mine").read_text() == f"my data lies in {old}\n"
    assert f"mine still name {old}" in done.err
    assert "pipe are no files" in done.err
    assert (new / "run").read_text() == f"#!{new}/bin/sh\n{new}/bin/x {old}-other/x\n"
    assert os.access(new / "run", os.X_OK)
    assert os.readlink(new / "lead") == str(new / "mine")
    assert (new / "empty").stat().st_mode & 0o777 == 0o750
    assert (new / "etc/lib.conf").read_text() == "colour = blue\n"
    assert (new / "var/at").read_text() == f"mine {new}\n"
    found = envmgr("verify", "-n", "new", "--json").json["findings"]
    assert [(each["path"], each["kind"]) for each in found] == [
        ("etc/lib.conf", "modified"),
        ("share/lib/unused", "missing"),
    ]


def test_a_dry_run_tells_the_plan_and_changes_nothing(envmgr: Envmgr, old: Path):
    (old / "mine").write_text("x")
    before = names(old)
    done = envmgr("rename", "--dry-run", "old", "new")
    assert (done.code, "3 packages linked there, 0 to download" in done.err) == (0, True)
    assert "2 files of no package taken along" in done.err
    assert names(old) == before
    assert os.listdir(old.parent) == ["old"]


@pytest.mark.parametrize("harm", ["script", "unreadable", "no package"])
def test_what_cannot_be_renamed_stays_as_it_was(
    envmgr: Envmgr, old: Path, tmp_path: Path, root: Path, harm: str
):
    if harm == "script":
        (Path(os.environ["HOME"]) / "fail").touch()
    elif harm == "unreadable":
        (old / "conda-meta/lib-1.0-0.json").write_text("{")
    else:
        subprocess.run(["rm", "-r", *root.glob("pkgs/lib-1.0-0*")], check=True)
        (tmp_path / "channel/linux-64/lib-1.0-0.conda").unlink()
    before, known = names(old), registered()
    done = envmgr("rename", "-y", "old", "new", "--json")
    said = {"script": "post-link script", "unreadable": "lib-1.0-0.json", "no package": "lib-1.0-0.conda"}
    assert (done.code, said[harm] in done.json["error"]) == (1, True), done.json["error"]
    assert names(old) == before
    assert [name for name in os.listdir(old.parent) if "trash" not in name] == ["old"]
    assert registered() == known


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["old", "old"], "is at"),
        (["old"], "takes the environment and its new name"),
        (["old", "a b"], "cannot hold a space"),
        (["old", "other"], "is already an environment"),
        (["-n", "old", "{old}/below"], "lie in each other"),
        (["absent", "new"], "there is no environment"),
    ],
)
def test_places_that_cannot_be_are_refused(envmgr: Envmgr, old: Path, arguments: list[str], said: str):
    assert envmgr("create", "-y", "-n", "other").code == 0
    done = envmgr("rename", "-y", *(word.replace("{old}", str(old)) for word in arguments))
    assert done.code in (1, 2)
    assert said in done.err
    assert old.exists()


def test_the_active_and_the_frozen_environment_are_not_renamed(
    envmgr: Envmgr, old: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CONDA_PREFIX", str(old))
    assert "is active here" in envmgr("rename", "-y", "old", "new").err
    monkeypatch.delenv("CONDA_PREFIX")
    (old / "conda-meta/frozen").write_text(json.dumps({"message": "ask Ana"}))
    assert "ask Ana" in envmgr("rename", "-y", "old", "new").err
    assert envmgr("rename", "-y", "old", "new", "--override-frozen").code == 0
    assert (old.with_name("new") / "conda-meta/frozen").exists()


@pytest.mark.timeout(60 + 5 * KILLS)
def test_a_kill_leaves_the_old_environment_or_the_new_one_whole(envmgr: Envmgr, old: Path):
    """ENVMGR_TEST_RENAME_KILLS=N kills N renames at random instants, and renames again."""
    (old / "mine").write_text("mine")
    envs, chance, names = old.parent, random.Random(KILLS), ["old", "new"]

    def is_whole(name: str) -> bool:
        place = envs / name
        if not place.exists() or envmgr("verify", "-n", name).code != 0:
            return False
        assert (place / "mine").read_text() == "mine"
        assert (place / "var/at").read_text() == f"at {place}\n"
        return (place / "bin/libtool").read_text() == f"#!{place}/bin/sh\n"

    for _ in range(KILLS):
        command = [sys.executable, "-m", "envmgr", "rename", "-y", *names]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.1, 0.5))
        process.kill()
        process.wait()
        stayed, came = map(is_whole, names)
        assert stayed or came
        if stayed and came:
            assert envmgr("remove", "-y", "--all", "-n", names[0]).code == 0
        elif stayed:
            assert envmgr("rename", "-y", *names).code == 0
        assert is_whole(names[1]) and not (envs / names[0]).exists()
        names.reverse()
