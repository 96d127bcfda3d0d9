"""What a refused request prints: the sentence, the tree, what would work; the same as JSON; and that it is true."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from envmgr.cli.failures import print_failure
from envmgr.cli.progress import TerminalReporter
from envmgr.errors import EnvmgrError
from tests.builders import make_channel, pkg

if TYPE_CHECKING:
    from pathlib import Path

    from tests.command import Envmgr


@pytest.fixture
def file(tmp_path: Path) -> Path:
    channel = make_channel(
        tmp_path / "channel",
        [
            *(pkg("python", version) for version in ("3.10.1", "3.11.2", "3.12.0")),
            pkg("numpy", "1.24.0", depends=["python >=3.9,<3.12.0a0"]),
            pkg("numpy", "1.26.0", depends=["python >=3.9,<3.13.0a0"]),
            pkg("gpu", "2", depends=["__cuda >=11.8"]),
        ],
    )
    file = tmp_path / "env.yml"
    file.write_text(f"channels: [{channel.as_uri()}]\ndependencies:\n  - python=3.12\n  - numpy=1.24\n")
    return file


def test_refusal_tells_the_tree_and_then_what_would_work(envmgr: Envmgr, file: Path):
    refused = envmgr("create", "-n", "x", "--override-channels", "-f", file)
    assert refused.code == 1
    assert refused.err.splitlines()[-7:] == [
        "envmgr: 'python=3.12' and 'numpy=1.24' cannot be fulfilled together.",
        f"  python=3.12 ({file}:3)",
        f"  numpy=1.24 ({file}:4)",
        f"    numpy 1.24.0 needs python >=3.9,<3.12, but {file}:3 asks for python=3.12",
        "  what would work:",
        f"    {file}:4: numpy=1.26 instead of numpy=1.24 (gives numpy 1.26.0 with python 3.12.0)",
        f"    {file}:3: python=3.11 instead of python=3.12 (gives python 3.11.2 with numpy 1.24.0)",
    ]


def test_each_proposal_in_json_can_be_carried_out(envmgr: Envmgr, file: Path):
    arguments = ("create", "-n", "x", "--override-channels", "--dry-run", "--json", "-f", file)
    before = file.read_text()
    answer = envmgr(*arguments).json
    assert answer["causes"][1]["causes"][0]["outcome"] == "line"
    assert answer["hint"] is None
    assert len(answer["proposals"]) == 2
    for proposal in answer["proposals"]:
        lines = before.splitlines()
        assert lines[proposal["line"] - 1] == f"  - {proposal['old']}"
        lines[proposal["line"] - 1] = f"  - {proposal['new']}"
        file.write_text("\n".join(lines))
        planned = envmgr(*arguments).json
        assert {each["name"]: each["version"] for each in planned["actions"]["LINK"]} == proposal["result"]


def test_the_override_that_is_proposed_works(envmgr: Envmgr, file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONDA_OVERRIDE_CUDA", "11.0")
    arguments = ("create", "-n", "x", "--dry-run", "--json", "-f", file, "--override-channels")
    file.write_text(file.read_text().partition("dependencies")[0] + "dependencies: [gpu]\n")
    (proposal,) = envmgr(*arguments).json["proposals"]
    assert proposal["new"] == "CONDA_OVERRIDE_CUDA=11.8"
    monkeypatch.setenv(*proposal["new"].split("="))
    assert envmgr(*arguments).json["success"]


def test_other_conflicts_are_told_of_where_a_way_out_touches_them(envmgr: Envmgr, file: Path):
    file.write_text(file.read_text().replace("numpy=1.24\n", "numpy=1.24\n  - gpu=2\n  - gpu=1\n"))
    arguments = ("create", "-n", "x", "--override-channels", "-f", file)
    shown = envmgr(*arguments).err.splitlines()
    place = shown.index("  what would work:")
    assert "there are further conflicts, with numpy=1.24" in shown[place - 1]
    assert envmgr(*arguments, "--dry-run", "--json").json["causes"][-1]["kind"] == "more"


def test_what_a_channel_says_is_made_visible(envmgr: Envmgr, tmp_path: Path):
    odd = pkg("odd", depends=["zz\x1b[31mred"], constrains=["b\u202e >=1"])
    channel = make_channel(tmp_path / "channel", [odd])
    refused = envmgr("create", "-n", "x", "--override-channels", "-c", channel, "odd")
    told = r"odd 1.0 has the entries 'zz\x1b[31mred' and 'b\u202e >=1', which cannot be read"
    assert told in refused.err
    assert all(line.isprintable() for line in refused.err.splitlines())


def test_what_a_channel_says_in_warnings_and_errors_steers_no_terminal(envmgr: Envmgr, tmp_path: Path):
    channel = make_channel(tmp_path / "channel", [pkg("aa", "2.0", depends=["b\x1b[2J\x07c"])])
    index = channel / "linux-64" / "repodata.json"
    document = json.loads(index.read_text())
    document["packages"]["aa-1.0-\x1b[31mc\u202e.tar.bz2"] = {"name": "aa"}
    index.write_text(json.dumps(document))
    for command in (["create", "-n", "x", "aa"], ["create", "-n", "x", "a\x1b[2J"]):
        refused = envmgr(*command, "--override-channels", "-c", channel)
        assert refused.code == 1
        assert "\\x1b" in refused.err
        assert all(line.isprintable() for line in refused.err.split("\n")), refused.err


def test_own_lines_of_an_error_stay_lines_and_none_can_be_forged(capsys: pytest.CaptureFixture[str]):
    error = EnvmgrError("two\nlines\x1b[2J", hint="a\thint", explanation=["one", "b\nhint: forged"])
    print_failure(error, as_json=False)
    assert capsys.readouterr().err == (
        "envmgr: two\n    lines\\x1b[2J\n  one\n  b\n    hint: forged\n  hint: a\\thint\n"
    )
    reporter = TerminalReporter(quiet=False)
    reporter.warned("red \x1b[31m\u202e")
    assert capsys.readouterr().err == "warning: red \\x1b[31m\\u202e\n"
