"""What a person at a terminal sees and may do: the question, Ctrl-C at any time, bars, colours, levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from envmgr.cli.main import COMMANDS
from tests.builders import make_channel, pkg, script
from tests.servers import Fault, serve
from tests.terminal import CTRL_C, CTRL_D, at_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

INTERRUPTED = "envmgr: interrupted; nothing was left half-done."
HOLES = 11
PIGEONS = [
    pkg("top", depends=[f"pigeon{n}" for n in range(HOLES + 1)]),
    *(
        pkg(f"pigeon{n}", f"{hole}.0", depends=[f"hole{hole} =={n}.0"])
        for n in range(HOLES + 1)
        for hole in range(HOLES)
    ),
    *(pkg(f"hole{hole}", f"{n}.0") for n in range(HOLES + 1) for hole in range(HOLES)),
]
PACKAGES = [
    pkg("lib", "1.0", "h1_0"),
    pkg("lib", "1.0", "h2_1"),
    pkg("app", "1.0", depends=["lib"], files={"share/app": b"a" * 20_000}),
    pkg("slow", files={"bin/.slow-post-link.sh": script("sleep 60")}),
]  # fmt: skip


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return make_channel(tmp_path / "channel", PACKAGES)


def create(channel: object, *specs: str) -> list[object]:
    return ["create", "-n", "x", "--override-channels", "-c", channel, *specs]


def environments(home: Path) -> list[str]:
    folder = home / "root" / "envs"
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize(
    ("keys", "made"),
    [
        ([("Proceed? [Y/n] ", "\n")], True),
        ([("Proceed? [Y/n] ", "perhaps\n"), ("Answer y or n.\r\nProceed? [Y/n] ", "YES\n")], True),
        ([("Proceed? [Y/n] ", "no\n")], False),
        ([("Proceed? [Y/n] ", CTRL_D)], False),
        ([("[Y/n] ", "1\n"), ("[Y/n] ", "2\n"), ("[Y/n] ", "3\n")], False),
    ],
    ids=[
        "empty means yes",
        "an odd answer is asked again",
        "no",
        "the end of the input means no",
        "odd three times",
    ],
)
def test_the_question_before_a_change(keys, made: bool, channel: Path, isolated_home: Path):
    done = at_terminal(*create(channel, "app"), "-q", keys=keys)
    assert (done.code, environments(isolated_home)) == (0, ["x"] if made else [])
    assert "needed by app" in done.text, "the plan is shown where a question is asked, with -q, too"


def interrupted_while(home: Path, shown: str, *arguments: object) -> float:
    done = at_terminal(*arguments, keys=[(shown, CTRL_C)])
    assert (done.code, environments(home)) == (130, []), done.text
    assert done.screen[-1] == INTERRUPTED
    assert done.text.count("interrupted") == 1
    assert not [line for line in done.screen if "%" in line or "[00:" in line], "no bar is left"
    assert "Traceback" not in done.text
    return done.seconds


def test_ctrl_c_at_the_question_ends_in_one_line(channel: Path, isolated_home: Path):
    assert interrupted_while(isolated_home, "[Y/n] ", *create(channel, "app")) < 2


@pytest.mark.parametrize(("path", "bar"), [("*/repodata.json", "index "), ("*.conda", "download")])
def test_ctrl_c_while_something_is_fetched_is_quick(path: str, bar: str, channel: Path, isolated_home: Path):
    slow = Fault(drip=0.05, drip_size=10)
    name = "/linux-64/repodata.json" if "json" in path else "/linux-64/app-1.0-0.conda"
    with serve(channel, faults={name: slow}) as server:
        seconds = interrupted_while(isolated_home, bar, *create(server.url, "app"), "-y")
    assert seconds < 2


def test_ctrl_c_during_a_hard_solve_is_quick(tmp_path: Path, isolated_home: Path):
    channel = make_channel(tmp_path / "hard", PIGEONS)
    assert interrupted_while(isolated_home, "solve   : [00:0", *create(channel, "top"), "-y") < 2


def test_ctrl_c_during_a_link_script_takes_all_back(channel: Path, isolated_home: Path):
    assert interrupted_while(isolated_home, "scripts ", *create(channel, "slow"), "-y") < 5


def test_bars_show_rate_and_time_left_and_vanish(channel: Path, isolated_home: Path):
    slow = Fault(drip=0.1, drip_size=180)
    with serve(channel, faults={"/linux-64/app-1.0-0.conda": slow}) as server:
        wide = at_terminal(*create(server.url, "app"), "-y")
        assert "download:" in wide.text
        assert "B/s]" in wide.text
        assert wide.screen[-1].strip() == "envmgr run -n x COMMAND ..."
        assert not [line for line in wide.screen if "%" in line]
    assert environments(isolated_home) == ["x"]


def test_warnings_stand_above_the_bars_of_several_phases():
    code = """
import time
from envmgr.cli.progress import TerminalReporter
from envmgr.ports import Phase
reporter = TerminalReporter(quiet=False)
for phase in (Phase.DOWNLOAD, Phase.UNPACK):
    reporter.phase_started(phase, 1000)
    reporter.phase_advanced(phase, 300)
time.sleep(0.6)
reporter.warned("one thing.")
time.sleep(0.3)
reporter.phase_finished(Phase.DOWNLOAD)
reporter.warned("another.")
reporter.phase_finished(Phase.UNPACK)
"""
    for columns in (80, 30):
        done = at_terminal(program=("-c", code), columns=columns)
        assert (done.code, done.screen) == (0, ["warning: one thing.", "warning: another."])
        assert "download: " in done.text
        assert "unpack  : " in done.text


@pytest.mark.parametrize(
    ("environ", "arguments", "coloured"),
    [
        ({}, (), False),
        ({"FORCE_COLOR": "1"}, (), True),
        ({"CLICOLOR_FORCE": "1"}, (), True),
        ({"FORCE_COLOR": "0"}, (), False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, (), False),
        ({"FORCE_COLOR": "1", "NO_COLOR": ""}, (), True),
    ],
)
def test_a_pipe_has_colour_only_where_it_is_forced(
    environ, arguments, coloured: bool, envmgr: Envmgr, monkeypatch
):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in envmgr("list", "-n", "nothing", *arguments).err) == coloured


@pytest.mark.parametrize(
    ("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_a_terminal_has_colour_unless_it_cannot_or_shall_not(environ: dict[str, str], coloured: bool):
    done = at_terminal("list", "-n", "nothing", environ={"TERM": "xterm", **environ})
    assert ("\x1b[1;31menvmgr:" in done.raw) == coloured


def test_a_pipe_gets_the_table_of_the_terminal(channel: Path, envmgr: Envmgr):
    piped = envmgr(*create(channel, "app"), "--dry-run")
    shown = at_terminal(*create(channel, "app"), "--dry-run", columns=200, environ={"NO_COLOR": "1"})
    assert shown.raw.replace("\r\n", "\n") == piped.err


def test_levels_tell_more_and_less(channel: Path, envmgr: Envmgr):
    with serve(channel) as server:
        url = server.url.replace("://", "://someone:secret@")
        most = envmgr(*create(url, "lib"), "-y", "-vv").err
        assert f"GET {server.url}/linux-64/repodata.json gave 200 in " in most
        assert "root is set by ENVMGR_ROOT." in most
        quiet = envmgr("install", "-n", "x", "lib=1.0=h1_0", "-y", "-q")
        assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
        verbose = envmgr("install", "-n", "x", "-c", url, "--override-channels", "app", "-v", "-d").err
        assert "index took" in verbose
        assert "strict channel priority" in verbose
        assert "GET " not in verbose
        assert "secret" not in most + verbose


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("auth", "env", "repoquery")])
def test_every_command_knows_the_levels(command: str, envmgr: Envmgr):
    shown = " ".join(envmgr(command, "--help").out.split())
    assert "-q, --quiet" in shown
    assert "-v, --verbose" in shown


def test_bytes_on_the_disk_are_estimated_until_a_package_is_unpacked(channel: Path, envmgr: Envmgr):
    first = envmgr(*create(channel, "app"), "-y").err
    assert "about " in first
    assert "~" in first
    again = envmgr("create", "-n", "y", "--override-channels", "-c", channel, "app", "-d").err
    assert "2 packages from channel\n  nothing to download; 19.5 KB on the disk\n" in again
    assert "~" not in again
