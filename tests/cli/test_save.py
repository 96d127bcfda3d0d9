"""install --save keeps the environment file in step, and generations know where each spec was written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr

TEXT = """\
channels: [{channel}, nodefaults]
dependencies:
  - app=1  # for now
  - lib
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    packages = [pkg("app", "1"), pkg("app", "2"), pkg("lib"), pkg("extra", "1.5")]
    channel = make_channel(tmp_path / "channel", packages)
    written = tmp_path / "env.yml"
    written.write_text(TEXT.format(channel=channel.as_uri()))
    return written


@pytest.fixture
def prefix(envmgr: Envmgr, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    done = envmgr("create", "-y", "-p", "env", "-f", "env.yml")
    assert done.code == 0, done.err
    return tmp_path / "env"


def test_the_request_is_written_into_the_file_that_the_environment_came_from(
    envmgr: Envmgr, prefix: Path, file: Path, monkeypatch: pytest.MonkeyPatch
):
    before = file.read_text()
    monkeypatch.chdir("/")
    done = envmgr("install", "-y", "-p", prefix, "--save", "app >=2", "extra", "--json")
    assert (done.code, done.json["saved"]) == (0, str(file)), done.err
    assert file.read_text() == before.replace("app=1", "app >=2") + "  - extra\n"
    assert "Nothing to do" in envmgr("update", "-y", "-p", prefix, "-f", file, "--prune").err


def test_what_is_installed_already_is_written_as_well(envmgr: Envmgr, prefix: Path, file: Path):
    before = file.read_text()
    assert envmgr("install", "-y", "-p", prefix, "extra").code == 0
    assert file.read_text() == before
    done = envmgr("install", "-y", "-p", prefix, "--save", "extra")
    assert f"Wrote the request into {file}." in done.err
    assert file.read_text() == f"{before}  - extra\n"


def test_nothing_is_written_by_a_dry_run_or_a_change_that_fails(envmgr: Envmgr, prefix: Path, file: Path):
    before = file.read_text()
    assert envmgr("install", "-p", prefix, "--save", "extra", "--dry-run").code == 0
    assert envmgr("install", "-y", "-p", prefix, "--save", "extra=9").code == 1
    assert file.read_text() == before


def test_a_file_that_cannot_be_changed_stops_the_change_before_it_begins(
    envmgr: Envmgr, prefix: Path, file: Path
):
    file.write_text(file.read_text() + "  - lib\n")
    refused = envmgr("install", "-y", "-p", prefix, "--save", "lib=1.0", "extra")
    assert (refused.code, f"{file}:5: lib is listed twice." in refused.err) == (1, True)
    file.unlink()
    refused = envmgr("install", "-y", "-p", prefix, "--save", "extra")
    assert (refused.code, "cannot be read" in refused.err) == (1, True)
    assert [each["name"] for each in envmgr("list", "-p", prefix, "--json").json] == ["app", "lib"]


def test_without_a_known_file_or_a_spec_there_is_nothing_to_save(
    envmgr: Envmgr, prefix: Path, file: Path, tmp_path: Path
):
    channel = (tmp_path / "channel").as_uri()
    made = ["create", "-y", "-p", tmp_path / "bare", "-c", channel, "--override-channels", "app"]
    assert envmgr(*made).code == 0
    refused = envmgr("install", "-y", "-p", tmp_path / "bare", "--save", "lib")
    assert (refused.code, "came from no environment file" in refused.err) == (2, True)
    assert envmgr("install", "-y", "-p", prefix, "--save", "-f", file).code == 2


def test_generations_know_where_each_spec_was_written(envmgr: Envmgr, prefix: Path, file: Path):
    assert envmgr("install", "-y", "-p", prefix, "extra").code == 0
    made, changed = envmgr("history", "-p", prefix, "--json").json
    assert made["files"] == [str(file)]
    assert made["asked"] == [
        {"spec": "app=1", "file": str(file), "line": 3},
        {"spec": "lib", "file": str(file), "line": 4},
    ]
    assert changed["asked"] == [{"spec": "extra", "file": None, "line": None}]
    assert changed["files"] == []
