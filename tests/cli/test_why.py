"""`envmgr why` as a user calls it: about environments and plans, with an index and without, and wrongly."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr


@pytest.fixture
def channel(tmp_path: Path) -> Path:
    return make_channel(tmp_path / "channel", [pkg("app", "1", depends=["numpy <2"]), pkg("numpy", "1.26.0")])


@pytest.fixture
def prefix(envmgr: Envmgr, channel: Path, tmp_path: Path) -> Path:
    place = tmp_path / "env"
    made = envmgr("create", "-p", place, "-c", channel, "--override-channels", "-q", "-y", "app")
    assert made.code == 0, made.err
    return place


def grow(channel: Path) -> None:
    """Newer packages come into the channel."""
    old = [pkg("app", "1", depends=["numpy <2"]), pkg("numpy", "1.26.0")]
    make_channel(channel, [*old, pkg("app", "2", depends=["numpy <3"]), pkg("numpy", "2.3.0"), pkg("other")])


def plan(channel: Path, *specs: str) -> list[object]:
    return ["-c", channel, "--override-channels", *(word for spec in specs for word in ("--spec", spec))]


def test_an_environment_is_asked_with_the_channel_that_it_came_from(
    envmgr: Envmgr, channel: Path, prefix: Path
):
    assert "It is the newest that" in envmgr("why", "numpy", "-p", prefix).out
    grow(channel)
    answer = envmgr("why", "numpy", "-p", prefix)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.replace(channel.as_uri(), "CHANNEL") == (
        "numpy 1.26.0 (0 from CHANNEL)\n"
        "\n"
        "It is there because of the only request:\n"
        "  app (the environment)\n"
        "    app 1 needs numpy <2\n"
        "\n"
        "The newest is 2.3.0 from CHANNEL.\n"
        "Against numpy 2.3.0 stands:\n"
        "  app 1 needs numpy <2\n"
        "A request for 'numpy >1.26.0' brings 2.3.0, with these changes, and nothing gets older:\n"
        "  app 2 instead of 1 (newer, which was asked for)\n"
    )


def test_a_plan_is_asked_by_file_and_by_spec(envmgr: Envmgr, channel: Path, tmp_path: Path):
    grow(channel)
    file = tmp_path / "env.yml"
    file.write_text(f"channels: ['{channel}', nodefaults]\ndependencies:\n  - app <2\n")
    answer = envmgr("why", "numpy", "-f", file)
    assert answer.code == 0, answer.err
    assert f"app 1 needs numpy <2, and {file}:3 asks for app <2" in answer.out
    assert envmgr("why", "numpy", *plan(channel, "app <2")).out.count("you ask for app <2") == 1


def test_json_has_the_same_facts(envmgr: Envmgr, channel: Path):
    grow(channel)
    facts = envmgr("why", "numpy", *plan(channel, "app <2"), "--json").json
    step = {"package": "app", "version": "1", "specs": ["numpy <2"]}
    assert facts == {
        "success": True,
        "name": "numpy",
        "version": "1.26.0",
        "build": "0",
        "channel": channel.as_uri(),
        "requests": [{"line": "app <2", "place": "command line", "steps": [step]}],
        "request_count": 1,
        "dependants": [step],
        "newest": {
            "verdict": "blocked",
            "version": "2.3.0",
            "channel": channel.as_uri(),
            "blockers": [
                {
                    "kind": "package",
                    "target": "numpy",
                    "specs": ["numpy <2"],
                    "package": "app 1",
                    "held_by": [{"spec": "app <2", "place": "command line"}],
                }
            ],
            "conflict": facts["newest"]["conflict"],
        },
    }
    assert facts["newest"]["conflict"][0] == "'app <2' and 'numpy >1.26.0' cannot be fulfilled together."


def test_without_its_channel_an_environment_still_tells_who_needs_what(
    envmgr: Envmgr, channel: Path, prefix: Path
):
    shutil.rmtree(channel)
    answer = envmgr("why", "numpy", "-p", prefix)
    assert answer.code == 0, answer.err
    assert "    app 1 needs numpy <2\n" in answer.out
    assert "Whether there is a newer one is not known: " in answer.out.splitlines()[-1]
    assert channel.as_uri() in answer.out.splitlines()[-1]
    facts = envmgr("why", "numpy", "-p", prefix, "--json").json
    assert facts["newest"]["verdict"] == "unknown"
    assert channel.as_uri() in facts["newest"]["reason"]


def test_offline_and_never_indexed_is_a_reason_too(envmgr: Envmgr, prefix: Path):
    for document in (prefix / "conda-meta").glob("*.json"):
        content = json.loads(document.read_text())
        url = f"https://example.invalid/mine/linux-64/{content['fn']}"
        document.write_text(json.dumps({**content, "channel": "https://example.invalid/mine", "url": url}))
    answer = envmgr("why", "numpy", "-p", prefix, "--offline")
    assert answer.code == 0, answer.err
    assert "is not on this machine, and envmgr is offline." in answer.out


def test_pins_of_an_environment_and_of_the_configuration_count(
    envmgr: Envmgr, channel: Path, prefix: Path, monkeypatch: pytest.MonkeyPatch
):
    grow(channel)
    pinned = prefix / "conda-meta" / "pinned"
    pinned.write_text("# keep\nnumpy <2\n")
    assert f"  {pinned}:2 asks for numpy <2\n" in envmgr("why", "numpy", "-p", prefix).out
    assert "pinned" not in envmgr("why", "numpy", "-p", prefix, "--no-pin").out
    pinned.unlink()
    monkeypatch.setenv("ENVMGR_PINNED_PACKAGES", "numpy <2.1")
    answer = envmgr("why", "numpy", *plan(channel, "app=1"))
    assert "  pinned_packages asks for numpy <2.1\n" in answer.out


@pytest.mark.parametrize(
    ("name", "sentence", "hint"),
    [
        ("other", "other is not in PREFIX, where nothing asked for it; CHANNEL has other 1.0.", None),
        ("nunpy", "nunpy is not in PREFIX, and CHANNEL does not have it.", "Did you mean numpy?"),
        ("xyzzy", "xyzzy is not in PREFIX, and CHANNEL does not have it.", None),
    ],
)
def test_a_package_that_is_not_there_is_one_sentence(
    envmgr: Envmgr, channel: Path, prefix: Path, name: str, sentence: str, hint: str | None
):
    grow(channel)
    failed = envmgr("why", name, "-p", prefix, "--json")
    assert failed.code == 1
    said = failed.json["error"].replace(str(prefix), "PREFIX").replace(channel.as_uri(), "CHANNEL")
    assert (said, failed.json["hint"]) == (sentence, hint)
    assert failed.json["exception_name"] == "PrefixError"
    failed = envmgr("why", name, *plan(channel, "app"), "--json")
    assert failed.code == 1
    assert failed.json["error"].startswith(f"{name} is not in the plan, ")
    assert failed.json["exception_name"] == "SolveError"


def test_a_missing_package_without_an_index(envmgr: Envmgr, channel: Path, prefix: Path):
    shutil.rmtree(channel)
    failed = envmgr("why", "num", "-p", prefix)
    assert (failed.code, failed.err) == (1, f"envmgr: num is not in {prefix}.\n  hint: Did you mean numpy?\n")


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["numpy", "-n", "nowhere"], 1, "there is no environment at"),
        (["numpy"], 2, "no environment was named and none is active."),
        (["numpy", "-n", "x", "--spec", "app"], 2, "only one of them can be meant."),
        (["numpy", "-p", "/x", "-f", "env.yml"], 2, "only one of them can be meant."),
        (["numpy", "-n", "a", "-p", "b"], 2, "not allowed with argument"),
        (["numpy>=2", "--spec", "app"], 2, "'numpy>=2' is not the name of a package."),
        (["nu mpy", "--spec", "app"], 2, "'nu mpy' is not the name of a package."),
        (["né\n", "--spec", "app"], 2, "'né\\n' is not the name of a package."),
        (["", "--spec", "app"], 2, "'' is not the name of a package."),
        (["x" * 100, "--spec", "app"], 2, "is not the name of a package."),
        ([], 2, "PACKAGE"),
        (["numpy", "-f", "missing.yml"], 1, "there is no file missing.yml."),
        (["numpy", "--spec", "=="], 1, "=="),
        (["numpy", "--spec", "app", "--solve-seconds", "0"], 2, "--solve-seconds"),
    ],
)
def test_what_makes_no_sense_is_said_in_one_sentence(
    envmgr: Envmgr, arguments: list[str], code: int, word: str
):
    failed = envmgr("why", *arguments)
    assert failed.code == code
    assert word in failed.err
    assert failed.out == ""
    assert "Traceback" not in failed.err
    assert len(failed.err.splitlines()) <= 2


def test_a_platform_belongs_to_a_plan(envmgr: Envmgr, prefix: Path):
    failed = envmgr("why", "numpy", "-p", prefix, "--platform", "osx-64")
    assert failed.code == 2
    assert "--platform is for a plan" in failed.err


def test_an_explicit_file_is_refused(envmgr: Envmgr, tmp_path: Path):
    file = tmp_path / "explicit.txt"
    file.write_text("@EXPLICIT\nhttps://example.invalid/c/linux-64/a-1-0.conda\n")
    failed = envmgr("why", "a", "-f", file)
    assert failed.code == 2
    assert "what lists exact packages says nothing of who needs whom." in failed.err


def test_a_plan_that_cannot_be_is_explained(envmgr: Envmgr, channel: Path):
    failed = envmgr("why", "numpy", *plan(channel, "app", "numpy >=3"))
    assert failed.code == 1
    assert "'numpy >=3'" in failed.err


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"name": "numpy"}'])
def test_a_broken_document_is_named(envmgr: Envmgr, prefix: Path, content: str):
    document = prefix / "conda-meta" / "numpy-1.26.0-0.json"
    document.write_text(content)
    failed = envmgr("why", "numpy", "-p", prefix)
    assert failed.code == 1
    assert str(document) in failed.err
    assert "Traceback" not in failed.err


@pytest.mark.parametrize("requested", ["numpy ==", "wrong spec ( ", "other", "num*", 7])
def test_an_odd_recorded_spec_is_left_out(envmgr: Envmgr, prefix: Path, requested: object):
    document = prefix / "conda-meta" / "app-1-0.json"
    content = json.loads(document.read_text())
    document.write_text(json.dumps({**content, "requested_specs": [requested], "requested_spec": None}))
    answer = envmgr("why", "numpy", "-p", prefix)
    assert answer.code == 0, answer.err
    assert "What was asked for is not on record." in answer.out
    assert "app 1 needs numpy <2" in answer.out


def test_a_recorded_spec_is_shown_as_people_write_it(envmgr: Envmgr, channel: Path, tmp_path: Path):
    grow(channel)
    place = tmp_path / "two"
    asked = ["numpy >=1.20,<2", "app=1"]
    made = envmgr("create", "-p", place, "-c", channel, "--override-channels", "-q", "-y", *asked)
    assert made.code == 0, made.err
    answer = envmgr("why", "numpy", "-p", place)
    assert "  the environment asks for numpy >=1.20,<2\n" in answer.out
    assert "  app 1 needs numpy <2, and the environment asks for app=1\n" in answer.out


def test_a_package_of_pip_is_said_to_be_one(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "pythons", [pkg("python", "3.11.1")])
    place = tmp_path / "py"
    made = envmgr("create", "-p", place, "-c", channel, "--override-channels", "-q", "-y", "python")
    assert made.code == 0, made.err
    folder = place / "lib" / "python3.11" / "site-packages" / "requests-2.31.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Name: requests\nVersion: 2.31\n")
    told = envmgr("why", "requests", "-p", place)
    assert (told.code, told.err) == (0, "")
    assert told.out.startswith("requests 2.31 (from PyPI)\n\nNothing that was asked for leads to it.\n")
    assert told.out.endswith("pip put it there, and changes of envmgr leave it alone.\n")


def test_asking_changes_nothing(envmgr: Envmgr, channel: Path, prefix: Path):
    grow(channel)
    before = {path: path.stat().st_mtime_ns for path in prefix.rglob("*")}
    assert envmgr("why", "numpy", "-p", prefix).code == 0
    assert envmgr("why", "numpy", *plan(channel, "app")).code == 0
    assert {path: path.stat().st_mtime_ns for path in prefix.rglob("*")} == before
