"""Keeps others from changing an environment at the same time (effects: a lock and a claim inside the prefix).

The system's lock on a folder of the prefix decides where there is one. Claims (`envmgr.prefix.claim`) tell who has
it, and decide where there is none, as on some network file systems.
"""

from __future__ import annotations

import errno
import random
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from envmgr.errors import PrefixError
from envmgr.prefix.claim import claimed, clear_claims, read_claims
from envmgr.prefix.journal import FOLDER
from envmgr.prefix.marker import MARKER, is_ancestor, read_owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from envmgr.ops.context import Context
    from envmgr.prefix.claim import Claim

_PAUSE_SECONDS = 0.2


@contextmanager
def prefix_alone(prefix: Path, context: Context, command: Sequence[str] = ()) -> Iterator[None]:
    """Inside the block nobody else changes *prefix*; what an interrupted change left is for `recover`.

    Waits for another process that is at work, up to ``lock_wait_seconds``; PrefixError then, and at once for a
    process that the other one started (a link script) and that it would wait for forever. *command* is what
    others are told.
    """
    _make_folder(prefix)
    wait = _Wait(prefix, context)
    while True:
        with _try_alone(prefix, _shown(command)) as others:
            if others is None:
                yield
                return
        wait.pause(others)


def is_changed_by_ancestor(prefix: Path) -> bool:
    """Whether this process was started by the one that is changing *prefix*, and must not wait for it."""
    return any(is_ancestor(claim.owner) for claim in read_claims(prefix))


def await_creation(prefix: Path, context: Context) -> None:
    """Wait while a living process is at work on the new *prefix*, up to ``lock_wait_seconds``; PrefixError then."""
    wait = _Wait(prefix, context)
    while (prefix / MARKER).exists():
        owner = read_owner(prefix)
        if owner is None or not owner.is_alive() or is_ancestor(owner):
            return
        wait.pause([], f"process {owner.pid}")


class _Wait:
    """Waiting for whoever changes *prefix*: told once, and bounded."""

    def __init__(self, prefix: Path, context: Context) -> None:
        self._prefix, self._context = prefix, context
        self._end = time.monotonic() + context.settings.lock_wait_seconds
        self._is_told = False

    def pause(self, others: Sequence[Claim], who: str = "") -> None:
        who = who or (str(others[0]) if others else "")
        shown = f" ({who})" if who else ""
        seconds = self._context.settings.lock_wait_seconds
        if any(is_ancestor(claim.owner) for claim in others):
            raise PrefixError(
                f"{self._prefix} is being changed by the process that started this one{shown}.",
                prefix=str(self._prefix),
            )
        if time.monotonic() >= self._end:
            raise PrefixError(
                f"{self._prefix} is being changed by another process{shown}; "
                f"{seconds:g} s were waited for it.",
                hint=self._hint(others),
                prefix=str(self._prefix),
            )
        if not self._is_told:
            self._context.reporter.warned(
                f"another process is changing {self._prefix}{shown}; waiting for it, up to {seconds:g} s."
            )
            self._is_told = True
        # Without a lock of the system, two that try at once both give way; so they come back at different times.
        time.sleep(_PAUSE_SECONDS * random.uniform(0.5, 1.5))

    def _hint(self, others: Sequence[Claim]) -> str:
        elsewhere = next((claim for claim in others if claim.owner.is_alive() is None), None)
        if elsewhere is not None:
            return f"It is on another machine; if it has died there, remove {elsewhere.place}."
        return "Try again later; lock_wait_seconds says how long to wait."


@contextmanager
def _try_alone(prefix: Path, command: str) -> Iterator[list[Claim] | None]:
    """None for having *prefix* alone inside the block; else the claims of others, as far as they are known."""
    from envmgr.host.folder_lock import folder_locked

    with folder_locked(prefix / FOLDER) as is_locked:
        if is_locked is False:
            yield read_claims(prefix)
            return
        with ExitStack() as stack:
            try:
                name = stack.enter_context(claimed(prefix, command))
            except OSError as error:
                raise _unchangeable(prefix, error) from error
            # Who has the system's lock knows that nobody of another machine is at work, whatever was left.
            clear_claims(prefix, name, of_others=is_locked is True)
            yield read_claims(prefix, name) or None


def _make_folder(prefix: Path) -> None:
    try:
        (prefix / FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise _unchangeable(prefix, error) from error


def _unchangeable(prefix: Path, error: OSError) -> PrefixError:
    hint = None
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        hint = f"A copy of your own can be: envmgr create -n NAME --clone {prefix}"
    return PrefixError(
        f"{prefix} cannot be changed: {prefix / FOLDER}: {error.strerror}.", hint=hint, prefix=str(prefix)
    )


def _shown(command: Sequence[str]) -> str:
    import shlex

    from envmgr.models.channel import without_credentials_in_word

    return shlex.join(map(without_credentials_in_word, command))
