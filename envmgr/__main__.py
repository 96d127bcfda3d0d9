"""The door of the ``envmgr`` command: answers ``--version`` at once and imports the rest for all else."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` is not imported for it.
if TYPE_CHECKING:
    from typing import NoReturn


def main() -> int:
    """Run the command line in ``sys.argv``; returns the exit code (0 done, 1 failed, 2 wrong usage)."""
    _open_what_is_closed()
    try:
        if sys.argv[1:] in (["--version"], ["-V"]):
            from envmgr import __version__

            sys.stdout.write(f"envmgr {__version__}\n")
            sys.stdout.flush()
            return 0
        from envmgr.models.quick_start import import_msgspec

        import_msgspec()
        from envmgr.cli.main import run_command_line

        return run_command_line(sys.argv[1:])
    except KeyboardInterrupt as interrupt:
        return 128 + int(getattr(interrupt, "signum", 2))
    except OSError as error:
        sys.stderr.write(f"envmgr: the output cannot be written: {error.strerror}.\n")
        return 1


def _open_what_is_closed() -> None:
    """A daemon may start programs without standard streams, which Python tells by None."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - it lives as long as the process.


def console() -> NoReturn:
    """`main` as a process of its own, which ends at once: letting go of all values one by one takes its time."""
    code = main()
    try:
        sys.stdout.flush()
    except OSError:  # `main` has told it.
        code = code or 1
    os._exit(code)


if __name__ == "__main__":
    console()
