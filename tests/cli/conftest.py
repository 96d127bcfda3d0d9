from __future__ import annotations

import pytest

from tests.command import Envmgr, in_process


@pytest.fixture
def envmgr(capfd: pytest.CaptureFixture[str]) -> Envmgr:
    return in_process(capfd)
