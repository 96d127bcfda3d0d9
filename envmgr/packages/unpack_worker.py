"""What a process that prepares packages does: an order a line on its input, an answer a line on its output.

It imports nothing that it does not need, since its start is time in which nothing is unpacked.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import IO, TYPE_CHECKING, Any

import msgspec

from envmgr.errors import DataError
from envmgr.packages.preparation import Preparation
from envmgr.packages.prepare import prepare_package

if TYPE_CHECKING:
    from collections.abc import Callable


class Answer(msgspec.Struct, omit_defaults=True):
    """What went wrong: in the archive, on the disk, or in envmgr; nothing if all is well."""

    data: str | None = None
    hint: str | None = None
    facts: dict[str, Any] = {}
    disk: str | None = None
    code: int = 0
    place: str | None = None
    defect: str | None = None


def main() -> None:
    """The child as a program: prepare what standard input orders until it ends, and answer on standard output."""
    serve(sys.stdin.buffer, sys.stdout.buffer)
    os._exit(0)  # Nothing is left to be done, and letting go of all memory takes its time.


def serve(orders: IO[bytes], answers: IO[bytes]) -> None:
    """Prepare what *orders* has, until it ends or the parent of this process does."""
    # Ctrl-C reaches the whole group of processes; the parent decides, and kills.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def end_with_parent() -> None:
        if os.getppid() != parent:
            os._exit(1)

    for line in orders:
        answer = _prepare(msgspec.json.decode(line, type=Preparation), end_with_parent)
        answers.write(_line(answer))
        answers.flush()


def _line(answer: Answer) -> bytes:
    try:
        return msgspec.json.encode(answer) + b"\n"
    except UnicodeEncodeError:  # A path that is no text; the sentence quotes it.
        return (
            msgspec.json.encode(Answer(answer.data, answer.hint, disk=answer.disk, code=answer.code)) + b"\n"
        )


def _prepare(order: Preparation, check: Callable[[], None]) -> Answer:
    try:
        prepare_package(order, check)
    except DataError as error:
        return Answer(data=str(error), hint=error.hint, facts=dict(error.facts))
    except OSError as error:
        place = error.filename2 or error.filename
        return Answer(
            disk=error.strerror or str(error),
            code=error.errno or 0,
            place=os.fsdecode(place) if place else None,
        )
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        return Answer(defect=f"{type(error).__name__}: {error}")
    return Answer()
