"""Reads and writes our own settings file as text (effects: files).

A file that is a symlink stays one: what it leads to is replaced. Writing goes aside and is renamed, so that the
file is always whole; it keeps its mode.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import TYPE_CHECKING

from envmgr.errors import ConfigError
from envmgr.models.document import decode_document

if TYPE_CHECKING:
    from pathlib import Path


def read_own_text(path: Path) -> str:
    """The text of the file, empty where there is none; raises ConfigError when it is no text or cannot be read."""
    from envmgr.errors import DataError

    try:
        return decode_document(path.read_bytes(), file=str(path))
    except FileNotFoundError:
        return ""
    except DataError as error:
        raise ConfigError(str(error), hint=error.hint, **error.facts) from None
    except OSError as error:
        raise _unusable(path, "read", error) from None


def write_own_text(path: Path, text: str) -> None:
    """Make *text* the whole content of the file, in one step; raises ConfigError, and the old file stays.

    What is no file, such as a device or a pipe, is written to, and not replaced.
    """
    target = path.resolve()
    aside = target.with_name(f".{target.name}.{os.getpid()}-{os.urandom(4).hex()}")
    try:
        if path.exists() and not path.is_file():  # What /dev/stdout leads to has no name of its own.
            path.write_bytes(text.encode())
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            with open(handle, "wb") as file:
                file.write(text.encode())
                with contextlib.suppress(FileNotFoundError):
                    aside.chmod(stat.S_IMODE(target.stat().st_mode))
                file.flush()
                os.fsync(file.fileno())
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        raise _unusable(path, "written", error) from None


def _unusable(path: Path, done: str, error: OSError) -> ConfigError:
    return ConfigError(
        f"{path} cannot be {done}: {(error.strerror or str(error)).lower()}.",
        file=str(path),
        errno=error.errno,
    )
