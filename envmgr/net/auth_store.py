"""Finds the login for a URL, in every place where logins are kept; nothing is read before the first question.

From strong to weak (a login in the URL as written beats them all, and never comes here):

1. rattler's places, asked together, the narrowest key first: the file of the setting `auth_file`, the file that
   ``RATTLER_AUTH_FILE`` names, the system's keyring, ``~/.rattler/credentials.json``, netrc;
2. the tokens that anaconda-client stored.

A new login goes into the first of them that can be written.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from envmgr.net.auth import Credential, S3Keys, authorization, fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from envmgr.config.settings import Settings


class Source(Protocol):
    """One place with logins; ``name`` is for people, errors are ConfigErrors."""

    @property
    def name(self) -> str: ...

    @property
    def is_writable(self) -> bool: ...

    def find(self, key: str) -> Credential | None:
        """The login under exactly this key."""
        ...

    def entries(self) -> Iterable[tuple[str, Credential]]:
        """Every key that is known, with its login."""
        ...


class Writable(Source, Protocol):
    """A place that envmgr may change."""

    def store(self, key: str, credential: Credential) -> None:
        """Keep a login, instead of what was under the key."""
        ...

    def remove(self, keys: Iterable[str]) -> bool:
        """Forget logins; False where there are none."""
        ...


class Found(Struct, frozen=True):
    """A login, the key that it is kept under, and the name of the place."""

    credential: Credential
    key: str
    source: str


class CredentialStore:
    """The logins that one command may use; may be used by several threads at once.

    *open_sources* is called at the first question and gives the places in groups, strongest first.
    """

    def __init__(self, open_sources: Callable[[], Sequence[Sequence[Source]]]) -> None:
        self._open_sources = open_sources
        self._groups: Sequence[Sequence[Source]] | None = None
        self._cache: dict[str, tuple[Found, ...]] = {}
        self._lock = threading.RLock()

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        *,
        environ: Mapping[str, str],
        home: Path,
        warn: Callable[[str], None] | None = None,
    ) -> CredentialStore:
        """The store of this user; *warn* is told of places that are passed over."""

        def open_sources() -> Sequence[Sequence[Source]]:
            return _usual_sources(settings, environ, home, warn or (lambda _sentence: None))

        return cls(open_sources)

    def find(self, url: str) -> Credential | None:
        """The login that a request for *url* may use; ConfigError for a broken file of logins."""
        found = self.look_up(url)
        return found.credential if found is not None else None

    def find_authorization(self, url: str) -> str | None:
        """The Authorization header that a request for *url* may carry; None where the login is of another kind."""
        found = self.find(url)
        return authorization(found) if found is not None else None

    def find_keys(self, url: str) -> S3Keys | None:
        """The keys that sign requests for an ``s3`` URL."""
        found = self.find(url)
        return found if isinstance(found, S3Keys) else None

    def look_up(self, url: str) -> Found | None:
        """Like `find`, with the key and the place."""
        from envmgr.net.auth_keys import lookup_keys

        scheme = url.partition(":")[0].lower()
        with self._lock:
            for number, group in enumerate(self._sources()):
                for key in lookup_keys(url):
                    for found in self._under(number, group, key):
                        if fits(found.credential, scheme):
                            return found
        return None

    def _under(self, number: int, group: Sequence[Source], key: str) -> tuple[Found, ...]:
        """What a group has under *key*; a keyring is asked once, as each question goes to another process."""
        name = f"{number} {key}"
        if name not in self._cache:
            hits = [(source.find(key), source.name) for source in group]
            self._cache[name] = tuple(Found(hit, key, place) for hit, place in hits if hit is not None)
        return self._cache[name]

    def _sources(self) -> Sequence[Sequence[Source]]:
        if self._groups is None:
            self._groups = self._open_sources()
        return self._groups

    def entries(self) -> tuple[Found, ...]:
        """Every login that is known, the strongest places first."""
        with self._lock:
            return tuple(
                Found(credential, key, source.name)
                for group in self._sources()
                for source in group
                for key, credential in source.entries()
            )

    def store(self, key: str, credential: Credential) -> tuple[str, str | None]:
        """Keep *credential* under *key*; the place where it went, and why it is not in the keyring (or None).

        Raises ConfigError when no place can be written; nothing is changed then.
        """
        from envmgr.net.auth_keyring import KeyringError

        reason: str | None = None
        with self._lock:
            self._cache.clear()
            for source in self._writable():
                try:
                    source.store(key, credential)
                except KeyringError as error:
                    reason = str(error)
                    continue
                return source.name, reason
        raise AssertionError("a file always stands behind the keyring")

    def remove(self, keys: Iterable[str]) -> tuple[str, ...]:
        """Forget the logins under *keys* wherever they can be removed; the places that had one. ConfigError."""
        keys = tuple(keys)
        with self._lock:
            self._cache.clear()
            return tuple(source.name for source in self._writable() if source.remove(keys))

    def _writable(self) -> Iterable[Writable]:
        return [
            source  # type: ignore[misc]
            for group in self._sources()
            for source in group
            if hasattr(source, "store")
        ]


def _usual_sources(
    settings: Settings, environ: Mapping[str, str], home: Path, warn: Callable[[str], None]
) -> Sequence[Sequence[Source]]:
    from envmgr.net.auth_anaconda import AnacondaTokens, token_folder
    from envmgr.net.auth_file import CredentialFile
    from envmgr.net.auth_keyring import SystemKeyring
    from envmgr.net.auth_netrc import NetrcFile

    shared = environ.get("RATTLER_AUTH_FILE")
    named = [settings.auth_file] if settings.auth_file is not None else []
    named += [Path(shared)] if shared else []
    usual = home / ".rattler" / "credentials.json"
    files = [CredentialFile(path, is_named=True, warn=warn) for path in dict.fromkeys(named)]
    rattler: list[Source] = [*files, SystemKeyring(warn=warn)]
    if usual not in named:
        rattler.append(CredentialFile(usual, is_named=False, warn=warn))
    rattler.append(NetrcFile(Path(environ.get("NETRC") or home / ".netrc"), warn=warn))
    if not settings.add_anaconda_token:
        return [rattler]
    return [rattler, [AnacondaTokens(token_folder(environ, home), warn=warn)]]
