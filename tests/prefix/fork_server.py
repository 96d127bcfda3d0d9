"""Runs the envmgr command line again and again, each time in a fork, and does harm to it on request.

All of envmgr is loaded once, so a command costs a fork and its own work. One JSON object a line comes in
(`tests.faults.Harm` says what it holds), one goes out: exit code, outputs, seconds, and the number of the system's
calls that change files.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import envmgr
from envmgr.__main__ import main as run_envmgr

_CALLS = {"os.rename", "os.link", "os.remove", "os.rmdir", "os.mkdir", "os.symlink", "open"}
_LONGEST_SECONDS = 60.0


def main() -> None:
    for module in pkgutil.walk_packages(envmgr.__path__, "envmgr."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("sqlite3", "requests", "zstandard", "email.utils", "encodings.idna", "difflib", "shlex"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


def run(order: dict[str, Any]) -> dict[str, Any]:
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile("w+b")) for _ in range(4)]
        go = os.pipe()
        begin = time.monotonic()
        child = os.fork()
        if child == 0:
            os.close(go[1])
            _work(order, [file.fileno() for file in files], go[0])
        os.close(go[0])
        tracer = _traced(child, order["strace"], files[3].fileno()) if order["strace"] else None
        begin = time.monotonic() if tracer else begin
        os.write(go[1], b"x")
        os.close(go[1])
        code = _ended(child, order, begin)
        seconds = time.monotonic() - begin
        if tracer:
            tracer.wait(timeout=_LONGEST_SECONDS)
        for file in files:
            file.seek(0)
        out, err, calls, trace = (file.read().decode(errors="replace") for file in files)
    return {
        "code": code,
        "out": out,
        "err": err,
        "seconds": seconds,
        "calls": int(calls or 0),
        "trace": trace,
    }


def _work(order: dict[str, Any], files: list[int], go: int) -> None:
    """The child: wait until a tracer is there, run the command, count its calls, and never come back."""
    code = 99
    try:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(files[0], 1)
        os.dup2(files[1], 2)
        os.environ.update(order["environ"])
        select.select([go], [], [])
        count = 0

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal count
            if event not in _CALLS or (
                event == "open" and not str(arguments[1] or "").startswith(("w", "a", "x"))
            ):
                return
            count += 1
            if count == order["die_at"]:
                os.kill(os.getpid(), order["signal"])

        if not order["strace"]:
            sys.addaudithook(watch)
        try:
            sys.argv = ["envmgr", *order["words"]]
            code = run_envmgr()
        except SystemExit as stop:
            code = int(stop.code or 0)
        if not order["strace"]:
            os.write(files[2], str(count).encode())
        sys.stdout.flush()
        sys.stderr.flush()
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001 - a fork must never come back.
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def _traced(child: int, options: list[str], log: int) -> subprocess.Popen[bytes]:
    tracer = subprocess.Popen(["strace", "-f", "-q", "-p", str(child), *options], stderr=log)
    end = time.monotonic() + _LONGEST_SECONDS
    while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
        if time.monotonic() > end or tracer.poll() is not None:
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.001)
    return tracer


def _ended(child: int, order: dict[str, Any], begin: float) -> int:
    """Wait for the child, and send it the signal when its time has come; its exit code, negative for a signal."""
    after = order["after"]
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        passed = time.monotonic() - begin
        if after is not None and passed >= after:
            os.kill(child, order["signal"])
            after = None
        elif passed > _LONGEST_SECONDS:
            os.kill(child, signal.SIGKILL)
        left = 0.002 if after is None else min(0.002, max(0.0, after - passed))
        time.sleep(left)


main()
