"""A keyring in memory, of the library's own kind, for tests of what envmgr keeps in the system's."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import keyring
import keyring.backend

if TYPE_CHECKING:
    from collections.abc import Iterator


class Ring(keyring.backend.KeyringBackend):
    """Keeps (service, user name) -> password; `questions` are the user names that it was asked about."""

    priority = 5

    def __init__(self) -> None:
        super().__init__()
        self.entries: dict[tuple[str, str], str] = {}
        self.questions: list[str] = []
        self.is_locked = False

    def _check(self, username: str) -> None:
        self.questions.append(username)
        if self.is_locked:
            raise RuntimeError("the collection with hunter2 is locked")

    def get_password(self, service: str, username: str) -> str | None:
        self._check(username)
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check(username)
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._check(username)
        del self.entries[service, username]


@contextlib.contextmanager
def used(ring: keyring.backend.KeyringBackend) -> Iterator[keyring.backend.KeyringBackend]:
    """Makes *ring* the system's keyring until the block ends."""
    before = keyring.get_keyring()
    keyring.set_keyring(ring)
    try:
        yield ring
    finally:
        keyring.set_keyring(before)
