"""The list of environments that all tools share, as commands keep it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from envmgr.prefix.registry import read_registry
from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from tests.command import Envmgr


def test_commands_keep_it_up_to_date(envmgr: Envmgr, tmp_path: Path, isolated_home: Path) -> None:
    registry = isolated_home / ".conda/environments.txt"
    channel = make_channel(tmp_path / "channel", [pkg("a"), pkg("b")])
    usual = ("--override-channels", "-c", channel)
    one, two, copy = (tmp_path / name for name in ("one", "two", "copy"))

    def known(*arguments: object) -> list[Path]:
        assert envmgr(*arguments).code == 0
        return read_registry(registry)

    assert known("create", "-y", "-p", one, *usual, "a") == [one]
    assert known("create", "-y", "-p", copy, "--clone", one) == [one, copy]
    assert known("rename", "-y", "-p", one, two) == [copy, two]
    registry.write_text("")
    # As one does that py-rattler made, or that was made while the list could not be written.
    assert known("install", "-y", "-p", two, *usual, "b") == [two]
    assert known("install", "-y", "-p", two, *usual, "b") == [two]
    assert [Path(each) for each in envmgr("env", "list", "--json").json["envs"]] == [two]
    assert known("remove", "-y", "-p", two, "--all") == []
    (isolated_home / ".condarc").write_text("register_envs: false\n")
    assert known("create", "-y", "-p", one, *usual, "a") == []


def test_outputs_that_cannot_hold_a_letter_say_so_and_json_spells_it(isolated_home: Path) -> None:
    folder = isolated_home / "é\N{PILE OF POO}"
    (folder / "conda-meta").mkdir(parents=True)
    (folder / "conda-meta" / "history").touch()
    (isolated_home / ".conda").mkdir()
    (isolated_home / ".conda" / "environments.txt").write_text(f"{folder}\n", encoding="utf-8")

    def told(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "envmgr", "env", "list", *arguments]
        environ = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
        return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=60, check=False)

    assert json.loads(told("--json").stdout) == {"envs": [str(folder)]}
    table = told()
    assert (table.returncode, table.stderr.splitlines()[0]) == (
        1,
        r"envmgr: '\xe9' has no place in ascii, the encoding of the output.",
    )
