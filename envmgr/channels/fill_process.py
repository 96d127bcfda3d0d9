"""Fills the index of a large source in a process of its own, so that two sources use two processors.

Most of filling is Python that holds the interpreter's lock, so threads would take turns. The parent sends an order
and then the body as it arrives, in its compressed form; the child answers with one JSON object. The parent alone
publishes what was filled: a child that loses its parent, or is killed, leaves a file aside that nobody reads.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from envmgr.channels.decompress import unpack_text
from envmgr.channels.index_file import DamagedCopyError, State, fill_with_records
from envmgr.channels.repodata import RepodataReader
from envmgr.channels.urls import Source  # noqa: TC001 (msgspec reads the annotations)
from envmgr.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIECE = 1 << 16
# Nothing but what this process itself imports from may be imported, wherever it is started.
_START = (
    "import sys; sys.path[:] = sys.argv[1].split(chr(10)); "
    "from envmgr.models.quick_start import import_msgspec; import_msgspec(); "
    "from envmgr.channels.fill_process import main; main()"
)


class _Order(msgspec.Struct):
    path: str
    source: Source
    state: State
    before: str | None


class _Answer(msgspec.Struct, omit_defaults=True):
    """What went wrong: in the data, with the copy, with the disk, or in envmgr; nothing if all is well."""

    data: str | None = None
    copy: str | None = None
    disk: str | None = None
    code: int = 0
    defect: str | None = None
    traceback: str = ""


class _ChildTraceback(Exception):  # noqa: N818 (it is no error, but where one was)
    """Where in the child an exception was raised, for those who look for the cause of a defect."""


def fill_in_process(
    path: Path, source: Source, state: State, body: Iterable[bytes], before: Path | None
) -> None:
    """Like `index_file.fill_with_records`, from a body in the form that *state* says.

    Raises what *body* raises, DataError, DamagedCopyError, and OSError when the disk fails or the process is
    killed. Anything else that the process meets is a RuntimeError that tells it.
    """
    order = msgspec.json.encode(_Order(str(path), source, state, str(before) if before else None))
    command = [sys.executable, "-I", "-c", _START, "\n".join(sys.path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            with contextlib.suppress(BrokenPipeError):  # The child has found a fault and tells it.
                process.stdin.write(len(order).to_bytes(4, "little") + order)
                for chunk in body:
                    process.stdin.write(chunk)
                process.stdin.close()
            text = process.stdout.read()
        except BaseException:
            process.kill()
            raise
    _raise(text)


def _raise(text: bytes) -> None:
    try:
        answer = msgspec.json.decode(text, type=_Answer)
    except msgspec.DecodeError:
        raise OSError("the process that fills it ended too early") from None
    if answer.data is not None:
        raise DataError(answer.data)
    if answer.copy is not None:
        raise DamagedCopyError(answer.copy)
    if answer.disk is not None:
        raise OSError(answer.code, answer.disk) if answer.code else OSError(answer.disk)
    if answer.defect is not None:
        raise RuntimeError(answer.defect) from _ChildTraceback(answer.traceback)


def main() -> None:
    """The child: fill as standard input says, and answer on standard output."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    source = sys.stdin.buffer
    order = msgspec.json.decode(source.read(int.from_bytes(source.read(4), "little")), type=_Order)
    sys.stdout.buffer.write(msgspec.json.encode(_fill(order, source)))
    sys.stdout.buffer.flush()
    os._exit(0)  # Nothing is left to be done, and letting go of all memory takes its time.


def _fill(order: _Order, source: BinaryIO) -> _Answer:
    body = _pieces(source)
    text = unpack_text(order.state.form, body)
    before = Path(order.before) if order.before else None
    try:
        fill_with_records(Path(order.path), order.source, order.state, RepodataReader(text), before)
    except DataError as error:
        return _Answer(data=str(error))
    except DamagedCopyError as error:
        return _Answer(copy=str(error))
    except OSError as error:
        return _Answer(disk=error.strerror or str(error), code=error.errno or 0)
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        import traceback

        return _Answer(defect=f"{type(error).__name__}: {error}", traceback=traceback.format_exc())
    return _Answer()


def _pieces(source: BinaryIO) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece
