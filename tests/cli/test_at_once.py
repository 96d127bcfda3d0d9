"""Several processes at one environment: who waits, who is refused, and that nothing is lost."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from envmgr.cli.session import open_context
from envmgr.errors import PrefixError
from envmgr.ops.environments import read_steadily
from envmgr.prefix.marker import Owner
from envmgr.prefix.store import PrefixStore
from tests.builders import make_channel, pkg, script

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.command import Envmgr

ROOT = Path(__file__).resolve().parents[2]
NO_FLOCK = [
    "strace",
    "-f",
    "-qq",
    "--seccomp-bpf",
    "-o",
    os.devnull,
    "-e",
    "trace=flock",
    "-e",
    "inject=flock:error=ENOLCK",
]
# The script goes on when the test says so, and by itself after 20 seconds.
WAITING = 'touch "$PREFIX/began"; for _ in $(seq 200); do [ -e "$PREFIX/go" ] && break; sleep 0.1; done'
PACKAGES = [
    pkg("app", files={"bin/app": script("echo app")}),
    pkg("slow", files={"bin/slow": script("echo slow"), "bin/.slow-post-link.sh": script(WAITING)}),
    pkg("asking", files={"bin/.asking-post-link.sh": script(
        f'cd {ROOT} && {sys.executable} -m envmgr list -p "$PREFIX" > "$PREFIX/said" 2>&1 || exit 3\n'
        f'! {sys.executable} -m envmgr remove -y -p "$PREFIX" app > "$PREFIX/refused" 2>&1'
    )}),
    pkg("deadly", files={"deadly": b"d", "bin/.deadly-post-link.sh": script("kill -9 $PPID")}),
    *(pkg(f"x{number}", files={f"share/x{number}": b"x", "share/common": str(number)}) for number in range(3)),
]  # fmt: skip


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path) -> Path:
    channel = make_channel(tmp_path / "channel", PACKAGES)
    made = tmp_path / "env"
    done = envmgr("create", "-y", "-p", made, "--override-channels", "-c", channel, "app")
    assert done.code == 0, done.err
    return made


def start(*arguments: object, before: tuple[str, ...] = ()) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-m", "envmgr", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def await_path(path: Path) -> None:
    end = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < end, f"{path} does not appear"
        time.sleep(0.02)


@pytest.fixture
def changing(prefix: Path) -> Iterator[subprocess.Popen[str]]:
    """An installation whose link script is running."""
    process = start("install", "-y", "-p", prefix, "slow")
    await_path(prefix / "began")
    yield process
    (prefix / "go").touch()
    process.communicate(timeout=30)


@pytest.mark.parametrize(
    ("command", "said"),
    [(["run", "-p", "PREFIX", "slow"], "slow\n"), (["list", "-p", "PREFIX", "slow"], "slow")],
)
def test_commands_wait_for_a_change_under_way_and_say_so(prefix: Path, changing, command, said) -> None:
    waiting = start(*(str(prefix) if word == "PREFIX" else word for word in command))
    assert waiting.stderr is not None
    line = waiting.stderr.readline()
    told = (
        f"another process is changing {prefix} (process {changing.pid}: envmgr install -y -p {prefix} slow)"
    )
    assert told in line
    assert "waiting for it, up to 300 s." in line
    assert waiting.poll() is None
    (prefix / "go").touch()
    out, err = waiting.communicate(timeout=30)
    assert (waiting.returncode, changing.wait(30)) == (0, 0), err
    assert said in out


def test_the_wait_is_bounded(envmgr: Envmgr, prefix: Path, changing, monkeypatch) -> None:
    monkeypatch.setenv("ENVMGR_LOCK_WAIT_SECONDS", "0")
    for command in (
        ["run", "app"],
        ["verify"],
        ["install", "-y", "x0"],
        ["rollback", "-y"],
        ["remove", "-y", "--all"],
    ):
        done = envmgr(command[0], "-p", prefix, *command[1:])
        assert done.code == 1
        line, hint = done.err.splitlines()
        assert f"{prefix} is being changed by another process (process {changing.pid}: envmgr install" in line
        assert "lock_wait_seconds" in hint


def test_link_scripts_can_look_at_their_environment_and_not_change_it(envmgr: Envmgr, prefix: Path) -> None:
    done = envmgr("install", "-y", "-p", prefix, "asking")
    assert done.code == 0, done.err
    assert "asking" in (prefix / "said").read_text()
    assert "by the process that started this one" in (prefix / "refused").read_text()


def test_commands_wait_for_the_last_steps_of_a_creation(prefix: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    channel = tmp_path / "channel"
    creating = start("create", "-y", "-p", new, "--override-channels", "-c", channel, "slow")
    await_path(new / "began")
    waiting = start("run", "-p", new, "slow")
    assert waiting.stderr is not None
    assert f"another process is changing {new} (process {creating.pid})" in waiting.stderr.readline()
    (new / "go").touch()
    out, _ = waiting.communicate(timeout=30)
    assert (waiting.returncode, out, creating.wait(30)) == (0, "slow\n", 0)
    creating.communicate()


def test_a_creation_that_died_is_told(envmgr: Envmgr, prefix: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    creating = start("create", "-y", "-p", new, "--override-channels", "-c", tmp_path / "channel", "slow")
    await_path(new / "began")
    creating.kill()
    creating.communicate()
    done = envmgr("list", "-p", new)
    assert (done.code, done.err.count("its creation was interrupted")) == (1, 1)
    (new / "go").touch()


def leave_claim(prefix: Path, owner: Owner) -> Path:
    facts = {"host": owner.host, "pid": owner.pid, "started": owner.started}
    place = prefix / "conda-meta/envmgr/claim-0123456789abcdef"
    place.write_text(json.dumps({"owner": facts, "command": "envmgr update --all"}))
    return place


needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace takes the system's locks away"
)


@needs_strace
def test_changes_at_once_are_all_made_where_nothing_can_be_locked(envmgr: Envmgr, prefix: Path) -> None:
    processes = [
        start("install", "-y", "-p", prefix, f"x{number}", before=tuple(NO_FLOCK)) for number in range(3)
    ]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    listed = {each["name"] for each in envmgr("list", "-p", prefix, "--json").json}
    assert listed == {"app", "x0", "x1", "x2"}
    assert [step["generation"] for step in envmgr("history", "-p", prefix, "--json").json] == [1, 2, 3, 4]
    assert envmgr("verify", "-p", prefix).code == 0
    assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]


@needs_strace
def test_where_nothing_can_be_locked_a_claim_of_another_machine_is_respected(
    prefix: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMGR_LOCK_WAIT_SECONDS", "0")
    place = leave_claim(prefix, Owner("elsewhere/boot", 5, "1"))
    process = start("install", "-y", "-p", prefix, "x0", before=tuple(NO_FLOCK))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "(process 5: envmgr update --all)" in errors
    assert f"if it has died there, remove {place}." in errors


def test_a_claim_that_its_process_was_killed_over_goes(envmgr: Envmgr, prefix: Path) -> None:
    half = prefix / "conda-meta/envmgr/.claim-0123456789abcdef"
    half.write_text('{"owner": {"ho')
    assert envmgr("install", "-y", "-p", prefix, "x0").code == 0
    assert not half.exists()


@pytest.mark.parametrize("owner", [Owner("elsewhere/boot", 5, "1"), Owner.of_process(2**22 + 1)])
def test_what_dead_processes_left_is_in_nobodys_way(envmgr: Envmgr, prefix: Path, owner: Owner) -> None:
    """The system's lock tells that nobody of another machine is at work."""
    leave_claim(prefix, owner)
    (prefix / "conda-meta/envmgr/.claim-0").touch()
    assert envmgr("install", "-y", "-p", prefix, "x0").code == 0
    assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]


def test_a_link_script_that_kills_whoever_runs_it_is_taken_back_in_the_end(
    envmgr: Envmgr, prefix: Path
) -> None:
    for command in (("install", "-y", "-p", prefix, "deadly"), ("list", "-p", prefix)):
        assert start(*command).wait(30) == -signal.SIGKILL
    # In a process of its own, since it is the tests that would be killed.
    out, err = start("list", "-p", prefix, "--json").communicate(timeout=30)
    assert [each["name"] for each in json.loads(out)] == ["app"]
    assert "taken back, because the post-link scripts of deadly-1.0-0 were interrupted twice." in err
    assert envmgr("verify", "-p", prefix, "--json").json["foreign"] == []
    assert sorted(os.listdir(prefix / "conda-meta/envmgr")) == ["activate", "generations"]


@pytest.mark.parametrize("is_torn", [False, True], ids=["mixed", "with an error"])
def test_what_is_read_while_packages_come_and_go_is_read_again(envmgr: Envmgr, prefix: Path, is_torn) -> None:
    context, _ = open_context(argparse.Namespace())
    looks = []

    def read() -> list[list[str]]:
        names = [[each.record.name for each in PrefixStore(prefix).records()]]
        if not looks:
            assert envmgr("install", "-y", "-p", prefix, "x0").code == 0
        looks.append(names)
        if is_torn and len(looks) == 1:
            raise PrefixError("a record went while it was read.")
        return [*names, [each.record.name for each in PrefixStore(prefix).records()]]

    assert read_steadily(prefix, context, read) == [["app", "x0"]] * 2
    assert len(looks) == 2


def test_an_error_of_an_environment_that_stays_as_it_is_is_told_at_once(prefix: Path) -> None:
    context, _ = open_context(argparse.Namespace())
    looks = []

    def read() -> None:
        looks.append(1)
        raise PrefixError("it is damaged.")

    with pytest.raises(PrefixError, match="it is damaged"):
        read_steadily(prefix, context, read)
    assert looks == [1]
