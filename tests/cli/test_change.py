"""install, update, remove, rollback, history and verify, as users call them, on real archives and prefixes."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.builders import link, make_channel, pkg, script
from tests.users import as_user, needs_other_users

if TYPE_CHECKING:
    from tests.command import Envmgr

ROOT = Path(__file__).resolve().parents[2]

PACKAGES = [
    pkg("app", "1.0", depends=["lib >=1"], files={"bin/app": script("echo 1\n"), "share/app/one": b"1"}),
    pkg("app", "2.0", depends=["lib >=2"], files={"bin/app": script("echo 2\n"), "share/app/two": b"2"}),
    pkg("lib", "1.0", files={"lib/lib.so": b"one", "lib/common": b"lib"}),
    pkg("lib", "2.0", files={"lib/lib.so": b"two", "lib/common": b"lib"}),
    pkg("lib", "2.1", files={"lib/lib.so": b"two.1", "lib/common": b"lib"}),
    pkg("rival", "1.0", files={"lib/common": b"rival"}),
    pkg("extra", "1.0", depends=["tool"], files={"extra/x": b"x"}),
    pkg("tool", "1.0", files={"bin/tool": script("echo tool\n"), "lib/alias": link("lib.so")}),
    pkg("leaving", "1.0", files={
        "bin/.leaving-pre-unlink.sh": script(
            'cp "$PREFIX/l/data" "$PREFIX/saved"; echo bye > "$PREFIX/.messages.txt"\n'
        ),
        "l/data": b"d",
    }),
    pkg("broken", "1.0", files={"bin/.broken-post-link.sh": script("echo no >&2; exit 3\n"), "broken/x": b""}),
]  # fmt: skip


@pytest.fixture
def channel(tmp_path):
    return make_channel(tmp_path / "channel", PACKAGES)


@pytest.fixture
def prefix(envmgr: Envmgr, channel, tmp_path):
    made = tmp_path / "env"
    done = envmgr("create", "-y", "-p", made, "--override-channels", "-c", channel, "app=1", "lib=1")
    assert done.code == 0, done.err
    return made


def packages(envmgr, prefix):
    return {each["name"]: each["version"] for each in envmgr("list", "-p", prefix, "--json").json}


def actions(outcome):
    found = outcome.json["actions"]
    return {key: [record["dist_name"] for record in found[key]] for key in ("FETCH", "LINK", "UNLINK")}


def files(prefix):
    paths = (path for path in prefix.rglob("*") if path.is_file() or path.is_symlink())
    return sorted(
        inside for path in paths if not (inside := str(path.relative_to(prefix))).startswith("conda-meta")
    )


def test_install_brings_what_is_asked_for_and_moves_nothing_else(envmgr, prefix):
    done = envmgr("install", "-p", prefix, "-y", "extra", "--json")
    assert actions(done) == {
        "FETCH": ["tool-1.0-0", "extra-1.0-0"],
        "LINK": ["tool-1.0-0", "extra-1.0-0"],
        "UNLINK": [],
    }
    assert done.json["generation"] == 2
    assert packages(envmgr, prefix) == {"app": "1.0", "lib": "1.0", "extra": "1.0", "tool": "1.0"}
    assert files(prefix) == [
        "bin/app", "bin/tool", "extra/x", "lib/alias", "lib/common", "lib/lib.so", "share/app/one",
    ]  # fmt: skip


def test_the_channels_of_an_environment_serve_its_changes(envmgr, prefix):
    """It was made with --override-channels: nothing else is asked, although nothing is named now."""
    assert envmgr("install", "-p", prefix, "-y", "extra").code == 0


def test_what_was_asked_for_earlier_stays_asked_for(envmgr, prefix):
    done = envmgr("install", "-p", prefix, "-y", "app=2", "--json")
    assert done.code == 1
    assert "lib" in done.json["error"]
    assert {each["source"] for each in done.json["conflicting"]} == {"command line", "asked for earlier"}
    assert packages(envmgr, prefix) == {"app": "1.0", "lib": "1.0"}
    done = envmgr("install", "-p", prefix, "-y", "app=2", "lib", "--json")
    assert actions(done)["LINK"] == ["lib-2.1-0", "app-2.0-0"]
    assert subprocess.run([prefix / "bin/app"], capture_output=True, text=True, check=True).stdout == "2\n"
    assert "share/app/one" not in files(prefix)


def test_nothing_to_do_changes_nothing(envmgr, prefix):
    before = (prefix / "conda-meta/history").read_bytes()
    done = envmgr("install", "-p", prefix, "-y", "app=1", "--json")
    assert done.json["message"] == "All requested packages already installed."
    assert done.json["generation"] is None
    assert (prefix / "conda-meta/history").read_bytes() == before


def test_a_request_that_is_fulfilled_already_is_noted_or_told_to_be(envmgr, prefix):
    words = ("install", "-p", prefix, "-y", "app", "lib")
    before = (prefix / "conda-meta/history").read_bytes()
    dry = envmgr(*words, "--dry-run")
    assert ("no package moves; the request is noted" in dry.err, "Nothing to do" in dry.err) == (True, False)
    assert "Dry run: nothing was changed." in dry.err
    assert envmgr(*words, "--dry-run", "--json").json["notes_request"] is True
    assert (prefix / "conda-meta/history").read_bytes() == before
    assert f"Noted the request of {prefix}: generation 2; no package moved." in envmgr(*words).err
    again = envmgr(*words, "--dry-run")
    assert "Nothing to do" in again.err
    assert envmgr(*words, "--json").json["notes_request"] is False


def test_a_dry_run_shows_the_plan_and_changes_nothing(envmgr, prefix):
    before = sorted(str(path) for path in prefix.rglob("*"))
    done = envmgr("install", "-p", prefix, "extra", "--dry-run")
    assert "+ extra" in done.err
    assert "Dry run: nothing was changed." in done.err
    assert sorted(str(path) for path in prefix.rglob("*")) == before


def test_update_moves_the_named_and_update_all_everything(envmgr, prefix):
    envmgr("install", "-p", prefix, "-y", "app", "lib")  # Asked for without a version from here on.
    assert actions(envmgr("update", "-p", prefix, "-y", "lib", "--json"))["LINK"] == ["lib-2.1-0"]
    assert packages(envmgr, prefix) == {"app": "1.0", "lib": "2.1"}
    assert actions(envmgr("update", "-p", prefix, "-y", "--all", "--json"))["LINK"] == ["app-2.0-0"]
    done = envmgr("update", "-p", prefix, "-y", "nothere")
    assert done.code == 1
    assert "nothere is not installed in" in done.err
    assert "envmgr install nothere" in done.err


def test_freeze_lets_nothing_move(envmgr, prefix):
    envmgr("install", "-p", prefix, "-y", "app", "lib")
    done = envmgr("install", "-p", prefix, "-y", "--freeze-installed", "app=2", "--json")
    assert done.code == 1
    assert packages(envmgr, prefix) == {"app": "1.0", "lib": "1.0"}
    assert envmgr("install", "-p", prefix, "-y", "--freeze-installed", "extra").code == 0


def test_what_the_last_request_brought_goes_with_it(envmgr: Envmgr, channel, tmp_path):
    place = tmp_path / "one"
    assert envmgr("create", "-y", "-p", place, "--override-channels", "-c", channel, "app").code == 0
    assert actions(envmgr("remove", "-p", place, "-y", "app", "--json"))["UNLINK"] == [
        "app-2.0-0",
        "lib-2.1-0",
    ]
    assert packages(envmgr, place) == {}


def test_remove_takes_what_needs_it_and_what_nothing_else_needs(envmgr, prefix):
    envmgr("install", "-p", prefix, "-y", "extra")
    assert actions(envmgr("remove", "-p", prefix, "-y", "extra", "--json"))["UNLINK"] == [
        "extra-1.0-0",
        "tool-1.0-0",
    ]
    assert "bin/tool" not in files(prefix)
    done = envmgr("remove", "-p", prefix, "-y", "lib", "--json")
    assert actions(done)["UNLINK"] == ["app-1.0-0", "lib-1.0-0"]
    assert packages(envmgr, prefix) == {}
    assert sorted(os.listdir(prefix)) == ["conda-meta"]


def test_a_removal_of_another_version_tells_which_one_is_there(envmgr, prefix):
    done = envmgr("remove", "-y", "-p", prefix, "lib=99")
    assert done.err == f"envmgr: 'lib=99' is not what is installed in {prefix}: that is lib-1.0-0.\n"


def test_remove_can_keep_what_nothing_needs_and_what_is_broken_by_it(envmgr, prefix):
    envmgr("install", "-p", prefix, "-y", "extra")
    assert actions(envmgr("remove", "-p", prefix, "-y", "--no-prune", "extra", "--json"))["UNLINK"] == [
        "extra-1.0-0"
    ]
    assert actions(envmgr("remove", "-p", prefix, "-y", "--force", "lib", "--json"))["UNLINK"] == [
        "lib-1.0-0"
    ]
    assert packages(envmgr, prefix) == {"app": "1.0", "tool": "1.0"}


def test_remove_all_takes_the_whole_environment_and_asks_for_its_name(envmgr, prefix, monkeypatch):
    monkeypatch.setenv("CONDA_PREFIX", str(prefix))
    assert envmgr("remove", "--all", "-y").code == 2
    assert prefix.exists()
    done = envmgr("remove", "--all", "-y", "-p", prefix, "--json")
    assert len(done.json["actions"]["UNLINK"]) == 2
    assert not prefix.exists()


@pytest.mark.parametrize("damaged", ["app-1.0-0.json", "envmgr/journal.json", "envmgr/generations/1.json"])
def test_remove_all_takes_an_environment_that_is_damaged(envmgr, prefix, damaged):
    (prefix / "conda-meta" / damaged).write_text("{")
    assert envmgr("remove", "--all", "-y", "-p", prefix).code == 0
    assert not prefix.exists()


def test_pre_unlink_scripts_run_and_what_is_not_the_packages_stays(envmgr, prefix):
    envmgr("install", "-p", prefix, "-y", "leaving")
    (prefix / "l/mine").write_text("mine")
    done = envmgr("remove", "-p", prefix, "-y", "leaving")
    assert "leaving-1.0-0: bye" in done.err
    assert (prefix / "saved").read_text() == "d"
    assert os.listdir(prefix / "l") == ["mine"]


def test_a_link_script_that_fails_takes_the_change_back(envmgr, prefix):
    before = files(prefix)
    done = envmgr("install", "-p", prefix, "-y", "broken")
    assert done.code == 1
    assert "the post-link script of broken-1.0-0 failed with exit code 3: no" in done.err
    assert files(prefix) == before
    assert packages(envmgr, prefix) == {"app": "1.0", "lib": "1.0"}
    assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]
    assert os.listdir(prefix / "conda-meta/envmgr/generations") == ["1.json"]


@pytest.mark.parametrize(("specs", "code"), [(["app=2", "lib", "broken"], 1), (["app=2", "lib"], 0)])
def test_folders_that_are_emptied_keep_their_permissions(envmgr, prefix, specs, code):
    (prefix / "share/app").chmod(0o750)
    assert envmgr("install", "-p", prefix, "-y", *specs).code == code
    assert (prefix / "share/app").stat().st_mode & 0o777 == 0o750


def test_a_path_of_two_packages_comes_back_when_its_winner_goes(envmgr, prefix):
    done = envmgr("install", "-p", prefix, "-y", "rival")
    assert "lib/common comes with lib-1.0-0 and rival-1.0-0; that of rival-1.0-0 is kept." in done.err
    assert (prefix / "lib/common").read_bytes() == b"rival"
    assert envmgr("verify", "-p", prefix).code == 0
    envmgr("remove", "-p", prefix, "-y", "rival")
    assert (prefix / "lib/common").read_bytes() == b"lib"
    assert envmgr("verify", "-p", prefix).code == 0


def relinked(outcome):
    return {each["name"]: each["reason"] for each in outcome.json["actions"]["RELINK"]}


def test_packages_that_are_linked_anew_are_in_the_plan_with_why(envmgr, prefix):
    done = envmgr("install", "-p", prefix, "-y", "--json", "rival")
    why = {"lib": "lib/common comes with another package, too"}
    assert relinked(done) == why
    assert f"lib-1.0-0 was linked anew: {why['lib']}." in done.err, "it was not known before the download"
    clobbers = [{"path": "lib/common", "winner": "rival-1.0-0", "losers": ["lib-1.0-0"]}]
    removal = envmgr("remove", "-p", prefix, "--dry-run", "--json", "rival")
    assert relinked(removal) == {"lib": "it shares lib/common with rival"}
    assert "  = lib 1.0 is linked anew: it shares" in envmgr("remove", "-p", prefix, "-y", "rival").err
    again = envmgr("install", "-p", prefix, "--dry-run", "--json", "rival")
    assert (relinked(again), again.json["clobbers"], again.err) == (why, clobbers, "")
    assert "linked anew" not in envmgr("install", "-p", prefix, "-y", "--json", "rival").err


def test_a_file_of_nobody_makes_room_and_is_kept(envmgr, prefix):
    (prefix / "extra").mkdir()
    (prefix / "extra/x").write_text("mine")
    done = envmgr("install", "-p", prefix, "-y", "extra")
    assert "extra/x belongs to no package and makes room" in done.err
    (kept,) = (prefix / "conda-meta/envmgr/saved").rglob("x")
    assert kept.read_text() == "mine"


def test_a_folder_with_files_of_nobody_is_no_place_for_a_file(envmgr, prefix):
    (prefix / "extra/x").mkdir(parents=True)
    (prefix / "extra/x/mine").write_text("mine")
    done = envmgr("install", "-p", prefix, "-y", "extra")
    assert done.code == 1
    assert "is a folder with files of no package" in done.err
    assert packages(envmgr, prefix) == {"app": "1.0", "lib": "1.0"}
    assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]


def test_history_tells_who_asked_for_what(envmgr, prefix):
    envmgr("install", "-p", prefix, "-y", "app=2", "lib")
    envmgr("remove", "-p", prefix, "-y", "app")
    steps = envmgr("history", "-p", prefix, "--json").json
    assert [step["generation"] for step in steps] == [1, 2, 3]
    assert [step["specs"] for step in steps] == [["app=1", "lib=1"], ["app=2", "lib"], []]
    assert steps[2]["removed_specs"] == ["app"]
    assert [record["dist_name"] for record in steps[1]["unlink"]] == ["app-1.0-0", "lib-1.0-0"]
    shown = envmgr("history", "-p", prefix).out
    assert "^ app  1.0 -> 2.0" in shown
    assert "- app  2.0" in shown


def test_rollback_brings_back_an_earlier_state_without_the_channel(envmgr, prefix, channel):
    before = files(prefix)
    envmgr("install", "-p", prefix, "-y", "app=2", "lib", "extra")
    channel.rename(channel.with_name("away"))
    done = envmgr("rollback", "-p", prefix, "-y", "--offline", "--json")
    assert done.code == 0, done.err
    assert done.json["generation"] == 3
    assert files(prefix) == before
    assert packages(envmgr, prefix) == {"app": "1.0", "lib": "1.0"}
    assert envmgr("verify", "-p", prefix).code == 0
    assert envmgr("rollback", "-p", prefix, "-y", "2").code == 0
    assert packages(envmgr, prefix) == {"app": "2.0", "lib": "2.1", "extra": "1.0", "tool": "1.0"}
    done = envmgr("rollback", "-p", prefix, "-y", "9")
    assert done.code == 1
    assert "has no generation 9; it has 1 to 4." in done.err


def test_what_another_tool_did_is_a_generation_too(envmgr, prefix):
    (document,) = (prefix / "conda-meta").glob("app-*.json")
    document.unlink()
    (prefix / "bin/app").unlink()
    (prefix / "share/app/one").unlink()
    assert envmgr("history", "-p", prefix, "--json").json[-1]["generation"] is None
    envmgr("install", "-p", prefix, "-y", "extra")
    steps = envmgr("history", "-p", prefix, "--json").json
    assert [(step["generation"], step["command"][:2]) for step in steps] == [
        (1, ["envmgr", "create"]),
        (2, []),
        (3, ["envmgr", "install"]),
    ]


def test_verify_names_what_differs_and_repairs_it(envmgr, prefix):
    os.unlink(prefix / "lib/lib.so")
    os.unlink(prefix / "bin/app")
    (prefix / "bin/app").write_text("changed")
    (prefix / "mine").write_text("mine")
    done = envmgr("verify", "-p", prefix, "--foreign", "--json")
    assert done.code == 1
    assert [(each["path"], each["kind"]) for each in done.json["findings"]] == [
        ("bin/app", "modified"),
        ("lib/lib.so", "missing"),
    ]
    assert done.json["foreign"] == ["mine"]
    assert envmgr("verify", "-p", prefix, "--repair", "-y", "--offline").code == 0
    assert envmgr("verify", "-p", prefix).code == 0
    assert (prefix / "mine").exists()


def test_force_reinstall_links_anew(envmgr, prefix):
    os.unlink(prefix / "share/app/one")
    done = envmgr("install", "-p", prefix, "-y", "--force-reinstall", "app=1", "--json")
    assert actions(done)["LINK"] == actions(done)["UNLINK"] == ["app-1.0-0"]
    assert (prefix / "share/app/one").exists()


def test_a_frozen_environment_is_not_changed(envmgr, prefix, tmp_path):
    """CEP 22."""
    assert envmgr("install", "-y", "-p", prefix, "extra").code == 0
    os.unlink(prefix / "share/app/one")
    (prefix / "conda-meta/frozen").write_text(json.dumps({"message": "ask Ana"}))
    (tmp_path / "pip.yml").write_text("dependencies: [pip: [six]]\n")
    before = files(prefix)
    for command in (
        ["install", "rival"],
        ["update", "--all"],
        ["remove", "app"],
        ["remove", "--all"],
        ["rollback"],
        ["rollback", "1"],
        ["verify", "--repair"],
        ["install", "-f", tmp_path / "pip.yml"],
        ["update", "-f", tmp_path / "pip.yml"],
    ):
        done = envmgr(command[0], "-y", "-p", prefix, *command[1:])
        assert done.code == 1
        assert "is frozen and is not to be changed: ask Ana" in done.err
    assert files(prefix) == before
    assert envmgr("history", "-p", prefix).code == envmgr("list", "-p", prefix).code == 0
    assert envmgr("verify", "--repair", "-y", "-p", prefix, "--override-frozen").code == 0
    assert envmgr("rollback", "-y", "-p", prefix, "--override-frozen", "1").code == 0


@pytest.mark.parametrize(
    "arguments", [["install"], ["update"], ["remove"], ["update", "--all", "app"], ["remove", "--all", "app"]]
)
def test_wrong_usage_is_told(envmgr, prefix, arguments):
    assert envmgr(*arguments, "-p", prefix).code == 2


def test_a_second_change_waits_for_the_first(envmgr, prefix):
    handle = os.open(prefix / "conda-meta/envmgr", os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    threading.Timer(0.7, lambda: os.close(handle)).start()
    begin = time.monotonic()
    done = envmgr("install", "-p", prefix, "-y", "extra")
    assert done.code == 0
    assert "another process is changing" in done.err
    assert time.monotonic() - begin > 0.5


def test_changes_at_once_are_all_made(envmgr, prefix, channel):
    names = ["extra", "rival", "leaving"]
    command = [sys.executable, "-m", "envmgr", "install", "-y", "-p", str(prefix)]
    processes = [
        subprocess.Popen([*command, name], cwd=ROOT, env=dict(os.environ), stderr=subprocess.PIPE)
        for name in names
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    assert set(packages(envmgr, prefix)) == {"app", "lib", "tool", *names}
    assert [step["generation"] for step in envmgr("history", "-p", prefix, "--json").json] == [1, 2, 3, 4]
    assert envmgr("verify", "-p", prefix).code == 0


def test_strict_durability_is_a_setting(envmgr, prefix, monkeypatch):
    monkeypatch.setenv("ENVMGR_DURABILITY", "power")
    assert envmgr("install", "-p", prefix, "-y", "extra").code == 0
    assert envmgr("verify", "-p", prefix).code == 0


def test_what_pip_cannot_do_is_write_into_the_cache(envmgr, prefix, tmp_path):
    """A tool that replaces a file, as pip does, leaves the other environments as they were."""
    other = tmp_path / "other"
    envmgr("create", "-y", "-p", other, "--clone", prefix)
    assert (prefix / "lib/lib.so").samefile(other / "lib/lib.so")
    os.unlink(prefix / "lib/lib.so")
    (prefix / "lib/lib.so").write_bytes(b"by pip")
    assert envmgr("verify", "-p", other).code == 0


def test_variables_of_a_file_are_added_and_pip_items_need_pip(envmgr, prefix, tmp_path):
    (tmp_path / "more.yml").write_text("dependencies: [extra]\nvariables: {COLOUR: blue}\n")
    assert envmgr("install", "-p", prefix, "-y", "-f", tmp_path / "more.yml").code == 0
    assert json.loads((prefix / "conda-meta/state").read_bytes()) == {"env_vars": {"COLOUR": "blue"}}
    assert "extra" in packages(envmgr, prefix)
    (tmp_path / "pip.yml").write_text("dependencies: [tool, {pip: [six]}]\n")
    done = envmgr("install", "-p", prefix, "-y", "-f", tmp_path / "pip.yml")
    assert done.code == 2
    assert "pip.yml:1: PyPI items need python" in done.err


def test_update_from_a_file_with_prune_leaves_what_the_file_asks_for(envmgr, prefix, tmp_path):
    (tmp_path / "env.yml").write_text("dependencies: [lib]\n")
    assert envmgr("update", "-p", prefix, "-y", "--prune", "-f", tmp_path / "env.yml").code == 0
    assert packages(envmgr, prefix) == {"lib": "2.1"}


ALIASED = [
    pkg("links", "1.0", files={"lib64": link("lib"), "lib/base": b"base"}),
    pkg("links", "2.0", files={"lib/base": b"base"}),
    pkg("moved", "1.0", files={"lib64/x": b"old"}),
    pkg("moved", "2.0", files={"lib/x": b"new"}),
    pkg("via", "1.0", files={"share/x": link("y")}),
    pkg("via", "2.0", files={"share/x/one": b"via"}),
    pkg("yours", "1.0", files={"share/y/one": b"yours"}),
    pkg("slow", "1.0", files={"bin/.slow-post-link.sh": script("kill -9 $PPID\n")}),
    pkg("broken", "1.0", files={"bin/.broken-post-link.sh": script("exit 3\n")}),
]


@pytest.fixture
def aliased(envmgr: Envmgr, tmp_path):
    channel = make_channel(tmp_path / "aliased", ALIASED)

    def create(*specs):
        prefix = tmp_path / "env"
        done = envmgr("create", "-y", "-p", prefix, "--override-channels", "-c", channel, *specs)
        assert done.code == 0, done.err
        for path in (prefix / "conda-meta").glob("*.json"):
            path.write_text(path.read_text().replace("=1", ""))
        return prefix

    return create


def test_a_file_that_moves_behind_a_symlink_is_not_lost(envmgr, aliased):
    prefix = aliased("links=1", "moved=1")
    assert envmgr("install", "-p", prefix, "-y", "moved=2").code == 0
    assert (prefix / "lib/x").read_bytes() == b"new"
    assert envmgr("verify", "-p", prefix).code == 0
    assert envmgr("rollback", "-p", prefix, "-y").code == 0
    assert (prefix / "lib/x").read_bytes() == b"old"
    assert envmgr("verify", "-p", prefix).code == 0


def test_a_file_that_was_to_come_behind_a_symlink_goes_again(envmgr, aliased):
    """Going back from moved 2.0, its file comes by way of lib64 to where the one that goes is."""
    prefix = aliased("links=1", "moved=2.0")
    done = envmgr("install", "-p", prefix, "-y", "moved=1", "broken")
    assert ("script of broken-1.0-0 failed" in done.err, "no package" in done.err) == (True, False), done.err
    assert (prefix / "lib/x").read_bytes() == b"new"
    assert envmgr("verify", "-p", prefix).code == 0


def test_such_a_change_can_be_killed_at_its_end(envmgr, aliased):
    prefix = aliased("links=1", "moved=1")
    command = [sys.executable, "-m", "envmgr", "install", "-y", "-p", str(prefix), "moved=2", "slow"]
    done = subprocess.run(
        command, cwd=ROOT, env=dict(os.environ), capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -9
    (prefix / "bin/.slow-post-link.sh").unlink()
    told = envmgr("list", "-p", prefix)
    assert "had been interrupted; it was completed" in told.err
    assert (prefix / "lib/x").read_bytes() == b"new"


@pytest.mark.parametrize("change", [["remove", "links"], ["install", "links=2"]])
def test_files_behind_a_symlink_that_goes_are_linked_anew(envmgr, aliased, change):
    prefix = aliased("links=1", "moved=1")
    assert envmgr(change[0], "-p", prefix, "-y", change[1]).code == 0
    assert (prefix / "lib64/x").read_bytes() == b"old"
    assert not (prefix / "lib64").is_symlink()
    assert not (prefix / "lib/x").exists()
    assert envmgr("verify", "-p", prefix).code == 0


def test_a_symlink_that_becomes_a_folder_takes_nothing_with_it(envmgr, aliased):
    prefix = aliased("via=1", "yours")
    done = envmgr("install", "-p", prefix, "-y", "via=2")
    assert done.code == 0
    assert "belongs to no package" not in done.err
    assert (prefix / "share/x/one").read_bytes() == b"via"
    assert (prefix / "share/y/one").read_bytes() == b"yours"
    assert envmgr("verify", "-p", prefix).code == 0


def test_files_do_not_go_through_a_symlink_of_the_user_out_of_the_environment(envmgr, prefix, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (prefix / "extra").symlink_to(tmp_path / "elsewhere")
    done = envmgr("install", "-p", prefix, "-y", "extra")
    assert done.code == 1
    assert "is a symlink that leads out of the environment" in done.err
    assert os.listdir(tmp_path / "elsewhere") == []


def test_a_file_of_the_user_where_a_folder_is_to_come_is_told(envmgr, prefix):
    (prefix / "extra").write_text("mine")
    done = envmgr("install", "-p", prefix, "-y", "extra")
    assert done.code == 1
    assert "is a file of no package, and a package brings a folder so called" in done.err
    assert (prefix / "extra").read_text() == "mine"


@pytest.mark.parametrize("change", [("remove", "app"), ("install", "app=2", "lib"), ("verify", "--repair")])
def test_a_folder_of_the_user_where_a_package_had_a_file_is_kept(envmgr, prefix, change):
    (prefix / "share/app/one").unlink()
    (prefix / "share/app/one").mkdir()
    (prefix / "share/app/one/mine").write_text("mine")
    assert envmgr(*change, "-y", "-p", prefix).code == 0
    (kept,) = prefix.rglob("mine")
    assert kept.read_text() == "mine"
    assert envmgr("verify", "-p", prefix).code == 0


@needs_other_users
def test_a_folder_of_another_user_stops_a_change_that_is_then_taken_back(envmgr, prefix, tmp_path):
    user = 61_001
    for path in (prefix, *prefix.rglob("*")):
        os.chown(path, user, user, follow_symlinks=False)
    os.chown(prefix / "share/app", 0, 0)
    environ = {**os.environ, "ENVMGR_ROOT": str(tmp_path / "root"), "HOME": str(tmp_path)}
    command = [*as_user(user), sys.executable, "-m", "envmgr", "remove", "-y", "-p", str(prefix), "app"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, "share/app/one: Permission denied" in done.stderr) == (1, True), done.stderr
    assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]
    assert envmgr("verify", "-p", prefix).code == 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_removal_of_all_that_is_killed_leaves_no_half_environment(envmgr, prefix, channel):
    """The third file that goes is not gone; by then the environment is no longer at its place."""
    kill = ["-e", "trace=unlink,unlinkat", "-e", "inject=unlink,unlinkat:signal=KILL:when=3"]
    command = [sys.executable, "-m", "envmgr", "remove", "--all", "-y", "-p", str(prefix)]
    done = subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, *kill, *command], cwd=ROOT, check=False)
    assert done.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)
    assert not prefix.exists()
    assert [path.name for path in prefix.parent.glob(".env.envmgr-trash-*/conda-meta")] == ["conda-meta"]
    again = envmgr("create", "-y", "-p", prefix, "--override-channels", "-c", channel, "lib=2.0")
    assert (again.code, list(prefix.parent.glob(".env.*"))) == (0, []), again.err


def test_an_environment_is_not_removed_by_way_of_a_symlink(envmgr, prefix):
    alias = prefix.with_name("alias")
    alias.symlink_to("env")
    (prefix / "bin").chmod(0o755)
    refused = envmgr("remove", "--all", "-y", "-p", alias)
    assert (refused.code, (prefix / "bin").stat().st_mode & 0o777) == (1, 0o755)
    assert envmgr("verify", "-p", alias).code == 0
    assert envmgr(*refused.err.split("envmgr ")[-1].split(), "-y").code == 0
    assert not prefix.exists()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_change_is_ended_whose_history_is_away(envmgr, prefix):
    """Where files cannot have a second name, the old one moves away right before the new one comes."""
    kill = ["-e", "trace=fsync", "-e", "inject=fsync:signal=KILL:when=2"]
    command = [sys.executable, "-m", "envmgr", "remove", "-y", "-p", str(prefix), "app"]
    subprocess.run(["strace", "-f", "-qq", "-o", os.devnull, *kill, *command], cwd=ROOT, check=False)
    (work,) = (prefix / "conda-meta/envmgr").glob("work-*")
    (work / "old/conda-meta").mkdir()
    (prefix / "conda-meta/history").rename(work / "old/conda-meta/history")
    assert packages(envmgr, prefix) == {"lib": "1.0"}
    assert "envmgr remove" in (prefix / "conda-meta/history").read_text()


def test_a_file_that_made_room_is_back_when_the_change_is_taken_back(envmgr, prefix):
    (prefix / "broken").mkdir()
    (prefix / "broken/x").write_text("mine")
    done = envmgr("install", "-p", prefix, "-y", "broken")
    assert (done.code, "broken/x belongs to no package and makes room" in done.err) == (1, True)
    assert (prefix / "broken/x").read_text() == "mine"
    assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_a_decision_that_may_not_be_on_the_disk_is_taken_back(envmgr, prefix):
    """The journal has its name already when its folder cannot be synced."""
    before = files(prefix)
    fail = ["-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=2"]
    command = [sys.executable, "-m", "envmgr", "remove", "-y", "-p", str(prefix), "app"]
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", os.devnull, *fail, *command],
        cwd=ROOT,
        env={**os.environ, "ENVMGR_DURABILITY": "power"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Input/output error" in done.stderr) == (1, True), done.stderr
    assert files(prefix) == before
    assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]


def test_bytecode_that_python_made_goes_with_its_source_and_no_other(envmgr, prefix):
    (prefix / "share/app/one.py").write_text("")
    record = prefix / "conda-meta/app-1.0-0.json"
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "files": [*document["files"], "share/app/one.py"]}))
    cache = prefix / "share/app/__pycache__"
    cache.mkdir()
    for name in ("one.cpython-311.pyc", "one.cpython-311.opt-1.pyc", "oneself.cpython-311.pyc"):
        (cache / name).write_text("bytecode")
    assert envmgr("remove", "-y", "-p", prefix, "app").code == 0
    assert os.listdir(prefix / "share/app") == ["__pycache__"]
    assert os.listdir(cache) == ["oneself.cpython-311.pyc"]


def test_a_file_that_two_records_claim_stays_with_the_other_and_the_history_keeps_its_permissions(
    envmgr, prefix
):
    record = prefix / "conda-meta/app-1.0-0.json"
    document = json.loads(record.read_text())
    record.write_text(json.dumps({**document, "files": [*document["files"], "lib/lib.so"]}))
    (prefix / "conda-meta/history").chmod(0o640)
    assert envmgr("remove", "-y", "-p", prefix, "app").code == 0
    assert (prefix / "lib/lib.so").read_bytes() == b"one"
    assert (prefix / "conda-meta/history").stat().st_mode & 0o777 == 0o640


def test_the_plan_of_a_change_says_why_each_package_moves(envmgr, prefix):
    done = envmgr("install", "-p", prefix, "-y", "app=2", "lib", "--json")
    assert done.json["reasons"] == {"app": "asked for", "lib": "asked for"}
    done = envmgr("install", "-p", prefix, "extra", "--dry-run")
    assert re.search(r"\+ tool +1\.0 .* needed by extra\n", done.err)
    assert "2 added (+); 2 stay as they are" in done.err
    back = envmgr("rollback", "-p", prefix, "--dry-run").err
    assert re.search(r"v app +2\.0 -> 1\.0 .* as it was then\n", back)
    assert "2 downgraded (v); 0 stay as they are\n  nothing to download" in back
    gone = envmgr("remove", "-p", prefix, "lib", "--dry-run").err
    assert re.search(r"- app +2\.0 .* needs lib, which goes\n", gone)
