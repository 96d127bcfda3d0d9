"""Logins in a file of rattler's form, ``~/.rattler/credentials.json``, which pixi and envmgr share.

The file is read once, when the first login is looked for. Writing keeps all other entries and their order, is
atomic, and leaves a file that only its owner may read.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from typing import TYPE_CHECKING, Any

from envmgr.errors import ConfigError
from envmgr.models.document import quoted
from envmgr.net.auth_json import decode_login, encode_login
from envmgr.net.auth_keys import normal_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from envmgr.net.auth import Credential


class CredentialFile:
    """The logins of one file; a file that does not exist holds none.

    *is_named* says that the user named the file: then it must be readable, otherwise *warn* is told.
    """

    is_writable = True

    def __init__(self, path: Path, *, is_named: bool, warn: Callable[[str], None]) -> None:
        self.path = path
        self.name = str(path)
        self._is_named = is_named
        self._warn = warn
        self._logins: dict[str, Credential] | None = None

    def find(self, key: str) -> Credential | None:
        """The login under *key*. ConfigError for a file that is not of the form."""
        return self._read().get(key)

    def entries(self) -> Iterable[tuple[str, Credential]]:
        """Every key with its login."""
        return self._read().items()

    def store(self, key: str, credential: Credential) -> None:
        """Keep *credential* under *key*, instead of what was there. ConfigError; the file is then unchanged."""
        document = self._document()
        kept = {name: entry for name, entry in document.items() if normal_key(name) != key or name == key}
        self._write({**kept, key: encode_login(credential)})

    def remove(self, keys: Iterable[str]) -> bool:
        """Forget what is under *keys*; False where there is nothing."""
        unwanted = set(keys)
        document = self._document()
        kept = {
            name: entry
            for name, entry in document.items()
            if name not in unwanted and normal_key(name) not in unwanted
        }
        if len(kept) == len(document):
            return False
        self._write(kept)
        return True

    def _read(self) -> Mapping[str, Credential]:
        if self._logins is None:
            logins = {}
            for name, entry in self._document().items():
                try:
                    credential = decode_login(entry)
                except ValueError as error:
                    shown = quoted(normal_key(name))
                    raise ConfigError(
                        f"{self.path}: the entry {shown} is no login; expected {error}.", file=str(self.path)
                    ) from None
                if credential is not None:
                    logins[normal_key(name)] = credential
            self._logins = logins
        return self._logins

    def _document(self) -> dict[str, Any]:
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError:
            return {}
        except UnicodeDecodeError:
            raise self._error("it is not UTF-8 text") from None
        except OSError as error:
            if self._is_named:
                raise self._error(f"it cannot be read: {error.strerror or error}") from None
            # Below a home that is closed to this user there may be no such file at all.
            if os.path.lexists(self.path):
                self._warn(f"{self.path} cannot be read and is ignored: {error.strerror or error}.")
            return {}
        try:
            document = json.loads(text) if text.strip() else {}
        except json.JSONDecodeError as error:
            # The error holds the whole text, so nothing of it is passed on but the place.
            place, what = f"{self.path}:{error.lineno}", error.msg.partition(":")[0].lower()
            raise ConfigError(f"{place}: it is not JSON ({what}).", file=str(self.path)) from None
        except RecursionError:
            raise self._error("it is nested too deeply") from None
        if not isinstance(document, dict):
            raise self._error("expected an object with a login for each host")
        return document

    def _error(self, what: str) -> ConfigError:
        return ConfigError(f"{self.path}: {what}.", file=str(self.path))

    def _write(self, document: Mapping[str, Any]) -> None:
        place = os.path.realpath(self.path)
        folder = os.path.dirname(place)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            # mkstemp makes a file of mode 0600, whatever the umask.
            number, aside = tempfile.mkstemp(prefix=".credentials-", dir=folder)
            try:
                with open(number, "w", encoding="utf-8") as file:
                    json.dump(document, file, indent=2, ensure_ascii=False)
                    file.write("\n")
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(aside, place)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(aside)
                raise
        except OSError as error:
            raise self._error(f"it cannot be written: {error.strerror or error}") from None
        self._logins = None
