"""The list of environments that all tools share, as commands keep it."""

from __future__ import annotations

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
