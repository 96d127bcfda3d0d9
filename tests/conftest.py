"""Settings that hold for the whole suite."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("suite")

# No test looks into the keyring of the machine's user; some bring one of their own.
os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has a home and a root of its own, and no setting of the machine's user reaches it."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "CONDA_", "ENVMGR_", "MAMBA_")) and name != "ENVMGR_SHARED_DATA":
            monkeypatch.delenv(name)
    colours = ("NO_COLOR", "FORCE_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS")
    for name in ("RATTLER_AUTH_FILE", "NETRC", "BINSTAR_CONFIG_DIR", *colours):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.setenv("ENVMGR_ROOT", str(home / "root"))
    return home
