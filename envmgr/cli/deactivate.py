"""``envmgr deactivate``: a function of the shell does it; the program only tells how to get that."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envmgr.cli.activate import refuse_without_function
from envmgr.cli.options import CommandParser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command's options: none."""
    return CommandParser("deactivate", "Deactivate the active environment (a function of the shell does it).")


def run(arguments: Sequence[str]) -> int:
    """Refuse with what to do instead; only help ends well."""
    parser().parse_args(arguments)
    raise refuse_without_function("deactivate", arguments)
