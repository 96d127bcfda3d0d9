"""Processes that prepare packages, so that all processors unpack at once; `unpack_worker` is what each one does.

Half of unpacking is Python that holds the interpreter's lock, so threads would take turns. A process ends with its
parent. What it leaves half-made lies in the parent's work area, which is removed by the parent, or by the next one
who looks.
"""

from __future__ import annotations

import contextlib
import queue
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec

from envmgr.errors import DataError
from envmgr.packages.prepare import prepare_package
from envmgr.packages.unpack_worker import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmgr.packages.preparation import Preparation

# Nothing but what this process itself imports from may be imported, wherever it is started.
_START = (
    "import sys; sys.path[:] = sys.argv[1].split(chr(10)); "
    "from envmgr.models.quick_start import import_msgspec; import_msgspec(); "
    "from envmgr.packages.unpack_worker import main; main()"
)


class UnpackProcesses:
    """A gang of *count* processes that unpack for the threads that call it."""

    def __init__(self, count: int) -> None:
        flags = ["-I", "-S", *(["-B"] if sys.dont_write_bytecode else [])]
        command = [sys.executable, *flags, "-c", _START, "\n".join(sys.path)]
        self._all: list[subprocess.Popen[bytes]] = []
        self._free: queue.SimpleQueue[subprocess.Popen[bytes] | None] = queue.SimpleQueue()
        for _ in range(count):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
            self._all.append(process)
            self._free.put(process)

    def prepare(self, order: Preparation, check: Callable[[], None]) -> None:
        """`prepare_package` in one of the processes, or here where that one was killed.

        At most as many callers at a time as there are processes. *check* raises where the work is to stop.
        """
        process = self._free.get()
        answer = _ask(process, order) if process is not None else None
        # One that is gone leaves its turn to this process: somebody may have killed it for want of memory.
        self._free.put(process if answer is not None else None)
        if answer is not None:
            return _raise(answer)
        check()
        shutil.rmtree(order.folder, ignore_errors=True)
        return prepare_package(order, check)

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


def _ask(process: subprocess.Popen[bytes], order: Preparation) -> Answer | None:
    """What *process* answers; None where it cannot."""
    assert process.stdin
    assert process.stdout
    try:
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
        text = process.stdout.readline()
    except (OSError, ValueError):  # It is gone, or the cache lies below a folder whose name is no text.
        return None
    return msgspec.json.decode(text, type=Answer) if text.endswith(b"\n") else None


def _raise(answer: Answer) -> None:
    if answer.data is not None:
        raise DataError(answer.data, hint=answer.hint, **answer.facts)
    if answer.disk is not None:
        raise OSError(answer.code, answer.disk, answer.place)
    if answer.defect is not None:
        raise RuntimeError(answer.defect)
