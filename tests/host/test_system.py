"""Programs and the clock of the real machine."""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from envmgr.host.system import SystemClock, SystemRunner

if TYPE_CHECKING:
    from pathlib import Path

ENV = {"PATH": os.environ.get("PATH", "")}


def run(code: str, **options):
    return SystemRunner().run([sys.executable, "-I", "-c", code], env=ENV, **options)


def test_exit_code_and_both_outputs_come_back() -> None:
    finished = run("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)")
    assert (finished.returncode, finished.stdout, finished.stderr) == (3, "out\n", "err\n")


def test_program_gets_exactly_the_environment_and_folder_it_was_given(tmp_path: Path) -> None:
    code = "import os; print(sorted(k for k in os.environ if k != 'LC_CTYPE'), os.getcwd())"
    finished = SystemRunner().run([sys.executable, "-I", "-c", code], env={"ONE": "1"}, cwd=tmp_path)
    assert finished.stdout == f"['ONE'] {tmp_path}\n"


def test_bytes_that_are_no_text_do_not_break_the_capture() -> None:
    assert run("import sys; sys.stdout.buffer.write(b'a\\xffb')").stdout == "a\ufffdb"


def test_much_output_on_both_streams_does_not_block() -> None:
    finished = run("import sys; sys.stdout.write('o' * 500000); sys.stderr.write('e' * 500000)")
    assert (len(finished.stdout), len(finished.stderr)) == (500000, 500000)


def test_what_runs_on_in_the_background_is_not_waited_for() -> None:
    child = "import time; time.sleep(30)"
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); print('\u00e9nd')"
    begun = time.monotonic()
    finished = run(code)
    assert (finished.returncode, finished.stdout) == (0, "\u00e9nd\n")
    assert time.monotonic() - begun < 15


def test_standard_input_is_empty() -> None:
    assert run("import sys; print(repr(sys.stdin.read()))", timeout_seconds=20).stdout == "''\n"


def test_program_that_does_not_exist_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no-such-program"):
        SystemRunner().run(["/no-such-program"], env=ENV)


@pytest.mark.skipif(os.name != "posix", reason="process groups are POSIX")
def test_time_limit_ends_the_program_and_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    child = f"import time; time.sleep(2); open({str(mark)!r}, 'w').close()"
    code = (
        f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(60)"
    )
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        run(code, timeout_seconds=0.7)
    assert time.monotonic() - begun < 1.9
    time.sleep(max(0.0, begun + 2.8 - time.monotonic()))
    assert not mark.exists()


@pytest.mark.skipif(os.name != "posix", reason="timers are POSIX")
def test_interrupt_ends_the_program(tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    mark = tmp_path / "mark"
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(f"import time; time.sleep(1.5); open({str(mark)!r}, 'w').close()")
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    time.sleep(1.4)
    assert not mark.exists()


def test_clock_tells_the_time() -> None:
    assert abs(SystemClock().now() - time.time()) < 5
