"""The list of a user's environments, ``~/.conda/environments.txt``, which conda, mamba and pixi keep too.

It is kept up to date where that is possible and stands in nobody's way: what cannot be written is told in a
warning, and a home that does not exist, as users of services have, is not made for it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Warn = Callable[[str], None]


def read_registry(registry: Path) -> list[Path]:
    """The prefixes in the file *registry*, each once, existing or not."""
    return list(dict.fromkeys(Path(line.strip()) for line in _lines(registry) if _is_prefix(line)))


def register(registry: Path, prefix: Path, warn: Warn) -> None:
    """Add *prefix* to the file *registry*, if it is not there and the home is."""
    if not registry.parent.parent.is_dir() or prefix in read_registry(registry):
        return
    try:
        registry.parent.mkdir(exist_ok=True)
        with open(registry, "ab+") as file:
            file.seek(0, os.SEEK_END)
            start = b""
            if file.tell():
                file.seek(-1, os.SEEK_END)
                start = b"" if file.read() == b"\n" else b"\n"
            file.write(start + os.fsencode(prefix) + b"\n")
    except OSError as error:
        warn(f"the environment could not be added to {registry}: {error.strerror}.")


def unregister(registry: Path, prefix: Path, warn: Warn) -> None:
    """Take *prefix* off the file *registry*, and what is gone with it, as conda does; comments stay."""
    lines = _lines(registry)
    if not any(_is_prefix(line) and Path(line.strip()) == prefix for line in lines):
        return
    import shutil

    kept = [line for line in lines if not _is_prefix(line) or _is_kept(Path(line.strip()), prefix)]
    try:
        # A symlink, such as a manager of dotfiles makes, stays one.
        place = registry.resolve()
        aside = place.with_name(f".{place.name}.{os.getpid()}")
        aside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8", errors="surrogateescape")
        shutil.copymode(place, aside)
        aside.replace(place)
    except OSError as error:
        warn(f"{prefix} could not be taken off {registry}: {error.strerror}.")


def _lines(registry: Path) -> list[str]:
    try:
        return registry.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []


def _is_prefix(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _is_kept(other: Path, prefix: Path) -> bool:
    return other != prefix and os.path.lexists(other)
