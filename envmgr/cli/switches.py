"""Conda's variables that stand for options of the command line, and are no settings here."""

from __future__ import annotations

import os
from typing import Final

CONDA_SWITCHES: Final = {"json": "CONDA_JSON", "quiet": "CONDA_QUIET", "dry_run": "CONDA_DRY_RUN"}
"""By the name of the option; without them what conda only tries would be done."""


def is_switched_on(variable: str) -> bool:
    """Whether *variable* says yes, in one of conda's words for it."""
    return os.environ.get(variable, "").strip().lower() in ("1", "true", "yes", "y", "on")
