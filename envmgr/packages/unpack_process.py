"""Processes that prepare packages, so that all processors unpack at once; `unpack_worker` is what each one does.

Half of unpacking is Python that holds the interpreter's lock, so threads would take turns. A process ends with its
parent. What it leaves half-made lies in the parent's work area, which is removed by the parent, or by the next one
who looks.
"""

from __future__ import annotations

import contextlib
import gc
import os
import queue
import shutil
import signal
import sys
import threading
from typing import IO, TYPE_CHECKING, Protocol

import msgspec

from envmgr.errors import DataError
from envmgr.packages.fork import can_fork, forked
from envmgr.packages.prepare import prepare_package
from envmgr.packages.unpack_worker import Answer, serve

if TYPE_CHECKING:
    from collections.abc import Callable

    from envmgr.packages.preparation import Preparation

# Nothing but what this process itself imports from may be imported, wherever it is started.
_START = (
    "import sys; sys.path[:] = sys.argv[1].split(chr(10)); "
    "from envmgr.models.quick_start import import_msgspec; import_msgspec(); "
    "from envmgr.packages.unpack_worker import main; main()"
)


class _Process(Protocol):
    """What is needed of `subprocess.Popen`."""

    pid: int

    @property
    def stdin(self) -> IO[bytes] | None: ...

    @property
    def stdout(self) -> IO[bytes] | None: ...

    def kill(self) -> None: ...

    def wait(self) -> object: ...


class UnpackProcesses:
    """A gang of *count* processes that unpack for the threads that call it."""

    def __init__(self, count: int) -> None:
        start = _Fork if can_fork() else _start_program
        self._all: list[_Process] = []
        self._free: queue.SimpleQueue[_Process | None] = queue.SimpleQueue()
        for _ in range(count):
            process = start()
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


def _ask(process: _Process, order: Preparation) -> Answer | None:
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


def _start_program() -> _Process:
    import subprocess

    flags = ["-I", "-S", *(["-B"] if sys.dont_write_bytecode else [])]
    command = [sys.executable, *flags, "-c", _START, "\n".join(sys.path)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


class _Fork:
    """A fork as `subprocess.Popen` would show it. It starts in a tenth of the time, having imported everything."""

    def __init__(self) -> None:
        orders, ordering = os.pipe()
        answering, answers = os.pipe()
        try:
            self.pid = forked(lambda: _serve(orders, answers))
        finally:
            os.close(orders)
            os.close(answers)
        self.stdin, self.stdout = open(ordering, "wb"), open(answering, "rb")  # noqa: SIM115
        self._lock = threading.Lock()
        self._is_over = False

    def kill(self) -> None:
        with self._lock:
            if not self._is_over:
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> None:
        with self._lock:
            if not self._is_over:
                os.waitpid(self.pid, 0)
                self._is_over = True


def _serve(orders: int, answers: int) -> None:
    """What a fork does; it keeps none of its parent's files and locks open."""
    begin = 3
    for end in (*sorted((orders, answers)), os.sysconf("SC_OPEN_MAX")):
        os.closerange(begin, end)
        begin = end + 1
    gc.freeze()  # An object of the parent that is let go of here would close a file that has its number by then.
    with open(orders, "rb") as source, open(answers, "wb") as sink:
        serve(source, sink)


def _raise(answer: Answer) -> None:
    if answer.data is not None:
        raise DataError(answer.data, hint=answer.hint, **answer.facts)
    if answer.disk is not None:
        raise OSError(answer.code, answer.disk, answer.place)
    if answer.defect is not None:
        raise RuntimeError(answer.defect)
