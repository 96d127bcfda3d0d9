"""Processes that prepare packages, so that all processors unpack at once.

Half of unpacking is Python that holds the interpreter's lock, so threads would take turns. Each process takes one
order a line on standard input and answers with one line; it ends with its parent. What it leaves half-made lies in
the parent's work area, which is removed by the parent, or by the next one who looks.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import msgspec

from envmgr.errors import DataError, PrefixError
from envmgr.packages.prepare import Preparation, prepare_package

if TYPE_CHECKING:
    from collections.abc import Callable

# Nothing but what this process itself imports from may be imported, wherever it is started.
_START = (
    "import sys; sys.path[:] = sys.argv[1].split(chr(10)); "
    "from envmgr.packages.unpack_process import main; main()"
)


class _Answer(msgspec.Struct, omit_defaults=True):
    """What went wrong: in the archive, on the disk, or in envmgr; nothing if all is well."""

    data: str | None = None
    hint: str | None = None
    facts: dict[str, Any] = {}
    disk: str | None = None
    code: int = 0
    place: str | None = None
    defect: str | None = None


class UnpackProcesses:
    """A gang of *count* processes that unpack for the threads that call it."""

    def __init__(self, count: int) -> None:
        flags = ["-I", "-S", *(["-B"] if sys.dont_write_bytecode else [])]
        command = [sys.executable, *flags, "-c", _START, "\n".join(sys.path)]
        self._all: list[subprocess.Popen[bytes]] = []
        self._free: queue.SimpleQueue[subprocess.Popen[bytes]] = queue.SimpleQueue()
        for _ in range(count):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._all.append(process)
            self._free.put(process)

    def prepare(self, order: Preparation, check: Callable[[], None]) -> None:
        """`prepare_package` in one of the processes; *check* tells why one was killed, by raising.

        At most as many callers at a time as there are processes. Raises PrefixError when the process is gone.
        """
        try:
            line = msgspec.json.encode(order) + b"\n"
        except UnicodeEncodeError:  # The cache lies below a folder whose name is no text.
            return prepare_package(order, check)
        process = self._free.get()
        assert process.stdin
        assert process.stdout
        text = b""
        with contextlib.suppress(OSError, ValueError):  # It is gone, which its silence tells.
            process.stdin.write(line)
            process.stdin.flush()
            text = process.stdout.readline()
        if not text.endswith(b"\n"):
            check()
            raise PrefixError(f"the process that unpacked {order.record.file_name} ended too early.")
        self._free.put(process)
        return _raise(msgspec.json.decode(text, type=_Answer))

    def kill(self) -> None:
        """End all processes, whatever they are doing; can be called twice, and by any thread."""
        for process in self._all:
            process.kill()

    def close(self) -> None:
        """`kill`, and wait for their ends."""
        self.kill()
        for process in self._all:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()


def _raise(answer: _Answer) -> None:
    if answer.data is not None:
        raise DataError(answer.data, hint=answer.hint, **answer.facts)
    if answer.disk is not None:
        raise OSError(answer.code, answer.disk, answer.place)
    if answer.defect is not None:
        raise RuntimeError(answer.defect)


def main() -> None:
    """The child: prepare what standard input orders until it ends, and answer on standard output."""
    import signal

    # Ctrl-C reaches the whole group of processes; the parent decides, and kills.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def end_with_parent() -> None:
        if os.getppid() != parent:
            os._exit(1)

    for line in sys.stdin.buffer:
        answer = _prepare(msgspec.json.decode(line, type=Preparation), end_with_parent)
        sys.stdout.buffer.write(_line(answer))
        sys.stdout.buffer.flush()
    os._exit(0)  # Nothing is left to be done, and letting go of all memory takes its time.


def _line(answer: _Answer) -> bytes:
    try:
        return msgspec.json.encode(answer) + b"\n"
    except UnicodeEncodeError:  # A path that is no text; the sentence quotes it.
        return (
            msgspec.json.encode(_Answer(answer.data, answer.hint, disk=answer.disk, code=answer.code)) + b"\n"
        )


def _prepare(order: Preparation, check: Callable[[], None]) -> _Answer:
    try:
        prepare_package(order, check)
    except DataError as error:
        return _Answer(data=str(error), hint=error.hint, facts=dict(error.facts))
    except OSError as error:
        place = error.filename2 or error.filename
        return _Answer(
            disk=error.strerror or str(error),
            code=error.errno or 0,
            place=os.fsdecode(place) if place else None,
        )
    except Exception as error:  # noqa: BLE001 (the parent raises it)
        return _Answer(defect=f"{type(error).__name__}: {error}")
    return _Answer()
