"""What is written for shells that no registry has: PowerShell and cmd.

After a wanted change, ``ENVMGR_TEST_SNAPSHOTS=write`` has the files written anew, to be read in the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from envmgr.activation import cmd, powershell
from envmgr.activation.facts import Environment

FOLDER = Path(__file__).parent / "snapshots"
WRITES = os.environ.get("ENVMGR_TEST_SNAPSHOTS") == "write"
ENVIRONMENT = Environment(
    "C:\\envs\\it's 100% mine",
    "it's 100% mine",
    "(it's 100? mine) ",
    {
        "QUOTES": "a \"b & | c\" 'c' \u2019d\u2019 $e `f`",
        "PERCENT": "%PATH%",
        "LINES": "one\ntwo",
        "EMPTY": "",
    },
    "win-64",
)
PROGRAM = ("C:\\Program Files\\envmgr\\envmgr.exe",)
TEXTS = {
    "activate.ps1": powershell.activate(ENVIRONMENT, PROGRAM),
    "activate.bat": cmd.activate(ENVIRONMENT),
    "deactivate.bat": cmd.deactivate(),
    "envmgr.bat": cmd.hook(PROGRAM, "C:\\Users\\me\\.envmgr\\shell\\deactivate.bat"),
}


@pytest.mark.parametrize("name", sorted(TEXTS))
def test_text_is_as_it_was_read_and_agreed_to(name: str) -> None:
    file, text = FOLDER / name, TEXTS[name].encode()
    if WRITES:
        FOLDER.mkdir(exist_ok=True)
        file.write_bytes(text)
    assert file.read_bytes() == text


def test_every_label_that_a_batch_file_goes_to_is_there_once() -> None:
    for name in ("activate.bat", "deactivate.bat", "envmgr.bat"):
        lines = [line.strip() for line in TEXTS[name].splitlines()]
        labels = [line[1:] for line in lines if line.startswith(":")]
        assert len(labels) == len(set(labels))
        words = " ".join(lines).replace("CALL :", "GOTO ").split("GOTO ")[1:]
        wanted = {word.split()[0].rstrip(")") for word in words} - {":EOF"}
        assert wanted <= set(labels), name
