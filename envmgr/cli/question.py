"""The question before a change: asked where a person sits at a terminal, and answered with yes or no."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from envmgr.ops.context import Context

_MOST_TRIES = 3
_LOOK_MILLISECONDS = 200


def asks(options: argparse.Namespace, context: Context) -> bool:
    """Whether the question will be asked: not with -y, --json or --dry-run, and only at a terminal."""
    unasked = options.json or options.dry_run or context.settings.always_yes
    return not unasked and sys.stdin.isatty() and sys.stderr.isatty()


def may_proceed(options: argparse.Namespace, context: Context, *, default: bool = True) -> bool:
    """The answer; True where nothing is asked."""
    return not asks(options, context) or ask("Proceed?", default=default)


def ask(question: str, *, default: bool) -> bool:
    """Yes or no; an empty answer means *default*, and the end of the input no. Other answers are asked again."""
    for _ in range(_MOST_TRIES):
        sys.stderr.write(f"{question} [{'Y/n' if default else 'y/N'}] ")
        sys.stderr.flush()
        try:
            line = _read_line()
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            raise
        if not line:
            sys.stderr.write("\n")
            return False
        answer = line.strip().lower()
        if not answer:
            return default
        if answer in ("y", "yes", "n", "no"):
            return answer.startswith("y")
        sys.stderr.write("Answer y or n.\n")
    return False


def _read_line() -> str:
    """The next line that is typed; "" at the end of the input.

    A signal that comes just before a read does not end it, so that nothing is read before there is something.
    """
    import select

    if hasattr(select, "poll"):
        poll = select.poll()
        poll.register(sys.stdin, select.POLLIN)
        while not poll.poll(_LOOK_MILLISECONDS):
            pass
    return sys.stdin.readline()
