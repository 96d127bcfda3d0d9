"""Who is changing a prefix: each process that does has a file of its own there, which is gone afterwards.

The file is made before others are looked for, so of two that begin at once at least one sees the other, on any file
system and without a lock of the system. Names are never used twice; so what a dead process left can be removed
by anybody at any time.

    conda-meta/envmgr/claim-RANDOM    machine, process, start of the process, command
"""

from __future__ import annotations

import contextlib
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from envmgr.prefix.journal import FOLDER
from envmgr.prefix.marker import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = "claim-"


class Claim(Struct, frozen=True):
    """That the process *owner* is changing a prefix, by *command* ("" for one that only ends an earlier change)."""

    owner: Owner
    command: str = ""
    place: str = ""

    def __str__(self) -> str:
        command = f": {self.command}" if self.command else ""
        return f"process {self.owner.pid}{command}"


@contextmanager
def claimed(prefix: Path, command: str) -> Iterator[str]:
    """Inside the block others see that this process is changing *prefix*; the name of its claim.

    Raises OSError where none can be made.
    """
    folder = prefix / FOLDER
    name = f"{_NAME}{os.urandom(8).hex()}"
    aside = folder / f".{name}"
    try:
        aside.write_bytes(msgspec.json.encode(Claim(Owner.this_process(), command)))
        aside.rename(folder / name)
        yield name
    finally:
        for path in (aside, folder / name):
            with contextlib.suppress(OSError):
                path.unlink()


def read_claims(prefix: Path, besides: str = "") -> list[Claim]:
    """The claims on *prefix* of processes that live, or of another machine, where nobody can tell."""
    found = (claim for _, claim in _iter_claims(prefix, besides) if claim is not None)
    return [claim for claim in found if claim.owner.is_alive() is not False]


def clear_claims(prefix: Path, besides: str, *, of_others: bool) -> None:
    """Remove what dead processes left; with *of_others*, claims of other machines and unfinished ones, too."""
    for path, claim in _iter_claims(prefix, besides):
        alive = claim.owner.is_alive() if claim is not None else None
        if alive is False or (alive is None and of_others):
            with contextlib.suppress(OSError):
                path.unlink()


def _iter_claims(prefix: Path, besides: str) -> Iterator[tuple[Path, Claim | None]]:
    """Each claim with its file; None for one that a kill left half-written."""
    folder = prefix / FOLDER
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return
    for name in names:
        if name == besides or not name.lstrip(".").startswith(_NAME):
            continue
        try:
            claim = msgspec.json.decode((folder / name).read_bytes(), type=Claim)
        except OSError:
            continue
        except msgspec.DecodeError:
            yield folder / name, None
        else:
            yield folder / name, msgspec.structs.replace(claim, place=str(folder / name))
