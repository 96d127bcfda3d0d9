"""Runs the envmgr command line inside the test's process, as a user would type it."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envmgr.cli.main import run_command_line

if TYPE_CHECKING:
    import pytest


@dataclass(frozen=True)
class Outcome:
    """How a command ended: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Envmgr = Callable[..., Outcome]


def in_process(capfd: pytest.CaptureFixture[str]) -> Envmgr:
    """A function that runs ``envmgr`` with its arguments and captures what it says."""

    def envmgr(*arguments: object) -> Outcome:
        before = signal.getsignal(signal.SIGTERM)
        capfd.readouterr()
        try:
            code = run_command_line([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            signal.signal(signal.SIGTERM, before)
        captured = capfd.readouterr()
        return Outcome(code, captured.out, captured.err)

    return envmgr
