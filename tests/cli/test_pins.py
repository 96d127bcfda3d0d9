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


FILE = """\
channels: [{channel}, nodefaults]
dependencies:
  - lib
pins:
  - lib <2   # until the port is done
  - absent 1.*
"""


def test_pins_of_an_environment_file_limit_its_environment_from_then_on(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "channel", PACKAGES).as_uri()
    (tmp_path / "a.yml").write_text(FILE.format(channel=channel))
    made, other = tmp_path / "made", tmp_path / "other"
    assert linked(envmgr("create", "-y", "--json", "-p", made, "-f", tmp_path / "a.yml")) == ["lib-1.5-0"]
    assert (made / "conda-meta/pinned").read_text() == "lib <2\nabsent=1\n"
    assert linked(envmgr("update", "-y", "--json", "-p", made, "--all")) == []
    asked = ["create", "-y", "--json", "-p", other, "-f", tmp_path / "a.yml", "--no-pin"]
    assert linked(envmgr(*asked)) == ["lib-2.0-0"]
    refused = envmgr("create", "-y", "--json", "-n", "x", "-f", tmp_path / "a.yml", "app=2")
    assert (refused.code, f"{tmp_path}/a.yml:5" in refused.out) == (1, True)
    assert "--no-pin" not in refused.json["error"]
    copy = tmp_path / "copy"
    assert envmgr("create", "-y", "-p", copy, "--clone", made).code == 0
    assert (copy / "conda-meta/pinned").read_text() == "lib <2\nabsent=1\n"


def test_a_lock_holds_the_pins_and_is_not_current_with_others(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "channel", PACKAGES).as_uri()
    file, lock, made = tmp_path / "a.yml", tmp_path / "conda-lock.yml", tmp_path / "made"
    file.write_text(FILE.format(channel=channel))
    asked = ["lock", "-f", file, "-c", channel, "--lockfile", lock]
    assert envmgr(*asked).code == 0
    assert "lib-1.5-0" in lock.read_text()
    assert envmgr("create", "-y", "-p", made, "-f", lock).code == 0
    assert (made / "conda-meta/pinned").read_text() == "lib <2\nabsent=1\n"
    assert envmgr(*asked, "--check").code == 0
    file.write_text(file.read_text().replace("lib <2 ", "lib <3 "))
    checked = envmgr(*asked, "--check")
    assert (checked.code, "the pin lib" in checked.err + checked.out) == (1, True), checked.err


def test_an_update_from_a_file_adds_its_pins(envmgr: Envmgr, prefix: Path, tmp_path: Path):
    file = pin(prefix, "other 1.*  # why")
    (tmp_path / "a.yml").write_text(
        FILE.format(channel=make_channel(tmp_path / "channel", PACKAGES).as_uri())
    )
    assert linked(envmgr("update", "-y", "--json", "-p", prefix, "-f", tmp_path / "a.yml")) == ["lib-1.5-0"]
    assert file.read_text() == "other 1.*  # why\nlib <2\nabsent=1\n"
    assert envmgr("update", "-y", "-p", prefix, "-f", tmp_path / "a.yml").code == 0
    assert file.read_text().count("absent") == 1


@pytest.mark.parametrize(
    ("pins", "words"),
    [
        ("lib", "a.yml:3: `pins` must be a list of package specs"),
        ("[{pip: [x]}]", "a.yml:3: `pins` holds specs only"),
        ("['lib[extras=[x]]']", "a pin asks for nothing"),
        ("['*']", "names no package"),
        ("['lib =>1']", "a.yml:3: "),
    ],
)
def test_what_is_no_pin_in_a_file_is_named(envmgr: Envmgr, tmp_path: Path, pins: str, words: str):
    file = tmp_path / "a.yml"
    file.write_text(f"channels: [{tmp_path}]\ndependencies: []\npins: {pins}\n")
    done = envmgr("create", "-y", "-n", "x", "-f", file)
    assert (done.code, words in done.err) == (1, True), done.err
