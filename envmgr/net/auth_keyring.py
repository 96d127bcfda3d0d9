"""Logins in the system's keyring, through the optional library ``keyring``.

Entries are those of rattler, so that ``pixi auth login`` and ``envmgr auth login`` see each other's: the service is
called ``rattler``, the account is the key, and the password is the login as JSON. (On Windows the library composes
the entry's name in a way of its own, so there the two do not meet.) A keyring cannot be listed through the library;
an entry of the service ``envmgr`` therefore keeps the keys that envmgr stored.

Without the library, without a keyring, or with one that is locked, nothing is found here.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from typing import TYPE_CHECKING, Any

from envmgr.errors import ConfigError
from envmgr.net.auth_json import decode_login, encode_login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from envmgr.net.auth import Credential

SERVICE = "rattler"
_OWN_SERVICE, _KEYS_ACCOUNT = "envmgr", "hosts"


class KeyringError(ConfigError):
    """The keyring cannot be used; the sentence says why."""


class SystemKeyring:
    """The keyring that the library ``keyring`` chooses on this system."""

    name = "the system keyring"

    def __init__(self, *, warn: Callable[[str], None]) -> None:
        self._warn = warn
        self._backend: Any = None
        self._reason: str | None = None
        self._is_open = False

    @property
    def is_writable(self) -> bool:
        """Whether there is a keyring."""
        return self.unusable_because() is None

    def unusable_because(self) -> str | None:
        """Why there is no keyring, in a few words; None when there is one."""
        if not self._is_open:
            self._is_open = True
            self._reason = self._open()
        return self._reason

    def _open(self) -> str | None:
        if not _may_exist(os.environ):
            return "this system has none"
        if importlib.util.find_spec("keyring") is None:
            return "the library `keyring` is not installed"
        try:
            import keyring

            backend = keyring.get_keyring()
            # The library's own measure: what is below 1 is a stand-in that keeps nothing.
            if backend.priority < 1:
                return "this system has none"
        except Exception as error:  # noqa: BLE001 (backends of any origin are loaded here)
            return f"it failed with {type(error).__name__}"
        self._backend = backend
        return None

    def find(self, key: str) -> Credential | None:
        """The login under *key*; None, too, where the keyring does not answer."""
        try:
            text = self._ask("get_password", SERVICE, key)
        except KeyringError:
            return None
        if not text:
            return None
        try:
            return decode_login(json.loads(text))
        except (ValueError, RecursionError):
            self._warn(f"the entry {key} of the system keyring is no login and is ignored.")
            return None

    def entries(self) -> Iterable[tuple[str, Credential]]:
        """The keys that envmgr stored, each with its login."""
        found = ((key, self.find(key)) for key in self._known_keys())
        return [(key, credential) for key, credential in found if credential is not None]

    def store(self, key: str, credential: Credential) -> None:
        """Keep *credential* under *key*, instead of what was there. KeyringError."""
        self._ask("set_password", SERVICE, key, json.dumps(encode_login(credential)))
        self._keep_keys({*self._known_keys(), key})

    def remove(self, keys: Iterable[str]) -> bool:
        """Forget what is under *keys*; False where there is nothing. KeyringError."""
        if not self.is_writable:
            return False
        found = [key for key in keys if self._ask("get_password", SERVICE, key) is not None]
        for key in found:
            self._ask("delete_password", SERVICE, key)
        known = self._known_keys()
        if known.intersection(found):
            self._keep_keys(known.difference(found))
        return bool(found)

    def _known_keys(self) -> set[str]:
        try:
            text = self._ask("get_password", _OWN_SERVICE, _KEYS_ACCOUNT)
            keys = json.loads(text) if text else []
        except (KeyringError, ValueError):
            return set()
        return {key for key in keys if isinstance(key, str)} if isinstance(keys, list) else set()

    def _keep_keys(self, keys: set[str]) -> None:
        self._ask("set_password", _OWN_SERVICE, _KEYS_ACCOUNT, json.dumps(sorted(keys)))

    def _ask(self, method: str, *arguments: str) -> Any:
        """Call the keyring; what it raises becomes a KeyringError without its text, and it is not asked again."""
        reason = self.unusable_because()
        if reason is None:
            try:
                return getattr(self._backend, method)(*arguments)
            except Exception as error:  # noqa: BLE001 (backends raise errors of their own systems)
                reason = self._reason = f"it failed with {type(error).__name__}"
        raise KeyringError(f"the system keyring cannot be used: {reason}.")


def _may_exist(environ: Mapping[str, str]) -> bool:
    """Whether it is worth the time to load the library: on Linux, keyrings answer on the session's bus.

    A backend of another kind is used where somebody has chosen it.
    """
    if sys.platform != "linux" or "keyring" in sys.modules or environ.get("PYTHON_KEYRING_BACKEND"):
        return True
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
    data = environ.get("XDG_DATA_HOME") or f"{home}/.local/share"
    signs = [f"{folder}/python_keyring/keyringrc.cfg" for folder in (config, data)]
    bus = environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.getuid()}")
    return bool(environ.get("DBUS_SESSION_BUS_ADDRESS")) or any(map(os.path.exists, [*signs, f"{bus}/bus"]))
