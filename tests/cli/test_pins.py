"""conda-meta/pinned limits every solve of its environment, beside the configured pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

PACKAGES = [
    *(pkg("lib", version) for version in ("1.0", "1.5", "2.0")),
    pkg("app", "1.0", depends=["lib"]),
    pkg("app", "2.0", depends=["lib >=2"]),
    pkg("other", "1.0"),
]


@pytest.fixture
def prefix(envmgr: Envmgr, tmp_path: Path) -> Path:
    channel = make_channel(tmp_path / "channel", PACKAGES)
    made = tmp_path / "env"
    done = envmgr("create", "-y", "-p", made, "--override-channels", "-c", channel, "lib=1.0")
    assert done.code == 0, done.err
    assert envmgr("install", "-y", "-p", made, "lib").code == 0  # From here on any version will do.
    return made


def pin(prefix: Path, text: str) -> Path:
    file = prefix / "conda-meta" / "pinned"
    file.write_text(text)
    return file


def linked(outcome) -> list[str]:
    assert outcome.code == 0, outcome.err
    return [each["dist_name"] for each in outcome.json["actions"]["LINK"]]


def test_updates_go_as_far_as_the_pins_let_them(envmgr: Envmgr, prefix: Path):
    pin(prefix, "# stay compatible\n\nlib <2  # until the port is done\nabsent 1.*\n")
    update = ["update", "-p", prefix, "--dry-run", "--json"]
    assert linked(envmgr(*update, "lib")) == ["lib-1.5-0"]
    assert linked(envmgr(*update, "--all")) == ["lib-1.5-0"]
    assert linked(envmgr(*update, "--all", "--no-pin")) == ["lib-2.0-0"]


def test_what_is_installed_against_a_new_pin_moves_with_the_next_change(envmgr: Envmgr, prefix: Path):
    pin(prefix, "lib >=1.5,<2\n")
    assert linked(envmgr("install", "-p", prefix, "-y", "--json", "other")) == ["lib-1.5-0", "other-1.0-0"]


def test_a_request_against_a_pin_is_refused_with_file_and_line(envmgr: Envmgr, prefix: Path):
    file = pin(prefix, "\nlib <2\n")
    refused = envmgr("install", "-p", prefix, "-y", "app=2", "--json")
    assert refused.code == 1
    assert {each["source"] for each in refused.json["conflicting"]} == {"command line", f"{file}:2"}
    assert "use --no-pin (gives app 2.0 with lib 2.0)" in [each["text"] for each in refused.json["proposals"]]
    assert linked(envmgr("install", "-p", prefix, "-y", "app=2", "--json", "--no-pin")) == [
        "lib-2.0-0",
        "app-2.0-0",
    ]


def test_pins_of_the_configuration_and_of_the_environment_hold_together(
    envmgr: Envmgr, prefix: Path, monkeypatch: pytest.MonkeyPatch
):
    file = pin(prefix, "lib >1.0\n")
    monkeypatch.setenv("ENVMGR_PINNED_PACKAGES", "lib <2")
    assert linked(envmgr("update", "-p", prefix, "lib", "--dry-run", "--json")) == ["lib-1.5-0"]
    monkeypatch.setenv("ENVMGR_PINNED_PACKAGES", "lib <1.5")
    refused = envmgr("update", "-p", prefix, "lib", "--json")
    assert refused.code == 1
    assert {f"{file}:1", "pinned_packages"} <= {each["source"] for each in refused.json["conflicting"]}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("lib <<2", "lib <<2"),
        ("lib[extras=[x]]", "asks for extras"),
        ("*", "names no package"),
        ("@x", "spec"),
    ],
)
def test_a_line_that_is_no_pin_is_named_and_nothing_changes(
    envmgr: Envmgr, prefix: Path, line: str, said: str
):
    file = pin(prefix, f"# one\n{line}\n")
    before = (prefix / "conda-meta/history").read_bytes()
    refused = envmgr("install", "-p", prefix, "-y", "other")
    assert refused.code == 1
    assert f"{file}:2: " in refused.err
    assert said in refused.err
    assert (prefix / "conda-meta/history").read_bytes() == before


def test_a_pin_file_that_is_none_is_an_error_and_not_ignored(envmgr: Envmgr, prefix: Path):
    (prefix / "conda-meta" / "pinned").mkdir()
    refused = envmgr("install", "-p", prefix, "-y", "other")
    assert (refused.code, "conda-meta/pinned cannot be read: Is a directory." in refused.err) == (1, True)
    assert envmgr("install", "-p", prefix, "-y", "other", "--no-pin").code == 0


def test_removals_and_rollbacks_do_not_ask_pins(envmgr: Envmgr, prefix: Path):
    pin(prefix, "lib >=2\n")
    assert envmgr("rollback", "-p", prefix, "-y", "1").code == 0
    assert envmgr("remove", "-p", prefix, "-y", "lib").code == 0
